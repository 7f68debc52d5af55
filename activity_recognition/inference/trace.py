"""An admission trace as one dense batch per stretch between resets.

A trace is the sequence of :class:`Window` that the synchroniser handed out, live or from a
recording. The streaming engine and ``forward`` over the arrays made here see the same samples.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray

from activity_recognition.config import ModelConfig
from activity_recognition.inference.frontend import AudioBlocks, AudioFrontEnd
from activity_recognition.inference.resizing import resize_frame
from activity_recognition.models.tokenizer import TextTokenizer
from activity_recognition.types import AudioChunk, DecisionTime, Frame, Utterance, Window

Arrays = dict[str, NDArray[np.generic]]
"""The keys of ``models.system.BATCH_KEYS`` without the batch axis."""


@dataclass(slots=True, eq=False)
class Segment:
    """One stretch of a trace between resets, front-end work done, words not yet numbered."""

    images: list[NDArray[np.uint8]] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    """The frames' times; their pixels are in ``images``, at the network's size."""
    audio: list[AudioBlocks] = field(default_factory=list)
    utterances: list[Utterance] = field(default_factory=list)
    decisions: list[DecisionTime] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether nothing was admitted and nothing is to be decided."""
        return not (self.images or self.audio or self.utterances or self.decisions)

    def arrays(self, config: ModelConfig, tokenizer: TextTokenizer) -> Arrays:
        """Return the arrays ``forward`` takes, without the batch axis."""
        return {
            **self.video_arrays(config),
            **self.audio_arrays(config),
            **text_arrays(self.utterances, tokenizer),
            'decision_stamps': _int64([d.t_ns for d in self.decisions]),
            'decision_arrivals': _int64([d.arrival_ns for d in self.decisions]),
        }

    def video_arrays(self, config: ModelConfig) -> Arrays:
        """Return the arrays of the frames."""
        size = config.video.input_size_px
        return {
            'frames': np.stack(self.images)
            if self.images
            else np.zeros((0, size, size, 3), np.uint8),
            'frame_stamps': _int64([f.stamp_ns for f in self.frames]),
            'frame_arrivals': _int64([f.arrival_ns for f in self.frames]),
            'frame_mask': np.ones(len(self.frames), np.bool_),
        }

    def audio_arrays(self, config: ModelConfig) -> Arrays:
        """Return the arrays of the log-mel blocks."""
        shape = (0, config.audio.columns_per_token, config.audio.num_mels)
        values = [part.values for part in self.audio]
        arrivals = [np.full(len(part.mask), part.arrival_ns, np.int64) for part in self.audio]
        return {
            'spectrograms': np.concatenate([np.zeros(shape, np.float32), *values]),
            'spectrogram_stamps': np.concatenate([_int64([])] + [p.stamps_ns for p in self.audio]),
            'spectrogram_arrivals': np.concatenate([_int64([]), *arrivals]),
            'spectrogram_mask': np.concatenate(
                [np.zeros(0, np.bool_)] + [p.mask for p in self.audio]
            ),
        }


def text_arrays(utterances: Iterable[Utterance], tokenizer: TextTokenizer) -> Arrays:
    """Return the arrays of the utterances, (U, max_length) word pieces padded with 0."""
    utterances = list(utterances)
    ids = np.zeros((len(utterances), tokenizer.max_length), np.int64)
    mask = np.zeros_like(ids, dtype=np.bool_)
    for row, utterance in enumerate(utterances):
        pieces = tokenizer.encode(utterance.text)
        ids[row, : len(pieces)] = pieces
        mask[row, : len(pieces)] = True
    return {
        'transcript_tokens': ids,
        'transcript_token_mask': mask,
        'transcript_stamps': _int64([u.stamp_ns for u in utterances]),
        'transcript_arrivals': _int64([u.arrival_ns for u in utterances]),
        'transcript_mask': np.ones(len(utterances), np.bool_),
    }


def segments(
    windows: Iterable[Window], config: ModelConfig, *, dtype: DTypeLike = np.float32
) -> list[Segment]:
    """Run the front ends over a trace and cut it at the resets; empty stretches are left out."""
    front_end = AudioFrontEnd(config.audio, dtype=dtype)
    result = [Segment()]
    for window in windows:
        if window.reset:
            front_end.clear()
            result.append(Segment())
        for sample in window.samples:
            _add(result[-1], sample, front_end, config)
        if window.decision is not None:
            result[-1].decisions.append(window.decision)
    return [segment for segment in result if not segment.empty]


def dense_recording(
    windows: Iterable[Window],
    config: ModelConfig,
    tokenizer: TextTokenizer,
    *,
    dtype: DTypeLike = np.float32,
) -> list[Arrays]:
    """Return one dictionary of arrays per stretch between resets, as ``forward`` takes them."""
    return [part.arrays(config, tokenizer) for part in segments(windows, config, dtype=dtype)]


def to_batch(arrays: Arrays, device: torch.device | str = 'cpu') -> dict[str, torch.Tensor]:
    """Return the arrays as a batch of one on ``device``."""
    return {
        key: torch.from_numpy(np.ascontiguousarray(value)).unsqueeze(0).to(device)
        for key, value in arrays.items()
    }


def _add(
    segment: Segment,
    sample: Frame | AudioChunk | Utterance,
    front_end: AudioFrontEnd,
    config: ModelConfig,
) -> None:
    if isinstance(sample, Frame):
        image = resize_frame(sample, config.video.input_size_px)
        segment.images.append(image)
        # The full-size pixels are not kept: an hour of them would not fit in memory.
        segment.frames.append(
            Frame(stamp_ns=sample.stamp_ns, arrival_ns=sample.arrival_ns, image=image)
        )
    elif isinstance(sample, AudioChunk):
        segment.audio.extend(front_end.push(sample))
    else:
        segment.utterances.append(sample)


def _int64(values: list[int]) -> NDArray[np.int64]:
    return np.array(values, np.int64)
