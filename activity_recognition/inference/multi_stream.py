"""MultiStreamEngine: several cameras, robots or persons through one network, batched step by step.

Every stream's decisions are those of a :class:`StreamingEngine` that runs it alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch

from activity_recognition.config import EngineConfig, SmoothingConfig
from activity_recognition.errors import ConfigError, NonFiniteError
from activity_recognition.inference.backends.backend import Backend
from activity_recognition.inference.backends.choice import choose_backend
from activity_recognition.inference.deciding import BatchDecider
from activity_recognition.inference.encoding import BatchEncoder
from activity_recognition.inference.frontend import FrontEnd
from activity_recognition.inference.precision import Precision, choose_precision, host_type
from activity_recognition.inference.streams import NetworkState, Stream
from activity_recognition.inference.threads import fewest_threads, use_threads
from activity_recognition.models.checkpoint import Checkpoint, default_checkpoint, load_checkpoint
from activity_recognition.models.smoothing import ActivitySmoothing
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.types import (
    AudioChunk,
    Decision,
    DecisionTime,
    Frame,
    Utterance,
    Window,
    to_ns,
)


class MultiStreamEngine:
    """Named streams of samples in, one decision per due moment of each out; owned by one thread.

    Streams join and leave at any time, and know nothing of each other. The memory of one that left
    is kept for the next that joins.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        engine: EngineConfig | None = None,
        smoothing: SmoothingConfig | None = None,
    ) -> None:
        """Prepare to stream through a checkpoint's network; no stream has joined yet.

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
        self._front_end_type = host_type(system.classifier.weight.dtype)
        self._resize = engine.resize == 'host'
        self._smoothing = ActivitySmoothing(config=smoothing)
        self._state = NetworkState(system, slots=1)
        self.choice = choose_backend(
            engine.backend, checkpoint, self.precision, num_threads=self.num_threads
        )
        """What runs the network's steps, and why."""
        self.backend: Backend = self.choice.backend
        self._encoder = BatchEncoder(system, self.backend, self._state)
        self._decider = BatchDecider(
            system,
            self.backend,
            self._state,
            temperature=checkpoint.temperature,
            smoothing=self._smoothing,
            evidence_every=engine.evidence_every,
        )
        self._streams: dict[str, Stream] = {}
        self._free = [0]

    @classmethod
    def load(
        cls,
        checkpoint: Path | str = '',
        engine: EngineConfig | None = None,
        smoothing: SmoothingConfig | None = None,
    ) -> MultiStreamEngine:
        """Load a checkpoint folder, the shipped one where the path is empty, and prepare it.

        Raises:
            CheckpointError: the folder is missing, damaged or of another schema.
            DeviceError: the device or precision asked for is not there.
        """
        return cls(
            load_checkpoint(checkpoint or default_checkpoint()),
            engine=engine,
            smoothing=smoothing,
        )

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

    def join(self, name: str) -> None:
        """Begin a stream, which has seen nothing yet.

        Raises:
            ConfigError: there is one of this name.
        """
        if name in self._streams:
            raise ConfigError(f'stream {name!r}: expected a new name; one of this name has joined')
        if not self._free:
            count = len(self._streams)
            self._state.grow(2 * count)
            self._free = list(range(count, 2 * count))
        # The lowest, so that it does not depend on who left in which order.
        slot = min(self._free)
        self._free.remove(slot)
        front_end = FrontEnd(
            self.config,
            self.checkpoint.tokenizer,
            dtype=self._front_end_type,
            resize=self._resize,
        )
        self._streams[name] = Stream(slot, front_end, self._smoothing.new_state())

    def leave(self, name: str) -> None:
        """End a stream and forget it.

        Raises:
            ConfigError: there is none of this name.
        """
        self.reset(name)
        self._free.append(self._streams.pop(name).slot)

    def reset(self, name: str) -> None:
        """Forget everything that one stream has seen, heard, read and decided.

        Raises:
            ConfigError: there is none of this name.
        """
        stream = self._stream(name)
        stream.clear()
        self._state.clear(stream.slot)

    def update(
        self, *, smoothing: SmoothingConfig | None = None, evidence_every: int | None = None
    ) -> None:
        """Change settings of all streams while running; the smoothing's memory is kept."""
        if smoothing is not None:
            self._smoothing.config = smoothing
        if evidence_every is not None:
            self._decider.evidence_every = evidence_every

    def warm_up(self) -> None:
        """Run every part once for all streams at once, so that the first real decision is not slow.

        The streams are reset.

        Raises:
            NonFiniteError: the network overflows.
        """
        for index in range(2):
            window = self._made_up((1 + index) * to_ns(1.0))
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
        for stream, _, window in given:
            stream.front_end.check(window.samples)
        for _, name, window in given:
            if window.reset:
                self.reset(name)
        intake = [(s, s.front_end.prepare(window.samples)) for s, _, window in given]
        for stream, _, window in given:
            stream.note(window.samples)
        due = [(s, name, w.decision) for s, name, w in given if w.decision is not None]
        with torch.inference_mode(), self.precision.autocast():
            self._encoder.encode(intake)
            if not due:
                return {}
            answers = self._decider.decide([(stream, moment) for stream, _, moment in due])
        found = {name: answer for (_, name, _), answer in zip(due, answers, strict=True)}
        decisions = {name: answer for name, answer in found.items() if answer is not None}
        if len(decisions) < len(found):
            self._refuse([name for name in found if name not in decisions], decisions)
        return decisions

    def _refuse(self, names: Sequence[str], decisions: Mapping[str, Decision]) -> NoReturn:
        """Have streams with an answer that is not finite begin anew: their memory may not be."""
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

    def _made_up(self, now_ns: int) -> Window:
        """Return a window with something of every modality and a decision.

        Noise, because nothing overflows from an image and sound of zeros.
        """
        noise = np.random.default_rng(now_ns)
        size, audio = self.config.video.input_size_px, self.config.audio
        # A larger image has the device resample it, too.
        size *= 1 if self._resize else 2
        return Window(
            samples=(
                Frame(
                    stamp_ns=now_ns,
                    arrival_ns=now_ns,
                    image=noise.integers(0, 256, (size, size, 3), dtype=np.uint8),
                ),
                AudioChunk(
                    stamp_ns=now_ns,
                    arrival_ns=now_ns,
                    samples=noise.uniform(-1.0, 1.0, audio.sample_rate_hz // 4).astype(np.float32),
                    sample_rate_hz=audio.sample_rate_hz,
                ),
                Utterance(stamp_ns=now_ns, arrival_ns=now_ns, text='hello'),
            ),
            decision=DecisionTime(t_ns=now_ns, arrival_ns=now_ns),
        )
