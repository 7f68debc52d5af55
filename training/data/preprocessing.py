"""One recording through the node's own way in: decoders, admission, front ends, then arrays.

T frames, A audio blocks, U utterances, Q decisions, S side of the network's pictures, W of the
wider ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from activity_recognition.bags import RecordingReader
from activity_recognition.config import ModelConfig, SyncConfig
from activity_recognition.errors import RecordingError
from activity_recognition.inference import trace
from activity_recognition.inference.resizing import resize_frame
from activity_recognition.inference.threads import one_thread
from activity_recognition.recorded import DEFAULTS, RecordedConfig
from activity_recognition.streams import windows
from activity_recognition.types import Frame, Window

MAPPED = ('frames', 'spectrograms')
"""Arrays that every segment has and that are too large to be read whole."""
WIDE = 'wide_frames'
"""The same pictures with a margin, (T, W, W, 3), where one is asked for."""
SMALL = (
    'frame_stamps',
    'frame_arrivals',
    'spectrogram_stamps',
    'spectrogram_arrivals',
    'spectrogram_mask',
    'transcript_stamps',
    'transcript_arrivals',
    'decision_stamps',
    'decision_arrivals',
)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SegmentArrays:
    """One stretch between resets, in order of arrival; fields of :class:`Segment` by name."""

    arrays: dict[str, NDArray[Any]]
    texts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RecordedArrays:
    """A whole recording as arrays."""

    start_ns: int
    """Start of the recording, from which its labels count."""
    dropped: int
    """Messages that could not be decoded."""
    segments: tuple[SegmentArrays, ...]


def take_in(
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
        wide_px: side of a second, larger copy of each picture; 0 makes none.
        recorded: which of its topics are used, and what they mean.

    Raises:
        RecordingError: it is damaged, or nothing in it can be read.
    """
    wide: list[NDArray[np.uint8]] = []
    with one_thread(), RecordingReader.for_model(recording, model, sync, recorded) as reader:
        admitted: Iterable[Window] = windows(reader.samples(), sync)
        if wide_px:
            admitted = _keeping_wide(admitted, wide_px, wide)
        parts = trace.segments(admitted, model)
        start_ns, dropped = reader.start_ns, reader.drops.total
    parts = [part for part in parts if part.images or part.audio or part.utterances]
    if not parts:
        raise RecordingError(f'{recording}: expected samples, found none that can be read')
    segments = []
    for part in parts:
        count = len(part.images)
        segments.append(_arrays(part, model, wide[:count] if wide_px else None, wide_px))
        del wide[:count]
    return RecordedArrays(start_ns=start_ns, dropped=dropped, segments=tuple(segments))


def _keeping_wide(
    admitted: Iterable[Window], side_px: int, kept: list[NDArray[np.uint8]]
) -> Iterator[Window]:
    """Hand windows on and keep a larger copy of their pictures, in order."""
    for window in admitted:
        kept += [resize_frame(s, side_px) for s in window.samples if isinstance(s, Frame)]
        yield window


def _arrays(
    part: trace.Segment, model: ModelConfig, wide: list[NDArray[np.uint8]] | None, wide_px: int
) -> SegmentArrays:
    every: dict[str, NDArray[Any]] = {
        **part.video_arrays(model),
        **part.audio_arrays(model),
        'transcript_stamps': np.array([u.stamp_ns for u in part.utterances], np.int64),
        'transcript_arrivals': np.array([u.arrival_ns for u in part.utterances], np.int64),
        'decision_stamps': np.array([d.t_ns for d in part.decisions], np.int64),
        'decision_arrivals': np.array([d.arrival_ns for d in part.decisions], np.int64),
    }
    arrays = {name: every[name] for name in (*MAPPED, *SMALL)}
    if wide is not None:
        arrays[WIDE] = np.stack(wide) if wide else np.zeros((0, wide_px, wide_px, 3), np.uint8)
    return SegmentArrays(arrays=arrays, texts=tuple(u.text for u in part.utterances))
