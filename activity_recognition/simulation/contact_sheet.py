"""An image of a whole recording: frames with their labels, spectrogram, words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from activity_recognition.errors import RecordingError
from activity_recognition.simulation.camera import Image
from activity_recognition.simulation.script import segment_at
from activity_recognition.simulation.simulation import Simulation
from activity_recognition.types import AudioChunk, Frame, Utterance, seconds_between

_STRIP_PX = 160
_FONT = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """A frame with what was true when it was taken."""

    time_s: float
    label: str
    image: Image


def contact_sheet(
    simulation: Simulation, path: Path | str, *, every_s: float = 1.0, columns: int = 10
) -> None:
    """Write a PNG with a frame every ``every_s`` seconds, ``columns`` to a row.

    Under each row lies the spectrogram of the same stretch (0 Hz at the bottom, half the sample
    rate at the top) with what the speech recogniser delivered, where it was said.

    Args:
        simulation: what to show.
        path: the PNG file to write.
        every_s: time between two frames, seconds.
        columns: frames in a row.

    Raises:
        RecordingError: when the image cannot be written.
    """
    moments, sound, words = _collect(simulation, every_s)
    width = columns * simulation.config.width_px
    row_s = columns * every_s
    rows = []
    for first in range(0, max(1, len(moments)), columns):
        rows.append(_frame_row(moments[first : first + columns], simulation, width))
        start_s = first * every_s
        strip = _spectrogram(sound, simulation.config.sample_rate_hz, start_s, row_s, width)
        _write_words(strip, words, start_s, row_s)
        rows.append(strip)
    sheet = np.vstack(rows)
    if not cv2.imwrite(str(path), sheet[:, :, ::-1]):
        raise RecordingError(f'cannot write {path}; give a path that ends in .png and is writable')


def _collect(
    simulation: Simulation, every_s: float
) -> tuple[list[Moment], NDArray[np.float32], list[tuple[float, str]]]:
    """Run through the recording; keep some frames, all sound and all words."""
    start_ns = simulation.config.start_ns
    moments: list[Moment] = []
    chunks: list[NDArray[np.float32]] = [np.zeros(1, np.float32)]
    words: list[tuple[float, str]] = []
    for sample in simulation.samples():
        time_s = seconds_between(sample.stamp_ns, start_ns)
        if isinstance(sample, AudioChunk):
            chunks.append(sample.samples)
        elif isinstance(sample, Utterance):
            begun_ns = sample.stamp_ns if sample.start_ns is None else sample.start_ns
            words.append((seconds_between(begun_ns, start_ns), sample.text))
        elif isinstance(sample, Frame) and time_s >= len(moments) * every_s - 1e-6:
            label = segment_at(simulation.segments, time_s).label
            moments.append(Moment(time_s=time_s, label=label, image=sample.image))
    return moments, np.concatenate(chunks), words


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


def _spectrogram(
    sound: NDArray[np.float32], rate_hz: int, start_s: float, length_s: float, width: int
) -> Image:
    """Return an image of the short-time spectrum in decibels, _STRIP_PX high."""
    size, hop = 512, 256
    begin = round(start_s * rate_hz)
    piece = sound[begin : begin + round(length_s * rate_hz)]
    piece = np.pad(piece, (0, max(0, round(length_s * rate_hz) - len(piece))))
    windows = np.lib.stride_tricks.sliding_window_view(piece, size)[::hop] * np.hanning(size)
    level = 20 * np.log10(np.abs(np.fft.rfft(windows)).T[::-1] + 1e-4)
    grey = np.clip((level + 45) * (255 / 75), 0, 255).astype(np.uint8)
    scaled = cv2.resize(grey, (width, _STRIP_PX), interpolation=cv2.INTER_AREA)
    coloured = cv2.applyColorMap(scaled, cv2.COLORMAP_INFERNO)
    return np.ascontiguousarray(coloured[:, :, ::-1], np.uint8)


def _write_words(
    strip: Image, words: list[tuple[float, str]], start_s: float, length_s: float
) -> None:
    """Write the recognised words where they were spoken."""
    width = strip.shape[1]
    for place, (said_s, text) in enumerate(words):
        left = (said_s - start_s) / length_s * width
        if 0 <= left < width:
            corner = (int(left), 14 + 16 * (place % 3))
            cv2.putText(strip, text, corner, _FONT, 0.4, (255, 255, 255), 1, cv2.LINE_AA)
