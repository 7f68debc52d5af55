"""Decisions over whole segments: what forward says, and a hidden modality is an absent one."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from activity_recognition.config import EngineConfig, SmoothingConfig
from activity_recognition.errors import NonFiniteError
from activity_recognition.inference.precision import choose_precision
from activity_recognition.training.data.segments import LabelledSegment
from activity_recognition.training.evaluation import predict
from activity_recognition.training.evaluation.decisions import answer
from activity_recognition.training.evaluation.predict import (
    Combination,
    combination_name,
    combinations_of,
    predict_segment,
    predict_segments,
    to_tensors,
)
from activity_recognition.types import MODALITIES, Modality
from factories.networks import TINY, make_system
from factories.segments import make_segment

PRECISION = choose_precision(EngineConfig(device='cpu', precision='fp32'))
COMBINATIONS = combinations_of(MODALITIES)
NOTHING = np.zeros(0, np.int64)


def without(segment: LabelledSegment, combination: Combination) -> LabelledSegment:
    """Return a segment that never had the modalities outside the combination."""
    changes: dict[str, NDArray[Any]] = {}
    if Modality.VIDEO not in combination:
        side = TINY.video.input_size_px
        changes |= {'frames': np.zeros((0, side, side, 3), np.uint8)}
        changes |= {'frame_stamps': NOTHING, 'frame_arrivals': NOTHING}
    if Modality.AUDIO not in combination:
        changes |= {'spectrograms': np.zeros((0, 4, 16), np.float32)}
        changes |= {'spectrogram_stamps': NOTHING, 'spectrogram_arrivals': NOTHING}
        changes |= {'spectrogram_mask': np.zeros(0, np.bool_)}
    if Modality.TEXT not in combination:
        changes |= {'transcript_stamps': NOTHING, 'transcript_arrivals': NOTHING}
        changes |= {'transcript_tokens': np.zeros((0, 1), np.int64)}
        changes |= {'transcript_token_mask': np.zeros((0, 1), np.bool_)}
    texts = segment.texts if Modality.TEXT in combination else ()
    return dataclasses.replace(segment, arrays=segment.arrays | changes, texts=texts)


def test_there_are_seven_combinations():
    assert COMBINATIONS[0] == MODALITIES
    assert len({frozenset(c) for c in COMBINATIONS}) == 7
    assert combination_name(COMBINATIONS[2]) == 'video+text'


def test_everything_visible_is_the_networks_forward(segment: LabelledSegment):
    system = make_system()
    found = predict_segment(system, segment, [MODALITIES], PRECISION)[MODALITIES]
    batch = to_tensors(segment.batch(), PRECISION.device)
    with torch.inference_mode():
        expected = system.forward_detailed(batch)
    torch.testing.assert_close(found.logits, expected.logits[0])
    assert found.anything.all()
    np.testing.assert_array_equal(found.targets, segment.labels.at(segment.decision_stamps))


@pytest.mark.parametrize('combination', COMBINATIONS, ids=combination_name)
def test_hidden_is_the_same_as_never_there(segment: LabelledSegment, combination: Combination):
    system = make_system()
    hidden = predict_segment(system, segment, COMBINATIONS, PRECISION)[combination]
    bare = without(segment, combination)
    absent = predict_segment(system, bare, [MODALITIES], PRECISION)[MODALITIES]
    torch.testing.assert_close(hidden.logits, absent.logits, atol=1e-5, rtol=1e-5)
    for modality in MODALITIES:
        np.testing.assert_array_equal(hidden.present[modality], absent.present[modality])
        assert modality in combination or not hidden.present[modality].any()


def test_a_network_that_overflows_is_not_scored(segment: LabelledSegment):
    system = make_system()
    with torch.no_grad():
        system.classifier.weight.fill_(torch.finfo(torch.float32).max)
    found = predict_segment(system, segment, [MODALITIES], PRECISION)[MODALITIES]
    with pytest.raises(NonFiniteError, match=r'NaN or infinity in \d+ of \d+ decisions'):
        answer(found, segment, temperature=1.0, smoothing=SmoothingConfig())


def test_short_segments_share_a_pass_and_say_the_same(monkeypatch: pytest.MonkeyPatch):
    lengths = (3.0, 5.0, 4.0, 30.0, 3.0)
    segments = [make_segment(seed=s, duration_s=length) for s, length in enumerate(lengths)]
    segments[1] = without(segments[1], (Modality.AUDIO,))
    monkeypatch.setattr(predict, 'AT_ONCE', 400)
    system = make_system()
    passes: list[int] = []
    system.classifier.register_forward_hook(lambda _, __, found: passes.append(len(found)))
    combinations = [MODALITIES, (Modality.VIDEO, Modality.TEXT)]
    found = list(predict_segments(system, segments, combinations, PRECISION))
    first, *others = passes[: len(combinations)]
    assert first == 3
    assert set(others) == {3}
    assert set(passes[len(combinations) :]) == {1}
    for segment, together in zip(segments, found, strict=True):
        alone = predict_segment(system, segment, combinations, PRECISION)
        for combination, expected in alone.items():
            said = together[combination]
            for one, other in (
                (said.logits, expected.logits),
                *((said.unimodal[m], expected.unimodal[m]) for m in MODALITIES),
            ):
                torch.testing.assert_close(one[said.anything], other[expected.anything])
            for modality, there in expected.present.items():
                np.testing.assert_array_equal(said.present[modality], there)


def test_no_segments_are_no_passes():
    assert list(predict_segments(make_system(), [], [MODALITIES], PRECISION)) == []
