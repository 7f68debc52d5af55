"""What one sample of each modality and one decision cost on this machine.

An engine with full rings is given a stream like a robot's, sample by sample, and every call is
timed by itself: parts that take turns push each other out of the caches, as they do on a robot.
Thread counts take turns from round to round, so that a slower spell of the machine meets all of
them; rounds in which the processor did something else are left out.
"""

from __future__ import annotations

import math
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch

from activity_recognition.config import EngineConfig, ModelConfig
from activity_recognition.errors import BackendError
from activity_recognition.inference.artificial import artificial_stream
from activity_recognition.inference.engine import StreamingEngine
from activity_recognition.inference.threads import threads_restored, use_threads
from activity_recognition.modalities import SPEC, ModalitySpec, modalities_of
from activity_recognition.models.checkpoint import Checkpoint
from activity_recognition.models.tokenizer import TextTokenizer
from activity_recognition.settings import Ranged, setting
from activity_recognition.types import Decision, Modality, Sample, Window, seconds_between

FRAMES_PER_ROUND = 10
EVIDENCE_EVERY = 5
"""Decisions between two modality ablations; divides the frames."""
UTTERANCE_PERIOD_S = 0.5
"""Of the stream that is timed, so that there is something to time; robots have less."""
FRAME_RATE_HZ = 10.0
LEAST_BUSY = 0.9
"""CPU time per wall time below which a round was disturbed, and is left out."""
FEWEST_ROUNDS = 3
"""Undisturbed rounds below which all rounds count, and the result is called unsettled."""
FILLING_SHARE = 0.4
"""Largest share of the time that goes into filling the ring of frames before anything is timed."""
DECISION, ABLATED_DECISION = 'decision', 'ablated decision'


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasureConfig(Ranged):
    """How costs are measured."""

    seconds: float = setting(15.0, low=0.1, high=3600.0)
    """For one network, all thread counts together; making the engines comes before."""
    width_px: int = setting(640, low=16, high=8192)
    """Of the camera's images, which are resized to the network's."""
    height_px: int = setting(480, low=16, high=8192)
    seed: int = setting(0, low=0, high=2**31 - 1)
    device: str = 'cpu'
    """``cpu``, ``cuda`` or ``cuda:N``."""
    backend: str = 'auto'
    """``engine.backend``; what it came to is in each :class:`Cost`."""
    exported: bool = False
    """Whether steps were exported to be measured; a robot's checkpoint has to be exported too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """Time of one kind of event over rounds, seconds."""

    wall_s: float
    """Median over rounds of the mean within one."""
    low_s: float
    """First quartile."""
    high_s: float
    """Third quartile."""
    cpu_s: float
    """Median of the time of all threads of the process."""
    rounds: int

    @classmethod
    def of(cls, wall_s: Sequence[float], cpu_s: Sequence[float]) -> Timing:
        """Summarise the rounds, of which there is at least one.

        Args:
            wall_s: wall time of each round, seconds.
            cpu_s: processor time of each round, seconds.
        """
        low_s, median_s, high_s = (
            statistics.quantiles(wall_s, n=4, method='inclusive')
            if len(wall_s) > 1
            else (wall_s[0],) * 3
        )
        return cls(
            wall_s=median_s,
            low_s=low_s,
            high_s=high_s,
            cpu_s=statistics.median(cpu_s),
            rounds=len(wall_s),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleCost:
    """What one sample of a modality costs, as drivers send them."""

    modality: str
    timing: Timing
    duration_s: float = 0.0
    """Of one sample, seconds; 0 for one of a moment."""
    pieces: int = 1
    """Subword tokens of the longest; 1 for what is not made of words."""

    @property
    def spec(self) -> ModalitySpec:
        """Its modality."""
        return SPEC[Modality(self.modality)]

    @property
    def per_second_s(self) -> float:
        """Seconds that a second of samples of a fixed rate costs."""
        return self.timing.wall_s / self.duration_s


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What the events of a stream cost with one network, device and number of threads."""

    network: str
    """The preset, or the checkpoint's name."""
    device: str
    """With precision and backend, in words."""
    backend: str
    """What ran the steps, several joined by ``+``: of ``auto`` each may have been the fastest."""
    threads: int
    samples: tuple[SampleCost, ...]
    """One of each modality, an image of the camera resizing included."""
    decision: Timing
    ablated_decision: Timing
    """One with the modality ablation."""
    frames_held: int
    """In the ring while it was timed; without frames, of the modality with the largest ring."""
    settled: bool
    """False where the machine was too busy to conclude anything."""

    @property
    def frame(self) -> Timing | None:
        """One sample of the modality that decisions wait for; None for a network without it."""
        found = (item.timing for item in self.samples if item.spec.triggers_decisions)
        return next(found, None)

    @property
    def timings(self) -> tuple[Timing, ...]:
        """All there are."""
        samples = (item.timing for item in self.samples)
        return (*samples, self.decision, self.ablated_decision)

    def of(self, modality: Modality) -> SampleCost | None:
        """Return what one sample of a modality costs; None where none was timed."""
        return next((item for item in self.samples if item.modality == modality), None)

    def mean_decision_s(self, evidence_every: int) -> float:
        """Return the mean of a decision with an ablation every so many; 0 for none, seconds."""
        if not evidence_every:
            return self.decision.wall_s
        more_s = self.ablated_decision.wall_s - self.decision.wall_s
        return self.decision.wall_s + more_s / evidence_every


def measure(
    checkpoint: Checkpoint,
    *,
    name: str,
    threads: Sequence[int],
    config: MeasureConfig | None = None,
) -> list[Cost]:
    """Measure what a stream's events cost; one result per number of threads.

    Args:
        checkpoint: the network; its weights do not matter.
        name: what to call it in the results.
        threads: of PyTorch and OpenCV, numbers that are each at least 1.
        config: how long, and for which camera.

    Raises:
        DeviceError: the device is not there.
        BackendError: the backend asked for cannot be had.
    """
    config = config or MeasureConfig()
    with threads_restored():
        # One of each, for what runs the steps may fix its threads when it is made.
        engines = {count: _engine(checkpoint, config, count) for count in threads}
        streams = {
            count: _Stream(engine, config, checkpoint.tokenizer)
            for count, engine in engines.items()
        }
        # Choosing a backend runs every step many times; a large network would have no time left.
        end_s = time.monotonic() + config.seconds
        share_s = FILLING_SHARE * config.seconds / len(streams)
        held = min(stream.fill(time.monotonic() + share_s) for stream in streams.values())
        rounds = _rounds(streams, end_s, seed=config.seed)
    return [
        _summary(
            rounds[count],
            name=name,
            device=engine.device_name,
            backend=engine.backend.name,
            threads=count,
            samples=streams[count].largest,
            frames_held=held,
            judged=engine.precision.device.type == 'cpu',
        )
        for count, engine in engines.items()
    ]


def _engine(checkpoint: Checkpoint, config: MeasureConfig, threads: int) -> StreamingEngine:
    engine = StreamingEngine(
        checkpoint,
        engine=EngineConfig(
            device=config.device,
            backend=config.backend,
            num_threads=threads,
            evidence_every=EVIDENCE_EVERY,
        ),
    )
    if engine.choice.problem:
        # What an engine falls back on is not what was asked about.
        raise BackendError(engine.choice.problem)
    engine.warm_up()
    return engine


@dataclass(slots=True)
class _Spent:
    """Time that calls of one kind took within a round."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    count: int = 0


_Round = dict[str, _Spent]


class SampleSize(NamedTuple):
    """What of a sample its work depends on."""

    duration_s: float
    pieces: int


class _Stream:
    """A stream like a robot's, of which every call of the engine is timed."""

    def __init__(
        self, engine: StreamingEngine, config: MeasureConfig, tokenizer: TextTokenizer
    ) -> None:
        self._engine, self._tokenizer = engine, tokenizer
        self.largest: dict[Modality, SampleSize] = {}
        """The largest sample of each modality that was timed."""
        self._device = engine.precision.device
        self._windows = artificial_stream(
            engine.config,
            frame_rate_hz=FRAME_RATE_HZ,
            width_px=config.width_px,
            height_px=config.height_px,
            utterance_period_s=UTTERANCE_PERIOD_S,
            seed=config.seed,
        )

    def fill(self, end_s: float) -> int:
        """Fill the rings, the frames' as far as the time allows; return the frames held."""
        limit, held = _ring_length(self._engine.config), 0
        while held < limit and time.monotonic() < end_s:
            self._timed(Window(samples=next(self._windows).samples))
            held += 1
        self.run(FRAMES_PER_ROUND, {})
        return min(held + FRAMES_PER_ROUND, limit)

    def run(self, frames: int, spent: _Round) -> None:
        """Stream some frames, with the other samples and the decisions of that time."""
        for window in islice(self._windows, frames):
            for sample in window.samples:
                _, wall_s, cpu_s = self._timed(Window(samples=(sample,)))
                _note(spent, sample.modality, wall_s, cpu_s)
                self._note_size(sample)
            self._decide(Window(decision=window.decision), spent)

    def _note_size(self, sample: Sample) -> None:
        content = getattr(sample, SPEC[sample.modality].content)
        size = SampleSize(
            seconds_between(sample.end_ns, sample.stamp_ns),
            len(self._tokenizer.encode(content)) if isinstance(content, str) else 1,
        )
        known = self.largest.get(sample.modality, size)
        self.largest[sample.modality] = max(known, size)

    def _decide(self, window: Window, spent: _Round) -> None:
        decision, wall_s, cpu_s = self._timed(window)
        if decision is None or not np.isfinite(decision.logits).all():
            raise RuntimeError('the engine gave no finite decision: the time means nothing')
        ablated = any(not math.isnan(item.weight) for item in decision.evidence)
        _note(spent, ABLATED_DECISION if ablated else DECISION, wall_s, cpu_s)

    def _timed(self, window: Window) -> tuple[Decision | None, float, float]:
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        decision = self._engine.apply(window)
        if self._device.type == 'cuda':
            torch.cuda.synchronize(self._device)  # work is only queued until then
        return decision, time.perf_counter() - wall_s, time.process_time() - cpu_s


def _ring_length(config: ModelConfig) -> int:
    """Return how many frames are kept; without frames, the most tokens of any modality."""
    lengths = {m: getattr(config, m.value).max_tokens for m in modalities_of(config)}
    frames = [length for m, length in lengths.items() if SPEC[m].triggers_decisions]
    return max(frames or lengths.values())


def _note(spent: _Round, kind: str, wall_s: float, cpu_s: float) -> None:
    item = spent.setdefault(kind, _Spent())
    item.wall_s += wall_s
    item.cpu_s += cpu_s
    item.count += 1


def _rounds(streams: Mapping[int, _Stream], end_s: float, *, seed: int) -> dict[int, list[_Round]]:
    """Stream in rounds, every number of threads once in each, until the time is over."""
    order, chance = list(streams), random.Random(seed)
    rounds: dict[int, list[_Round]] = defaultdict(list)
    while not rounds or time.monotonic() < end_s:
        chance.shuffle(order)
        for count in order:
            use_threads(count)
            streams[count].run(1, {})  # the pool of threads is made again
            spent: _Round = {}
            streams[count].run(FRAMES_PER_ROUND, spent)
            rounds[count].append(spent)
    return rounds


def _summary(
    rounds: Sequence[_Round],
    *,
    name: str,
    device: str,
    backend: str,
    threads: int,
    samples: Mapping[Modality, SampleSize],
    frames_held: int,
    judged: bool,
) -> Cost:
    clean = [spent for spent in rounds if not judged or _undisturbed(spent)]
    settled = len(clean) >= FEWEST_ROUNDS
    used = clean if settled else rounds

    def timing(kind: str) -> Timing:
        found = [spent[kind] for spent in used if kind in spent]
        return Timing.of(
            [item.wall_s / item.count for item in found],
            [item.cpu_s / item.count for item in found],
        )

    order = list(SPEC)
    return Cost(
        network=name,
        device=device,
        backend=backend,
        threads=threads,
        samples=tuple(
            SampleCost(
                modality=modality.value,
                timing=timing(modality),
                duration_s=size.duration_s,
                pieces=size.pieces,
            )
            for modality, size in sorted(samples.items(), key=lambda item: order.index(item[0]))
        ),
        decision=timing(DECISION),
        ablated_decision=timing(ABLATED_DECISION),
        frames_held=frames_held,
        settled=settled,
    )


def _undisturbed(spent: _Round) -> bool:
    """Whether the processor worked for us all the time."""
    wall_s = sum(item.wall_s for item in spent.values())
    return sum(item.cpu_s for item in spent.values()) >= LEAST_BUSY * wall_s
