"""The simulated person wears an inertial sensor at the wrist."""

import dataclasses

import numpy as np
import pytest

from activity_recognition.bags import RecordingReader, RecordingWriter, TopicNames
from activity_recognition.bags.writer import topic_of
from activity_recognition.config import ModelConfig
from activity_recognition.simulation import SimulationConfig, simulate
from activity_recognition.simulation.body import Joint, joints
from activity_recognition.simulation.sampling.imu import RATE_HZ, true_values
from activity_recognition.types import Frame, InertialChunk, Modality, Role

GRAVITY = 9.80665


def config_of(*activities: str, **changes) -> SimulationConfig:
    return SimulationConfig(
        **{
            'seed': 3,
            'duration_s': 12.0,
            'modalities': (Modality.IMU,),
            'activities': activities or ('none', 'walking'),
            **changes,
        }
    )


def values_of(config: SimulationConfig) -> np.ndarray:
    return np.concatenate([chunk.samples for chunk in simulate(config).samples()])


def test_it_measures_at_its_rate_and_is_late_by_little():
    config = config_of()
    chunks = list(simulate(config).samples())
    assert len(chunks) == 12 * RATE_HZ
    assert all(isinstance(chunk, InertialChunk) for chunk in chunks)
    stamps = np.array([chunk.stamp_ns for chunk in chunks])
    assert stamps[0] == config.start_ns
    assert set(np.diff(stamps)) == {10_000_000}
    delays = np.array([chunk.arrival_ns for chunk in chunks]) - stamps
    assert 0 < delays.min() < delays.max() <= 20_000_000
    assert {chunk.frame_id for chunk in chunks} == {'right_wrist'}


def test_the_same_seed_measures_the_same_and_another_not():
    one, again, other = (values_of(config_of(seed=seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_nothing_else_changes_with_it():
    """Recordings without it are those of before, and with it the frames stay."""
    assert Modality.IMU not in SimulationConfig().modalities
    config = config_of(modalities=(Modality.VIDEO,), duration_s=2.0)
    both = dataclasses.replace(config, modalities=(Modality.VIDEO, Modality.IMU))
    alone = list(simulate(config).samples())
    beside = [sample for sample in simulate(both).samples() if isinstance(sample, Frame)]
    assert len(alone) == len(beside)
    for one, other in zip(alone, beside, strict=True):
        assert one.arrival_ns == other.arrival_ns
        np.testing.assert_array_equal(one.image, other.image)


def test_who_rests_feels_gravity_and_who_exercises_more():
    resting = values_of(config_of('resting'))
    strength = np.linalg.norm(resting[:, :3], axis=1)
    assert np.median(strength) == pytest.approx(GRAVITY, abs=0.5)
    assert np.abs(resting[:, 3:]).mean() < 0.5
    moving = values_of(config_of('exercising'))
    assert moving[:, :3].std(axis=0).sum() > 2 * resting[:, :3].std(axis=0).sum()


def test_it_is_what_the_wrist_does():
    """Turned back into the room and without gravity it is the path's acceleration."""
    simulation = simulate(config_of('exercising', duration_s=6.0))
    found = true_values(simulation, 600)
    build = simulation.scene.looks.build
    path = np.array(
        [joints(simulation.choreography.pose(i / RATE_HZ), build)[Joint.HAND_L] for i in range(600)]
    )[:, [0, 2, 1]]
    smooth = np.apply_along_axis(lambda c: np.convolve(c, np.ones(7) / 7, 'same'), 0, path)
    second = np.diff(smooth, 2, axis=0) * RATE_HZ**2 + [0, 0, GRAVITY]
    # The length of a vector does not depend on how the sensor is turned.
    np.testing.assert_allclose(
        np.linalg.norm(found[10:590, :3], axis=1),
        np.linalg.norm(second[9:589], axis=1),
        atol=1e-6,
    )


def test_the_angular_velocity_is_that_at_which_gravity_turns():
    """At rest in between, a turn of the axes turns what gravity is in them."""
    simulation = simulate(config_of('none', duration_s=8.0, seed=5))
    found = true_values(simulation, 800)
    force, rate = found[:, :3], found[:, 3:]
    turned = np.gradient(force, 1 / RATE_HZ, axis=0)
    predicted = -np.cross(rate, force)
    calm = np.abs(np.linalg.norm(force, axis=1) - GRAVITY) < 0.05
    calm[:5] = calm[-5:] = False
    assert calm.sum() > 200
    error = np.linalg.norm(turned - predicted, axis=1)[calm]
    assert np.median(error) < 0.2


def test_a_recording_holds_it_and_gives_it_back(tmp_path):
    config = config_of(duration_s=3.0)
    with RecordingWriter(tmp_path / 'worn', start_ns=config.start_ns) as writer:
        for sample in simulate(config).samples():
            writer.write(sample)
    model = ModelConfig(modalities=('imu',))
    with RecordingReader.for_model(tmp_path / 'worn', model) as reader:
        assert reader.roles.imu == topic_of(Role.IMU) == '/imu/data'
        chunks = list(reader.samples())
        assert reader.drops.total == 0
    found = np.concatenate([chunk.samples for chunk in chunks])
    assert chunks[0].stamp_ns == config.start_ns
    assert {chunk.sample_rate_hz for chunk in chunks} == {50}
    raw = values_of(config)
    pairs = (raw[:-2:2] + 2 * raw[1:-1:2] + raw[2::2]) / 4
    np.testing.assert_allclose(found, pairs[: len(found)], atol=1e-4)
    assert len(found) == 148


def test_a_chunk_of_several_samples_is_several_messages(tmp_path):
    chunk = InertialChunk(
        stamp_ns=10**18,
        arrival_ns=10**18 + 10**8,
        samples=np.arange(30, dtype=np.float32).reshape(5, 6),
        sample_rate_hz=50,
        frame_id='wrist',
    )
    with RecordingWriter(tmp_path / 'one') as writer:
        writer.write(chunk)
    with RecordingReader(tmp_path / 'one', TopicNames(imu='auto')) as reader:
        (topic,) = [topic for topic in reader.topics if topic.name == '/imu/data']
        assert (topic.type_name, topic.count) == ('sensor_msgs/msg/Imu', 5)
        (found,) = reader.samples()
    np.testing.assert_allclose(found.samples[0], chunk.samples[:2].mean(axis=0))
    assert found.frame_id == 'wrist'
