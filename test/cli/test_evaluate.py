"""The command evaluate: its interface, its limits, and its ends."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import shutil

import pytest
import torch
import yaml

from activity_recognition.bags import RecordingWriter
from activity_recognition.models.checkpoint import save_checkpoint
from activity_recognition.simulation import SimulationConfig, simulate
from factories.media import Pictures, write_media
from factories.networks import TINY, make_system, tokenizer_for
from factories.shards import prepare
from factories.timing import PATIENCE_S

QUICK = ('--timed', 10, '--resamples', 20, '--jobs', 1, '--device', 'cpu', '--quiet')


@pytest.fixture(scope='module')
def run_folder(tmp_path_factory):
    """A training run that ended with a tiny network."""
    run = tmp_path_factory.mktemp('runs') / 'first'
    config = dataclasses.replace(TINY, labels=('none', 'walking'))
    save_checkpoint(run / 'checkpoint', make_system(config), tokenizer_for(config))
    return run


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Two labelled recordings."""
    folder = tmp_path_factory.mktemp('data')
    for seed in range(2):
        scene = SimulationConfig(
            seed=seed,
            duration_s=6.0,
            frame_rate_hz=6.0,
            width_px=48,
            height_px=32,
            sample_rate_hz=8000,
            min_segment_s=2.0,
            max_segment_s=3.0,
            min_spoken_segment_s=2.5,
            activities=('none', 'walking'),
        )
        simulation = simulate(scene)
        path = folder / f'recording_{seed}'
        with RecordingWriter(path, start_ns=scene.start_ns, image='jpeg') as writer:
            writer.set_labels(simulation.labels)
            for sample in simulation.samples():
                writer.write(sample)
    return folder


@pytest.fixture(scope='module')
def report(run_folder, data, tmp_path_factory):
    """A report that the command wrote; not to be changed."""
    from activity_recognition import cli

    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp('reports') / 'first'
    words = ('evaluate', '--checkpoint', run_folder, '--data', data, '--out', out, *QUICK)
    assert cli.main([str(word) for word in words]) == 0
    return out


def limits(path, **wanted):
    path.write_text(yaml.safe_dump(wanted), encoding='utf-8')
    return path


def test_a_report_tells_nothing_of_where_things_lie(report, run_folder, data):
    metrics = json.loads((report / 'metrics.json').read_text(encoding='utf-8'))
    assert metrics['data']['recordings'] == 2
    assert metrics['cost']['decisions'] == 10
    assert metrics['checkpoint']['name'] == run_folder.name
    for file in report.iterdir():
        assert str(run_folder.parent) not in file.read_text(encoding='utf-8')
        assert str(data.parent) not in file.read_text(encoding='utf-8')
    assert 'torch' in metrics['conditions']['packages']
    assert (report / 'report.html').is_file()


def test_a_report_within_the_limits_passes(command, report, tmp_path):
    wanted = limits(tmp_path / 'low.yaml', fused_macro_f1={'at_least': 0.0})
    status, out, err = command('evaluate', '--out', report, '--gate', wanted)
    assert (status, err) == (0, '')
    assert 'fused_macro_f1' in out
    assert 'passed' in out


def test_a_report_beyond_a_limit_fails_and_says_where(command, report, tmp_path):
    wanted = limits(
        tmp_path / 'high.yaml',
        fused_macro_f1={'at_least': 1.01},
        ece={'at_most': 1.0},
    )
    status, out, _ = command('evaluate', '--out', report, '--gate', wanted)
    assert status == 1
    failed = [line for line in out.splitlines() if 'FAILED' in line]
    assert len(failed) == 1
    assert failed[0].startswith('fused_macro_f1')
    assert 'at least 1.01' in failed[0]


def test_measuring_and_holding_against_the_shipped_limits(command, run_folder, data, tmp_path):
    """Random weights do not reach them, and the report is written all the same."""
    out = tmp_path / 'report'
    words = ('--checkpoint', run_folder, '--data', data, '--out', out, '--gate', *QUICK)
    status, printed, _ = command('evaluate', *words)
    assert status == 1
    assert 'fused_macro_f1' in printed
    assert 'badge bad' in (out / 'report.html').read_text(encoding='utf-8')


def test_a_report_is_not_lost(command, run_folder, data, report):
    words = ('--checkpoint', run_folder, '--data', data, '--out', report, *QUICK)
    status, _, err = command('evaluate', *words)
    assert status == 1
    assert '--overwrite' in err


def test_other_files_are_not_lost(command, run_folder, data, tmp_path):
    (tmp_path / 'thesis.txt').touch()
    words = ('--checkpoint', run_folder, '--data', data, '--out', tmp_path, '--overwrite')
    status, _, err = command('evaluate', *words, *QUICK)
    assert status == 1
    assert 'found other files' in err
    assert (tmp_path / 'thesis.txt').exists()


def test_a_missing_checkpoint_is_named(command, data, tmp_path):
    words = ('--checkpoint', tmp_path / 'none', '--data', data, '--out', tmp_path / 'report')
    status, _, err = command('evaluate', *words, *QUICK)
    assert status == 1
    assert f'expected a checkpoint folder at {tmp_path / "none"}' in err
    assert not (tmp_path / 'report').exists()


def test_recordings_without_labels_are_named(command, run_folder, data, tmp_path):
    shutil.copytree(data / 'recording_0', tmp_path / 'data' / 'bare')
    (tmp_path / 'data' / 'bare' / 'labels.csv').unlink()
    words = ('--checkpoint', run_folder, '--data', tmp_path / 'data', '--out', tmp_path / 'report')
    status, _, err = command('evaluate', *words, *QUICK)
    assert status == 1
    assert 'found none that can be used' in err
    assert 'bare' in err


def test_a_damaged_recording_is_left_out_and_named_unless_strict(
    command, run_folder, data, tmp_path
):
    recordings = shutil.copytree(data, tmp_path / 'data')
    [bag] = (recordings / 'recording_1').glob('*.mcap')
    bag.write_bytes(bag.read_bytes()[:300])
    words = ('--checkpoint', run_folder, '--data', recordings, '--out', tmp_path / 'report')
    status, _, err = command('evaluate', *words, *QUICK, '--strict')
    assert status == 1
    assert 'expected recordings that can all be used, got 1 that cannot' in err
    assert 'recording_1' in err
    assert not (tmp_path / 'report').exists()
    assert command('evaluate', *words, *QUICK)[0] == 0
    metrics = json.loads((tmp_path / 'report' / 'metrics.json').read_text(encoding='utf-8'))
    [reason] = metrics['data']['skipped']
    assert 'recording_1' in reason


@pytest.mark.parametrize('as_url', [False, True])
def test_shards_are_measured_as_recordings_are(command, run_folder, data, report, tmp_path, as_url):
    shards = tmp_path / 'shards'
    prepare(data, shards, wide_px=0)
    place = f'file://{shards}' if as_url else shards
    words = ('--checkpoint', run_folder, '--data', place, '--out', tmp_path / 'report')
    status, _, err = command('evaluate', *words, *QUICK)
    assert (status, err) == (0, '')
    of_bags, of_shards = (
        json.loads((folder / 'metrics.json').read_text(encoding='utf-8'))
        for folder in (report, tmp_path / 'report')
    )
    assert of_shards['combinations'] == of_bags['combinations']
    assert of_shards['recordings'] == of_bags['recordings']
    assert of_shards['cost'] is None
    assert str(tmp_path) not in (tmp_path / 'report' / 'metrics.json').read_text(encoding='utf-8')


@pytest.mark.ros
def test_shards_cannot_be_played(command, run_folder, data, tmp_path):
    pytest.importorskip('rclpy')
    prepare(data, tmp_path / 'shards', wide_px=0)
    words = ('--checkpoint', run_folder, '--data', tmp_path / 'shards', '--out', tmp_path / 'out')
    status, _, err = command('evaluate', *words, '--live', *QUICK)
    assert status == 2
    assert 'expected recordings to play, got prepared shards' in err
    assert not (tmp_path / 'out').exists()


def test_a_gate_without_a_report_says_what_to_do(command, tmp_path):
    status, _, err = command('evaluate', '--out', tmp_path / 'none', '--gate')
    assert status == 1
    assert 'evaluate a checkpoint first' in err


def test_a_wrong_limit_is_refused_before_anything_is_measured(command, run_folder, data, tmp_path):
    wanted = limits(tmp_path / 'wrong.yaml', fused_macrof1={'at_least': 0.8})
    words = ('--checkpoint', run_folder, '--data', data, '--out', tmp_path / 'report')
    status, _, err = command('evaluate', *words, '--gate', wanted, *QUICK)
    assert status == 2
    assert "did you mean 'fused_macro_f1'" in err
    assert not (tmp_path / 'report').exists()


@pytest.mark.parametrize(
    ('words', 'says'),
    [
        ((), 'got neither'),
        (('--checkpoint', 'runs/first', '--gate'), 'leave --checkpoint out'),
        (('--live', '--gate'), 'leave --live out'),
    ],
)
def test_nothing_to_measure_on_is_refused(command, tmp_path, words, says):
    status, _, err = command('evaluate', '--out', tmp_path / 'report', *words)
    assert status == 2
    assert says in err


def test_live_without_ros_is_refused_before_anything_is_measured(
    command, run_folder, data, tmp_path, monkeypatch
):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, 'find_spec', lambda name: None if name == 'rclpy' else find(name)
    )
    words = ('--checkpoint', run_folder, '--data', data, '--out', tmp_path / 'report', '--live')
    status, _, err = command('evaluate', *words, *QUICK)
    assert status != 0
    assert 'needs ROS 2, and rclpy is not here' in err
    assert not (tmp_path / 'report').exists()


def test_what_was_not_played_is_named_at_the_gate(command, report):
    _, out, _ = command('evaluate', '--out', report, '--gate')
    assert 'not looked at without --live: live_unequal, live_not_compared' in out


@pytest.mark.slow
@pytest.mark.ros
def test_the_node_decides_what_the_network_decides(start, run_folder, data, tmp_path):
    """Through real topics: the whole way from the player to the report."""
    wanted = limits(
        tmp_path / 'live.yaml', live_unequal={'at_most': 0}, live_not_compared={'at_most': 0}
    )
    out = tmp_path / 'report'
    words = ('--checkpoint', run_folder, '--data', data / 'recording_0', '--out', out, '--live')
    process = start('evaluate', *words, '--gate', wanted, *QUICK)
    printed, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, err
    assert 'not looked at' not in printed
    live = json.loads((out / 'metrics.json').read_text(encoding='utf-8'))['live']
    assert live['compared'] == live['decisions'] > 20
    assert live['largest_difference'] < 1e-4
    assert live['samples']['video']['recorded'] == 36
    assert '(cpu, fp32) by ' in live['device']


def test_clips_are_scored_as_wholes(command, run_folder, tmp_path):
    """From a table to a report: the table on the terminal, the page, the gate."""
    write_media(tmp_path / 'a.mp4', Pictures(count=8, fps=10, size=(64, 48)))
    write_media(tmp_path / 'b.mp4', Pictures(count=12, fps=10, size=(64, 48)))
    rows = 'a.mp4,walking,,1\nb.mp4,none,,2\n,walking,over there,1\n'
    (tmp_path / 'clips.csv').write_text(f'clip,label,transcript,source\n{rows}')
    recordings, out = tmp_path / 'recordings', tmp_path / 'report'
    assert command('import', tmp_path, '--out', recordings, '--quiet')[0] == 0
    words = ('evaluate', '--checkpoint', run_folder, '--data', recordings, '--out', out)
    wanted = limits(tmp_path / 'limits.yaml', changes_ratio={'at_most': 2})
    quick = [word for word in QUICK if word != '--quiet']
    status, printed, told = command(*words, *quick, '--gate', wanted)
    assert status == 0
    assert 'not looked at, every recording has one label: changes_ratio' in printed
    assert '3 clips, %' in told
    assert 'try the parameters smoothing.window_size' in ' '.join(told.split())
    metrics = json.loads((out / 'metrics.json').read_text())
    assert metrics['clips'] == {
        'clips': 3,
        'groups': 2,
        'others': 0,
        'decisions_per_clip': {'least': 8.0, 'median': 12.0, 'most': 19.0},
        'seconds': {'least': 0.7, 'median': 1.1, 'most': pytest.approx(1.8)},
    }
    assert metrics['confidence_intervals']['drawn'] == 2
    by_label = {found['clip']['label']: found for found in metrics['recordings']}
    assert (by_label['walking']['group'], by_label['none']['group']) == ('1', '2')
    seen, heard = (metrics['combinations'][name]['clips'] for name in ('video', 'text'))
    assert seen['clips'] == heard['clips'] == 3
    # What cannot be seen or heard is not answered.
    assert [sum(row[-1] for row in found['confusion']) for found in (seen, heard)] == [1, 2]
    assert 'Whole clips' in (out / 'report.html').read_text()
