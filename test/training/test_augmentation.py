"""Changes of crops: seeded, small, and never of what the labels tell."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activity_recognition.config import TrainConfig
from activity_recognition.training.augmentation import augment
from activity_recognition.training.crops import Arrays, CropPlan, cut_crop
from activity_recognition.types import to_ns
from factories.networks import TINY

from .conftest import START_NS, make_segment


@pytest.fixture
def crop() -> Arrays:
    plan = CropPlan(segment=0, start_ns=START_NS, end_ns=START_NS + to_ns(4.0), key=(0,))
    return cut_crop(make_segment(), plan, TrainConfig(crop_s=4.0, frame_rate_hz=4.0), TINY)


def test_strength_zero_changes_nothing(crop: Arrays):
    changed = augment(crop, (1, 2, 3), 0.0)
    assert all(changed[key] is crop[key] for key in crop)


def test_the_same_key_changes_alike(crop: Arrays):
    first, again, other = (augment(crop, key, 1.0) for key in ((1, 2), (1, 2), (1, 3)))
    for key in crop:
        np.testing.assert_array_equal(first[key], again[key])
    assert not np.array_equal(first['frames'], other['frames'])


def test_times_masks_and_targets_stay(crop: Arrays):
    before = {key: value.copy() for key, value in crop.items()}
    changed = augment(crop, (4,), 2.0)
    for key in crop:
        np.testing.assert_array_equal(crop[key], before[key], err_msg=f'{key} was changed in place')
        assert changed[key].dtype == crop[key].dtype
        assert changed[key].shape == crop[key].shape
        if key not in ('frames', 'spectrograms', 'transcript_token_mask'):
            assert changed[key] is crop[key]


def test_frames_of_a_crop_are_changed_alike(crop: Arrays):
    crop['frames'] = np.repeat(crop['frames'][:1], 5, axis=0)
    changed = augment(crop, (5,), 1.0)['frames']
    assert not np.array_equal(changed[0], crop['frames'][0])
    assert (changed == changed[0]).all()


def test_half_of_the_crops_are_mirrored(crop: Arrays):
    side = TINY.video.input_size_px
    crop['frames'] = np.zeros((1, side, side, 3), np.uint8)
    crop['frames'][:, :, side // 2 :] = 200
    mirrored = 0
    for number in range(60):
        frame = augment(crop, (number,), 1.0)['frames'][0].astype(float)
        mirrored += frame[:, : side // 4].mean() > frame[:, -side // 4 :].mean()
    assert 15 < mirrored < 45


def test_without_frames_sound_and_words_still_change(crop: Arrays):
    crop['frames'] = crop['frames'][:0]
    changed = augment(crop, (6,), 1.0)
    assert changed['frames'].shape == crop['frames'].shape
    assert not np.array_equal(changed['spectrograms'], crop['spectrograms'])


def test_loudness_is_moved_by_one_value(crop: Arrays):
    moved = augment(crop, (7,), 1.0)['spectrograms'] - crop['spectrograms']
    assert np.ptp(moved) < 1e-5
    assert 0 < abs(moved.mean()) <= 0.35


@settings(max_examples=30)
@given(seed=st.integers(0, 2**31), rows=st.integers(0, 5), columns=st.integers(1, 6))
def test_no_utterance_loses_all_its_words(seed: int, rows: int, columns: int):
    rng = np.random.default_rng(seed)
    mask = rng.random((rows, columns)) < 0.7
    crop = {
        'frames': np.zeros((0, 32, 32, 3), np.uint8),
        'spectrograms': np.zeros((1, 4, 16), np.float32),
        'transcript_token_mask': mask,
    }
    kept = augment(crop, (seed,), 2.0)['transcript_token_mask']
    assert not (kept & ~mask).any()
    np.testing.assert_array_equal(kept.any(axis=1), mask.any(axis=1))
