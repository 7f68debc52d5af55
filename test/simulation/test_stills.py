"""Single pictures, and where the person in them is."""

import numpy as np
import pytest

from activity_recognition.simulation import SimulationConfig, draw_stills, simulate
from activity_recognition.simulation.body import Joint
from activity_recognition.simulation.movements import MOTIONS
from factories.rooms import empty_room


def test_the_same_seed_gives_the_same_stills():
    simulation = simulate(SimulationConfig(seed=3, duration_s=20))
    one, other = (list(draw_stills(simulation, 3, np.random.default_rng(1))) for _ in range(2))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(a.keypoints, b.keypoints)
        assert a.motion == b.motion


def test_a_still_names_the_motion_of_its_activity():
    config = SimulationConfig(seed=1, duration_s=8, activities=('typing',))
    stills = list(draw_stills(simulate(config), 4, np.random.default_rng(0)))
    assert {still.motion for still in stills} == {'sit'} <= set(MOTIONS)
    assert all(still.keypoints.shape == (len(Joint), 2) for still in stills)


@pytest.mark.parametrize('difficulty', [0.0, 1.0])
def test_keypoints_lie_on_the_person(difficulty):
    """Around the pelvis, the picture differs from that of the empty room."""
    on_person = []
    for seed in range(12):
        config = SimulationConfig(
            seed=seed, duration_s=8, difficulty=difficulty, activities=('greeting',)
        )
        simulation = simulate(config)
        scene = simulation.scene
        pose = simulation.choreography.pose(4.0)
        picture = scene.render(simulation.choreography, 4.0).astype(int)
        empty = empty_room(scene)
        height, width = picture.shape[:2]
        x, y = scene.keypoints(pose, 4.0)[Joint.PELVIS] * (width, height)
        patch = np.s_[int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3]
        on_person.append(np.abs(picture - empty)[patch].max(axis=-1).mean() > 8)
    assert np.mean(on_person) > 0.8


def test_keypoints_follow_the_shaking_camera():
    config = SimulationConfig(seed=5, duration_s=8, difficulty=1.0, activities=('resting',))
    simulation = simulate(config)
    pose = simulation.choreography.pose(4.0)
    places = np.array(
        [simulation.scene.keypoints(pose, t)[Joint.HEAD] for t in np.arange(0, 8, 0.1)]
    )
    moved_px = np.ptp(places, axis=0) * (config.width_px, config.height_px)
    assert 1.0 <= moved_px.max() <= 2 * simulation.scene.margin_px
