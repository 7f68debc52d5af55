"""Changes of crops: seeded, small, and never of what the labels tell."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from activity_recognition.models.spectrogram import FLOOR, MEAN, SCALE
from activity_recognition.training.augmentation import augment as augment_to
from activity_recognition.training.augmentation.video import change_frames
from activity_recognition.training.augmentation_config import AugmentationConfig
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.data.crops import Arrays, CropPlan, cut_crop
from activity_recognition.types import to_ns
from factories.networks import TINY

from ..conftest import START_NS, make_segment

EVERYTHING = AugmentationConfig(
    colour=0.2,
    mel_shift=2.0,
    noise_db=30.0,
    mel_masks=1,
    mel_mask_bins=4,
    time_masks=1,
    word_errors=0.5,
    clock_skew_s=0.2,
)
"""Every kind of change."""


SIDE = TINY.video.input_size_px
VOCAB_SIZE = TINY.text.vocab_size
augment = functools.partial(augment_to, model=TINY)


@pytest.fixture
def crop() -> Arrays:
    plan = CropPlan(segment=0, start_ns=START_NS, end_ns=START_NS + to_ns(4.0), key=(0,))
    return cut_crop(make_segment(), plan, TrainConfig(crop_s=4.0, frame_rate_hz=4.0), TINY)


def test_strength_zero_changes_nothing(crop: Arrays):
    changed = augment(crop, (1, 2, 3), AugmentationConfig(strength=0.0))
    assert all(changed[key] is crop[key] for key in crop)


def test_the_same_key_changes_alike(crop: Arrays):
    keys = ((1, 2), (1, 2), (1, 3))
    first, again, other = (augment(crop, key, EVERYTHING) for key in keys)
    for key in crop:
        np.testing.assert_array_equal(first[key], again[key])
    assert not np.array_equal(first['frames'], other['frames'])


def test_times_masks_and_targets_stay(crop: Arrays):
    before = {key: value.copy() for key, value in crop.items()}
    changed = augment(crop, (4,), AugmentationConfig(strength=2.0))
    for key in crop:
        np.testing.assert_array_equal(crop[key], before[key], err_msg=f'{key} was changed in place')
        assert changed[key].dtype == crop[key].dtype
        assert changed[key].shape == crop[key].shape
        if key not in ('frames', 'spectrograms', 'transcript_tokens', 'transcript_token_mask'):
            assert changed[key] is crop[key]


def test_frames_of_a_crop_are_changed_alike(crop: Arrays):
    crop['frames'] = np.repeat(crop['frames'][:1], 5, axis=0)
    changed = augment(crop, (5,), AugmentationConfig())['frames']
    assert not np.array_equal(changed[0], crop['frames'][0])
    assert (changed == changed[0]).all()


def test_half_of_the_crops_are_mirrored(crop: Arrays):
    side = TINY.video.input_size_px
    crop['frames'] = np.zeros((1, side, side, 3), np.uint8)
    crop['frames'][:, :, side // 2 :] = 200
    mirrored = 0
    for number in range(60):
        frame = augment(crop, (number,), AugmentationConfig())['frames'][0].astype(float)
        mirrored += frame[:, : side // 4].mean() > frame[:, -side // 4 :].mean()
    assert 15 < mirrored < 45


def test_without_frames_sound_and_words_still_change(crop: Arrays):
    crop['frames'] = crop['frames'][:0]
    changed = augment(crop, (6,), AugmentationConfig())
    assert changed['frames'].shape == crop['frames'].shape
    assert not np.array_equal(changed['spectrograms'], crop['spectrograms'])


def test_loudness_is_moved_by_one_value(crop: Arrays):
    moved = augment(crop, (7,), AugmentationConfig())['spectrograms'] - crop['spectrograms']
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
        'transcript_tokens': mask.astype(np.int64),
        'transcript_token_mask': mask,
    }
    kept = augment(crop, (seed,), AugmentationConfig(strength=2.0))['transcript_token_mask']
    assert not (kept & ~mask).any()
    np.testing.assert_array_equal(kept.any(axis=1), mask.any(axis=1))


def only(**changes: float) -> AugmentationConfig:
    """Return settings that change nothing but what is given."""
    nothing = {
        **dict.fromkeys(('mirror', 'shift', 'zoom', 'contrast', 'brightness'), 0.0),
        **dict.fromkeys(('level', 'word_loss'), 0.0),
    }
    return AugmentationConfig(**{**nothing, **changes})


def test_nothing_is_changed_that_is_not_asked_for(crop: Arrays):
    changed = augment(crop, (1,), only())
    for key in crop:
        np.testing.assert_array_equal(changed[key], crop[key])


def test_colours_are_balanced_anew(crop: Arrays):
    crop['frames'] = np.full((2, 32, 32, 3), 100, np.uint8)
    frame = augment(crop, (3,), only(colour=0.3))['frames'][0]
    assert (frame == frame[0, 0]).all()
    assert len(set(frame[0, 0].tolist())) == 3
    assert np.abs(np.log(frame[0, 0] / 100)).max() <= 0.31


def test_sound_is_moved_between_bands(crop: Arrays):
    ramp = np.arange(16, dtype=np.float32)
    crop['spectrograms'] = np.broadcast_to(ramp, (5, 4, 16)).copy()
    moved = {augment(crop, (n,), only(mel_shift=2.0))['spectrograms'][0, 0, 8] for n in range(40)}
    assert moved == {6.0, 7.0, 8.0, 9.0, 10.0}


def test_noise_lifts_silence_and_leaves_what_is_loud(crop: Arrays):
    silence = np.float32((np.log(FLOOR) - MEAN) / SCALE)
    crop['spectrograms'] = np.full((50, 4, 16), silence, np.float32)
    crop['spectrograms'][:, 2] = 2.0
    noisy = augment(crop, (2,), only(noise_db=40.0))['spectrograms']
    assert (noisy[:, 0] > silence).all()
    assert noisy[:, 0].std() > 0.01
    np.testing.assert_allclose(noisy[:, 2], 2.0, atol=1e-3)


def test_masks_hide_bands_and_stretches(crop: Arrays):
    rng = np.random.default_rng(0)
    crop['spectrograms'] = rng.normal(size=(25, 4, 16)).astype(np.float32)
    config = only(time_masks=2, time_mask_columns=20, mel_masks=1, mel_mask_bins=6)
    most = 0
    for number in range(20):
        masked = augment(crop, (number,), config)['spectrograms']
        hidden = (masked != crop['spectrograms']).reshape(100, 16)
        whole = hidden.all(axis=1, keepdims=True) | hidden.all(axis=0, keepdims=True)
        assert (hidden == whole).all()
        assert hidden.all(axis=1).sum() <= 40
        assert hidden.all(axis=0).sum() <= 6
        most = max(most, int(hidden.sum()))
    assert most > 0


def test_a_mask_draws_nothing_from_the_global_generator(crop: Arrays):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    augment(crop, (1,), EVERYTHING)
    assert torch.equal(torch.rand(1), expected)


def test_misheard_words_are_words(crop: Arrays):
    changed = augment(crop, (11,), only(word_errors=1.0))
    heard, mask = changed['transcript_tokens'], crop['transcript_token_mask']
    assert (heard != crop['transcript_tokens']).any()
    assert (heard[~mask] == crop['transcript_tokens'][~mask]).all()
    assert ((heard[mask] >= 2) & (heard[mask] < VOCAB_SIZE)).all()


def test_clocks_are_moved_as_a_whole_and_nothing_arrives_before_it_happened(crop: Arrays):
    moved = set()
    for number in range(20):
        changed = augment(crop, (number,), only(clock_skew_s=0.2))
        for sense in ('spectrogram', 'transcript'):
            by = changed[f'{sense}_stamps'] - crop[f'{sense}_stamps']
            assert np.ptp(by) == 0
            assert abs(by[0]) <= to_ns(0.2)
            assert (changed[f'{sense}_stamps'] <= crop[f'{sense}_arrivals']).all()
            moved.add(int(by[0]))
        assert changed['frame_stamps'] is crop['frame_stamps']
    assert len(moved) > 10


def wide_crop(crop: Arrays, count: int = 1) -> Arrays:
    """Return a crop with pictures of 48 pixels whose red tells the column and green the row."""
    ramp = np.arange(48, dtype=np.uint8) * 5
    picture = np.zeros((48, 48, 3), np.uint8)
    picture[..., 0], picture[..., 1], picture[..., 2] = ramp, ramp[:, None], 255
    return {**crop, 'frames': np.repeat(picture[None], count, axis=0)}


def test_views_are_of_the_network_s_size_and_alike_over_a_crop(crop: Arrays):
    views = augment(wide_crop(crop, 4), (1,), only(margin=0.5))['frames']
    assert views.shape == (4, SIDE, SIDE, 3)
    assert (views == views[0]).all()


@settings(max_examples=60)
@given(seed=st.integers(0, 2**31), strength=st.sampled_from([0.3, 1.0, 2.0]))
def test_a_view_shows_the_picture_and_never_a_border(seed: int, strength: float):
    config = dataclasses.replace(only(margin=0.5), strength=strength)
    view = change_frames(wide_crop({})['frames'], config, np.random.default_rng(seed), SIDE)[0]
    for axis, colour in ((1, 0), (0, 1)):
        steps = np.diff(view[..., colour].astype(float), axis=axis) / 5
        # A border that is repeated would be flat; pixels are between 1 and 1.5 of the picture's.
        inner = steps[1:-1, 1:-1]
        assert inner.min() >= 0.6, 'flat'
        assert inner.max() <= 1.9
    assert (view[..., 2] == 255).all()


def test_the_largest_view_is_the_picture_and_the_smallest_true_pixels(crop: Arrays):
    extents = []
    for number in range(200):
        view = augment(wide_crop(crop), (number,), only(margin=0.5))['frames'][0].astype(float)
        extents.append(np.ptp(view[..., 0]) / 5 / (SIDE - 1))
    assert 1.0 <= min(extents) < 1.03
    assert 1.47 < max(extents) <= 1.52


def test_a_view_is_mirrored_in_place():
    frames = wide_crop({})['frames']
    plain, mirrored = (
        change_frames(frames, only(margin=0.5, mirror=chance), np.random.default_rng(3), SIDE)
        for chance in (0.0, 1.0)
    )
    difference = plain[:, :, ::-1].astype(int) - mirrored
    assert np.abs(difference).max() <= 1


def test_without_strength_no_margin_is_needed():
    assert AugmentationConfig(margin=0.5, strength=0.0).wide_px(128) == 0
    assert AugmentationConfig(margin=0.125).wide_px(128) == 144
    assert AugmentationConfig().wide_px(128) == 0


def _scene(median: float) -> np.ndarray:
    """Frames with shadows and lamps, as cameras see rooms: log-normal levels about a median."""
    rng = np.random.default_rng(int(median))
    levels = median * np.exp(rng.normal(0.0, 0.8, (4, 48, 48, 1)))
    return np.clip(np.round(levels), 0, 255).astype(np.uint8).repeat(3, axis=-1)


@pytest.mark.parametrize('median', [12, 30, 60, 110, 170])
def test_tones_lose_no_shadows(median: float):
    """Of an even offset, or a contrast about mid-grey, dark crops became half black."""
    still = {'shift': 0.0, 'zoom': 0.0, 'mirror': 0.0, 'colour': 0.1}
    frames = _scene(median)
    black, white = np.mean(frames == 0), np.mean(frames == 255)
    for seed in range(40):
        changed = change_frames(
            frames, AugmentationConfig(**still), np.random.default_rng(seed), 48
        )
        assert np.mean(changed == 0) - black <= 0.03
        assert np.mean(changed == 255) - white <= 0.25
        assert not changed[frames == 0].any()


def test_brightness_changes_mid_grey_by_about_so_many_levels():
    grey = np.full((1, 8, 8, 3), 128, np.uint8)
    only = AugmentationConfig(
        shift=0.0, zoom=0.0, mirror=0.0, colour=0.0, contrast=0.0, brightness=20.0
    )
    found = [
        int(change_frames(grey, only, np.random.default_rng(seed), 8)[0, 0, 0, 0]) - 128
        for seed in range(200)
    ]
    assert -21 <= min(found) <= -15
    assert 15 <= max(found) <= 24
    assert abs(np.mean(found)) < 3


def test_contrast_changes_about_the_mean_of_the_frames():
    """Black, white and the mean stay; levels beside the mean come closer or part."""
    frames = np.full((1, 64, 64, 3), 40, np.uint8)
    frames[0, 1::8, 1::8], frames[0, 2::8, 2::8] = 36, 44
    frames[0, 3, 3], frames[0, 5, 5] = 0, 255
    only = AugmentationConfig(
        shift=0.0, zoom=0.0, mirror=0.0, colour=0.0, contrast=0.8, brightness=0.0
    )
    distances = []
    for seed in range(30):
        changed = change_frames(frames, only, np.random.default_rng(seed), 64)[0]
        assert changed[0, 1, 0] == pytest.approx(40, abs=1)
        assert changed[3, 3, 0] == 0
        assert changed[5, 5, 0] == 255
        distances.append(int(changed[2, 2, 0]) - int(changed[1, 1, 0]))
    assert min(distances) <= 5
    assert max(distances) >= 14
