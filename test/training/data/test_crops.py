"""Crops: the same again, labelled at their own moments, with modalities hidden."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activity_recognition.training.config import TrainConfig
from activity_recognition.training.data.crops import CropPlan, collate, cut_crop, plan_epoch
from activity_recognition.training.data.segments import LabelledSegment
from activity_recognition.training.run.losses import IGNORE
from activity_recognition.types import MODALITIES, Modality, to_ns
from factories.networks import TINY

from ..conftest import START_NS, make_segment

CONFIG = TrainConfig(crop_s=4.0, frame_rate_hz=4.0, batch_size=3, modality_dropout=0.0)


def plan_for(segment: LabelledSegment, *, seed: int = 0, **changes: object) -> CropPlan:
    plan = CropPlan(
        segment=0,
        start_ns=START_NS + to_ns(3.3),
        end_ns=START_NS + to_ns(7.3),
        key=(seed, 0, 0),
    )
    return dataclasses.replace(plan, **changes)


def assert_equal(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> None:
    assert first.keys() == second.keys()
    for key, value in first.items():
        np.testing.assert_array_equal(value, second[key], err_msg=key)


def test_the_same_plan_cuts_the_same_crop(segment: LabelledSegment):
    plan = plan_for(segment)
    assert_equal(cut_crop(segment, plan, CONFIG, TINY), cut_crop(segment, plan, CONFIG, TINY))


def test_another_seed_keeps_other_frames(segment: LabelledSegment):
    crops = [cut_crop(segment, plan_for(segment, seed=s), CONFIG, TINY) for s in range(8)]
    assert len({crop['frame_stamps'].tobytes() for crop in crops}) > 4


def test_an_epoch_is_planned_the_same_again_and_another_is_not(segment: LabelledSegment):
    segments = [segment, make_segment(seed=1)]
    assert plan_epoch(segments, CONFIG, 3) == plan_epoch(segments, CONFIG, 3)
    assert plan_epoch(segments, CONFIG, 3) != plan_epoch(segments, CONFIG, 4)


def test_an_epoch_passes_over_every_segment_about_once(segment: LabelledSegment):
    segments = [segment, make_segment(seed=1, duration_s=8.0), make_segment(duration_s=2.0)]
    plans = [plan for batch in plan_epoch(segments, CONFIG, 0) for plan in batch]
    counts = [sum(plan.segment == index for plan in plans) for index in range(3)]
    assert counts == [3, 2, 1]
    assert len({plan.key for plan in plans}) == len(plans)


def test_a_silence_of_decades_is_passed_over(segment: LabelledSegment):
    """A board without a clock of its own begins in 1970, and is set while it records."""
    changes = {}
    for name, value in segment.arrays.items():
        if name.endswith(('_stamps', '_arrivals')):
            times = value.copy()
            times[times >= START_NS + to_ns(6.0)] += to_ns(1.7e9)
            changes[name] = times
    torn = dataclasses.replace(segment, arrays=segment.arrays | changes)
    first, second = torn.busy
    assert first == (segment.start_ns, first[1])
    assert first[1] < START_NS + to_ns(6.0) < second[0] - to_ns(1.6e9)
    assert second[1] == segment.end_ns + to_ns(1.7e9)
    rate_hz = segment.rate_hz(Modality.VIDEO)
    assert torn.rate_hz(Modality.VIDEO) == pytest.approx(rate_hz, rel=0.05)
    plans = [plan for batch in plan_epoch([torn], CONFIG, 0) for plan in batch]
    usual = [plan for batch in plan_epoch([segment], CONFIG, 0) for plan in batch]
    assert abs(len(plans) - len(usual)) <= 1
    for plan in plans:
        assert any(low <= plan.start_ns < high for low, high in torn.busy)
        assert len(cut_crop(torn, plan, CONFIG, TINY)['decision_stamps'])


def test_crops_without_video_share_batches(segment: LabelledSegment):
    config = dataclasses.replace(CONFIG, modality_dropout=0.5)
    batches = plan_epoch([segment] * 20, config, 0)
    blind = [{Modality.VIDEO in plan.hidden for plan in batch} for batch in batches]
    assert all(len(kinds) == 1 for kinds in blind)
    assert {True} in blind
    assert {False} in blind


def test_something_is_always_left_to_see():
    heard = make_segment(texts=())
    nothing = {k: v[:0] for k, v in heard.arrays.items() if k.startswith('spectrogram')}
    silent = dataclasses.replace(heard, arrays=heard.arrays | nothing)
    config = dataclasses.replace(CONFIG, modality_dropout=1.0)
    plans = [plan for batch in plan_epoch([silent] * 5, config, 0) for plan in batch]
    assert all(Modality.VIDEO not in plan.hidden for plan in plans)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    start_s=st.floats(-1.0, 11.0),
    frame_rate_hz=st.sampled_from([1.0, 4.0, 9.0]),
)
def test_what_a_crop_holds(seed: int, start_s: float, frame_rate_hz: float):
    segment = make_segment()
    config = dataclasses.replace(CONFIG, frame_rate_hz=frame_rate_hz)
    start_ns = START_NS + to_ns(start_s)
    end_ns = start_ns + to_ns(config.crop_s)
    plan = CropPlan(segment=0, start_ns=start_ns, end_ns=end_ns, key=(seed,))
    crop = cut_crop(segment, plan, config, TINY)

    assert len(crop['frames']) <= config.crop_s * frame_rate_hz
    assert (np.diff(crop['frame_stamps']) > 0).all()
    for prefix, lead_s in (('frame', 0.0), ('spectrogram', 1.0), ('transcript', 5.0)):
        arrivals = crop[f'{prefix}_arrivals']
        assert ((arrivals >= start_ns - to_ns(lead_s)) & (arrivals < end_ns)).all()
    # Each frame kept is decided at, when it arrives.
    decisions = set(zip(crop['decision_stamps'], crop['decision_arrivals'], strict=True))
    assert decisions >= set(zip(crop['frame_stamps'], crop['frame_arrivals'], strict=True))
    assert (np.diff(crop['decision_arrivals']) >= 0).all()
    np.testing.assert_array_equal(crop['targets'], segment.labels.at(crop['decision_stamps']))


def test_frames_are_the_recordings_own(segment: LabelledSegment):
    crop = cut_crop(segment, plan_for(segment), CONFIG, TINY)
    indices = np.searchsorted(segment.arrays['frame_stamps'], crop['frame_stamps'])
    np.testing.assert_array_equal(crop['frames'], segment.arrays['frames'][indices])


def test_sound_and_words_before_the_crop_are_there(segment: LabelledSegment):
    start_ns = START_NS + to_ns(5.0)
    plan = plan_for(segment, start_ns=start_ns, end_ns=start_ns + to_ns(4.0))
    crop = cut_crop(segment, plan, CONFIG, TINY)
    assert crop['frame_arrivals'][0] >= start_ns
    assert crop['spectrogram_arrivals'][0] < start_ns - to_ns(0.9)
    assert crop['transcript_arrivals'][0] < start_ns


@pytest.mark.parametrize('modality', MODALITIES)
def test_a_hidden_modality_is_masked_and_the_others_are_not(
    segment: LabelledSegment, modality: Modality
):
    whole = cut_crop(segment, plan_for(segment), CONFIG, TINY)
    crop = cut_crop(segment, plan_for(segment, hidden=frozenset({modality})), CONFIG, TINY)
    masks = {
        Modality.VIDEO: 'frame_mask',
        Modality.AUDIO: 'spectrogram_mask',
        Modality.TEXT: 'transcript_mask',
    }
    assert not crop[masks[modality]].any()
    for other in set(MODALITIES) - {modality}:
        np.testing.assert_array_equal(crop[masks[other]], whole[masks[other]])
    assert (crop['targets'] != IGNORE).any()


def test_rates_vary_between_crops():
    segment = make_segment(duration_s=12.0, frame_rate_hz=30.0)
    gaps = []
    for seed in range(40):
        crop = cut_crop(segment, plan_for(segment, seed=seed), CONFIG, TINY)
        gaps.append(np.median(np.diff(crop['frame_stamps'])) / 1e9)
    assert min(gaps) < 0.08
    assert max(gaps) > 0.3


def test_batches_are_padded(segment: LabelledSegment):
    crops = [cut_crop(segment, plan_for(segment, seed=s), CONFIG, TINY) for s in range(3)]
    batch = collate(crops)
    for row, crop in enumerate(crops):
        count = len(crop['frames'])
        np.testing.assert_array_equal(batch['frames'][row, :count], crop['frames'])
        assert not batch['frame_mask'][row, count:].any()
        assert (batch['targets'][row, len(crop['targets']) :] == IGNORE).all()
    assert {key: value.dtype for key, value in batch.items()} == {
        key: value.dtype for key, value in crops[0].items()
    }


def test_a_recipe_says_how_often_is_decided_beside_the_frames(segment: LabelledSegment):
    asked = {}
    for rate_hz in (2.5, 10.0):
        config = dataclasses.replace(CONFIG, timer_rate_hz=rate_hz)
        crop = cut_crop(segment, plan_for(segment), config, TINY)
        asked[rate_hz] = len(crop['decision_stamps']) - len(crop['frame_stamps'])
        timer = np.setdiff1d(crop['decision_stamps'], crop['frame_stamps'])
        assert set(np.diff(timer)) == {to_ns(1 / rate_hz)}
    assert (asked[2.5], asked[10.0]) == (10, 40)
