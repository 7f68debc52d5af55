"""An image of a whole simulated recording: frames with their labels, signals, texts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from activity_recognition.errors import RecordingError
from activity_recognition.simulation.camera import Image
from activity_recognition.simulation.script import segment_at
from activity_recognition.simulation.simulation import Simulation
from activity_recognition.types import (
    ALL_MODALITIES,
    Chunk,
    Frame,
    Modality,
    Utterance,
    seconds_between,
)

_STRIP_PX = 160
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_CURVES = ((255, 110, 110), (110, 255, 110), (130, 160, 255))
"""Colours of channels, in turn."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """A frame with what was true when it was taken."""

    time_s: float
    label: str
    image: Image


@dataclass(slots=True)
class _Collected:
    """What is drawn of a recording."""

    moments: list[Moment] = field(default_factory=list)
    signals: dict[Modality, list[Chunk]] = field(default_factory=dict)
    """The chunks of each sensor at a fixed rate."""
    texts: list[tuple[float, str]] = field(default_factory=list)
    """When each utterance began, seconds, and what was recognised."""


def contact_sheet(
    simulation: Simulation, path: Path | str, *, every_s: float = 1.0, columns: int = 10
) -> None:
    """Write a PNG with a frame every ``every_s`` seconds, ``columns`` to a row.

    Under each row lie the signals of the same seconds, one below the other: of a single channel the
    spectrogram (0 Hz at the bottom, half the sample rate at the top), of several a curve each. On
    the first stands what the speech recogniser delivered, where it was said.

    Args:
        simulation: what to show.
        path: the PNG file to write.
        every_s: time between two frames, seconds.
        columns: frames in a row.

    Raises:
        RecordingError: when the image cannot be written.
    """
    found = _collect(simulation, every_s)
    width, row_s = columns * simulation.config.width_px, columns * every_s
    chunks = [found.signals[m] for m in ALL_MODALITIES if m in found.signals]
    signals = [_Signal.of(item, simulation) for item in chunks]
    rows = []
    for first in range(0, max(1, len(found.moments)), columns):
        rows.append(_frame_row(found.moments[first : first + columns], simulation, width))
        start_s = first * every_s
        strips = [signal.strip(start_s, row_s, width) for signal in signals]
        strips = strips or [np.zeros((_STRIP_PX, width, 3), np.uint8)]
        _write_texts(strips[0], found.texts, start_s, row_s)
        rows += strips
    sheet = np.vstack(rows)
    if not cv2.imwrite(str(path), sheet[:, :, ::-1]):
        raise RecordingError(f'cannot write {path}; give a path that ends in .png and is writable')


def _collect(simulation: Simulation, every_s: float) -> _Collected:
    """Run through the recording; keep some frames, all signals and all texts."""
    start_ns = simulation.config.start_ns
    found = _Collected()
    for sample in simulation.samples():
        time_s = seconds_between(sample.stamp_ns, start_ns)
        if isinstance(sample, Chunk):
            found.signals.setdefault(sample.modality, []).append(sample)
        elif isinstance(sample, Utterance):
            begun_ns = sample.stamp_ns if sample.start_ns is None else sample.start_ns
            found.texts.append((seconds_between(begun_ns, start_ns), sample.text))
        elif isinstance(sample, Frame) and time_s >= len(found.moments) * every_s - 1e-6:
            label = segment_at(simulation.segments, time_s).label
            found.moments.append(Moment(time_s=time_s, label=label, image=sample.image))
    return found


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Signal:
    """A sensor at a fixed rate."""

    values: NDArray[np.float32]
    """(N,) or (N, C)."""
    rate_hz: int

    @classmethod
    def of(cls, chunks: list[Chunk], simulation: Simulation) -> _Signal:
        """Join chunks from the recording's start to its end; simulated ones leave no gaps."""
        values = np.concatenate([chunk.samples for chunk in chunks])
        rate_hz = chunks[0].sample_rate_hz
        whole = round(simulation.config.duration_s * rate_hz)
        padding = [(0, max(0, whole - len(values))), *[(0, 0)] * (values.ndim - 1)]
        return cls(values=np.pad(values, padding), rate_hz=rate_hz)

    def strip(self, start_s: float, length_s: float, width: int) -> Image:
        """Draw some seconds of it, (_STRIP_PX, width, 3).

        Args:
            start_s: where they begin.
            length_s: how many.
            width: of the image, pixels.
        """
        begin, count = round(start_s * self.rate_hz), round(length_s * self.rate_hz)
        values = self.values[begin : begin + count]
        padding = [(0, count - len(values)), *[(0, 0)] * (values.ndim - 1)]
        values = np.pad(values, padding)
        return _spectrogram(values, width) if values.ndim == 1 else _curves(values, width)


def _frame_row(moments: list[Moment], simulation: Simulation, width: int) -> Image:
    row: Image = np.zeros((simulation.config.height_px, width, 3), np.uint8)
    for place, moment in enumerate(moments):
        image = moment.image.copy()
        caption = f'{moment.time_s:.0f} {moment.label}'
        cv2.putText(image, caption, (3, 12), _FONT, 0.4, (0, 0, 0), 2, cv2.LINE_AA)
        cv2.putText(image, caption, (3, 12), _FONT, 0.4, (255, 255, 80), 1, cv2.LINE_AA)
        left = place * simulation.config.width_px
        row[:, left : left + simulation.config.width_px] = image
    return row


def _spectrogram(values: NDArray[np.float32], width: int) -> Image:
    """Return an image of the short-time spectrum in decibels, _STRIP_PX high."""
    size, hop = 512, 256
    windows = np.lib.stride_tricks.sliding_window_view(values, size)[::hop] * np.hanning(size)
    level = 20 * np.log10(np.abs(np.fft.rfft(windows)).T[::-1] + 1e-4)
    grey = np.clip((level + 45) * (255 / 75), 0, 255).astype(np.uint8)
    scaled = cv2.resize(grey, (width, _STRIP_PX), interpolation=cv2.INTER_AREA)
    coloured = cv2.applyColorMap(scaled, cv2.COLORMAP_INFERNO)
    return np.ascontiguousarray(coloured[:, :, ::-1], np.uint8)


def _curves(values: NDArray[np.float32], width: int) -> Image:
    """Return an image with a curve per channel of (N, C), each as large as fits its share."""
    strip: Image = np.zeros((_STRIP_PX, width, 3), np.uint8)
    count, channels = values.shape
    height = _STRIP_PX / channels
    middle, extent = np.median(values, axis=0), np.abs(values - np.median(values, axis=0)).max(0)
    shares = (values - middle) / np.maximum(extent, 1e-6)
    x = (np.arange(count) + 0.5) / count * width
    for channel, share in enumerate(shares.T):
        y = height * (channel + 0.5) - share * height * 0.45
        points = np.rint(np.stack([x, y], axis=1)).astype(np.int32)
        cv2.polylines(strip, [points], isClosed=False, color=_CURVES[channel % len(_CURVES)])
    return strip


def _write_texts(
    strip: Image, texts: list[tuple[float, str]], start_s: float, length_s: float
) -> None:
    """Write the recognised texts where they were spoken."""
    width = strip.shape[1]
    for place, (said_s, text) in enumerate(texts):
        left = (said_s - start_s) / length_s * width
        if 0 <= left < width:
            corner = (int(left), 14 + 16 * (place % 3))
            cv2.putText(strip, text, corner, _FONT, 0.4, (255, 255, 255), 1, cv2.LINE_AA)
