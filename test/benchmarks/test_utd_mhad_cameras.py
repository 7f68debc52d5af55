"""The benchmark of joints seen from anywhere: who is seen by what, and what answers are worth."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
import utd_mhad_cameras as benchmark
from joint_data import KINECT_CAMERA, KINECT_POSE, KINECT_SIZE, JointClip
from real_data import ClipAnswer
from utd_mhad_cameras import JOINTS

from activity_recognition.keypoints.pinhole import PinholeCamera

CHOSEN = argparse.Namespace(seed=0, seeds=1, epochs=None)


def clip(*, is_tested_on: bool) -> JointClip:
    """Return somebody 2.5 m ahead of a Kinect, whose joints have x to its left and y up."""
    rng = np.random.default_rng(0)
    joints = rng.uniform(-0.5, 0.5, (10, 20, 3)) + np.array([0.2, 0.1, 2.5])
    return JointClip(
        name='004_wave_s2_t1',
        label='wave',
        is_tested_on=is_tested_on,
        arrays={
            'joints': joints,
            'names': 'kinect20',
            't_s': np.arange(10) / 18,
            'image_size': KINECT_SIZE,
            'camera': KINECT_CAMERA,
            'camera_pose': KINECT_POSE,
            'imu': np.zeros((30, 6)),
            'imu_t_s': np.arange(30) / 50,
        },
    )


@pytest.mark.parametrize(
    ('is_tested_on', 'names'),
    [
        (True, ['004_wave_s2_t1_kinect', '004_wave_s2_t1_camera0']),
        (False, [f'004_wave_s2_t1_camera{view}' for view in range(benchmark.VIEWS)]),
    ],
)
def test_every_recording_is_seen_by_cameras_of_its_own(is_tested_on, names):
    views = list(benchmark.views_of(clip(is_tested_on=is_tested_on), np.random.default_rng(0)))
    assert [view.name for view in views] == names
    seen = []
    for view in views:
        assert not any(key.startswith('imu') for key in view.arrays)
        camera = PinholeCamera(
            matrix=np.asarray(view.arrays['camera']), pose=np.asarray(view.arrays['camera_pose'])
        )
        pixels = camera.project(np.asarray(view.arrays['joints']))
        assert np.isfinite(pixels).all()
        seen.append(pixels)
        # The middle of somebody upright lies near that of the image, and up is up.
        assert (np.abs(np.median(pixels, axis=(0, 1)) - [320, 240]) < 120).all()
        up = np.asarray(view.arrays['joints'])[0, 0] + [0, 0.3, 0]
        assert camera.project(up[None])[0, 1] < pixels[0, 0, 1]
    assert all(np.abs(seen[0] - other).max() > 5 for other in seen[1:])


def answered(name: str, clap: float) -> ClipAnswer:
    return ClipAnswer(
        name=name, labels=('clap', 'wave'), probabilities={JOINTS: np.log([clap, 1 - clap])}
    )


def test_cameras_are_told_apart_in_the_report():
    truth = {'a_kinect': 'wave', 'a_camera0': 'wave', 'b_kinect': 'clap', 'b_camera0': 'clap'}
    answers = [
        [
            answered('a_kinect', 0.1),
            answered('a_camera0', 0.9),
            answered('b_kinect', 0.8),
            answered('b_camera0', 0.7),
        ]
    ]
    plain = {'a_kinect': 'clap', 'a_camera0': 'clap', 'b_kinect': 'clap', 'b_camera0': 'wave'}
    report = benchmark.make_report(answers, plain, truth, CHOSEN)
    assert [goal.value for goal in report.goals] == [50.0, 50.0]
    assert [goal.verdict for goal in report.goals] == ['missed', 'reached']
    (table,) = report.tables
    assert ["the Kinect's", 'network', '100.0', '100.0'] in table.rows
    assert ["the Kinect's", 'logistic regression', '–', '50.0'] in table.rows


def test_without_the_data_set_it_says_so(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setenv('ACTIVITY_RECOGNITION_DATA', str(tmp_path))
    assert benchmark.main(['--work', str(tmp_path / 'work')]) == 0
    assert 'Skipped: the data set utd_mhad_cameras' in capsys.readouterr().out
