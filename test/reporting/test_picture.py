"""What is drawn into an image for people."""

import numpy as np
import pytest

from activity_recognition.keypoints import SKELETONS, KeyPoints
from activity_recognition.reporting.picture import ShownDecision, ShownEvidence, draw
from activity_recognition.types import Status

COCO = SKELETONS['coco17']
GREY = np.full((240, 320, 3), 128, np.uint8)
DECISION = ShownDecision(
    status=Status.OK,
    label='waving',
    confidence=0.8,
    scores=(('waving', 0.8), ('none', 0.2)),
    evidence=(
        ShownEvidence(modality='video', present=True, label='waving', confidence=0.7, weight=0.5),
        ShownEvidence(modality='audio', present=False),
    ),
)


def points(**places) -> KeyPoints:
    joints = np.full((17, 2), np.nan)
    for name, place in places.items():
        joints[COCO.index(name)] = place
    return KeyPoints.of(COCO, joints, None, (320, 240))


def changed(key_points) -> np.ndarray:
    """Return where a drawing of joints differs from one without."""
    plain, drawn = draw(GREY, None), draw(GREY, None, key_points)
    return (plain != drawn).any(axis=2)


def test_joints_are_drawn_where_they_are_and_connected():
    where = changed(points(left_shoulder=(100, 60), left_elbow=(100, 160)))
    assert where.shape == (480, 640)
    rows, columns = np.nonzero(where)
    assert (rows.min(), rows.max()) == pytest.approx((120, 320), abs=7)
    assert (columns.min(), columns.max()) == pytest.approx((200, 200), abs=7)
    assert where[220, 201], 'the line between them'


def test_joints_that_are_no_neighbours_are_not_connected():
    where = changed(points(left_shoulder=(100, 60), left_wrist=(100, 200), right_knee=(200, 150)))
    # An elbow that is missing is left out; a knee of the other side is no neighbour.
    assert where[260, 201]
    assert not where[:, 230:380].any()


@pytest.mark.parametrize('place', [(np.nan, 5), (1e30, 5), (-1e6, -1e6)])
def test_joints_that_are_nowhere_are_not_drawn(place):
    assert not changed(points(left_wrist=place)).any()
    assert not changed(KeyPoints.of(COCO, np.zeros((17, 2)), np.zeros(17), (320, 240))).any()


def test_left_and_right_have_colours_of_their_own():
    left = draw(GREY, None, points(left_hip=(60, 100), left_knee=(60, 200)))
    right = draw(GREY, None, points(right_hip=(60, 100), right_knee=(60, 200)))
    assert left[300, 121].tolist() != right[300, 121].tolist()


def test_a_decision_is_written_and_none_is_said():
    nothing, something = draw(GREY, None), draw(GREY, DECISION)
    assert (nothing[:40] != something[:40]).any()
    assert (something[-46:] != GREY[0, 0] // 3).any(), 'the evidence'
    assert (nothing[-46:] == GREY[0, 0]).all()
    unknown = draw(GREY, ShownDecision(status=Status.UNKNOWN, label='', confidence=0.2))
    assert (unknown[:40] != something[:40]).any()


@pytest.mark.parametrize('shape', [(48, 64), (1080, 1920), (7, 3), (1, 4000)])
def test_any_image_is_drawn(shape):
    image = np.full((*shape, 3), 200, np.uint8)
    drawn = draw(image, DECISION, KeyPoints.of(COCO, np.zeros((17, 2)), None, shape[::-1]))
    assert drawn.shape[1:] == (640, 3)
    assert 240 <= drawn.shape[0] <= 1600
    assert (image == 200).all(), 'the image itself is left alone'
