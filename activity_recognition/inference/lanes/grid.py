"""Chunks at a fixed rate: put on a grid of blocks, encoded in runs, with the encoder's past.

Shapes: A blocks, K columns per block, n streams, X numbers of the past.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import ClassVar, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from activity_recognition.config import ModelConfig
from activity_recognition.inference.lanes.artificial import Scene, noise_chunks
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
from activity_recognition.modalities import SPEC, ArraySpec
from activity_recognition.models.encoders.convolutions import ConvolutionalEncoder
from activity_recognition.types import NANOSECONDS, Chunk, Modality, seconds_between

ChunkT = TypeVar('ChunkT', bound=Chunk)


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """Consecutive blocks on one grid."""

    values: NDArray[np.floating]
    """(A, K, ...), zero where masked."""
    mask: NDArray[np.bool_]
    """(A,), False for a hole."""
    stamps_ns: NDArray[np.int64]
    """(A,), when each block's last sample was taken."""
    arrival_ns: int
    """Arrival of the chunk that completed these blocks."""
    beside: NDArray[np.floating] | None = None
    """What else is known of each block, (A, ...), zero where masked; None where nothing is."""

    @property
    def whole(self) -> bool:
        """Whether nothing is masked; a run is a hole or none."""
        return bool(self.mask.all())

    @property
    def arrays(self) -> tuple[NDArray[np.floating], ...]:
        """What the encoder takes of the blocks."""
        return (self.values,) if self.beside is None else (self.values, self.beside)


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """Where blocks lie."""

    rate_hz: int
    """Of the samples."""
    hop: int
    """Samples between the starts of two blocks."""
    span: int
    """Samples under one block."""
    block_shape: tuple[int, ...]
    """(K, ...)."""
    sample_shape: tuple[int, ...]
    """Of one sample."""
    max_gap_s: float
    """What a chunk may be apart from the end of the last one, seconds."""
    longest_hole: int
    """Blocks that the network can remember."""
    beside_shape: tuple[int, ...] | None = None
    """Of what else is known of a block; None where nothing is."""

    @property
    def array_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of each of a block's arrays."""
        found = (self.block_shape, self.beside_shape)
        return tuple(shape for shape in found if shape is not None)


class GridFrontEnd(FrontEnd[ChunkT, Blocks]):
    """Puts chunks on the token grid and turns samples into whole blocks.

    The grid is anchored at the first sample and again after every hole. A hole, where a chunk does
    not continue the last one within ``max_gap_s``, becomes masked blocks for the time that is
    missing from the blocks, at most as many as the network can remember.
    """

    modality: ClassVar[Modality]

    def __init__(self, settings: FrontEndSettings, grid: Grid) -> None:
        """Begin a grid.

        Args:
            settings: what the front end is made for.
            grid: where blocks lie.
        """
        super().__init__(settings)
        self.grid = grid
        self.clear()

    @property
    def block_s(self) -> float:
        """Seconds between the starts of two blocks."""
        return self.grid.hop / self.grid.rate_hz

    def clear(self) -> None:
        """Forget everything; the next chunk anchors a new grid."""
        self._samples: NDArray[np.float32] = np.zeros((0, *self.grid.sample_shape), np.float32)
        self._end_ns: int | None = None
        self._last_stamp_ns = -(2**62)
        self.anchor()

    def anchor(self) -> None:
        """Begin a grid at the next sample; by default nothing else is kept of the samples."""

    def beside(self, count: int) -> NDArray[np.floating] | None:
        """Return what else is known of the blocks that were transformed last; by default nothing.

        Args:
            count: A, how many they are.
        """
        del count
        return None

    @abstractmethod
    def transform(self, samples: NDArray[np.float32], count: int) -> NDArray[np.floating]:
        """Return the first blocks of some samples.

        Args:
            samples: at least as many as the blocks need.
            count: A, at least 1.

        Returns:
            (A, K, ...).
        """

    def prepare(self, sample: ChunkT) -> list[Blocks]:
        """Take the next chunk and return the blocks it completes, holes first."""
        blocks = []
        if self._end_ns is not None:
            residual_s = seconds_between(sample.stamp_ns, self._end_ns)
            if abs(residual_s) > self.grid.max_gap_s:
                blocks.append(self._hole(residual_s, sample))
        self._samples = np.concatenate((self._samples, sample.samples))
        self._end_ns = sample.end_ns
        count = max(0, 1 + (len(self._samples) - self.grid.span) // self.grid.hop)
        if count:
            blocks.append(self._whole(count, sample))
        return blocks

    def arrays(self, prepared: Sequence[Blocks]) -> Arrays:
        """Return the blocks (A, K, ...) with times and mask; see :meth:`FrontEnd.arrays`."""
        arrivals = [np.full(len(part.mask), part.arrival_ns, np.int64) for part in prepared]
        none, unmasked = np.zeros(0, np.int64), np.zeros(0, np.bool_)
        spec = SPEC[self.modality]
        contents = {
            array.name: np.concatenate([nothing, *(part.arrays[place] for part in prepared)])
            for place, (array, nothing) in enumerate(zip(self._stored, self._zeros(0), strict=True))
        }
        return {
            **contents,
            spec.stamps_key: np.concatenate([none, *(part.stamps_ns for part in prepared)]),
            spec.arrivals_key: np.concatenate([none, *arrivals]),
            spec.mask_key: np.concatenate([unmasked, *(part.mask for part in prepared)]),
        }

    @property
    def _stored(self) -> tuple[ArraySpec, ...]:
        return SPEC[self.modality].arrays_for(self.settings.config)

    def _zeros(self, count: int) -> list[NDArray[np.floating]]:
        """Return the arrays of so many masked blocks."""
        usual = self.settings.dtype
        types = [usual if array.dtype == 'float32' else array.dtype for array in self._stored]
        shapes = self.grid.array_shapes
        return [np.zeros((count, *s), t) for s, t in zip(shapes, types, strict=True)]

    def _hole(self, residual_s: float, chunk: ChunkT) -> Blocks:
        unfinished_s = len(self._samples) / self.grid.rate_hz
        missing = math.ceil((max(residual_s, 0.0) + unfinished_s) / self.block_s)
        count = min(max(missing, 1), self.grid.longest_hole)
        self._samples = self._samples[:0]
        self.anchor()
        zeros = self._zeros(count)
        return Blocks(
            values=zeros[0],
            mask=np.zeros(count, np.bool_),
            stamps_ns=np.full(count, chunk.stamp_ns, np.int64),
            arrival_ns=chunk.arrival_ns,
            beside=zeros[1] if len(zeros) > 1 else None,
        )

    def _whole(self, count: int, chunk: ChunkT) -> Blocks:
        grid = self.grid
        values = self.transform(self._samples, count)
        stamps_ns = []
        for index in range(count):
            after = len(self._samples) - grid.span - index * grid.hop
            stamp_ns = chunk.end_ns - round(after * NANOSECONDS / grid.rate_hz)
            # Drift correction may pull it back by a little; tokens stay in order all the same.
            self._last_stamp_ns = max(self._last_stamp_ns, stamp_ns)
            stamps_ns.append(self._last_stamp_ns)
        self._samples = self._samples[count * grid.hop :].copy()
        return Blocks(
            values=values,
            mask=np.ones(count, np.bool_),
            stamps_ns=np.array(stamps_ns, np.int64),
            arrival_ns=chunk.arrival_ns,
            beside=self.beside(count),
        )


class ConvolutionPast:
    """What an encoder's convolutions still need of every stream's past."""

    def __init__(self, encoder: ConvolutionalEncoder, slots: int) -> None:
        """Allocate ``slots`` streams that have brought nothing, for ``encoder``.

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
        for past, per_block in zip(columns, self._encoder.columns_per_block, strict=True):
            _shift(past.transpose(1, 2), blocks * per_block)
        for past in tokens:
            _shift(past, blocks)

    def clear(self, slot: int) -> None:
        """Return a slot to the state before the first block."""
        self._past[slot] = 0

    def grow(self, slots: int) -> None:
        """Make room for ``slots`` slots in all."""
        self._past = grown(self._past, slots)


def _shift(past: Tensor, count: int) -> None:
    """Let zeros come after what is kept, (1, k, ...)."""
    kept = past[:, count:].clone()
    past.zero_()
    past[:, : kept.shape[1]] = kept


class GridLane(Lane[ChunkT, Blocks]):
    """Encodes runs of blocks; those of different streams together where they are equally long."""

    step: ClassVar[str]
    """Name of the encoder's step."""

    def __init__(self, context: LaneContext, slots: int) -> None:
        """Allocate the state of ``slots`` streams that have brought nothing.

        Args:
            context: what all lanes of an engine share.
            slots: number of streams.
        """
        super().__init__(context, slots)
        encoder = context.system.encoders[self.modality]
        assert isinstance(encoder, ConvolutionalEncoder)
        self.past = ConvolutionPast(encoder, slots)

    def encode(self, batch: Sequence[tuple[Stream, Sequence[Blocks]]]) -> None:
        """Encode blocks; see :meth:`Lane.encode`."""
        runs = [(stream, run) for stream, prepared in batch for run in joined(prepared)]
        for turn in turns([stream.slot for stream, _ in runs]):
            alike: dict[int, list[tuple[Stream, Blocks]]] = defaultdict(list)
            for stream, run in (runs[position] for position in turn):
                if run.whole:
                    alike[len(run.mask)].append((stream, run))
                else:
                    self.past.skip(stream.slot, len(run.mask))
            for group in alike.values():
                self._encode_runs(group)

    def _encode_runs(self, runs: Sequence[tuple[Stream, Blocks]]) -> None:
        """Encode and keep one run each of different streams, all of one length."""
        slots = [stream.slot for stream, _ in runs]
        arrays = zip(*(run.arrays for _, run in runs), strict=True)
        computed = self._context.front_ends.dtype
        blocks = [
            upload_stack([part.astype(computed, copy=False) for part in array], self._device)
            for array in arrays
        ]
        rows, after = self._backend.run(self.step, *blocks, self.past.of(slots))
        self.past.store(slots, after)
        runs_ns = [run.stamps_ns.tolist() for _, run in runs]
        for (stream, _), stamps_ns in zip(runs, runs_ns, strict=True):
            stream.note_newest(self.modality, stamps_ns[-1])
        self.memory.append(slots, runs_ns, rows)

    @classmethod
    @abstractmethod
    def noise(cls, rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Draw the samples of an example, of the size that the sensor gives.

        Args:
            rng: what is drawn.
            shape: of the samples.
        """

    def example(self, now_ns: int) -> ChunkT:
        """Return a quarter of a second of noise, or as much as completes a block."""
        grid = cast('GridFrontEnd[ChunkT]', self._front_ends[0]).grid
        shape = (max(-(-grid.rate_hz // 4), grid.span), *grid.sample_shape)
        return self._sample_type()(
            stamp_ns=now_ns,
            arrival_ns=now_ns,
            samples=self.noise(np.random.default_rng(now_ns), shape).astype(np.float32),
            sample_rate_hz=grid.rate_hz,
        )

    @classmethod
    def artificial(cls, config: ModelConfig, scene: Scene) -> Iterator[ChunkT]:
        """Yield noise for ever; see :meth:`Lane.artificial`.

        Args:
            config: of the network that takes them.
            scene: what is sensed, and how often.
        """
        front_end = cast('GridFrontEnd[ChunkT]', cls.front_end(FrontEndSettings(config=config)))
        grid = front_end.grid
        return noise_chunks(cls._sample_type(), grid.rate_hz, scene, shape=grid.sample_shape)

    @classmethod
    def _sample_type(cls) -> type[ChunkT]:
        return cast('type[ChunkT]', SPEC[cls.modality].sample_type)

    def clear(self, slot: int) -> None:
        """Forget everything of one slot; the others and the memory stay."""
        super().clear(slot)
        self.past.clear(slot)

    def grow(self, slots: int) -> None:
        """Make room for ``slots`` streams in all."""
        super().grow(slots)
        self.past.grow(slots)


def joined(prepared: Iterable[Blocks]) -> list[Blocks]:
    """Join neighbouring whole runs: however samples are cut up, their tokens are the same."""
    result: list[Blocks] = []
    for whole, group in groupby(prepared, key=lambda run: run.whole):
        runs = list(group)
        if not whole or len(runs) == 1:
            result += runs
            continue
        beside = [run.beside for run in runs if run.beside is not None]
        result.append(
            Blocks(
                values=np.concatenate([run.values for run in runs]),
                beside=np.concatenate(beside) if beside else None,
                mask=np.concatenate([run.mask for run in runs]),
                stamps_ns=np.concatenate([run.stamps_ns for run in runs]),
                arrival_ns=runs[-1].arrival_ns,
            )
        )
    return result
