"""From samples to what the encoders eat, the same on the robot and in training.

Shapes: S image side, A audio blocks, K columns per block, M mels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import DTypeLike, NDArray

from activity_recognition.config import AudioConfig, ModelConfig
from activity_recognition.errors import ShapeError
from activity_recognition.inference.resizing import (
    check_frame,
    resize_frame,
    suits_device,
    writable,
)
from activity_recognition.models.spectrogram import LogMelBlocks
from activity_recognition.models.tokenizer import TextTokenizer
from activity_recognition.types import (
    NANOSECONDS,
    AudioChunk,
    Frame,
    Sample,
    Utterance,
    seconds_between,
)


@dataclass(frozen=True, slots=True, eq=False)
class AudioBlocks:
    """Consecutive log-mel blocks on one convolution grid."""

    values: NDArray[np.floating]
    """(A, K, M), zero where masked."""
    mask: NDArray[np.bool_]
    """(A,), False for a hole."""
    stamps_ns: NDArray[np.int64]
    """(A,), when each block's last sample was taken."""
    arrival_ns: int
    """Arrival of the chunk that completed these blocks."""

    @property
    def whole(self) -> bool:
        """Whether nothing is masked; a run is a hole or none."""
        return bool(self.mask.all())


class AudioFrontEnd:
    """Puts chunks on the token grid and turns whole blocks into log-mel.

    The grid is anchored at the first sample and again after every hole. A hole, where a chunk does
    not continue the last one within ``max_gap_s``, becomes masked blocks for the time that is
    missing from the spectrogram, at most as many as the network can remember.
    """

    def __init__(self, config: AudioConfig, *, dtype: DTypeLike = np.float32) -> None:
        """Create the front end; ``dtype`` is that of the spectrogram."""
        self._config = config
        self._dtype = dtype
        self._log_mel = LogMelBlocks(config, dtype=dtype)
        self._samples: NDArray[np.float32] = np.zeros(0, np.float32)
        self._end_ns: int | None = None
        self._last_stamp_ns = -(2**62)

    @property
    def block_s(self) -> float:
        """Seconds between the starts of two blocks."""
        return self._log_mel.block_hop / self._config.sample_rate_hz

    def clear(self) -> None:
        """Forget everything; the next chunk anchors a new grid."""
        self._samples = np.zeros(0, np.float32)
        self._end_ns = None
        self._last_stamp_ns = -(2**62)

    def push(self, chunk: AudioChunk) -> list[AudioBlocks]:
        """Take the next chunk and return the blocks it completes, holes first.

        Raises:
            ShapeError: the chunk is not mono float32 at the model's rate, or not finite; nothing of
                it is kept.
        """
        self.check(chunk)
        blocks = []
        if self._end_ns is not None:
            residual_s = seconds_between(chunk.stamp_ns, self._end_ns)
            if abs(residual_s) > self._config.max_gap_s:
                blocks.append(self._hole(residual_s, chunk))
        self._samples = np.concatenate((self._samples, chunk.samples))
        self._end_ns = chunk.end_ns
        count = self._log_mel.num_blocks(len(self._samples))
        if count:
            blocks.append(self._transform(count, chunk))
        return blocks

    def check(self, chunk: AudioChunk) -> None:
        """Raise ShapeError for a chunk that is not finite mono float32 at the model's rate."""
        samples, rate_hz = chunk.samples, self._config.sample_rate_hz
        if samples.ndim != 1 or samples.dtype != np.float32 or chunk.sample_rate_hz != rate_hz:
            raise ShapeError(
                f'audio: expected mono float32 at {rate_hz} Hz, got {samples.dtype} '
                f'{samples.shape} at {chunk.sample_rate_hz} Hz; decode it with sensors.audio'
            )
        if not np.isfinite(samples).all():
            raise ShapeError(
                'audio: expected samples in [-1, 1], got NaN or infinity, which the network would '
                'remember for seconds; decode it with sensors.audio'
            )

    def _hole(self, residual_s: float, chunk: AudioChunk) -> AudioBlocks:
        unfinished_s = len(self._samples) / self._config.sample_rate_hz
        missing = math.ceil((max(residual_s, 0.0) + unfinished_s) / self.block_s)
        count = min(max(missing, 1), self._config.receptive_field_tokens)
        self._samples = np.zeros(0, np.float32)
        config = self._config
        return AudioBlocks(
            values=np.zeros((count, config.columns_per_token, config.num_mels), self._dtype),
            mask=np.zeros(count, np.bool_),
            stamps_ns=np.full(count, chunk.stamp_ns, np.int64),
            arrival_ns=chunk.arrival_ns,
        )

    def _transform(self, count: int, chunk: AudioChunk) -> AudioBlocks:
        hop, span = self._log_mel.block_hop, self._log_mel.block_span
        values = self._log_mel(self._samples)
        stamps_ns = []
        for index in range(count):
            after = len(self._samples) - span - index * hop
            stamp_ns = chunk.end_ns - round(after * NANOSECONDS / self._config.sample_rate_hz)
            # Drift correction may pull it back by a little; tokens stay in order all the same.
            self._last_stamp_ns = max(self._last_stamp_ns, stamp_ns)
            stamps_ns.append(self._last_stamp_ns)
        self._samples = self._samples[count * hop :].copy()
        return AudioBlocks(
            values=values,
            mask=np.ones(count, np.bool_),
            stamps_ns=np.array(stamps_ns, np.int64),
            arrival_ns=chunk.arrival_ns,
        )


@dataclass(slots=True, eq=False)
class Prepared:
    """What some samples of one stream are to the encoders."""

    images: list[NDArray[np.uint8]] = field(default_factory=list)
    """(S, S, 3) each, or as they came where the device resamples them."""
    image_stamps_ns: list[int] = field(default_factory=list)
    sound: list[AudioBlocks] = field(default_factory=list)
    """Runs, holes apart from what was heard."""
    utterances: list[list[int]] = field(default_factory=list)
    """Word-piece ids."""
    utterance_stamps_ns: list[int] = field(default_factory=list)


class FrontEnd:
    """All three modalities' way into the network."""

    def __init__(
        self,
        config: ModelConfig,
        tokenizer: TextTokenizer,
        *,
        dtype: DTypeLike = np.float32,
        resize: bool = True,
    ) -> None:
        """Create the front end of a network.

        Args:
            config: of the network.
            tokenizer: of its words.
            dtype: of the spectrogram.
            resize: whether images are resampled here; if not, only those that a device may not
                resample are, and the others left for :func:`stack_on`.
        """
        self._size_px = config.video.input_size_px
        self._resize = resize
        self._tokenizer = tokenizer
        self.audio = AudioFrontEnd(config.audio, dtype=dtype)

    def check(self, samples: Iterable[Sample]) -> None:
        """Raise ShapeError when :meth:`prepare` would; changes nothing."""
        for sample in samples:
            if isinstance(sample, Frame):
                check_frame(sample)
            elif isinstance(sample, AudioChunk):
                self.audio.check(sample)

    def prepare(self, samples: Iterable[Sample]) -> Prepared:
        """Take the next samples of the stream.

        Raises:
            ShapeError: one of them is not what the network takes.
        """
        prepared = Prepared()
        for sample in samples:
            if isinstance(sample, Frame):
                prepared.images.append(self.frame(sample))
                prepared.image_stamps_ns.append(sample.stamp_ns)
            elif isinstance(sample, AudioChunk):
                prepared.sound += self.audio.push(sample)
            else:
                prepared.utterances.append(self.utterance(sample))
                prepared.utterance_stamps_ns.append(sample.stamp_ns)
        return prepared

    def frame(self, frame: Frame) -> NDArray[np.uint8]:
        """Return the image the network sees, (S, S, 3), or what is left to be resampled."""
        check_frame(frame)
        if self._resize or not suits_device(frame.image, self._size_px):
            return resize_frame(frame, self._size_px)
        return writable(frame.image)

    def utterance(self, utterance: Utterance) -> list[int]:
        """Return the utterance's word-piece ids."""
        return self._tokenizer.encode(utterance.text)

    def clear(self) -> None:
        """Forget the audio grid."""
        self.audio.clear()
