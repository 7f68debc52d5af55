"""A node's admission trace decided again by ``forward``, from the recording that was played.

The recording gives the samples, the trace their stamps, their arrivals and the moments of the
decisions. N decisions, C classes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from activity_recognition.bags import RecordingReader
from activity_recognition.config import SyncConfig, VideoConfig
from activity_recognition.errors import RecordingError
from activity_recognition.inference.precision import Precision
from activity_recognition.inference.resizing import resize_frame
from activity_recognition.inference.trace import dense_recording, to_batch
from activity_recognition.inference.trace_file import (
    AdmissionTrace,
    SampleId,
    TracedWindow,
    digest_of,
)
from activity_recognition.models.checkpoint import Checkpoint
from activity_recognition.recorded import DEFAULTS, RecordedConfig
from activity_recognition.types import (
    ALL_MODALITIES,
    Frame,
    Modality,
    Sample,
    Window,
    modality_of,
)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Replayed:
    """What ``forward`` says of every decision in a trace."""

    logits: NDArray[np.float64]
    """(N, C), raw; zeros where it was not asked."""
    seen: NDArray[np.bool_]
    """(N,), whether it saw anything at all."""
    comparable: NDArray[np.bool_]
    """(N,), whether it was given all that the node had."""
    segment: NDArray[np.int64]
    """(N,), number of the segment between two resets."""
    recorded: dict[Modality, int]
    """Samples that the recording holds."""
    missing: int
    """Samples that the node admitted and the recording lacks, or has with another content."""
    restamped: int
    """Samples whose stamp is another than in the recording: without a header, it is the arrival."""


def replay(
    trace: AdmissionTrace,
    recording: Path,
    checkpoint: Checkpoint,
    precision: Precision,
    sync: SyncConfig,
    *,
    recorded: RecordedConfig = DEFAULTS,
) -> Replayed:
    """Decide over an admission trace in one dense pass per segment between resets.

    After a sample that the recording lacks, nothing of its segment can be compared.

    Args:
        trace: what a node wrote down.
        recording: what was played into it.
        checkpoint: what decided.
        precision: where and how to compute.
        sync: of the node.
        recorded: how the recording's topics are read; they were played so.

    Raises:
        RecordingError: another checkpoint decided, or the recording cannot be read.
    """
    if trace.checkpoint_id != checkpoint.id:
        raise RecordingError(
            f'expected a trace of the checkpoint {checkpoint.id}, got one of {trace.checkpoint_id}'
        )
    shelf = _read(recording, trace, checkpoint, sync, recorded)
    rebuilt = _Rebuilt()
    for window in trace.windows:
        rebuilt.add(window, shelf)
    comparable = np.array(rebuilt.comparable, np.bool_)
    logits = np.zeros((len(comparable), len(checkpoint.config.labels)))
    seen = np.zeros(len(comparable), np.bool_)
    logits[comparable], seen[comparable] = _forward(rebuilt.windows, checkpoint, precision)
    return Replayed(
        logits=logits,
        seen=seen,
        comparable=comparable,
        segment=np.array(rebuilt.segment, np.int64),
        recorded=shelf.recorded,
        missing=rebuilt.missing,
        restamped=rebuilt.restamped,
    )


@dataclass(kw_only=True, slots=True)
class _Shelf:
    """The samples of a recording that a trace names, found by what they hold."""

    samples: dict[tuple[Modality, str], list[Sample]] = field(default_factory=dict)
    recorded: dict[Modality, int] = field(default_factory=lambda: dict.fromkeys(ALL_MODALITIES, 0))

    def find(self, wanted: SampleId) -> Sample | None:
        """Return the sample of this content, that of the same stamp before others.

        It stays: a bag that is played in a loop gives it more than once.
        """
        found = self.samples.get((wanted.modality, wanted.digest), [])
        same = (sample for sample in found if sample.stamp_ns == wanted.stamp_ns)
        return next(same, found[0] if found else None)


@dataclass(kw_only=True, slots=True)
class _Rebuilt:
    """A trace with its samples put back, as far as they are known."""

    windows: list[Window] = field(default_factory=list)
    """Those that ``forward`` can be asked about."""
    comparable: list[bool] = field(default_factory=list)
    """Per decision of the trace, whether it is among them."""
    segment: list[int] = field(default_factory=list)
    missing: int = 0
    restamped: int = 0
    _is_whole: bool = True
    _resets: int = 0

    def add(self, window: TracedWindow, shelf: _Shelf) -> None:
        """Put the samples of one window back."""
        samples = [self._restore(wanted, shelf) for wanted in window.samples]
        found = tuple(sample for sample in samples if sample is not None)
        self._resets += window.reset
        self._is_whole = (self._is_whole or window.reset) and len(found) == len(samples)
        moment = None
        if window.decision is not None:
            moment = window.decision.moment if self._is_whole else None
            self.comparable.append(self._is_whole)
            self.segment.append(self._resets)
        if self._is_whole:
            self.windows.append(Window(reset=window.reset, samples=found, decision=moment))
        elif window.reset:
            # What came before must not be taken for the past of what comes after.
            self.windows.append(Window(reset=True))

    def _restore(self, wanted: SampleId, shelf: _Shelf) -> Sample | None:
        sample = shelf.find(wanted)
        if sample is None:
            self.missing += 1
            return None
        self.restamped += sample.stamp_ns != wanted.stamp_ns
        return dataclasses.replace(sample, stamp_ns=wanted.stamp_ns, arrival_ns=wanted.arrival_ns)


def _read(
    recording: Path,
    trace: AdmissionTrace,
    checkpoint: Checkpoint,
    sync: SyncConfig,
    recorded: RecordedConfig,
) -> _Shelf:
    """Keep the samples that a trace names, frames at the network's size."""
    wanted = {(s.modality, s.digest) for window in trace.windows for s in window.samples}
    video = checkpoint.config.video
    shelf = _Shelf()
    with RecordingReader.for_model(recording, checkpoint.config, sync, recorded) as reader:
        for sample in reader.samples():
            modality = modality_of(sample)
            shelf.recorded[modality] += 1
            key = (modality, digest_of(sample))
            if key in wanted:
                shelf.samples.setdefault(key, []).append(_shrunk(sample, video))
    return shelf


def _shrunk(sample: Sample, video: VideoConfig) -> Sample:
    """Return a frame as the network sees it, anything else as it is."""
    # A pose network looks at parts of an image, which follow from the frames before.
    if not isinstance(sample, Frame) or video.finds_key_points:
        return sample
    return dataclasses.replace(sample, image=resize_frame(sample, video.input_size_px))


def _forward(
    windows: Sequence[Window], checkpoint: Checkpoint, precision: Precision
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return logits (N, C) and whether anything was seen (N,), of all decisions in the windows."""
    system = checkpoint.system.to(precision.device).eval()
    logits = [np.zeros((0, len(checkpoint.config.labels)))]
    seen = [np.zeros(0, np.bool_)]
    for arrays in dense_recording(windows, checkpoint.config, checkpoint.tokenizer):
        if not len(arrays['decision_stamps']):
            continue
        batch = to_batch(arrays, precision.device)
        with torch.inference_mode(), precision.autocast():
            output = system.forward_detailed(batch)
        logits.append(output.logits[0].double().cpu().numpy())
        present = torch.stack([there[0] for there in output.present.values()])
        seen.append(present.any(0).cpu().numpy())
    return np.concatenate(logits), np.concatenate(seen)
