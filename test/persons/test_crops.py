"""The square that follows one person."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from activity_recognition.persons.crops import LEAST_MARGIN, MARGIN, CropPath, cut_out
from activity_recognition.persons.regions import Box
from activity_recognition.types import Crop, to_ns

PERIOD_NS = to_ns(1 / 30)


def test_the_first_square_has_the_margin_around_the_middle_of_the_box():
    crop = CropPath().advance(Box(100, 50, 180, 250), 0)
    assert crop == Crop(15, 25, 250)
    assert crop.side == (1 + MARGIN) * 200


def test_jitter_is_smoothed_and_a_movement_is_followed():
    path = CropPath()
    lefts = [
        path.advance(Box(100 + (-1) ** i * 8, 50, 180, 250), i * PERIOD_NS).left for i in range(60)
    ]
    assert max(lefts[20:]) - min(lefts[20:]) <= 3  # of the 8 that the middle jumps
    for step in range(60):
        x = 100 + 5 * step
        crop = path.advance(Box(x, 50, x + 80, 250), (60 + step) * PERIOD_NS)
    assert abs(crop.left + crop.side / 2 - (x + 40)) < 25


def test_the_side_shrinks_slowly_and_grows_at_once_as_far_as_it_must():
    path = CropPath()
    path.advance(Box(0, 0, 50, 100), 0)
    grown = path.advance(Box(0, 0, 150, 100), PERIOD_NS)
    assert grown.side == 158  # 1.05 x 150
    shrunk = path.advance(Box(0, 0, 50, 100), 2 * PERIOD_NS)
    assert 150 < shrunk.side < grown.side


boxes = st.builds(
    lambda x, y, w, h: Box(x, y, min(x + w, 640), min(y + h, 480)),
    st.floats(0, 639),
    st.floats(0, 479),
    st.floats(0.5, 640),
    st.floats(0.5, 480),
)


@given(st.lists(st.tuples(boxes, st.integers(0, to_ns(2.0))), min_size=1, max_size=20))
def test_whatever_the_box_does_it_lies_in_the_square(steps):
    path, stamp_ns = CropPath(), 0
    for box, passed_ns in steps:
        stamp_ns += passed_ns
        left, top, side = path.advance(box, stamp_ns)
        assert left - 0.5 <= box.left + 1e-6
        assert top - 0.5 <= box.top + 1e-6
        assert left + side + 0.5 >= box.right - 1e-6
        assert top + side + 0.5 >= box.bottom - 1e-6
        assert side >= (1 + LEAST_MARGIN) * box.longer_side - 1e-6
        assert side <= 1 + (1 + MARGIN) * 640


@pytest.mark.parametrize(
    ('crop', 'black'),
    [
        (Crop(2, 1, 5), 0),
        (Crop(-2, -1, 5), 25 - 3 * 4),
        (Crop(6, 5, 5), 25 - 2 * 3),
        (Crop(-3, -3, 16), 16 * 16 - 8 * 8),
        (Crop(50, 50, 4), 16),
        (Crop(-50, 2, 4), 16),
    ],
)
def test_what_lies_beyond_the_image_is_black(crop, black):
    image = np.arange(1, 193, dtype=np.uint8).reshape(8, 8, 3)
    part = cut_out(image, crop)
    assert part.shape == (crop.side, crop.side, 3)
    assert np.count_nonzero((part == 0).all(axis=2)) == black
    for y in range(crop.side):
        for x in range(crop.side):
            row, column = crop.top + y, crop.left + x
            inside = 0 <= row < 8 and 0 <= column < 8
            assert (part[y, x] == (image[row, column] if inside else 0)).all()


def test_a_crop_inside_of_the_image_copies_nothing():
    image = np.zeros((8, 8, 3), np.uint8)
    assert np.shares_memory(cut_out(image, Crop(1, 1, 4)), image)
