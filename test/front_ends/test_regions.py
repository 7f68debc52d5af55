"""Parts of images: what they show, and where in the image things in them are."""

import numpy as np
import pytest

from activity_recognition.front_ends.regions import Region, cut


def gradient(height: int = 120, width: int = 160) -> np.ndarray:
    """Red says the column, green the row."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([columns, rows, np.full_like(rows, 7)], axis=-1).astype(np.uint8)


@pytest.mark.parametrize('size_px', [16, 32, 64])
@pytest.mark.parametrize('turn', [0.0, 0.5, -2.0])
def test_what_is_seen_lies_where_it_is_said_to(size_px, turn):
    region = Region(80, 60, 32, turn).snapped(size_px)
    seen = cut(gradient(), region, size_px)
    inner = np.arange(2, size_px - 2)
    columns, rows = (axis.ravel() for axis in np.meshgrid(inner, inner))
    places = region.places((np.column_stack([columns, rows]) + 0.5) / size_px)
    np.testing.assert_allclose(seen[rows, columns, :2], places, atol=1.01)


def test_a_whole_image_is_padded_to_a_square():
    image = np.full((120, 160, 3), 200, np.uint8)
    region = Region.whole(image)
    assert region == Region(80, 60, 160)
    seen = cut(image, region, 32)
    assert seen.shape == (32, 32, 3)
    assert not seen[:4].any()
    assert not seen[-4:].any()
    assert (seen[4:-4] == 200).all()


@pytest.mark.parametrize('turn', [0.0, 1.0])
def test_beyond_the_image_it_is_black(turn):
    image = np.full((120, 160, 3), 200, np.uint8)
    assert not cut(image, Region(-100, 60, 50, turn).snapped(8), 8).any()
    half = cut(image, Region(0, 60, 40, 0.0).snapped(8), 8)
    assert not half[:, :4].any()
    assert (half[:, 4:] == 200).all()


@pytest.mark.parametrize('side', [20, 40, 90])
@pytest.mark.parametrize('place', [(0, 0), (159, 60), (80, 119), (80, 60)])
def test_beyond_the_image_is_like_an_image_with_a_black_margin(place, side):
    margin = 64
    padded = np.pad(gradient(), ((margin, margin), (margin, margin), (0, 0)))
    x, y = place
    seen = cut(gradient(), Region(x, y, side).snapped(8), 8)
    inside = cut(padded, Region(x + margin, y + margin, side).snapped(8), 8)
    np.testing.assert_array_equal(seen, inside)


def test_edges_lie_between_pixels():
    assert Region(10.3, 7.9, 9.6).snapped(8) == Region(10.0, 8.0, 10.0)
    assert Region(10.3, 7.9, 0.1).snapped(8).side == 1.0
    turned = Region(10.3, 7.9, 9.6, 0.2)
    assert turned.snapped(8) is turned


@pytest.mark.parametrize(('side', 'step'), [(15.9, 1), (16, 2), (31.9, 2), (32.3, 4), (700, 64)])
def test_a_large_region_can_be_halved(side, step):
    found = Region(50, 60, side).snapped(8)
    assert found.side % step == 0
    assert abs(found.side - side) <= step / 2


def test_shrinking_is_by_the_mean():
    image = np.zeros((64, 64, 3), np.uint8)
    image[::2, ::2] = 200
    assert (cut(image, Region.whole(image), 32) == 50).all()
