"""MoveNet's crop, by the numbers of its authors' function; and key points of a made-up network."""

import numpy as np
import pytest

from activity_recognition.front_ends.movenet import MoveNet, follow
from activity_recognition.front_ends.regions import Region
from activity_recognition.keypoints import SKELETONS
from factories.bodies import STANDING
from factories.pose import made_up_pose, moving

NAMES = SKELETONS['coco17']


@pytest.fixture
def movenet(tmp_path):
    pytest.importorskip('ai_edge_litert')
    with made_up_pose(tmp_path):
        yield MoveNet()


def standing(scale: float = 1.0, missing: tuple[str, ...] = ()) -> np.ndarray:
    places = scale * np.array([STANDING[name] for name in NAMES], float)
    scores = [0.1 if any(word in name for word in missing) else 0.9 for name in NAMES]
    return np.column_stack([places, scores])


def test_the_crop_is_about_the_hips():
    # Of joints 160 +- 80 and 130 +- 94 (nose at 36): 1.2 * 94 is more than 1.9 * 60.
    region = follow(standing(), np.zeros((480, 640, 3), np.uint8))
    assert region == Region(160.5, 130.5, pytest.approx(2 * 1.9 * 60))
    without_arms = standing(missing=('shoulder_',))
    assert follow(without_arms, np.zeros((480, 640, 3), np.uint8)) == region


def test_what_is_not_seen_of_the_body_is_left_out():
    far = standing()
    far[NAMES.index('left_ankle')] = (1000, 1000, 0.1)
    image = np.zeros((480, 640, 3), np.uint8)
    assert follow(far, image) == follow(standing(), image)
    far[NAMES.index('left_ankle'), :2] = (160, 270)
    far[NAMES.index('left_ankle'), 2] = 0.9
    assert follow(far, image).side == pytest.approx(2 * 1.2 * 140)


@pytest.mark.parametrize('missing', [('hip',), ('shoulder',), ('hip', 'shoulder')])
def test_without_a_trunk_nobody_is_followed(missing):
    assert follow(standing(missing=missing), np.zeros((480, 640, 3), np.uint8)) is None


def test_who_fills_the_image_is_seen_in_the_whole():
    assert follow(standing(), np.zeros((200, 220, 3), np.uint8)) is None


def test_joints_in_one_place_are_nobody():
    image = np.zeros((480, 640, 3), np.uint8)
    assert follow(standing(0.11), image).side == pytest.approx(2 * 1.9 * 60 * 0.11)
    assert follow(standing(0.1), image) is None


def test_key_points_lie_in_the_region(movenet):
    image = moving(0)
    found = movenet.find(image, Region(60, 50, 40)).points
    assert found.shape == (17, 3)
    # The made-up network gives shares of the crop.
    assert (np.abs(found[:, :2] - (59.5, 49.5)) <= 20).all()
    again = movenet.find(image, Region(60, 50, 40)).points
    np.testing.assert_array_equal(found, again)
    brighter = movenet.find(image, Region(60, 50, 40), gain=1.5).points
    assert (brighter != found).any()
    assert (movenet.find(moving(5), Region(60, 50, 40)).points != found).any()
