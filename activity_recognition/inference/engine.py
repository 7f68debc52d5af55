"""StreamingEngine: every sample is encoded once, when it arrives; a decision reads what is cached.

The decisions equal those that ``ActivityRecognitionSystem.forward`` gives on the whole recording
with the same arrivals.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from activity_recognition.config import EngineConfig, SmoothingConfig, SyncConfig
from activity_recognition.default_checkpoint import choose_checkpoint
from activity_recognition.frozen_networks import demand_checkpoint
from activity_recognition.inference.backends.backend import Backend
from activity_recognition.inference.backends.choice import Choice
from activity_recognition.inference.multi_stream import MultiStreamEngine
from activity_recognition.inference.precision import Precision
from activity_recognition.models.checkpoint import Checkpoint, load_checkpoint
from activity_recognition.streams import windows
from activity_recognition.types import Decision, Modality, Sample, Window

_ONLY = ''
"""Name of the one stream."""


class StreamingEngine:
    """One stream of samples in, one decision per due moment out; owned by one thread.

    It is a :class:`MultiStreamEngine` with a single stream.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        engine: EngineConfig | None = None,
        smoothing: SmoothingConfig | None = None,
    ) -> None:
        """Prepare to stream through a checkpoint's network.

        Args:
            checkpoint: network, configuration and tokenizer.
            engine: where and how to compute; None for the defaults.
            smoothing: how answers are smoothed; None for the defaults.

        Raises:
            DeviceError: the device or precision asked for is not there.
        """
        self._engine = MultiStreamEngine(checkpoint, engine=engine, smoothing=smoothing)
        self._engine.join(_ONLY)
        self.precision: Precision = self._engine.precision
        self.checkpoint = checkpoint
        self.config = checkpoint.config
        self.labels = checkpoint.config.labels
        self.remark = ''
        """What a user should know of the choice of the checkpoint; empty for nothing."""

    @classmethod
    def load(
        cls,
        checkpoint: Path | str = '',
        engine: EngineConfig | None = None,
        smoothing: SmoothingConfig | None = None,
    ) -> StreamingEngine:
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
        return self._engine.device_name

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """What the network takes in; samples of others are ignored."""
        return self._engine.modalities

    @property
    def backend(self) -> Backend:
        """What runs the network's steps."""
        return self._engine.backend

    @property
    def choice(self) -> Choice:
        """Why it is that backend."""
        return self._engine.choice

    def update(
        self, *, smoothing: SmoothingConfig | None = None, evidence_every: int | None = None
    ) -> None:
        """Change settings while running; the smoothing's memory is kept.

        Args:
            smoothing: how answers are smoothed; None leaves it.
            evidence_every: decisions between two measurements of the modalities' weights; None
                leaves it.
        """
        self._engine.update(smoothing=smoothing, evidence_every=evidence_every)

    def reset(self) -> None:
        """Forget all samples and decisions."""
        self._engine.reset(_ONLY)

    def warm_up(self) -> None:
        """Run every part once on made-up input, so that the first real decision is not slow.

        Raises:
            NonFiniteError: the network overflows.
        """
        self._engine.warm_up()

    def apply(self, window: Window) -> Decision | None:
        """Take a window: forget if it says so, encode its samples, decide if one is due.

        Raises:
            ShapeError: a sample is not what the network takes; nothing of the window is kept.
            NonFiniteError: the network's answer is NaN or infinite; everything is forgotten.
        """
        return self._engine.apply({_ONLY: window}).get(_ONLY)

    def decisions(
        self, samples: Iterable[Sample], sync: SyncConfig | None = None
    ) -> Iterator[Decision]:
        """Forget everything and yield the decisions over a recording, as a node would take them.

        Args:
            samples: in order of arrival, as ``bags.RecordingReader.for_model`` and
                ``bags.ClipReader`` yield them.
            sync: admission and the decisions' times; None for the defaults.

        Raises:
            ShapeError: a sample is not what the network takes.
            NonFiniteError: the network's answer is NaN or infinite.
        """
        self.reset()
        for window in windows(samples, sync or SyncConfig()):
            decision = self.apply(window)
            if decision is not None:
                yield decision
