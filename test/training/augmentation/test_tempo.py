"""Tempo: a crop done faster or slower, every modality alike, and nothing seen before its time."""

from __future__ import annotations

import numpy as np
import pytest

from activity_recognition.modalities import DECISION_KEYS, SPEC
from activity_recognition.training.augmentation import augment
from activity_recognition.training.augmentation.tempo import change_tempo
from activity_recognition.training.augmentation_config import AugmentationConfig
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.data.crops import Arrays, CropPlan, cut_crop
from activity_recognition.types import Modality, to_ns
from factories.networks import TINY

from ..conftest import START_NS, make_segment

CONFIG = AugmentationConfig(tempo=0.4)
HZ, PER_BLOCK = 50, 4
PERIOD_NS = to_ns(PER_BLOCK / HZ)


class Drawn:
    """Draws what it is told, between -1 and 1."""

    def __init__(self, value: float) -> None:
        self.value = value

    def uniform(self, low: float, high: float) -> float:
        assert (low, high) == (-1, 1)
        return self.value


def at_tempo(crop: Arrays, rate: float) -> Arrays:
    drawn = Drawn(np.log(rate) / CONFIG.tempo)
    return change_tempo(crop, CONFIG, drawn)  # type: ignore[arg-type]


def sensor_crop(blocks: int = 50) -> Arrays:
    """A signal that says what time it is, beside decisions at the blocks' arrivals."""
    stamps = START_NS + np.arange(1, blocks + 1) * PERIOD_NS
    before_s = np.arange(PER_BLOCK - 1, -1, -1) / HZ
    time_s = (stamps - START_NS)[:, None] / 1e9 - before_s
    return {
        'inertial_blocks': np.repeat(time_s[..., None], 6, axis=-1).astype(np.float32),
        'inertial_stamps': stamps,
        'inertial_arrivals': stamps + to_ns(0.005),
        'inertial_mask': np.ones(blocks, np.bool_),
        'decision_stamps': stamps + to_ns(0.005),
        'decision_arrivals': stamps + to_ns(0.005),
        'targets': np.zeros(blocks, np.int64),
    }


@pytest.fixture
def crop() -> Arrays:
    plan = CropPlan(segment=0, start_ns=START_NS, end_ns=START_NS + to_ns(4.0), key=(0,))
    return cut_crop(make_segment(), plan, TrainConfig(crop_s=4.0, frame_rate_hz=4.0), TINY)


def test_without_a_tempo_nothing_changes(crop: Arrays):
    changed = change_tempo(crop, AugmentationConfig(), np.random.default_rng(0))
    assert changed is crop


def test_nothing_in_it_is_no_error():
    crop = {key: value[:0] for key, value in sensor_crop().items()}
    assert at_tempo(crop, 1.2) is crop


@pytest.mark.parametrize('rate', [0.8, 1.25])
def test_stamped_samples_and_decisions_keep_their_order_and_content(crop: Arrays, rate: float):
    changed = at_tempo(crop, rate)
    video = SPEC[Modality.VIDEO]
    start_ns = min(int(crop[SPEC[m].stamps_key][0]) for m in (Modality.VIDEO, Modality.AUDIO))
    for key in (video.stamps_key, video.arrivals_key, *DECISION_KEYS):
        expected = (crop[key] - start_ns) / rate
        np.testing.assert_allclose(changed[key] - start_ns, expected, rtol=0, atol=1)
    for key in ('frames', 'targets', 'transcript_tokens'):
        assert changed[key] is crop[key]


@pytest.mark.parametrize('rate', [0.8, 1.25])
def test_a_grid_keeps_its_step_and_says_what_time_it_was(rate: float):
    crop = sensor_crop()
    changed = at_tempo(crop, rate)
    stamps = changed['inertial_stamps']
    assert set(np.diff(stamps)) == {PERIOD_NS}
    assert len(stamps) == pytest.approx(50 / rate, abs=1)
    # The crop's time begins with the first stamp: what is after it comes sooner or later.
    since_s = (stamps - crop['inertial_stamps'][0]) / 1e9
    happened_s = PERIOD_NS / 1e9 + since_s * rate
    np.testing.assert_allclose(changed['inertial_blocks'][:, -1, 0], happened_s, atol=1e-5)
    inner = changed['inertial_blocks'][1:, :, 0].reshape(-1)
    np.testing.assert_allclose(np.diff(inner), rate / HZ, atol=1e-5)


def test_a_turn_is_faster_and_gravity_is_not():
    crop = sensor_crop()
    changed = at_tempo(crop, 1.25)['inertial_blocks']
    np.testing.assert_allclose(changed[..., 3:], 1.25 * changed[..., :3], rtol=1e-6)
    assert changed.dtype == np.float32


@pytest.mark.parametrize('rate', [0.75, 0.9, 1.1, 1.3])
def test_no_decision_sees_what_had_not_arrived(rate: float):
    crop = sensor_crop()
    changed = at_tempo(crop, rate)
    assert (changed['inertial_arrivals'] >= changed['inertial_stamps']).all()
    for then_ns, now_ns in zip(
        crop['decision_arrivals'], changed['decision_arrivals'], strict=True
    ):
        had = crop['inertial_blocks'][crop['inertial_arrivals'] <= then_ns][..., 0]
        has = changed['inertial_blocks'][changed['inertial_arrivals'] <= now_ns][..., 0]
        latest_s = has.max(initial=0.0)
        assert latest_s <= had.max() + 1e-5
        assert latest_s > had.max() - 2 * PERIOD_NS / 1e9 * rate


@pytest.mark.parametrize('rate', [0.8, 1.0, 1.25])
def test_a_hole_stays_one_and_leaves_no_trace(rate: float):
    crop = sensor_crop()
    crop['inertial_mask'][20:25] = False
    crop['inertial_blocks'][20:25] = 0.0
    changed = at_tempo(crop, rate)
    mask, blocks = changed['inertial_mask'], changed['inertial_blocks']
    assert 5 / rate - 1 <= (~mask).sum() <= 5 / rate + 2
    assert not blocks[~mask].any()
    inner = blocks[1:][mask[1:]]
    # A mean with a zero of the hole would break the line.
    steps = np.diff(inner[..., 0], axis=1)
    np.testing.assert_allclose(steps, rate / HZ, atol=1e-4)


def test_sound_is_stretched_with_the_frames(crop: Arrays):
    changed = at_tempo(crop, 1.25)
    audio = SPEC[Modality.AUDIO]
    assert len(changed['spectrograms']) == len(changed[audio.stamps_key])
    assert len(changed['spectrograms']) == pytest.approx(len(crop['spectrograms']) / 1.25, abs=1.5)
    assert changed['spectrograms'].shape[1:] == crop['spectrograms'].shape[1:]
    span = np.ptp(changed[audio.stamps_key]) / np.ptp(crop[audio.stamps_key])
    assert span == pytest.approx(1 / 1.25, abs=0.02)


def test_it_is_drawn_from_the_key(crop: Arrays):
    keys = ((1, 2), (1, 2), (1, 3))
    first, again, other = (augment(crop, key, CONFIG, TINY) for key in keys)
    for key in crop:
        np.testing.assert_array_equal(first[key], again[key])
    assert not np.array_equal(first['decision_stamps'], other['decision_stamps'])


def sound_crop(*, beside: bool, blocks: int = 40) -> Arrays:
    """Embeddings that say what time it is, alone or beside a spectrogram of the same."""
    period_ns = to_ns(0.04 if beside else 0.48)
    stamps = START_NS + np.arange(1, blocks + 1) * period_ns
    embeddings = np.zeros((blocks, 1025), np.float16)
    embeddings[:, 0] = np.arange(blocks)
    embeddings[:, -1] = 1
    crop = {
        'sound_embeddings': embeddings,
        'spectrogram_stamps': stamps,
        'spectrogram_arrivals': stamps + to_ns(0.01),
        'spectrogram_mask': np.ones(blocks, np.bool_),
        'decision_stamps': stamps,
        'decision_arrivals': stamps + to_ns(0.01),
    }
    columns = np.broadcast_to(np.arange(blocks)[:, None, None], (blocks, 4, 16))
    return crop | ({'spectrograms': columns.astype(np.float32)} if beside else {})


@pytest.mark.parametrize('beside', [True, False], ids=['beside', 'alone'])
@pytest.mark.parametrize('rate', [0.8, 1.25])
def test_embeddings_come_sooner_or_later_with_what_was_heard(rate: float, beside: bool):
    crop = sound_crop(beside=beside)
    changed = at_tempo(crop, rate)
    found = changed['sound_embeddings']
    assert found.dtype == np.float16
    assert len(found) == pytest.approx(40 / rate, abs=1)
    np.testing.assert_allclose(found[:, 0], np.arange(len(found)) * rate, atol=0.05)
    np.testing.assert_allclose(found[:, -1], 1)
    if beside:
        last = changed['spectrograms'][:, -1, 0]
        np.testing.assert_allclose(found[:, 0], last, atol=1.0)
    assert (changed['spectrogram_arrivals'] >= changed['spectrogram_stamps']).all()


@pytest.mark.parametrize('beside', [True, False], ids=['beside', 'alone'])
def test_a_hole_in_sound_masks_all_that_is_known_of_it(beside: bool):
    crop = sound_crop(beside=beside)
    crop['spectrogram_mask'][20:25] = False
    changed = at_tempo(crop, 1.25)
    hole = ~changed['spectrogram_mask']
    assert 3 <= hole.sum() <= 6
    for name in {'sound_embeddings', 'spectrograms'} & set(changed):
        assert not changed[name][hole].any()
        assert changed[name][~hole][1:].any(axis=tuple(range(1, changed[name].ndim))).all()


@pytest.mark.parametrize('blocks', [(20, 64, 20), (2, 7, 1), (1, 7, 1), (0, 7, 0)], ids=str)
@pytest.mark.parametrize('rate', [0.8, 1.25])
def test_a_hole_longer_than_the_rest_of_the_crop(blocks: tuple[int, int, int], rate: float):
    """All its blocks have the stamp of what comes after it, as the front end gives them."""
    before, hole, after = blocks
    steps = [1] * before + [hole] + [0] * (hole - 1) + [1] * after
    stamps = START_NS + np.cumsum(steps) * PERIOD_NS
    mask = np.repeat([True, False, True], blocks)
    crop = {
        'sound_embeddings': np.repeat(mask[:, None], 1025, axis=1).astype(np.float16),
        'spectrogram_stamps': stamps,
        'spectrogram_arrivals': stamps + 5,
        'spectrogram_mask': mask,
        'decision_times': stamps[-1:],
        'decision_arrivals': stamps[-1:] + 5,
    }
    changed = at_tempo(crop, rate)
    there, embeddings = changed['spectrogram_mask'], changed['sound_embeddings']
    assert len(there) == len(embeddings) == len(changed['spectrogram_stamps'])
    assert np.ptp(changed['spectrogram_stamps']) == pytest.approx(
        np.ptp(stamps) / rate, abs=PERIOD_NS
    )
    assert not embeddings[~there].any()
    assert (embeddings[there] == 1).all()
    assert there.sum() == pytest.approx((before + after) / rate, abs=3)
