"""Which image a region belongs to, and where in it."""

import numpy as np
import pytest

from activity_recognition.persons.regions import Box, PersonRegion, match
from activity_recognition.types import Frame, to_ns

HALF_NS, HELD_NS = to_ns(1 / 60), to_ns(0.3)


def region(stamp_s, box=(0, 0, 1, 1), **fields):
    stamp_ns = to_ns(stamp_s)
    return PersonRegion(body='b', stamp_ns=stamp_ns, arrival_ns=stamp_ns, box=Box(*box), **fields)


def found(regions, stamp_s):
    best = match(regions, to_ns(stamp_s), tolerance_ns=HALF_NS, held_ns=HELD_NS)
    return None if best is None else best.stamp_ns / 1e9


@pytest.mark.parametrize(
    ('stamps', 'at', 'expected'),
    [
        ([1.0], 1.0, 1.0),
        ([1.0], 1.3, 1.0),
        ([1.0], 1.301, None),
        ([1.01], 1.0, 1.01),
        ([1.02], 1.0, None),
        ([0.99, 1.015], 1.0, 0.99),
        ([0.9, 1.015], 1.0, 1.015),
        ([0.98, 0.99, 0.97], 1.0, 0.99),
        ([1.01, 0.99], 1.0, 0.99),
        ([], 1.0, None),
    ],
)
def test_a_region_stands_for_its_image_and_for_those_soon_after(stamps, at, expected):
    assert found([region(s) for s in stamps], at) == expected


def frame(width, height, full_size=None):
    image = np.zeros((height, width, 3), np.uint8)
    return Frame(stamp_ns=0, arrival_ns=0, image=image, full_size=full_size)


class TestBoxInAFrame:
    def test_pixels_are_those_of_the_cameras_image(self):
        given = region(0, (100, 200, 300, 600))
        assert given.box_in(frame(1280, 720)) == Box(100, 200, 300, 600)
        assert given.box_in(frame(640, 360, (1280, 720))) == Box(50, 100, 150, 300)

    def test_shares_are_those_of_any_image(self):
        given = region(0, (0.25, 0.5, 0.75, 1.0), is_normalised=True)
        for full_size in (None, (1280, 720)):
            assert given.box_in(frame(640, 360, full_size)) == Box(160, 180, 480, 360)

    def test_it_ends_at_the_edges_of_the_image(self):
        assert region(0, (-50, -1e9, 1e9, 20)).box_in(frame(64, 48)) == Box(0, 0, 64, 20)
        assert region(0, (70, 0, 90, 20)).box_in(frame(64, 48)) is None


@pytest.mark.parametrize(
    ('box', 'seconds', 'jumped'),
    [
        ((105, 100, 155, 300), 1 / 30, False),
        ((160, 100, 210, 300), 1 / 30, False),  # 10 beside, and 20 can be run
        ((190, 100, 240, 300), 1 / 30, True),
        ((200, 100, 250, 300), 0.1, False),
        ((400, 100, 450, 300), 0.1, True),
        ((110, 250, 210, 300), 1 / 30, False),  # sat down
    ],
)
def test_nobody_moves_faster_than_people_run(box, seconds, jumped):
    before = region(1.0, (100, 100, 150, 300))
    assert region(1.0 + seconds, box).jumped_from(before) is jumped


@pytest.mark.parametrize('box', [(0, 0, 0, 1), (1, 0, 0, 1), (0, 0, float('nan'), 1)])
def test_a_box_without_an_area_is_of_no_use(box):
    assert not Box(*box).is_usable
