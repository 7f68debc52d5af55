"""An admission trace as one dense batch per segment between resets.

A trace is the sequence of :class:`Window` that the synchroniser handed out, live or from a
recording. The streaming engine and ``forward`` over the arrays made here see the same samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray

from activity_recognition.config import ModelConfig
from activity_recognition.inference.frontend import AudioBlocks, AudioFrontEnd
from activity_recognition.inference.resizing import resize_frame
from activity_recognition.modalities import DECISION_KEYS, SPEC
from activity_recognition.models.tokenizer import TextTokenizer
from activity_recognition.types import MODALITIES, DecisionTime, Modality, Utterance, Window

Arrays = dict[str, NDArray[Any]]
"""The keys of ``models.system.BATCH_KEYS`` without the batch axis."""


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
        return tuple(m for m in MODALITIES if SPEC[m].stamps_key in self.arrays)

    def dense(self, tokenizer: TextTokenizer) -> Arrays:
        """Return the arrays ``forward`` takes, without the batch axis."""
        arrays = dict(self.arrays)
        if Modality.TEXT in self.modalities:
            arrays |= token_arrays(self.texts, tokenizer, length=tokenizer.max_length)
        return arrays | full_masks(arrays)


class Collector(Protocol):
    """Makes arrays of one modality's samples of a segment."""

    def add(self, sample: Any) -> None:
        """Take the next sample."""

    def arrays(self) -> Arrays:
        """Return the arrays that prepared recordings keep."""


class _Frames:
    """Frames at the network's size; an hour of full-size ones would not fit in memory."""

    def __init__(self, config: ModelConfig, dtype: DTypeLike) -> None:
        del dtype
        self._size_px = config.video.input_size_px
        self._images: list[NDArray[np.uint8]] = []
        self._times: list[tuple[int, int]] = []

    def add(self, sample: Any) -> None:
        self._images.append(resize_frame(sample, self._size_px))
        self._times.append((sample.stamp_ns, sample.arrival_ns))

    def arrays(self) -> Arrays:
        empty = np.zeros((0, self._size_px, self._size_px, 3), np.uint8)
        frames = np.stack(self._images) if self._images else empty
        return {'frames': frames, **_times('frame', self._times)}


class _Spectrograms:
    """Log-mel blocks."""

    def __init__(self, config: ModelConfig, dtype: DTypeLike) -> None:
        self._front_end = AudioFrontEnd(config.audio, dtype=dtype)
        self._shape = (0, config.audio.columns_per_token, config.audio.num_mels)
        self._blocks: list[AudioBlocks] = []

    def add(self, sample: Any) -> None:
        self._blocks += self._front_end.push(sample)

    def arrays(self) -> Arrays:
        parts = self._blocks
        arrivals = [np.full(len(part.mask), part.arrival_ns, np.int64) for part in parts]
        none = np.zeros(0, np.int64)
        return {
            'spectrograms': np.concatenate(
                [np.zeros(self._shape, np.float32), *(part.values for part in parts)]
            ),
            'spectrogram_stamps': np.concatenate([none, *(part.stamps_ns for part in parts)]),
            'spectrogram_arrivals': np.concatenate([none, *arrivals]),
            'spectrogram_mask': np.concatenate(
                [np.zeros(0, np.bool_), *(part.mask for part in parts)]
            ),
        }


class _Utterances:
    """Times of utterances; their words stay words."""

    def __init__(self, config: ModelConfig, dtype: DTypeLike) -> None:
        del config, dtype
        self._times: list[tuple[int, int]] = []

    def add(self, sample: Any) -> None:
        self._times.append((sample.stamp_ns, sample.arrival_ns))

    def arrays(self) -> Arrays:
        return _times('transcript', self._times)


_COLLECTORS: dict[Modality, Callable[[ModelConfig, DTypeLike], Collector]] = {
    Modality.VIDEO: _Frames,
    Modality.AUDIO: _Spectrograms,
    Modality.TEXT: _Utterances,
}


class _Segment:
    """One segment while it is collected."""

    def __init__(self, config: ModelConfig, dtype: DTypeLike) -> None:
        self._collectors = {m: _COLLECTORS[m](config, dtype) for m in MODALITIES}
        self._texts: list[str] = []
        self._decisions: list[DecisionTime] = []

    def add(self, window: Window) -> None:
        for sample in window.samples:
            self._collectors[sample.modality].add(sample)
            if isinstance(sample, Utterance):
                self._texts.append(sample.text)
        if window.decision is not None:
            self._decisions.append(window.decision)

    def finish(self) -> SegmentArrays:
        arrays: Arrays = {}
        for collector in self._collectors.values():
            arrays |= collector.arrays()
        times = [(decision.t_ns, decision.arrival_ns) for decision in self._decisions]
        return SegmentArrays(arrays=arrays | _times('decision', times), texts=tuple(self._texts))


def segments(
    windows: Iterable[Window], config: ModelConfig, *, dtype: DTypeLike = np.float32
) -> list[SegmentArrays]:
    """Run the front ends over a trace and cut it at the resets; empty segments are left out.

    Args:
        windows: the trace.
        config: of the network.
        dtype: of the spectrogram.
    """
    result = [_Segment(config, dtype)]
    for window in windows:
        if window.reset:
            result.append(_Segment(config, dtype))
        result[-1].add(window)
    found = (segment.finish() for segment in result)
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
    keys = [SPEC[m].time_keys for m in MODALITIES if not SPEC[m].has_holes]
    return {
        mask: np.ones(len(arrays[stamps]), np.bool_) for stamps, _, mask in keys if stamps in arrays
    }


def to_batch(arrays: Arrays, device: torch.device | str = 'cpu') -> dict[str, torch.Tensor]:
    """Return the arrays as a batch of one on ``device``."""
    return {
        key: torch.from_numpy(np.ascontiguousarray(value)).unsqueeze(0).to(device)
        for key, value in arrays.items()
    }


def _times(prefix: str, times: Sequence[tuple[int, int]]) -> Arrays:
    """Return stamps and arrivals, (N,) each."""
    both = np.array(times, np.int64).reshape(-1, 2)
    return {f'{prefix}_stamps': both[:, 0].copy(), f'{prefix}_arrivals': both[:, 1].copy()}
