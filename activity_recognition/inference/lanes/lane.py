"""What every modality brings to the engine: a front end for its samples, and a lane.

The lanes keep in their slots what is large of a stream; :class:`Stream` is the rest.

Shapes: n streams, N rows, D width.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from activity_recognition.config import ModelConfig
from activity_recognition.inference.backends.backend import Backend
from activity_recognition.inference.lanes.artificial import Scene
from activity_recognition.inference.rings import KeyValueRing
from activity_recognition.models.smoothing import SmoothingState
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.models.tokenizer import TextTokenizer
from activity_recognition.types import Modality, Sample, to_ns

Arrays = dict[str, NDArray[Any]]
"""Keys of ``models.system.BATCH_KEYS`` without the batch axis."""
SampleT = TypeVar('SampleT')
PreparedT = TypeVar('PreparedT')


@dataclass(slots=True, eq=False)
class Stream:
    """One stream: its slot in the lanes, and what is kept of it on the host."""

    slot: int
    smoothing: SmoothingState
    first_stamp_ns: dict[Modality, int] = field(default_factory=dict)
    newest_stamp_ns: dict[Modality, int] = field(default_factory=dict)
    decisions: int = 0
    """Taken since the last reset, those without data apart."""
    shared: dict[Modality, Stream] = field(default_factory=dict)
    """Whose samples it sees of some modalities, instead of its own."""

    def source(self, modality: Modality) -> Stream:
        """Return the stream whose samples of a modality it sees: mostly itself."""
        return self.shared.get(modality, self)

    def note(self, modality: Modality, samples: Sequence[Sample]) -> None:
        """Keep the earliest and the newest stamp of a modality.

        Args:
            modality: of the samples.
            samples: at least one.
        """
        stamps_ns = [sample.stamp_ns for sample in samples]
        # The earliest, not the first: text comes late, and out of order.
        first_ns = self.first_stamp_ns.get(modality, stamps_ns[0])
        self.first_stamp_ns[modality] = min(first_ns, *stamps_ns)
        self.note_newest(modality, max(stamps_ns))

    def note_newest(self, modality: Modality, stamp_ns: int) -> None:
        """Keep the newest stamp; tokens of audio are newer than the start of their chunk.

        Args:
            modality: of the token.
            stamp_ns: of the token.
        """
        newest_ns = self.newest_stamp_ns.get(modality, stamp_ns)
        self.newest_stamp_ns[modality] = max(newest_ns, stamp_ns)

    def count_decision(self) -> None:
        """Count a decision with data."""
        self.decisions += 1

    def clear(self) -> None:
        """Forget everything but the slot, and what it shares."""
        self.smoothing.clear()
        self.first_stamp_ns.clear()
        self.newest_stamp_ns.clear()
        self.decisions = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class FrontEndSettings:
    """What front ends are made for."""

    config: ModelConfig
    """Of the network."""
    dtype: DTypeLike = np.float32
    """Of numbers that are computed."""
    resize: bool = True
    """Whether images are resampled; if not, only those that a device may not resample are."""


class FrontEnd(ABC, Generic[SampleT, PreparedT]):
    """From one stream's samples to what the encoder takes, the same on the robot and in training.

    A sample is checked once, before it is prepared.
    """

    def __init__(self, settings: FrontEndSettings) -> None:
        """Begin a stream."""
        self.settings = settings

    @abstractmethod
    def check(self, sample: SampleT) -> None:
        """Raise ShapeError for a sample that is not what the network takes; change nothing."""

    @abstractmethod
    def prepare(self, sample: SampleT) -> Sequence[PreparedT]:
        """Take the stream's next sample, which was checked; return what it completes."""

    def clear(self) -> None:
        """Forget the samples before; by default nothing is kept of them."""

    @abstractmethod
    def arrays(self, prepared: Sequence[PreparedT]) -> Arrays:
        """Return what was prepared of a segment, possibly nothing, as recordings keep it.

        ``forward`` takes these arrays, with those that :class:`ArraySpec` says are not stored.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneContext:
    """What all lanes of an engine share."""

    system: ActivityRecognitionSystem
    backend: Backend
    """Runs the network's steps."""
    tokenizer: TextTokenizer
    front_ends: FrontEndSettings


class Lane(ABC, Generic[SampleT, PreparedT]):
    """One modality in an engine: its front ends, its encoder's steps, and its state per slot."""

    modality: ClassVar[Modality]
    front_end: type[FrontEnd[SampleT, PreparedT]]

    def __init__(self, context: LaneContext, slots: int) -> None:
        """Allocate the state of ``slots`` streams that have brought nothing.

        Args:
            context: what all lanes of an engine share.
            slots: number of streams.
        """
        self._context = context
        self._backend = context.backend
        self._device = context.system.classifier.weight.device
        encoder = context.system.encoders[self.modality]
        self.window_s = encoder.window_s
        """How old a token may be to be seen by a decision, seconds."""
        self.reach_ns = to_ns(encoder.window_s + encoder.receptive_field_s)
        """How far before a decision a sample can lie and still influence it."""
        self.memory = KeyValueRing(
            slots,
            encoder.max_tokens,
            (3, context.system.config.hidden_dim),
            like=context.system.classifier.weight,
        )
        """What decisions see: key, value and token of each row."""
        self._front_ends = self._new_front_ends(slots)

    def check(self, sample: SampleT) -> None:
        """Raise ShapeError for a sample that is not what the network takes; change nothing."""
        self._front_ends[0].check(sample)

    def prepare(self, slot: int, samples: Sequence[SampleT]) -> list[PreparedT]:
        """Take the next samples of a slot, which were checked.

        Args:
            slot: of the stream.
            samples: in order of arrival.
        """
        take = self._front_ends[slot].prepare
        return [item for sample in samples for item in take(sample)]

    @abstractmethod
    def encode(self, batch: Sequence[tuple[Stream, Sequence[PreparedT]]]) -> None:
        """Encode what different streams bring, in order of their slots, into their state."""

    @abstractmethod
    def example(self, now_ns: int) -> SampleT:
        """Return a made-up sample of this moment, to warm up with.

        Noise, because nothing overflows from zeros.
        """

    @classmethod
    def artificial(cls, config: ModelConfig, scene: Scene) -> Iterator[SampleT]:
        """Yield made-up samples like a robot's for ever, in order of arrival; by default none.

        Costs are measured on them.

        Args:
            config: of the network that takes them.
            scene: what is sensed, and how often.
        """
        del config, scene
        return iter(())

    def clear(self, slot: int) -> None:
        """Forget everything of one slot; the others and the memory stay."""
        self._front_ends[slot].clear()
        self.memory.clear(slot)

    def grow(self, slots: int) -> None:
        """Make room for ``slots`` streams in all."""
        self._front_ends += self._new_front_ends(slots - len(self._front_ends))
        self.memory.grow(slots)

    def _new_front_ends(self, count: int) -> list[FrontEnd[SampleT, PreparedT]]:
        return [self.front_end(self._context.front_ends) for _ in range(count)]


def turns(slots: Sequence[int]) -> list[list[int]]:
    """Group what lies in order by turn: the first item of every slot, then the second, and so on.

    Returns:
        Positions in ``slots``; within a turn every slot occurs at most once.
    """
    seen: dict[int, int] = {}
    result: list[list[int]] = []
    for position, slot in enumerate(slots):
        turn = seen.get(slot, 0)
        seen[slot] = turn + 1
        if turn == len(result):
            result.append([])
        result[turn].append(position)
    return result


def time_arrays(prefix: str, times: Sequence[tuple[int, int]]) -> Arrays:
    """Return stamps and arrivals, (N,) each, by their batch keys.

    Args:
        prefix: how the keys begin.
        times: N stamps with their arrivals.
    """
    both = np.array(times, np.int64).reshape(-1, 2)
    return {f'{prefix}_stamps': both[:, 0].copy(), f'{prefix}_arrivals': both[:, 1].copy()}
