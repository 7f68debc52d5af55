"""The benchmark on UTD-MHAD: whose clips are tested, what is trained, what answers are worth."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import utd_mhad
from real_data import ENVIRONMENT, ClipAnswer, count_right, mean_probabilities
from utd_mhad import BOTH, IMU, JOINTS, ON_THIGH, Way

from activity_recognition.training.data.splits import read_splits
from activity_recognition.training.evaluation.predict import Prediction
from activity_recognition.types import Modality

LABELS = ('clap', 'squat', 'wave')
TRUTH = {
    '000_wave_s2_t1': 'wave',
    '001_clap_s2_t2': 'clap',
    '002_squat_s4_t1': 'squat',
    '003_wave_s12_t1': 'wave',
}
FRAMES, ROWS = 40, 100


def answered(name: str, **shares: tuple[float, ...]) -> ClipAnswer:
    """An answer of the network of both; ``both``, ``joints`` and ``imu`` are probabilities."""
    shown = {BOTH: shares['both'], JOINTS: shares['joints'], IMU: shares['imu']}
    return ClipAnswer(
        name=name,
        labels=LABELS,
        probabilities={way: np.log(values) for way, values in shown.items()},
        right={BOTH: (3, 4), JOINTS: (1, 4), IMU: (1, 2)},
    )


RIGHT_WAVE, RIGHT_CLAP, RIGHT_SQUAT = (0.1, 0.2, 0.7), (0.8, 0.1, 0.1), (0.1, 0.6, 0.3)


@pytest.fixture
def answers() -> list[ClipAnswer]:
    """By both senses all are right but one; by joints a wave is taken for a squat."""
    wave, clap, squat, other = TRUTH
    return [
        answered(wave, both=RIGHT_WAVE, joints=RIGHT_SQUAT, imu=RIGHT_WAVE),
        answered(clap, both=RIGHT_CLAP, joints=RIGHT_CLAP, imu=RIGHT_WAVE),
        answered(squat, both=RIGHT_SQUAT, joints=RIGHT_SQUAT, imu=RIGHT_SQUAT),
        answered(other, both=RIGHT_CLAP, joints=RIGHT_WAVE, imu=(math.nan,) * 3),
    ]


def predicted(logits: list[list[float]], targets: list[int], seen: list[bool]) -> Prediction:
    return Prediction(
        logits=torch.tensor(logits),
        unimodal={},
        present={Modality.IMU: np.array(seen)},
        stamps_ns=np.arange(len(targets)),
        targets=np.array(targets),
    )


def test_accuracy_by_hand(answers):
    assert utd_mhad.accuracies([answers], BOTH, TRUTH) == [75.0]
    assert utd_mhad.accuracies([answers, answers[:2]], JOINTS, TRUTH) == [75.0, 50.0]
    assert utd_mhad.accuracies([answers], IMU, TRUTH) == [50.0]  # no answer is a wrong one


def test_within_the_wrist_neither_clips_nor_answers_of_the_thigh_count(answers):
    found = utd_mhad.accuracies([answers], JOINTS, TRUTH, without=ON_THIGH)
    assert found == [100.0]  # without squat, the second best of the first wave is a wave
    assert utd_mhad.label_of(answers[0], JOINTS, without=ON_THIGH) == 'wave'
    assert utd_mhad.label_of(answers[0], JOINTS, without=frozenset()) == 'squat'
    assert utd_mhad.label_of(answers[3], IMU, without=ON_THIGH) == ''


def test_the_answer_of_a_clip_is_the_mean_log_probability_of_its_decisions():
    """Decisions that see nothing do not count; one that is sure outweighs two that are not."""
    quiet = predicted([[9.0, 0.0]], [0], [False])
    clip = predicted([[1.0, 0.0], [1.0, 0.0], [0.0, 9.0]], [0, 0, 0], [True, True, True])
    found = mean_probabilities([quiet, clip], 2.0, logarithms=True)
    each = [[0.5, 0.0], [0.5, 0.0], [0.0, 4.5]]
    rows = [np.array(row) - np.log(np.exp(row).sum()) for row in each]
    np.testing.assert_allclose(found, np.mean(rows, axis=0), rtol=1e-6)
    assert found.argmax() == 1
    assert mean_probabilities([quiet, clip], 2.0).argmax() == 1
    unsure = predicted([[1.0, 0.0], [1.0, 0.0], [0.0, 3.0]], [0, 0, 0], [True, True, True])
    assert mean_probabilities([unsure], 1.0, logarithms=True).argmax() == 1
    assert mean_probabilities([unsure], 1.0).argmax() == 0


def test_decisions_are_counted_where_something_is_seen_and_labelled():
    clip = predicted(
        [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]], [0, 0, 0, -100], [True, True, False, True]
    )
    assert count_right([clip, clip]) == (2, 4)


def test_tables_and_goals(answers):
    chosen = argparse.Namespace(seed=3, seeds=1, epochs=None)
    of_networks = {BOTH: [answers], JOINTS: [answers], IMU: [answers]}
    report = utd_mhad.make_report(of_networks, TRUTH, chosen)
    first, wrist, decisions, people, errors, *_ = report.tables
    rows = {row[0]: list(row[1:]) for row in first.rows}
    assert list(first.columns) == ['', 'seed 3', 'mean', 'spread']
    assert rows['both, one network of both'] == ['75.0', '75.0', 'nan']
    assert rows['imu, a network of its own'] == ['50.0', '50.0', 'nan']
    assert len(rows) == len(utd_mhad.WAYS) == 5
    assert {row[0]: row[1] for row in wrist.rows}['joints, one network of both'] == '100.0'
    assert {row[0]: row[1] for row in decisions.rows}['imu, one network of both'] == '50.0'
    assert list(people.columns) == ['', 'subject 12', 'subject 2', 'subject 4']
    assert list(people.rows[0]) == ['both, one network of both', '0.0', '100.0', '100.0']
    said = {row[0]: row[1] for row in errors.rows}
    assert said['both, one network of both'] == 'wave as clap 1/2'
    reached = {goal.name: (goal.value, goal.verdict) for goal in report.goals}
    assert reached['imu, a network of its own, mean %'] == (50.0, 'missed')
    assert reached['joints, one network of both, mean %'] == (75.0, 'missed')
    assert reached['both − best single one, points'] == (0.0, 'reached')


def test_an_answer_with_nothing_visible_is_named_in_the_errors(answers):
    of_networks = {BOTH: [answers], JOINTS: [answers], IMU: [answers]}
    said = {row[0]: row[1] for row in utd_mhad.confusion_table(of_networks, TRUTH).rows}
    assert said['imu, a network of its own'] == 'clap as wave 1/1, wave as nothing 1/2'


def test_networks_of_one_modality_are_trained_without_stages():
    both, joints, imu = (utd_mhad.config_of(n, seed=2) for n in (BOTH, JOINTS, IMU))
    assert [c.seed for c in (both, joints, imu)] == [2, 2, 2]
    assert both.model_config().modalities == ('video', 'imu')
    assert both.model_config().video.key_points
    assert [stage.epochs for stage in both.stages] == [24, 20]
    assert (joints.stages, joints.epochs, imu.epochs) == ((), 30, 50)
    assert imu.model_config().modalities == ('imu',)
    assert imu.augmentation == joints.augmentation == both.augmentation
    assert both.augmentation.mirror == 0.0
    short = utd_mhad.config_of(BOTH, seed=2, epochs=1)
    assert [stage.epochs for stage in short.stages] == [1, 1]
    assert utd_mhad.config_of(IMU, seed=2, epochs=3).epochs == 3


def test_without_the_data_it_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(ENVIRONMENT[0], str(tmp_path))
    outcome = tmp_path / 'outcome.json'
    assert utd_mhad.main(['--json', str(outcome)]) == 0
    assert f'no recordings at {tmp_path}' in capsys.readouterr().err
    written = json.loads(outcome.read_text(encoding='utf-8'))
    assert (written['goals'], written['notes'][0][:7]) == ([], 'Skipped')


@pytest.fixture
def made_up(tmp_path: Path) -> Path:
    """Two actions by three people, twice: who waves lifts an arm and turns the sensor."""
    rng = np.random.default_rng(4)
    rows, joints, imu = ['recording,label,subject,trial,frames,imu_samples'], [], []
    body = np.zeros((20, 3))
    body[:, 1] = np.linspace(0.9, -0.9, 20)
    body[:, 0] = 0.3 * np.sin(np.arange(20))
    body[:, 2] = 3.0
    swing = np.sin(np.arange(FRAMES) / 3)
    shake = np.sin(np.arange(ROWS) / 5)
    for subject in (1, 2, 3):
        for label in ('clap', 'wave'):
            for trial in (1, 2):
                rows.append(f'{len(joints)},{label},{subject},{trial},{FRAMES},{ROWS}')
                moved = np.repeat(body[None], FRAMES, axis=0) + rng.normal(0, 0.01, (FRAMES, 20, 3))
                moved[:, 8:12, 1] += 0.5 * swing[:, None] * (label == 'wave')
                joints.append(moved)
                values = rng.normal(0, 0.02, (ROWS, 6)) + np.eye(6)[2]
                values[:, 4] += 200 * shake * (label == 'wave')
                imu.append(values)
    folder = tmp_path / 'data' / 'utd_mhad'
    folder.mkdir(parents=True)
    (folder / 'recordings.csv').write_text('\n'.join(rows) + '\n', encoding='utf-8')
    np.savez(
        folder / 'recordings.npz',
        joints_m=np.concatenate(joints).astype(np.float16),
        joint_offsets=np.arange(len(joints) + 1) * FRAMES,
        imu=np.concatenate(imu).astype(np.float32),
        imu_offsets=np.arange(len(imu) + 1) * ROWS,
    )
    return folder.parent


@pytest.mark.slow
def test_from_the_data_to_a_report(made_up, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(ENVIRONMENT[0], str(made_up))
    outcome, work = tmp_path / 'outcome.json', tmp_path / 'work'
    options = ['--json', str(outcome), '--work', str(work), '--seeds', '2', '--epochs', '40']
    assert utd_mhad.main(options) == 0
    splits = read_splits(work / 'utd_mhad' / 'recordings')
    tested = {path.name for path, found in splits.items() if str(found.split) == 'test'}
    assert len(splits) == 12
    assert tested == {f'{n:03}_{"wave" if n > 5 else "clap"}_s2_t{1 + n % 2}' for n in range(4, 8)}
    written = json.loads(outcome.read_text(encoding='utf-8'))
    assert written['settings']['clips tested on'] == 4
    assert written['settings']['seeds'] == '0 1'
    rows = {row[0]: row[1:] for row in written['tables'][0]['rows']}
    assert rows['both, one network of both'][:2] == ['100.0', '100.0']
    assert rows['joints, a network of its own'][:2] == ['100.0', '100.0']
    assert rows['imu, a network of its own'][:2] == ['100.0', '100.0']


@pytest.mark.real
def test_the_real_tables(real_recordings: Path, tmp_path: Path, monkeypatch):
    written: list[str] = []
    monkeypatch.setattr(utd_mhad, 'write_recording', _naming(written))
    truth = utd_mhad.write_recordings(real_recordings / 'utd_mhad', tmp_path)
    assert (len(written), len(truth)) == (861, 430)
    assert len(set(truth.values())) == 27
    assert {utd_mhad.subject_of(name) for name in truth} == {'2', '4', '6', '8'}
    assert set(truth.values()) > ON_THIGH
    assert sum(label in ON_THIGH for label in truth.values()) == 94
    train = {name.split('_s')[-1][0] for name in written if name not in truth}
    assert train == {'1', '3', '5', '7'}


def _naming(written: list[str]) -> Callable[..., Path]:
    def write(clip, folder: Path) -> Path:
        written.append(clip.name)
        return folder / clip.name

    return write


def test_every_way_asks_a_network_that_is_trained():
    assert {way.network for way in utd_mhad.WAYS} == set(utd_mhad.NETWORKS)
    assert Way(network=BOTH, shown=IMU) in utd_mhad.WAYS
    assert len({way.words for way in utd_mhad.WAYS}) == 5
