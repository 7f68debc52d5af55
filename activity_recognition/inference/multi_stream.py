"""MultiStreamEngine: several cameras, robots or persons through one network, batched step by step.

Every stream's decisions are those of a :class:`StreamingEngine` that runs it alone.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import torch

from activity_recognition.config import EngineConfig, SmoothingConfig
from activity_recognition.default_checkpoint import choose_checkpoint
from activity_recognition.errors import ConfigError, NonFiniteError
from activity_recognition.frozen_networks import demand_checkpoint
from activity_recognition.inference.backends.backend import Backend
from activity_recognition.inference.backends.choice import choose_backend
from activity_recognition.inference.deciding import BatchDecider
from activity_recognition.inference.lanes import FrontEndSettings, Lane, LaneContext, lane_type
from activity_recognition.inference.lanes.lane import Stream
from activity_recognition.inference.precision import Precision, choose_precision, host_type
from activity_recognition.inference.threads import fewest_threads, use_threads
from activity_recognition.models.checkpoint import Checkpoint, load_checkpoint
from activity_recognition.models.smoothing import ActivitySmoothing
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.types import Decision, DecisionTime, Modality, Sample, Window, to_ns


class MultiStreamEngine:
    """Named streams of samples in, one decision per due moment of each out; owned by one thread.

    Streams join and leave at any time, and know nothing of each other, but for the modalities that
    one shares with another: their samples are encoded once, and seen by both. The memory of one
    that left is kept for the next that joins.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        engine: EngineConfig | None = None,
        smoothing: SmoothingConfig | None = None,
    ) -> None:
        """Prepare to stream through a checkpoint's network; no stream has joined yet.

        Args:
            checkpoint: network, configuration and tokenizer.
            engine: where and how to compute; None for the defaults.
            smoothing: how answers are smoothed; None for the defaults.

        Raises:
            DeviceError: the device or precision asked for is not there.
        """
        engine = engine or EngineConfig()
        self.precision: Precision = choose_precision(engine)
        self.checkpoint = checkpoint
        self.config = checkpoint.config
        self.labels = checkpoint.config.labels
        system: ActivityRecognitionSystem = checkpoint.system.to(self.precision.device)
        system.eval()
        self.num_threads = engine.num_threads
        if not self.num_threads:
            self.num_threads = fewest_threads(system) if self.precision.device.type == 'cpu' else 1
        use_threads(self.num_threads)
        self.choice = choose_backend(
            engine.backend, checkpoint, self.precision, num_threads=self.num_threads
        )
        """What runs the network's steps, and why."""
        self.backend: Backend = self.choice.backend
        self.modalities: tuple[Modality, ...] = system.modalities
        """What the network takes in; samples of others are ignored."""
        self._lanes = self._open_lanes(system, engine)
        self._smoothing = ActivitySmoothing(config=smoothing)
        self._decider = BatchDecider(
            system,
            self.backend,
            self._lanes,
            temperature=checkpoint.temperature,
            smoothing=self._smoothing,
            evidence_every=engine.evidence_every,
        )
        self._streams: dict[str, Stream] = {}
        self._free = [0]
        self.remark = ''
        """What a user should know of the choice of the checkpoint; empty for nothing."""

    def _open_lanes(
        self, system: ActivityRecognitionSystem, engine: EngineConfig
    ) -> dict[Modality, Lane[Any, Any]]:
        """Return the lanes of the network's modalities, with one slot each."""
        context = LaneContext(
            system=system,
            backend=self.backend,
            tokenizer=self.checkpoint.tokenizer,
            front_ends=FrontEndSettings(
                config=self.config,
                dtype=host_type(system.classifier.weight.dtype),
                resize=engine.resize == 'host',
            ),
        )
        return {m: lane_type(m)(context, slots=1) for m in system.modalities}

    @classmethod
    def load(
        cls,
        checkpoint: Path | str = '',
        engine: EngineConfig | None = None,
        smoothing: SmoothingConfig | None = None,
    ) -> MultiStreamEngine:
        """Load a checkpoint and prepare it.

        Args:
            checkpoint: the folder, or the name of a shipped one; empty for the default.
            engine: where and how to compute; None for the defaults.
            smoothing: how answers are smoothed; None for the defaults.

        Raises:
            CheckpointError: the folder is missing, damaged or of another schema.
            DeviceError: the device or precision asked for is not there.
            WeightsError, MissingExtraError: a frozen network before it cannot run here.
        """
        choice = choose_checkpoint(checkpoint)
        demand_checkpoint(choice.path)
        made = cls(load_checkpoint(choice.path), engine=engine, smoothing=smoothing)
        made.remark = choice.remark
        return made

    @property
    def checkpoint_id(self) -> str:
        """Identity of the checkpoint: weights, configuration and tokenizer."""
        return self.checkpoint.id

    @property
    def device_name(self) -> str:
        """Device, precision and backend in words."""
        return f'{self.precision.name} by {self.backend.name}'

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of the streams, in the order in which they joined."""
        return tuple(self._streams)

    def join(self, name: str, *, sharing: Mapping[Modality, str] | None = None) -> None:
        """Begin a stream, which has seen nothing of its own yet.

        Args:
            name: a new one.
            sharing: whose samples it sees of some modalities, by the name of another stream. It
                sees those from before it joined too, as far as they are not forgotten, and its own
                of these modalities are ignored. Samples and decisions of both belong into the same
                steps: a decision sees what was encoded until the end of its step.

        Raises:
            ConfigError: there is one of this name, or none of a name to share with.
        """
        if name in self._streams:
            raise ConfigError(f'stream {name!r}: expected a new name; one of this name has joined')
        shared = {
            modality: self._stream(owner).source(modality)
            for modality, owner in (sharing or {}).items()
        }
        if not self._free:
            count = len(self._streams)
            for lane in self._lanes.values():
                lane.grow(2 * count)
            self._free = list(range(count, 2 * count))
        # The lowest, so that it does not depend on who left in which order.
        slot = min(self._free)
        self._free.remove(slot)
        self._streams[name] = Stream(slot, self._smoothing.new_state(), shared=shared)

    def unshare(self, name: str, modality: Modality) -> None:
        """Have a stream see its own samples of a modality from now on, of which it has none yet.

        Args:
            name: of the stream.
            modality: that it shares; nothing happens where it does not.

        Raises:
            ConfigError: there is none of this name.
        """
        self._stream(name).shared.pop(modality, None)

    def leave(self, name: str) -> None:
        """End a stream and forget it.

        Raises:
            ConfigError: there is none of this name, or another one shares its samples.
        """
        stream = self._stream(name)
        users = [other for other, s in self._streams.items() if stream in s.shared.values()]
        if users:
            raise ConfigError(
                f'stream {name!r}: expected that nobody shares its samples, but '
                f'{", ".join(map(repr, users))} does; have these leave first'
            )
        self.reset(name)
        self._free.append(self._streams.pop(name).slot)

    def reset(self, name: str) -> None:
        """Forget all samples and decisions of one stream.

        Raises:
            ConfigError: there is none of this name.
        """
        stream = self._stream(name)
        stream.clear()
        for lane in self._lanes.values():
            lane.clear(stream.slot)

    def update(
        self, *, smoothing: SmoothingConfig | None = None, evidence_every: int | None = None
    ) -> None:
        """Change settings of all streams while running; the smoothing's memory is kept.

        Args:
            smoothing: how answers are smoothed; None leaves it.
            evidence_every: decisions between two measurements of the modalities' weights; None
                leaves it.
        """
        self._decider.update(smoothing=smoothing, evidence_every=evidence_every)

    def warm_up(self) -> None:
        """Run every part once for all streams at once, so that the first real decision is not slow.

        The streams are reset.

        Raises:
            NonFiniteError: the network overflows.
        """
        for index in range(2):
            now_ns = (1 + index) * to_ns(1.0)
            window = Window(
                samples=tuple(lane.example(now_ns) for lane in self._lanes.values()),
                decision=DecisionTime(t_ns=now_ns, arrival_ns=now_ns),
            )
            self.apply(dict.fromkeys(self._streams, window))
        for name in self._streams:
            self.reset(name)

    def apply(self, windows: Mapping[str, Window]) -> dict[str, Decision]:
        """Take one window of some streams: per stream forget if it says so, encode, decide if due.

        Returns:
            The decisions, by stream, of the windows that end in one.

        Raises:
            ConfigError: a name is none of a stream that joined.
            ShapeError: a sample is not what the network takes. Either leaves no trace in any
                stream.
            NonFiniteError: the network's answer for some streams is NaN or infinite. They have
                been reset; the error holds the decisions of the others.
        """
        given = [(self._stream(name), name, window) for name, window in windows.items()]
        given.sort(key=lambda entry: entry[0].slot)
        samples = [self._checked(window, stream.shared) for stream, _, window in given]
        for _, name, window in given:
            if window.reset:
                self.reset(name)
        streams = [stream for stream, _, _ in given]
        due = [(s, name, w.decision) for s, name, w in given if w.decision is not None]
        with torch.inference_mode(), self.precision.autocast():
            self._encode(streams, samples)
            if not due:
                return {}
            answers = self._decider.decide([(stream, moment) for stream, _, moment in due])
        found = {name: answer for (_, name, _), answer in zip(due, answers, strict=True)}
        decisions = {name: answer for name, answer in found.items() if answer is not None}
        if len(decisions) < len(found):
            self._refuse([name for name in found if name not in decisions], decisions)
        return decisions

    def _checked(self, window: Window, shared: Container[Modality]) -> dict[Modality, list[Sample]]:
        """Return a window's samples by modality, without those that are not taken.

        Raises:
            ShapeError: a sample is not what the network takes.
        """
        result: dict[Modality, list[Sample]] = {}
        for sample in window.samples:
            lane = self._lanes.get(sample.modality)
            if lane is not None and sample.modality not in shared:
                lane.check(sample)
                result.setdefault(sample.modality, []).append(sample)
        return result

    def _encode(
        self, streams: Sequence[Stream], samples: Sequence[Mapping[Modality, list[Sample]]]
    ) -> None:
        """Encode what the streams bring, lane by lane."""
        for modality, lane in self._lanes.items():
            batch = []
            for stream, of_stream in zip(streams, samples, strict=True):
                if modality in of_stream:
                    stream.note(modality, of_stream[modality])
                    if prepared := lane.prepare(stream.slot, of_stream[modality]):
                        batch.append((stream, prepared))
            if batch:
                lane.encode(batch)

    def _refuse(self, names: Sequence[str], decisions: Mapping[str, Decision]) -> NoReturn:
        """Have streams with an answer that is not finite begin again: their memory may not be."""
        for name in names:
            self.reset(name)
        streams = ', '.join(filter(None, names))
        raise NonFiniteError(
            f'{f"stream {streams}: " if streams else ""}expected finite numbers from the network, '
            f'got NaN or infinity from the checkpoint {self.checkpoint_id} in '
            f'{self.checkpoint.path} on {self.device_name}; {self._remedy()}',
            streams=names,
            decisions=decisions,
        )

    def _remedy(self) -> str:
        """Return what to do about numbers that overflow."""
        if self.precision.dtype is torch.float16:
            return 'its numbers are too large for fp16: set engine.precision to bf16 or fp32'
        return 'its weights overflow: take another checkpoint, or train again'

    def _stream(self, name: str) -> Stream:
        if name not in self._streams:
            known = ', '.join(map(repr, self._streams)) or 'none'
            raise ConfigError(f'stream {name!r}: expected one that has joined, there are: {known}')
        return self._streams[name]
