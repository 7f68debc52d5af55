"""One recording through the node's own preprocessing: decoders, admission, front ends, arrays.

T frames, W side of images with a margin.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from activity_recognition.bags import RecordingReader
from activity_recognition.config import ModelConfig, SyncConfig
from activity_recognition.errors import (
    CheckpointError,
    MissingExtraError,
    RecordingError,
    WeightsError,
)
from activity_recognition.inference import trace
from activity_recognition.inference.lanes import FrontEndSettings, front_end_type
from activity_recognition.inference.lanes.grid import GridFrontEnd
from activity_recognition.inference.resizing import resize_frame
from activity_recognition.inference.threads import one_thread
from activity_recognition.inference.trace import SegmentArrays
from activity_recognition.modalities import DECISION_KEYS, SPEC
from activity_recognition.recorded import DEFAULTS, RecordedConfig
from activity_recognition.streams import windows
from activity_recognition.types import Frame, Modality, Window, modality_of

OF_FRONT_ENDS = (CheckpointError, MissingExtraError, WeightsError)
"""Errors of a frozen network in front of the network: no recording is to blame."""
WIDE = 'wide_frames'
"""The same images with a margin, (T, W, W, 3), where one is asked for."""


def large_keys(modalities: Iterable[Modality]) -> tuple[str, ...]:
    """Return the keys of arrays that segments have and that are too large to be read whole.

    Those of :func:`depending_keys` only some have.
    """
    return tuple(array.name for m in modalities for array in SPEC[m].stored_arrays)


def depending_keys(modalities: Iterable[Modality]) -> frozenset[str]:
    """Return those of :func:`large_keys` that segments have only for some networks."""
    arrays = [array for m in modalities for array in SPEC[m].stored_arrays]
    return frozenset(array.name for array in arrays if array.needs)


def small_keys(modalities: Iterable[Modality]) -> tuple[str, ...]:
    """Return the keys of the other arrays that every segment has, in the order of the files."""
    return (*(key for m in modalities for key in SPEC[m].stored_keys), *DECISION_KEYS)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RecordedArrays:
    """A whole recording as arrays."""

    start_ns: int
    """Start of the recording, from which its labels count."""
    dropped: int
    """Messages that could not be decoded."""
    segments: tuple[SegmentArrays, ...]


def preprocess_recording(
    recording: Path,
    model: ModelConfig,
    sync: SyncConfig,
    *,
    wide_px: int = 0,
    recorded: RecordedConfig = DEFAULTS,
) -> RecordedArrays:
    """Run a recording through the front ends.

    Args:
        recording: rosbag2 folder or bag file.
        model: only the parts that shape the network's inputs matter.
        sync: admission and the decisions' times.
        wide_px: side of a second, larger copy of each image; 0 makes none.
        recorded: which of its topics are used, and what they mean.

    Raises:
        RecordingError: it is damaged, nothing in it can be read, or it is too short.
        CheckpointError, MissingExtraError, WeightsError: a frozen network in front of the network
            cannot run here, or is another one.
    """
    wide: list[NDArray[np.uint8]] = []
    read: set[Modality] = set()
    with one_thread(), RecordingReader.for_model(recording, model, sync, recorded) as reader:
        admitted: Iterable[Window] = windows(reader.samples(), sync, until_ns=reader.until_ns)
        if wide_px:
            admitted = _keeping_wide(admitted, wide_px, wide)
        parts = trace.segments(_noting(admitted, read), model)
        start_ns, dropped = reader.start_ns, reader.drops.total
    parts = [part for part in parts if part.num_samples]
    if not parts:
        raise RecordingError(f'{recording}: {_explain_nothing(model, read)}')
    if wide_px:
        parts = list(_with_wide(parts, wide, wide_px))
    return RecordedArrays(start_ns=start_ns, dropped=dropped, segments=tuple(parts))


def _noting(admitted: Iterable[Window], read: set[Modality]) -> Iterator[Window]:
    """Hand windows on and note of which modalities they have samples."""
    for window in admitted:
        read.update(map(modality_of, window.samples))
        yield window


def _explain_nothing(model: ModelConfig, read: Iterable[Modality]) -> str:
    """Return what to say of a recording from which a network takes nothing.

    Args:
        model: of the network.
        read: modalities of which there were samples.
    """
    fronts = {m: front_end_type(m)(FrontEndSettings(config=model)) for m in sorted(read)}
    needed = [
        f'{front.grid.span / front.grid.rate_hz:g} s of {modality} without a gap'
        for modality, front in fronts.items()
        if isinstance(front, GridFrontEnd)
    ]
    if not needed:
        return 'expected samples, found none that can be read'
    return f'expected at least {" or ".join(needed)}, which the network takes at once, got less'


def _with_wide(
    parts: Iterable[SegmentArrays], wide: list[NDArray[np.uint8]], wide_px: int
) -> Iterator[SegmentArrays]:
    """Give each segment its share of the larger images, which are removed from the list."""
    for part in parts:
        count = len(part.arrays['frames'])
        images = np.stack(wide[:count]) if count else np.zeros((0, wide_px, wide_px, 3), np.uint8)
        del wide[:count]
        yield SegmentArrays(arrays={**part.arrays, WIDE: images}, texts=part.texts)


def _keeping_wide(
    admitted: Iterable[Window], side_px: int, kept: list[NDArray[np.uint8]]
) -> Iterator[Window]:
    """Hand windows on and keep a larger copy of their images, in order."""
    for window in admitted:
        kept += [resize_frame(s, side_px) for s in window.samples if isinstance(s, Frame)]
        yield window
