"""Chunks: put on the grid of the spectrogram, encoded in runs, with the encoder's past.

Shapes: A audio blocks, K columns per block, M mels, n streams, X numbers of the past.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from activity_recognition.errors import ShapeError
from activity_recognition.inference.lanes.lane import (
    Arrays,
    FrontEnd,
    FrontEndSettings,
    Lane,
    LaneContext,
    Stream,
    turns,
)
from activity_recognition.inference.precision import upload, upload_stack
from activity_recognition.inference.rings import grown
from activity_recognition.models.encoders.audio import AudioCNN
from activity_recognition.models.spectrogram import LogMelBlocks
from activity_recognition.types import NANOSECONDS, AudioChunk, Modality, seconds_between


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


class AudioFrontEnd(FrontEnd[AudioChunk, AudioBlocks]):
    """Puts chunks on the token grid and turns whole blocks into log-mel.

    The grid is anchored at the first sample and again after every hole. A hole, where a chunk does
    not continue the last one within ``max_gap_s``, becomes masked blocks for the time that is
    missing from the spectrogram, at most as many as the network can remember.
    """

    def __init__(self, settings: FrontEndSettings) -> None:
        """Begin a grid for the network of ``settings``."""
        super().__init__(settings)
        self._config = settings.config.audio
        self._log_mel = LogMelBlocks(self._config, dtype=settings.dtype)
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

    def prepare(self, sample: AudioChunk) -> list[AudioBlocks]:
        """Take the next chunk and return the blocks it completes, holes first."""
        blocks = []
        if self._end_ns is not None:
            residual_s = seconds_between(sample.stamp_ns, self._end_ns)
            if abs(residual_s) > self._config.max_gap_s:
                blocks.append(self._hole(residual_s, sample))
        self._samples = np.concatenate((self._samples, sample.samples))
        self._end_ns = sample.end_ns
        count = self._log_mel.num_blocks(len(self._samples))
        if count:
            blocks.append(self._transform(count, sample))
        return blocks

    def check(self, sample: AudioChunk) -> None:
        """Raise ShapeError for a chunk that is not finite mono float32 at the model's rate."""
        samples, rate_hz = sample.samples, self._config.sample_rate_hz
        if samples.ndim != 1 or samples.dtype != np.float32 or sample.sample_rate_hz != rate_hz:
            raise ShapeError(
                f'audio: expected mono float32 at {rate_hz} Hz, got {samples.dtype} '
                f'{samples.shape} at {sample.sample_rate_hz} Hz; decode it with sensors.audio'
            )
        if not np.isfinite(samples).all():
            raise ShapeError(
                'audio: expected samples in [-1, 1], got NaN or infinity, which the network would '
                'remember for seconds; decode it with sensors.audio'
            )

    def arrays(self, prepared: Sequence[AudioBlocks]) -> Arrays:
        """Return ``spectrograms`` (A, K, M) with times and mask; see :meth:`FrontEnd.arrays`."""
        shape = (0, self._config.columns_per_token, self._config.num_mels)
        arrivals = [np.full(len(part.mask), part.arrival_ns, np.int64) for part in prepared]
        none, unmasked = np.zeros(0, np.int64), np.zeros(0, np.bool_)
        return {
            'spectrograms': np.concatenate(
                [np.zeros(shape, np.float32), *(part.values for part in prepared)]
            ),
            'spectrogram_stamps': np.concatenate([none, *(part.stamps_ns for part in prepared)]),
            'spectrogram_arrivals': np.concatenate([none, *arrivals]),
            'spectrogram_mask': np.concatenate([unmasked, *(part.mask for part in prepared)]),
        }

    def _hole(self, residual_s: float, chunk: AudioChunk) -> AudioBlocks:
        unfinished_s = len(self._samples) / self._config.sample_rate_hz
        missing = math.ceil((max(residual_s, 0.0) + unfinished_s) / self.block_s)
        count = min(max(missing, 1), self._config.receptive_field_tokens)
        self._samples = np.zeros(0, np.float32)
        shape = (count, self._config.columns_per_token, self._config.num_mels)
        return AudioBlocks(
            values=np.zeros(shape, self.settings.dtype),
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


class ConvolutionPast:
    """What the audio encoder's convolutions still need of every stream's past."""

    def __init__(self, encoder: AudioCNN, slots: int) -> None:
        """Allocate ``slots`` streams that have heard nothing, for ``encoder``.

        Args:
            encoder: whose past it is.
            slots: number of streams.
        """
        self._encoder = encoder
        self._past = self._encoder.new_past(slots)
        """(B, X)."""

    def of(self, slots: Sequence[int]) -> Tensor:
        """Return the past of some slots, (n, X); of one, no copy."""
        if len(slots) == 1:
            return self._past[slots[0] : slots[0] + 1]
        return self._past[upload(np.array(slots), self._past.device)]

    def store(self, slots: Sequence[int], after: Tensor) -> None:
        """Replace the past of some slots.

        Args:
            slots: n slots.
            after: (n, X).
        """
        if len(slots) == 1:
            self._past[slots[0]] = after[0]
        else:
            self._past[upload(np.array(slots), self._past.device)] = after.to(self._past.dtype)

    def skip(self, slot: int, blocks: int) -> None:
        """Let a hole pass, which is what masked blocks leave behind: zeros.

        Args:
            slot: of the stream.
            blocks: length of the hole.
        """
        columns, tokens = self._encoder.parts_of(self._past[slot : slot + 1])
        for past in columns:
            past.zero_()
        for past in tokens:
            kept = past[:, blocks:].clone()
            past.zero_()
            past[:, : kept.shape[1]] = kept

    def clear(self, slot: int) -> None:
        """Return a slot to the state before the first block."""
        self._past[slot] = 0

    def grow(self, slots: int) -> None:
        """Make room for ``slots`` slots in all."""
        self._past = grown(self._past, slots)


class AudioLane(Lane[AudioChunk, AudioBlocks]):
    """Encodes runs of blocks; those of different streams together where they are equally long."""

    modality = Modality.AUDIO
    front_end = AudioFrontEnd

    def __init__(self, context: LaneContext, slots: int) -> None:
        """Allocate the state of ``slots`` streams that have heard nothing.

        Args:
            context: what all lanes of an engine share.
            slots: number of streams.
        """
        super().__init__(context, slots)
        self._sample_rate_hz = context.system.config.audio.sample_rate_hz
        self.past = ConvolutionPast(context.system.audio_encoder, slots)

    def encode(self, batch: Sequence[tuple[Stream, Sequence[AudioBlocks]]]) -> None:
        """Encode blocks; see :meth:`Lane.encode`."""
        runs = [(stream, run) for stream, prepared in batch for run in joined(prepared)]
        for turn in turns([stream.slot for stream, _ in runs]):
            alike: dict[int, list[tuple[Stream, AudioBlocks]]] = defaultdict(list)
            for stream, run in (runs[position] for position in turn):
                if run.whole:
                    alike[len(run.mask)].append((stream, run))
                else:
                    self.past.skip(stream.slot, len(run.mask))
            for group in alike.values():
                self._encode_runs(group)

    def _encode_runs(self, runs: Sequence[tuple[Stream, AudioBlocks]]) -> None:
        """Encode and keep one run each of different streams, all of one length."""
        slots = [stream.slot for stream, _ in runs]
        spectrogram = upload_stack([run.values for _, run in runs], self._device)
        rows, after = self._backend.run('chunk', spectrogram, self.past.of(slots))
        self.past.store(slots, after)
        runs_ns = [run.stamps_ns.tolist() for _, run in runs]
        for (stream, _), stamps_ns in zip(runs, runs_ns, strict=True):
            stream.note_newest(self.modality, stamps_ns[-1])
        self.memory.append(slots, runs_ns, rows)

    def example(self, now_ns: int) -> AudioChunk:
        """Return a quarter of a second of noise."""
        noise = np.random.default_rng(now_ns)
        samples = noise.uniform(-1.0, 1.0, self._sample_rate_hz // 4).astype(np.float32)
        return AudioChunk(
            stamp_ns=now_ns,
            arrival_ns=now_ns,
            samples=samples,
            sample_rate_hz=self._sample_rate_hz,
        )

    def clear(self, slot: int) -> None:
        """Forget everything of one slot; the others and the memory stay."""
        super().clear(slot)
        self.past.clear(slot)

    def grow(self, slots: int) -> None:
        """Make room for ``slots`` streams in all."""
        super().grow(slots)
        self.past.grow(slots)


def joined(prepared: Iterable[AudioBlocks]) -> list[AudioBlocks]:
    """Join neighbouring runs that are whole: however sound is cut up, its tokens are the same."""
    result: list[AudioBlocks] = []
    for whole, group in groupby(prepared, key=lambda run: run.whole):
        runs = list(group)
        if not whole or len(runs) == 1:
            result += runs
            continue
        result.append(
            AudioBlocks(
                values=np.concatenate([run.values for run in runs]),
                mask=np.concatenate([run.mask for run in runs]),
                stamps_ns=np.concatenate([run.stamps_ns for run in runs]),
                arrival_ns=runs[-1].arrival_ns,
            )
        )
    return result


LANE = AudioLane
