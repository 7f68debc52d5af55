"""Cameras drawn around somebody: they look at the person, from where they may."""

import numpy as np
import pytest

from activity_recognition.errors import ConfigError
from activity_recognition.training.data.random_cameras import (
    FOCAL_PX,
    SIZE_PX,
    CameraConfig,
    draw_camera,
)

STRAIGHT = CameraConfig(
    yaw_deg=0.0, low_deg=0.0, high_deg=0.0, nearest_m=3.0, farthest_m=3.0, roll_deg=0.0, beside=0.0
)
MIDDLE = np.array([0.4, 0.2, 2.5])


@pytest.fixture
def places_m():
    """A cross: a trunk of 1 m and arms of 0.6 m each, five times; one joint missing."""
    cross = np.array([[0, -0.5, 0], [0, 0.5, 0], [-0.6, 0, 0], [0.6, 0, 0], [0, 0, 0.0]]) + MIDDLE
    places = np.repeat(cross[None], 5, axis=0)
    places[2, 0] = np.nan
    return places


def draw(places_m, seed=0, **changes):
    settings = {name: getattr(STRAIGHT, name) for name in STRAIGHT.__slots__}
    return draw_camera(places_m, CameraConfig(**(settings | changes)), np.random.default_rng(seed))


def test_straight_ahead_the_size_follows_from_the_distance(places_m):
    seen = draw(places_m).project(places_m)
    np.testing.assert_allclose(seen[0, 4], np.array(SIZE_PX) / 2, atol=1e-3)
    np.testing.assert_allclose(seen[0, 1] - seen[0, 0], [0, FOCAL_PX / 3], atol=1e-3)
    np.testing.assert_allclose(seen[0, 3] - seen[0, 2], [1.2 * FOCAL_PX / 3, 0], atol=1e-3)
    assert np.isnan(seen[2, 0]).all()


def test_whatever_is_drawn_the_person_is_where_it_may_be(places_m):
    for seed in range(50):
        camera = draw_camera(places_m, CameraConfig(), np.random.default_rng(seed))
        np.testing.assert_allclose(
            camera.pose[:3, :3] @ camera.pose[:3, :3].T, np.eye(3), atol=1e-9
        )
        middle = camera.pose[:3, :3] @ MIDDLE + camera.pose[:3, 3]
        assert 1.8 <= middle[2] <= 5.0
        off = camera.project(MIDDLE[None])[0] - np.array(SIZE_PX) / 2
        assert (np.abs(off) <= 0.2 * np.array(SIZE_PX) / 2 + 1e-3).all()


def test_a_camera_to_the_side_sees_arms_shorter_and_the_trunk_as_long(places_m):
    widths = []
    for seed in range(30):
        seen = draw(places_m, seed, yaw_deg=60.0).project(places_m)[0]
        widths.append(np.linalg.norm(seen[3] - seen[2]) / np.linalg.norm(seen[1] - seen[0]))
    assert min(widths) < 0.9
    # In perspective, the nearer arm grows less than the farther one shrinks.
    assert max(widths) < 1.35


def test_a_camera_above_sees_the_top_nearer(places_m):
    camera = draw(places_m, low_deg=40.0, high_deg=40.0)
    top, bottom = (camera.pose[:3, :3] @ p + camera.pose[:3, 3] for p in places_m[0, :2])
    assert top[2] < bottom[2]


def test_the_same_seed_draws_the_same(places_m):
    one, other = (draw_camera(places_m, CameraConfig(), np.random.default_rng(3)) for _ in 'ab')
    np.testing.assert_array_equal(one.pose, other.pose)


@pytest.mark.parametrize(
    ('changes', 'fault'),
    [
        ({'nearest_m': 4.0, 'farthest_m': 3.0}, 'nearest_m must not lie above farthest_m=3, got 4'),
        ({'low_deg': 20.0, 'high_deg': 10.0}, 'low_deg must not lie above high_deg=10, got 20'),
        ({'yaw_deg': 400.0}, 'yaw_deg'),
    ],
)
def test_ranges_are_checked(changes, fault):
    with pytest.raises(ConfigError, match=fault):
        CameraConfig(**changes)
