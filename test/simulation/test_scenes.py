"""What is seen: people, their movements, and the pictures."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activity_recognition.simulation import ACTIVITIES, SimulationConfig, simulate
from activity_recognition.simulation.body import Joint, draw_build, joints
from activity_recognition.simulation.camera import draw_camera
from activity_recognition.simulation.movements import MOTIONS
from activity_recognition.simulation.poses import Pose
from activity_recognition.simulation.stage import draw_stage
from factories.rooms import empty_room


def draw_motion(name, seed, length_s=12.0):
    stage = draw_stage(np.random.default_rng(seed), 1.7)
    return stage, MOTIONS[name](np.random.default_rng(seed + 1), stage, length_s)


@pytest.mark.parametrize('label', ACTIVITIES)
def test_every_activity_shows_a_person(label):
    shown = 0
    for seed in range(4):
        config = SimulationConfig(seed=seed, duration_s=8, difficulty=0, activities=(label,))
        simulation = simulate(config)
        picture = simulation.scene.render(simulation.choreography, 4.0).astype(int)
        empty = empty_room(simulation.scene)
        shown += np.mean(np.abs(picture - empty).max(axis=2) > 20) > 0.01
    # Doing nothing may happen outside the picture.
    assert shown == 4 or (label == 'none' and shown >= 2)


@pytest.mark.parametrize('label', ['walking', 'exercising', 'greeting', 'knocking', 'typing'])
def test_people_move(label):
    config = SimulationConfig(seed=1, duration_s=8, difficulty=0, activities=(label,))
    simulation = simulate(config)
    pictures = [
        simulation.scene.render(simulation.choreography, 4.0 + 0.1 * step).astype(int)
        for step in range(8)
    ]
    changes = [np.abs(a - b).max() for a, b in itertools.pairwise(pictures)]
    assert max(changes) > 40


@pytest.mark.parametrize(
    ('one', 'other'),
    [
        ('knocking', 'wiping'),
        ('typing', 'eating'),
        ('greeting', 'calling_for_help'),
        ('asking_robot', 'chatting'),
        ('fallen', 'resting'),
    ],
)
def test_what_differs_in_sound_or_words_alone_looks_exactly_alike(one, other):
    pictures = []
    for label in (one, other):
        config = SimulationConfig(
            seed=5, duration_s=10, activities=(label,), min_spoken_segment_s=8.0
        )
        simulation = simulate(config)
        pictures.append(simulation.scene.render(simulation.choreography, 5.0))
    assert np.array_equal(*pictures)


@settings(max_examples=20, deadline=None)
@given(name=st.sampled_from(sorted(MOTIONS)), seed=st.integers(0, 2**32))
def test_motions_are_smooth_and_finite(name, seed):
    stage, motion = draw_motion(name, seed)
    times = np.arange(-2.0, 4.0, 1 / 60)
    poses = np.array([motion.pose(float(time_s)) for time_s in times])
    assert poses.shape == (len(times), Pose.SIZE)
    assert np.isfinite(poses).all()
    build = draw_build(np.random.default_rng(seed))
    places = np.array([joints(pose, build) for pose in poses])
    speed_m_s = np.linalg.norm(np.diff(places, axis=0), axis=2).max() * 60
    assert speed_m_s < 16
    assert places[..., Joint.PELVIS, 1].min() > 0.02
    assert np.abs(poses[:, Pose.X]).max() <= stage.outside_m + 0.2


@settings(max_examples=25, deadline=None)
@given(name=st.sampled_from(sorted(MOTIONS)), seed=st.integers(0, 2**32))
def test_limbs_keep_their_length(name, seed):
    _, motion = draw_motion(name, seed)
    build = draw_build(np.random.default_rng(seed))
    for time_s in (0.0, 1.7, 5.3):
        places = joints(motion.pose(time_s), build)
        for side in range(2):
            bones = (
                (Joint.SHOULDER_L, Joint.ELBOW_L, build.arm_m / 2),
                (Joint.ELBOW_L, Joint.HAND_L, build.arm_m / 2),
                (Joint.HIP_L, Joint.KNEE_L, build.leg_m / 2),
                (Joint.KNEE_L, Joint.ANKLE_L, build.leg_m / 2),
            )
            for start, end, length_m in bones:
                found = np.linalg.norm(places[start + side] - places[end + side])
                assert found == pytest.approx(length_m, abs=1e-4)


@settings(max_examples=25, deadline=None)
@given(name=st.sampled_from(sorted(MOTIONS)), seed=st.integers(0, 2**32))
def test_beats_lie_inside_the_segment_in_order(name, seed):
    _, motion = draw_motion(name, seed)
    beats = motion.beats(12.0)
    assert (np.diff(beats) > 0).all()
    assert ((beats >= 0) & (beats <= 12.0)).all()


def test_people_pass_from_one_activity_to_the_next_without_a_jump():
    simulation = simulate(SimulationConfig(seed=8, duration_s=60))
    build = simulation.scene.looks.build
    times = np.arange(0, 60, 1 / 60)
    places = np.array([joints(simulation.choreography.pose(float(t)), build) for t in times])
    assert np.linalg.norm(np.diff(places, axis=0), axis=2).max() * 60 < 16


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_the_camera_sees_a_standing_person_whole(seed):
    rng = np.random.default_rng(seed)
    camera = draw_camera(rng, 192, 144, 0)
    pixels, depth = camera.project(np.array([[0.0, 0.0, 3.2], [0.0, 1.75, 3.2]]))
    assert (depth > 0).all()
    assert pixels[1, 1] < pixels[0, 1]
    assert pixels[0, 1] <= 150
    assert pixels[1, 1] >= -6


def test_difficulty_zero_is_clean_and_one_is_noisy():
    grain = []
    for difficulty in (0.0, 1.0):
        simulation = simulate(SimulationConfig(seed=2, difficulty=difficulty))
        picture = np.full((144, 192, 3), 128, np.uint8)
        grain.append(simulation.scene.add_noise(picture, (0, 0)).astype(float).std())
    assert grain[0] < 2 < grain[1]
