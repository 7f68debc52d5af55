"""Key points as numbers: found by name in any skeleton, about the middle of any image."""

import numpy as np
import pytest

from activity_recognition.keypoints import SKELETONS, KeyPoints, joint_array, joint_names
from activity_recognition.keypoints.joints import points_of_array
from factories.bodies import STANDING, body

COCO = SKELETONS['coco17']


def test_places_are_about_the_middle_in_units_of_the_longer_side():
    values = joint_array(body(), ('nose', 'left_ankle'))
    assert values.dtype == np.float32
    expected = [
        ((x + 0.5 - 160) / 320, (y + 0.5 - 120) / 320, 1.0) for x, y in ((160, 40), (182, 220))
    ]
    np.testing.assert_allclose(values, expected, atol=1e-7)


def test_a_larger_image_of_the_same_gives_the_same():
    places = (np.array(list(STANDING.values())) + 0.5) * 4 - 0.5
    larger = KeyPoints.of(COCO, places, None, (1280, 960))
    np.testing.assert_allclose(joint_array(larger, COCO), joint_array(body(), COCO), atol=1e-6)


@pytest.mark.parametrize('spelling', [str.upper, lambda name: name.replace('left_', 'L ')])
def test_joints_are_found_by_name_in_any_order(spelling):
    names = tuple(spelling(name) for name in reversed(COCO))
    values = list(reversed(STANDING.values()))
    other = KeyPoints.of(names, values, None, (320, 240))
    np.testing.assert_array_equal(joint_array(other, COCO), joint_array(body(), COCO))


def test_what_a_skeleton_lacks_is_missing():
    values = joint_array(body(), ('left_hand', 'left_wrist', 'spine'))
    np.testing.assert_array_equal(values[[0, 2]], 0)
    assert values[1, 2] == 1


def test_what_is_not_seen_is_missing():
    scores = np.linspace(0, 1, 17)
    places = np.array(list(STANDING.values()), np.float32)
    places[5] = np.nan
    places[6] = 1e30
    values = joint_array(KeyPoints.of(COCO, places, scores, (320, 240)), COCO)
    np.testing.assert_array_equal(values[[0, 5, 6]], 0)
    np.testing.assert_allclose(values[7:, 2], scores[7:], rtol=1e-6)


def test_names_that_nobody_knows_are_found_as_they_are():
    points = KeyPoints.of(('tail', 'Snout'), [(0, 0), (1, 1)], None, (2, 2))
    np.testing.assert_allclose(joint_array(points, ('Snout', 'tail'))[:, 0], [0.25, -0.25])


def test_a_skeleton_stands_for_its_joints():
    assert joint_names(('jhmdb15',))[:3] == ('neck', 'spine', 'head')
    assert joint_names(('LWrist', 'RWrist')) == ('left_wrist', 'right_wrist')


def test_there_and_back():
    values = joint_array(body(left_wrist=None), COCO)
    again = joint_array(points_of_array(values, COCO, 96), COCO)
    np.testing.assert_allclose(again, values, atol=1e-6)
