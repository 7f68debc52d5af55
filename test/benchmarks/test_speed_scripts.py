"""The scripts of speed: what they compute, and that each runs to its end."""

import json
import sys
import textwrap

import numpy as np
import obvious_node
import peers
import preprocessing
import pytest
import synchroniser
import torch
from harness import Rounds, Spent
from latency import percentile_99
from processes import part
from roofline import GEMM_SIDES, flops_per_s, least_s
from work import Work

from activity_recognition.types import MODALITIES, Modality, to_ns
from factories.pose import made_up_pose


def run_script(main, tmp_path, *words):
    path = tmp_path / 'outcome.json'
    assert main([*words, '--json', str(path)]) == 0
    return json.loads(path.read_text(encoding='utf-8'))


@pytest.fixture
def _threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def small_products(monkeypatch):
    """A large product takes a CPU seconds, and a busy one has few clean rounds."""
    import gpu

    monkeypatch.setattr(Spent, 'is_clean', lambda self, threads: True)
    monkeypatch.setattr(gpu, 'GEMM_SIDE', 64)
    monkeypatch.setattr(gpu, 'COPY_BYTES', 2**16)


def spent(seconds):
    return Spent(wall_s=seconds, cpu_s=seconds)


def test_a_roofline_takes_the_rates_of_its_own_round():
    took = {f'gemm {side}': spent(1e-9 * side) for side in GEMM_SIDES}
    took['memory'] = spent(1e-8)
    assert flops_per_s(took) == pytest.approx(1e9 / min(GEMM_SIDES))
    assert least_s(Work(flops=0.0, bytes=3e8), took) == pytest.approx(3.0)
    slower = {name: spent(2 * item.wall_s) for name, item in took.items()}
    rounds = Rounds(clean=(took, slower, took), all=(took, slower, took))
    work = Work(flops=0.0, bytes=3e8)
    spread = rounds.spread(lambda item: least_s(work, item))
    assert (spread.median, spread.high) == pytest.approx((3.0, 4.5))


def test_a_peer_that_is_missing_is_a_skipped_goal_with_its_reason(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'movinets', None)
    with pytest.raises(peers.MissingError, match='movinets cannot be imported'):
        peers.movinet_a0_stream()
    ours = {'small': spent(1.0), 'nano': spent(1.0)}
    rounds = Rounds(clean=(ours,) * 3, all=(ours,) * 3)
    missing = dict.fromkeys((peer.name for peer in peers.PEERS), 'movinets is not there')
    report = peers._report(rounds, {}, missing, {})
    assert {goal.verdict for goal in report.goals} == {'skipped: movinets is not there'}
    assert len(report.goals) == 4
    assert capsys.readouterr().err.count('skipped: ') == 4
    assert any('X3D-XS was skipped' in note for note in report.notes)


def test_area_resizing_and_swapping_channels_commute():
    image = preprocessing.scene(320, 240, seed=1)
    convert, resize, *others, _ = (way.make() for way in preprocessing.raw_ways(image, 64))
    assert np.array_equal(convert, resize)
    assert convert.shape == (64, 64, 3)
    assert len(others) == 2
    for picture in others:
        assert np.abs(picture.astype(int) - convert).max() <= 1


def test_jpeg_is_decoded_no_smaller_than_the_network_needs():
    image = preprocessing.scene(320, 240, seed=1)
    whole, half, *others = preprocessing.jpeg_ways(image, 100)
    assert not others
    pictures = [way.make().astype(int) for way in (whole, half)]
    assert np.abs(pictures[0] - pictures[1]).mean() < 3
    # In neither are red and blue exchanged.
    raw = preprocessing.raw_ways(image, 100)[0].make().astype(int)
    assert np.abs(raw - pictures[0]).mean() < 3


def test_stamps_come_in_order_at_their_rates_and_go_on_for_ever():
    rates_hz = {Modality.VIDEO: 30.0, Modality.TEXT: 0.25}
    minute = synchroniser.order(rates_hz, seed=3)
    assert minute == sorted(minute, key=lambda stamp: stamp[0])
    assert [m for _, m in minute].count(Modality.TEXT) == synchroniser.LENGTH_S / 4
    endless = synchroniser.endless(minute)
    two = [next(endless) for _ in range(2 * len(minute))]
    later = [stamp_ns - to_ns(synchroniser.LENGTH_S) for stamp_ns, _ in two[len(minute) :]]
    assert later == [stamp_ns for stamp_ns, _ in two[: len(minute)]]


def test_our_synchroniser_takes_every_message_it_is_given():
    ours = synchroniser.ours(synchroniser.order(dict.fromkeys(MODALITIES, 30.0), 0))
    assert ours.run(50).wall_s > 0


def test_percentile():
    assert percentile_99([float(value) for value in range(101)]) == pytest.approx(99.0)
    assert percentile_99([2.0]) == 2.0
    assert np.isnan(percentile_99([]))


def test_a_part_is_led_by_words(tmp_path):
    script = tmp_path / 'echo.py'
    script.write_text(
        textwrap.dedent("""
            import json, sys
            print('a line of a log')
            print(json.dumps({'given': sys.argv[1:]}), flush=True)
            for line in sys.stdin:
                print('another')
                print(json.dumps({'word': line.strip()}), flush=True)
        """)
    )
    with part(str(script), ['x']) as echo:
        assert echo.answer(60.0) == {'given': ['x']}
        assert echo.ask('hello', 60.0) == {'word': 'hello'}
    script.write_text('')
    with pytest.raises(RuntimeError, match='ended early'), part(str(script), []) as silent:
        silent.answer(60.0)


def test_the_obvious_node_decides_as_the_network_does_on_a_fresh_recording():
    from activity_recognition.inference.artificial import untrained_checkpoint

    system = untrained_checkpoint('nano').system
    size = system.config.video.input_size_px
    images = list(np.random.default_rng(0).integers(0, 256, (3, size, size, 3), np.uint8))
    stamps_ns = [to_ns(1.0 + index / 4) for index in range(3)]
    with torch.inference_mode():
        logits = system(obvious_node.video_batch(system.config, stamps_ns, images))
        first = system(obvious_node.video_batch(system.config, stamps_ns[:1], images[:1]))
    assert logits.shape == first.shape == (1, 1, system.config.num_activities)
    assert not torch.allclose(logits, first)


def test_the_gpu_script_says_why_it_is_skipped(tmp_path, monkeypatch):
    import gpu

    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    outcome = run_script(gpu.main, tmp_path)
    assert {goal['verdict'] for goal in outcome['goals']} == {'skipped: no CUDA device'}


@pytest.mark.slow
@pytest.mark.usefixtures('_threads')
class TestSmoke:
    """Every script with next to no time: its outcome has tables, and numbers in them."""

    def test_components(self, tmp_path):
        import components

        outcome = run_script(components.main, tmp_path, '--seconds', '1', '--rounds', '1')
        assert len(outcome['tables']) == 2

    def test_roofline(self, tmp_path):
        import roofline

        outcome = run_script(roofline.main, tmp_path, '--seconds', '1', '--rounds', '1')
        assert [goal['at_most'] for goal in outcome['goals']] == [1.5, 2.5]
        assert all(goal['value'] >= 1 for goal in outcome['goals'])

    @pytest.mark.timeout(300)
    def test_peers(self, tmp_path):
        words = ('--seconds', '0.1', '--rounds', '1', '--only', 'VideoMAE-S')
        outcome = run_script(peers.main, tmp_path, *words)
        row = next(row for row in outcome['tables'][0]['rows'] if row[0] == 'VideoMAE-S')
        assert float(row[2]) == pytest.approx(114, rel=0.02)

    @pytest.mark.timeout(300)
    def test_precision(self, tmp_path):
        import precision

        words = ('--seconds', '1', '--rounds', '1', '--compared', '2')
        ways = ('--ways', 'torch bf16', 'onnxruntime int8')
        outcome = run_script(precision.main, tmp_path, *words, *ways)
        differences = [float(row[-1]) for row in outcome['tables'][0]['rows']]
        assert len(differences) == 6
        assert differences[0] == differences[3] == 0
        assert all(0 < value < 0.5 for value in differences[1:3])

    @pytest.mark.timeout(600)
    def test_eight_bits(self, tmp_path):
        import eight_bits

        words = ('--seconds', '1', '--rounds', '1', '--recordings', '1', '--length', '3')
        errors, decisions = run_script(eight_bits.main, tmp_path, *words)['tables']
        assert len(errors['rows']) == 2 * len(eight_bits.WAYS)
        for _, weights, products, *numbers in errors['rows']:
            if weights != 'signed, default mode':
                assert products == 'exact'
            if products == 'exact':
                assert all(0 < float(number) < 5 for number in numbers[:5])
        assert len(decisions['rows']) == len(eight_bits.WAYS)

    def test_preprocessing(self, tmp_path):
        outcome = run_script(preprocessing.main, tmp_path, '--seconds', '1', '--rounds', '1')
        assert [len(table['rows']) for table in outcome['tables']] == [5, 2, 5, 2, 6, 4, 6, 3]

    def test_synchroniser(self, tmp_path):
        outcome = run_script(synchroniser.main, tmp_path, '--seconds', '1', '--rounds', '1')
        assert outcome['goals'][0]['at_most'] == synchroniser.WANTED

    def test_gpu_on_a_cpu(self, tmp_path, small_products):
        import gpu

        words = ('--device', 'cpu', '--preset', 'nano', '--streams', '1', '2')
        words += ('--ways', 'fp32/torch', 'bf16/torch', 'fp32/torch/device')
        outcome = run_script(gpu.main, tmp_path, *words, '--seconds', '600', '--rounds', '1')
        assert [goal['verdict'] for goal in outcome['goals']] == ['reached'] * 3
        assert len(outcome['tables'][0]['rows']) == 6
        assert len(outcome['tables'][1]['rows']) == 2


def test_the_gpu_script_tells_what_it_does_and_skips_what_it_has_no_time_for(
    tmp_path, small_products, capsys
):
    import gpu

    words = ('--device', 'cpu', '--preset', 'nano', '--streams', '1', '64', '--seconds', '0.001')
    outcome = run_script(gpu.main, tmp_path, *words, '--ways', 'fp32/torch', 'fp32/cudagraph')
    told = capsys.readouterr().err.splitlines()
    assert any(line.endswith('nano in float32 on the CPU, to compare with') for line in told)
    *compared, ratio = [goal['verdict'] for goal in outcome['goals']]
    assert compared == ['skipped: no time was left to prepare it; give more --seconds'] * 2
    assert ratio == 'skipped: not both were timed'
    assert [table['title'] for table in outcome['tables']] == ['The floor of one stream']


def test_the_gpu_script_skips_a_way_that_does_not_work_here(tmp_path, small_products, capsys):
    import gpu

    words = ('--device', 'cpu', '--preset', 'nano', '--streams', '2', '1', '--rounds', '1')
    words += ('--ways', 'fp32/cudagraph', 'fp32/torch')
    outcome = run_script(gpu.main, tmp_path, *words, '--seconds', '3600')
    verdicts = {goal['name']: goal['verdict'] for goal in outcome['goals']}
    graphs, operators, ratio = verdicts.values()
    assert graphs.startswith("skipped: the backend 'cudagraph' needs a CUDA device")
    assert operators == 'reached'
    assert ratio == 'skipped: not both were timed'
    assert [row[:2] for row in outcome['tables'][0]['rows']] == [
        ['fp32 by torch', '1'],
        ['fp32 by torch', '2'],
    ]
    told = [line for line in capsys.readouterr().err.splitlines() if ' s  ' in line]
    assert [line.split(' s  ')[1].split(': ')[0] for line in told] == [
        'product, fp32',
        'product, bf16',
        'copy',
        'nano in float32 on the CPU, to compare with',
        'fp32 by torch',
        'fp32 by torch, 1',
        'fp32 by torch, 2',
        '1 of 1 rounds clean, 1 wanted',
    ]


@pytest.mark.gpu
@pytest.mark.slow
def test_the_gpu_script_agrees_with_the_cpu(tmp_path):
    import gpu

    words = ('--streams', '1', '4', '--seconds', '90', '--rounds', '3')
    outcome = run_script(gpu.main, tmp_path, *words)
    compared = [goal for goal in outcome['goals'] if goal['at_most'] is not None]
    assert {goal['verdict'] for goal in compared} == {'reached'}


@pytest.mark.ros
@pytest.mark.slow
@pytest.mark.timeout(600)
class TestProcesses:
    """Real topics between real processes."""

    def test_latency(self, tmp_path):
        import latency

        words = ('--seconds', '2', '--settling', '1', '--presets', 'nano')
        for _ in range(3):  # a listener that waits too long for a core hears nothing: news expire
            outcome = run_script(latency.main, tmp_path, *words)
            sent, received, answered = map(int, outcome['tables'][0]['rows'][0][1:4])
            assert 0 <= answered <= received <= sent == 60
            if answered:
                break
        assert outcome['goals'][0]['value'] > 0

    def test_obvious_node(self, tmp_path):
        words = ('--seconds', '4', '--turns', '1', '--preset', 'nano', '--rate', '4')
        outcome = run_script(obvious_node.main, tmp_path, *words)
        for row in outcome['tables'][0]['rows']:
            assert 0 < int(row[3]) <= int(row[2]) <= int(row[1]) == 8
        assert outcome['goals'][0]['verdict'] == 'unsettled'


@pytest.mark.slow
@pytest.mark.usefixtures('_threads')
def test_pose_measures_what_there_are_weights_for(tmp_path, monkeypatch, capsys):
    pytest.importorskip('ai_edge_litert')
    import pose

    monkeypatch.setattr(Spent, 'is_clean', lambda self, threads: True)
    with made_up_pose(tmp_path / 'weights'):
        outcome = run_script(pose.main, tmp_path, '--rounds', '3', '--seconds', '120')
    # The made-up network takes no time: what is left is the package's own.
    [alone, whole] = outcome['tables'][0]['rows']
    assert whole[0] == 'movenet'
    assert float(whole[3].split()[0]) > 1 == float(alone[3].split()[0])
    # It has MoveNet's forms, and is neither BlazePose nor YAMNet.
    said = capsys.readouterr().err
    assert 'skipped: blazepose: ' in said
    assert 'skipped: the preset people: ' in said
    assert outcome['goals'] == []


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.usefixtures('_threads', 'weights_folder')
def test_pose_judges_the_preset_people(tmp_path, monkeypatch):
    pytest.importorskip('ai_edge_litert')
    import pose

    monkeypatch.setattr(Spent, 'is_clean', lambda self, threads: True)
    outcome = run_script(pose.main, tmp_path, '--rounds', '3', '--seconds', '120')
    ratio, cores = (goal['value'] for goal in outcome['goals'])
    assert ratio > 1
    assert cores > 0
