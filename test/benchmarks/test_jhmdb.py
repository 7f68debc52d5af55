"""The benchmark of JHMDB: what its noise is, what is trained on, and what answers are worth."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import jhmdb
import numpy as np
import pytest
from jhmdb import CLEAN, JOINTS, NOISY
from joint_data import JointClip, write_recording
from kept_answers import read_answers, write_answers
from real_data import ClipAnswer

from activity_recognition.keypoints import SKELETONS

NAMES = SKELETONS['jhmdb15']
CHOSEN = argparse.Namespace(seed=0, seeds=2, epochs=None)
TRUTH = {'a': 'clap', 'b': 'wave', 'c': 'wave', 'd': 'clap'}


def clip(frames: int = 400) -> JointClip:
    """Return somebody who stands still, the trunk 60 pixels long."""
    joints = np.zeros((frames, len(NAMES), 2), np.float32)
    joints[:] = np.column_stack([100 + 7 * np.arange(len(NAMES)), 80 + 3 * np.arange(len(NAMES))])
    hips = [NAMES.index('left_hip'), NAMES.index('right_hip')]
    joints[:, hips] = [[110, 150], [130, 150]]
    joints[:, NAMES.index('neck')] = 120, 90
    arrays = {
        'joints': joints,
        'names': 'jhmdb15',
        't_s': np.arange(frames) / 25,
        'image_size': (320, 240),
    }
    return JointClip(name='000_wave', label='wave', is_tested_on=True, arrays=arrays)


class TestDetected:
    @pytest.fixture
    def found(self):
        return jhmdb.detected(clip(), np.random.default_rng(0))

    def test_a_share_of_the_joints_is_missing(self, found):
        missing = np.isnan(found).any(axis=2)
        assert missing.mean() == pytest.approx(jhmdb.MISSING, abs=0.02)
        assert missing.mean(axis=0).min() > 0.08

    def test_noise_is_a_share_of_the_trunk(self, found):
        own = np.asarray(clip().arrays['joints'])
        neck = NAMES.index('neck')
        moved = found[:, neck] - own[:, neck]
        assert np.nanstd(moved, axis=0) == pytest.approx([3.0, 3.0], rel=0.15)

    def test_sides_change_places_in_some_frames(self, found):
        own = np.asarray(clip().arrays['joints'])
        left, other = NAMES.index('left_hip'), NAMES.index('right_hip')
        near_other = np.linalg.norm(found[:, left] - own[:, other], axis=1) < np.linalg.norm(
            found[:, left] - own[:, left], axis=1
        )
        assert 0.01 < near_other.mean() < 0.2

    def test_the_same_seed_gives_the_same(self, found):
        again = jhmdb.detected(clip(), np.random.default_rng(0))
        np.testing.assert_array_equal(found, again)


def answered(name: str, clap: float) -> ClipAnswer:
    return ClipAnswer(
        name=name,
        labels=('clap', 'wave'),
        probabilities={JOINTS: np.log([clap, 1 - clap])},
        right={JOINTS: (3, 4)},
        average=np.log([clap, 1 - clap]),
    )


@pytest.fixture
def answers():
    """Two seeds, three splits: all right; with noise one in two."""
    right = [answered('a', 0.9), answered('b', 0.2)]
    half = [answered('c', 0.8), answered('d', 0.7)]
    return {CLEAN: [[right] * 3] * 2, NOISY: [[half] * 3] * 2}


PLAIN = {CLEAN: [{'a': 'clap', 'b': 'clap'}] * 3, NOISY: [{'c': 'wave', 'd': 'clap'}] * 3}


def test_means_are_over_seeds_and_splits_and_stand_beside_the_regression(answers):
    report = jhmdb.make_report(answers, PLAIN, TRUTH, CHOSEN)
    assert [goal.value for goal in report.goals] == [100.0, 50.0, 50.0, -50.0]
    assert [goal.verdict for goal in report.goals] == ['reached', 'missed', 'reached', 'missed']
    (accuracies, decisions, errors) = report.tables
    assert [CLEAN, 'network, seed 1', '100.0', '100.0', '100.0', '100.0'] in accuracies.rows
    assert [NOISY, 'logistic regression', '100.0', '100.0', '100.0', '100.0'] in accuracies.rows
    assert decisions.rows[0] == [CLEAN, '75.0', '75.0', '75.0']
    assert errors.rows[1] == [NOISY, 'wave as clap 6/6']


def test_answers_are_kept(tmp_path: Path):
    write_answers([answered('a', 0.25)], tmp_path / 'answers.json')
    (again,) = read_answers(tmp_path / 'answers.json')
    assert again.label(JOINTS) == 'wave'
    assert again.right == {JOINTS: (3, 4)}
    np.testing.assert_allclose(again.probabilities[JOINTS], np.log([0.25, 0.75]))


def test_what_is_tested_on_is_not_trained_on(tmp_path: Path):
    for name in ('000_wave', '001_wave'):
        write_recording(replace(clip(20), name=name), tmp_path / 'recordings')
    folder = jhmdb.split_folder(tmp_path, frozenset({'001_wave'}), tmp_path / 'split')
    table = (folder / 'splits.csv').read_text(encoding='utf-8')
    assert table == 'recording,split\n000_wave,train\n001_wave,test\n'
    assert (folder / '001_wave' / 'labels.csv').is_file()


def test_without_the_data_set_it_says_so(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setenv('ACTIVITY_RECOGNITION_DATA', str(tmp_path))
    out = tmp_path / 'outcome.json'
    assert jhmdb.main(['--json', str(out), '--work', str(tmp_path / 'work')]) == 0
    outcome = json.loads(out.read_text(encoding='utf-8'))
    assert outcome['goals'] == []
    assert 'Skipped: the data set jhmdb is not there' in outcome['notes'][0]
    assert 'no recordings' in capsys.readouterr().err
