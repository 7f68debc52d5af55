"""An admission trace as one dense batch per segment between resets.

A trace is the sequence of :class:`Window` that the synchroniser handed out, live or from a
recording. The streaming engine and ``forward`` over the arrays made here see the same samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import DTypeLike

from activity_recognition.config import ModelConfig
from activity_recognition.inference.lanes import Arrays, FrontEnd, FrontEndSettings, front_end_type
from activity_recognition.inference.lanes.lane import time_arrays
from activity_recognition.modalities import DECISION_KEYS, SPEC, modalities_of
from activity_recognition.models.tokenizer import TextTokenizer
from activity_recognition.types import ALL_MODALITIES, DecisionTime, Modality, Utterance, Window


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SegmentArrays:
    """What lies between two resets, front-end work done; samples in order of arrival."""

    arrays: Arrays
    """What prepared recordings keep: all keys but token ids, and masks that are True
    throughout."""
    texts: tuple[str, ...]
    """Of the utterances; token ids follow from a tokenizer that training makes later."""

    @property
    def num_samples(self) -> int:
        """Samples of all modalities, blocks of a spectrogram counted one by one."""
        return sum(len(self.arrays[SPEC[m].stamps_key]) for m in self.modalities)

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Those it has arrays of."""
        return tuple(m for m in ALL_MODALITIES if SPEC[m].stamps_key in self.arrays)

    def dense(self, tokenizer: TextTokenizer) -> Arrays:
        """Return the arrays ``forward`` takes, without the batch axis."""
        arrays = dict(self.arrays)
        if Modality.TEXT in self.modalities:
            arrays |= token_arrays(self.texts, tokenizer, length=tokenizer.max_length)
        return arrays | full_masks(arrays)


@dataclass(slots=True, eq=False)
class _Segment:
    """One segment while it is collected."""

    prepared: dict[Modality, list[Any]]
    texts: list[str] = field(default_factory=list)
    decisions: list[DecisionTime] = field(default_factory=list)

    def finish(self, front_ends: Mapping[Modality, FrontEnd[Any, Any]]) -> SegmentArrays:
        arrays: Arrays = {}
        for modality, front_end in front_ends.items():
            arrays |= front_end.arrays(self.prepared[modality])
        times = [(decision.t_ns, decision.arrival_ns) for decision in self.decisions]
        arrays |= time_arrays('decision', times)
        return SegmentArrays(arrays=arrays, texts=tuple(self.texts))


def segments(
    windows: Iterable[Window], config: ModelConfig, *, dtype: DTypeLike = np.float32
) -> list[SegmentArrays]:
    """Run the front ends over a trace and cut it at the resets; empty segments are left out.

    Args:
        windows: the trace.
        config: of the network; samples of modalities that it lacks are ignored.
        dtype: of the spectrogram.

    Raises:
        ShapeError: a sample is not what the network takes.
    """
    settings = FrontEndSettings(config=config, dtype=dtype)
    front_ends = {m: front_end_type(m)(settings) for m in modalities_of(config)}
    result = [_Segment({m: [] for m in front_ends})]
    for window in windows:
        if window.reset:
            for front_end in front_ends.values():
                front_end.clear()
            result.append(_Segment({m: [] for m in front_ends}))
        segment = result[-1]
        for sample in window.samples:
            if sample.modality in front_ends:
                front_end = front_ends[sample.modality]
                front_end.check(sample)
                segment.prepared[sample.modality] += front_end.prepare(sample)
                if isinstance(sample, Utterance):
                    segment.texts.append(sample.text)
        if window.decision is not None:
            segment.decisions.append(window.decision)
    found = (segment.finish(front_ends) for segment in result)
    return [part for part in found if part.num_samples or len(part.arrays[DECISION_KEYS[0]])]


def dense_recording(
    windows: Iterable[Window],
    config: ModelConfig,
    tokenizer: TextTokenizer,
    *,
    dtype: DTypeLike = np.float32,
) -> list[Arrays]:
    """Return one dictionary of arrays per segment between resets, as ``forward`` takes them.

    Args:
        windows: the trace.
        config: of the network.
        tokenizer: of its words.
        dtype: of the spectrogram.
    """
    return [part.dense(tokenizer) for part in segments(windows, config, dtype=dtype)]


def token_arrays(
    texts: Sequence[str], tokenizer: TextTokenizer, *, length: int | None = None
) -> Arrays:
    """Return the token ids of utterances and their mask, (U, L), padded with 0.

    Args:
        texts: U utterances.
        tokenizer: of the network.
        length: L; that of the longest, at least 1, where None.
    """
    rows = [tokenizer.encode(text) for text in texts]
    length = max(map(len, rows), default=1) if length is None else length
    ids = np.zeros((len(rows), length), np.int64)
    mask = np.zeros(ids.shape, np.bool_)
    for row, token_ids in enumerate(rows):
        ids[row, : len(token_ids)] = token_ids
        mask[row, : len(token_ids)] = True
    return {'transcript_tokens': ids, 'transcript_token_mask': mask}


def full_masks(arrays: Arrays) -> Arrays:
    """Return the masks that prepared recordings do not keep, True for every sample."""
    keys = [SPEC[m].time_keys for m in ALL_MODALITIES if not SPEC[m].has_holes]
    return {
        mask: np.ones(len(arrays[stamps]), np.bool_) for stamps, _, mask in keys if stamps in arrays
    }


def to_batch(arrays: Arrays, device: torch.device | str = 'cpu') -> dict[str, torch.Tensor]:
    """Return a batch of one.

    Args:
        arrays: without the batch axis.
        device: where the batch shall lie.
    """
    return {
        key: torch.from_numpy(np.ascontiguousarray(value)).unsqueeze(0).to(device)
        for key, value in arrays.items()
    }
