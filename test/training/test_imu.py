"""The fourth modality in what training does with recordings."""

import numpy as np
import pytest

from activity_recognition.bags import RecordingWriter
from activity_recognition.config import ModelConfig, SyncConfig
from activity_recognition.simulation import SimulationConfig, simulate
from activity_recognition.training.augmentation import augment
from activity_recognition.training.augmentation.imu import rotation
from activity_recognition.training.augmentation_config import AugmentationConfig
from activity_recognition.training.data.preprocessing import preprocess_recording
from activity_recognition.training.preview.canvas import Scale
from activity_recognition.training.preview.imu import COLOURS, HEIGHT_PX, draw
from activity_recognition.types import Modality
from factories.inertial import WORN, with_imu
from factories.networks import tokenizer_for

MODEL = with_imu('imu')


def crop(blocks: int = 40, *, seed: int = 0) -> dict:
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 3, (blocks, 4, 6)).astype(np.float32)
    mask = np.ones(blocks, np.bool_)
    mask[5:8] = False
    values[~mask] = 0
    stamps = np.arange(1, blocks + 1) * 80_000_000
    return {
        'inertial_blocks': values,
        'inertial_mask': mask,
        'inertial_stamps': stamps,
        'inertial_arrivals': stamps + 5_000_000,
        'decision_stamps': stamps,
        'decision_arrivals': stamps,
    }


def test_without_strength_nothing_changes():
    given = crop()
    found = augment(given, (1,), AugmentationConfig(strength=0.0), MODEL)
    for key, values in given.items():
        np.testing.assert_array_equal(found[key], values)


def test_a_change_is_small_seeded_and_keeps_holes():
    given, config = crop(), AugmentationConfig(strength=1.0)
    found, again = (augment(given, (1, 2), config, MODEL) for _ in range(2))
    other = augment(given, (1, 3), config, MODEL)
    np.testing.assert_array_equal(found['inertial_blocks'], again['inertial_blocks'])
    assert not np.array_equal(found['inertial_blocks'], other['inertial_blocks'])
    assert found['inertial_blocks'].dtype == np.float32
    assert not found['inertial_mask'][5:8].any()
    assert not found['inertial_blocks'][~found['inertial_mask']].any()
    kept = found['inertial_mask']
    one, changed = given['inertial_blocks'][kept], found['inertial_blocks'][kept]
    lengths = [np.linalg.norm(v[..., :3], axis=-1) for v in (one, changed)]
    assert np.median(np.abs(lengths[0] - lengths[1])) < 0.06 * np.median(lengths[0]) + 0.4
    assert not np.array_equal(one, changed)


def test_drop_outs_happen():
    config = AugmentationConfig(strength=1.0)
    lost = [37 - augment(crop(), (n,), config, MODEL)['inertial_mask'].sum() for n in range(60)]
    assert 3 < sum(bool(n) for n in lost) < 40
    assert max(lost) <= 6


def test_a_recipe_says_how_far_a_sensor_is_turned():
    """Without noise and scale, lengths stay, and what is along one axis shows the angle."""
    given = crop()
    given['inertial_blocks'][:] = (100.0, 0, 0, 0, 50.0, 0)
    given['inertial_mask'][:] = True

    def angles(most_deg: float) -> list[float]:
        config = AugmentationConfig(sensor_turn_deg=most_deg, sensor_scale=0.0)
        found = (augment(given, (n,), config, MODEL) for n in range(40))
        kept = [f['inertial_blocks'][f['inertial_mask']][..., :3] for f in found]
        means = [values.reshape(-1, 3).mean(axis=0) for values in kept]
        assert np.linalg.norm(means, axis=1) == pytest.approx(100.0, abs=0.2)
        return [float(np.degrees(np.arccos(mean[0] / np.linalg.norm(mean)))) for mean in means]

    assert max(angles(0.0)) < 0.2
    assert max(angles(25.0)) < 25.2
    assert 30.0 < max(angles(60.0)) < 60.2


def test_a_recipe_says_how_far_a_sensor_is_scaled():
    given = crop()
    given['inertial_blocks'][:] = (100.0, 0, 0, 0, 50.0, 0)
    given['inertial_mask'][:] = True
    config = AugmentationConfig(sensor_turn_deg=0.0, sensor_scale=0.3)
    ratios = []
    for n in range(40):
        found = augment(given, (n,), config, MODEL)
        kept = found['inertial_blocks'][found['inertial_mask']].reshape(-1, 6).mean(axis=0)
        ratios.append((kept[0] / 100, kept[4] / 50))
    assert 0.15 < np.abs(np.array(ratios) - 1).max() < 0.31
    assert np.ptp(np.array(ratios) @ (1, -1)) > 0.1


def test_a_rotation_keeps_lengths():
    turn = rotation(np.random.default_rng(0), 0.4)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1.0)
    assert np.arccos((np.trace(turn) - 1) / 2) == pytest.approx(0.4)


def picture(given: dict):
    scale = Scale(across=lambda ns: round(ns / 3.2e9 * 1280), tokenizer=tokenizer_for(WORN))
    return draw(given, scale)


def test_six_curves_and_what_is_missing():
    given = crop()
    given['inertial_blocks'][:] = 0
    given['inertial_blocks'][..., 0] = 10.0
    given['inertial_blocks'][..., 5] = -4.0
    image = picture(given)
    assert image.shape == (HEIGHT_PX, 1280, 3)
    # Above the middle of the upper half in the first colour; below that of the lower in the last.
    column = image[:, 16]
    rows = {colour: np.flatnonzero((column == colour).all(axis=1)) for colour in COLOURS}
    assert rows[COLOURS[0]].min() < HEIGHT_PX // 4
    assert rows[COLOURS[2]].max() > 3 * HEIGHT_PX // 4
    assert (image[:, 200] == (90, 0, 0)).all()


def test_without_any_it_is_said():
    given = crop()
    given['inertial_mask'][:] = False
    given['inertial_stamps'] = given['inertial_stamps'] + 10**12
    assert picture(given).any()


def test_a_recording_is_prepared(tmp_path):
    config = SimulationConfig(seed=1, duration_s=6.0, modalities=(Modality.IMU,))
    with RecordingWriter(tmp_path / 'worn', start_ns=config.start_ns) as writer:
        for sample in simulate(config).samples():
            writer.write(sample)
    model = ModelConfig(modalities=('imu',))
    (segment,) = preprocess_recording(tmp_path / 'worn', model, SyncConfig()).segments
    assert set(segment.arrays) == {
        'inertial_blocks',
        'inertial_stamps',
        'inertial_arrivals',
        'inertial_mask',
        'decision_stamps',
        'decision_arrivals',
    }
    assert segment.arrays['inertial_blocks'].shape == (74, 4, 6)
    assert segment.arrays['inertial_mask'].all()
