"""Key points changed in training: alike in a crop, missing ones stay missing, sides change."""

import dataclasses

import numpy as np
import pytest

from activity_recognition.keypoints import SKELETONS, joint_array
from activity_recognition.training.augmentation import augment
from activity_recognition.training.augmentation.key_points import change_points, mirrored
from activity_recognition.training.augmentation_config import AugmentationConfig
from factories.bodies import body
from factories.networks import KEYED

JOINTS = SKELETONS['coco17']
NOTHING = AugmentationConfig(
    mirror=0.0,
    shift=0.0,
    zoom=0.0,
    lean_deg=0.0,
    proportions=0.0,
    joint_noise=0.0,
    joint_loss=0.0,
)


@pytest.fixture
def points():
    """Five times the same, without a left ankle."""
    return np.repeat(joint_array(body(left_ankle=None), JOINTS)[None], 5, axis=0)


def change(points, seed=0, **changes):
    config = dataclasses.replace(NOTHING, **changes)
    return change_points(points, JOINTS, config, np.random.default_rng(seed))


def test_nothing_changes_nothing(points):
    np.testing.assert_allclose(change(points), points, atol=1e-6)


@pytest.mark.parametrize(
    'changes',
    [
        {'shift': 0.2},
        {'zoom': 0.3},
        {'lean_deg': 20.0},
        {'proportions': 0.2},
        {'mirror': 1.0},
        {'foreshortening': 0.5},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_changes_a_crop_changes_all_its_frames_alike(points, changes):
    changed = change(points, **changes)
    assert np.abs(changed - points).max() > 0.01
    np.testing.assert_allclose(changed, np.repeat(changed[:1], 5, axis=0), atol=1e-6)
    missing = JOINTS.index('right_ankle' if 'mirror' in changes else 'left_ankle')
    np.testing.assert_array_equal(changed[:, missing], 0)
    assert (changed[:, :, 2] > 0).sum() == 5 * 16


def test_a_turn_keeps_distances(points):
    changed = change(points, lean_deg=30.0)
    for one, other in (('nose', 'left_wrist'), ('left_hip', 'right_knee')):
        pair = [JOINTS.index(one), JOINTS.index(other)]
        before, after = (np.diff(p[0, pair, :2], axis=0) for p in (points, changed))
        np.testing.assert_allclose(np.linalg.norm(after), np.linalg.norm(before), rtol=1e-5)


def test_noise_is_new_in_every_frame_and_a_share_of_the_height(points):
    found = [change(points, seed, joint_noise=0.05)[..., :2] for seed in range(20)]
    moved = np.array(found) - points[..., :2]
    assert np.abs(moved[:, 0] - moved[:, 1]).max() > 0
    height = np.ptp(points[0, points[0, :, 2] > 0, 1])
    assert 0.01 * height < moved[:, :, :-2].std() < 0.05 * height


def test_joints_are_lost(points):
    lost = [(change(points, seed, joint_loss=0.4)[..., 2] == 0).mean() for seed in range(40)]
    assert 0.1 < np.mean(lost) - 1 / 17 < 0.4


def test_a_turn_about_the_vertical_changes_the_width_alone(points):
    changed = change(points, 3, foreshortening=0.5)
    before, after = (np.ptp(p[0, p[0, :, 2] > 0, :2], axis=0) for p in (points, changed))
    assert 0.05 < abs(np.log(after[0] / before[0])) < 0.5
    np.testing.assert_allclose(after[1], before[1], rtol=1e-5)


def test_sides_change_places_in_some_frames_and_keep_what_is_missing():
    points = np.repeat(joint_array(body(left_ankle=None), JOINTS)[None], 400, axis=0)
    left, right = JOINTS.index('left_ankle'), JOINTS.index('right_ankle')
    shares = []
    for seed in range(10):
        changed = change(points, seed, joint_swap=0.5)
        confused = changed[:, left, 2] > 0
        np.testing.assert_allclose(
            changed[confused][:, left], points[confused][:, right], atol=1e-6
        )
        assert (changed[confused][:, right] == 0).all()
        np.testing.assert_allclose(changed[~confused], points[~confused], atol=1e-6)
        shares.append(confused.mean())
    assert 0.1 < np.mean(shares) < 0.4
    assert max(shares) < 0.55


def test_a_mirror_gives_left_and_right_each_others_places(points):
    changed = mirrored(points, JOINTS)
    left, right = JOINTS.index('left_wrist'), JOINTS.index('right_wrist')
    np.testing.assert_allclose(changed[:, left, 0], -points[:, right, 0])
    np.testing.assert_allclose(changed[:, left, 1:], points[:, right, 1:])
    np.testing.assert_array_equal(mirrored(changed, JOINTS), points)
    nose = JOINTS.index('nose')
    np.testing.assert_allclose(changed[:, nose, 0], -points[:, nose, 0])


def test_nobody_and_nothing_can_be_changed():
    config = AugmentationConfig(strength=2.0)
    for points in (np.zeros((0, 17, 3), np.float32), np.zeros((3, 17, 3), np.float32)):
        changed = change_points(points, JOINTS, config, np.random.default_rng(0))
        np.testing.assert_array_equal(changed, points)


def test_crops_of_such_a_network_are_changed_so(points):
    crop = {'frames': points, 'frame_stamps': np.arange(5), 'frame_arrivals': np.arange(5)}
    changed = augment(crop, (1, 2), AugmentationConfig(), KEYED)['frames']
    assert changed.shape == points.shape
    assert changed.dtype == np.float32
    assert np.abs(changed - points).max() > 0.01
    assert np.isfinite(changed).all()
