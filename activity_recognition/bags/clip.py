"""Ordinary video files -> frames and sound, streamed through PyAV."""

from __future__ import annotations

from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import cv2
import numpy as np

from activity_recognition.errors import RecordingError
from activity_recognition.types import NANOSECONDS, AudioChunk, Frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


class Clip:
    """A video or sound file; each track may be streamed on its own, any number of times.

    Times are presentation times from the clip's start, so a variable frame rate stays what it is.
    """

    def __init__(self, path: str | Path) -> None:
        """Look at the file's tracks.

        Raises:
            RecordingError: when it is missing, no media file, or has neither picture nor sound.
        """
        self.path = Path(path)
        if not self.path.is_file():
            raise RecordingError(f'{self.path}: no such file')
        with self._container() as container:
            self.has_video = _track(container, 'video') is not None
            self.has_audio = _track(container, 'audio') is not None
            self._start_s = _start_s(container)
        self.skipped = 0
        """Packets that could not be decoded, and pictures and sound whose time goes backwards."""
        if not (self.has_video or self.has_audio):
            raise RecordingError(f'{self.path}: has neither a video nor an audio track')

    def frames(self, start_ns: int, *, max_height: int | None = None) -> Iterator[Frame]:
        """Yield the pictures as shown (turned as the file says), arriving at their stamps.

        Args:
            start_ns: stamp of the clip's start.
            max_height: shrink higher pictures to this, keeping their shape.
        """
        last_ns = start_ns - 1
        for index, (picture, track) in enumerate(self._decoded('video')):
            time_s = _time_of(picture, index, track) - self._start_s
            stamp_ns = start_ns + _nanoseconds(time_s)
            if stamp_ns <= last_ns:
                self.skipped += 1
                continue
            last_ns = stamp_ns
            image = _upright(picture.to_ndarray(format='rgb24'), _rotation(picture))
            yield Frame(
                stamp_ns=stamp_ns,
                arrival_ns=stamp_ns,
                image=_shrunk(image, max_height),
                frame_id='camera',
            )

    def sound(self, start_ns: int) -> Iterator[AudioChunk]:
        """Yield the sound, mixed down by the mean, at its own rate; a chunk arrives at its end.

        Args:
            start_ns: stamp of the clip's start.
        """
        planar = av.AudioResampler(format='fltp')
        played, last_ns = 0, start_ns - 1
        for block, _ in self._decoded('audio'):
            rate_hz = int(block.sample_rate)
            begin = (
                Fraction(played, rate_hz)
                if block.pts is None
                else block.pts * block.time_base - self._start_s
            )
            for part in planar.resample(block):
                samples = part.to_ndarray().mean(axis=0, dtype=np.float32)
                early = min(len(samples), max(0, -int(begin * rate_hz)))
                chunk = _chunk(samples[early:], rate_hz, start_ns, begin + Fraction(early, rate_hz))
                played += len(samples)
                begin += Fraction(len(samples), rate_hz)
                if not len(chunk.samples):
                    continue
                if chunk.stamp_ns <= last_ns:
                    self.skipped += 1
                    continue
                last_ns = chunk.stamp_ns
                yield chunk

    @contextmanager
    def _container(self) -> Iterator[Any]:
        try:
            with av.open(str(self.path)) as container:
                yield container
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise RecordingError(
                f'{self.path}: cannot read this as a video or sound file: {error}'
            ) from error

    def _decoded(self, kind: str) -> Iterator[tuple[Any, Any]]:
        """Yield the decoded frames of a track, each with the track."""
        with self._container() as container:
            track = _track(container, kind)
            if track is None:
                return
            track.thread_type = 'AUTO'
            for packet in container.demux(track):
                try:
                    frames = packet.decode()
                except av.error.InvalidDataError:
                    self.skipped += 1
                    continue
                for frame in frames:
                    yield frame, track


def _track(container: Any, kind: str) -> Any:
    """Return a container's first track of a kind that is no cover picture."""
    for track in getattr(container.streams, kind):
        if not track.disposition & av.stream.Disposition.attached_pic:
            return track
    return None


def _start_s(container: Any) -> Fraction:
    """Return when the clip starts: what the file says, else its first packet's time."""
    if container.start_time is not None:
        return Fraction(container.start_time, av.time_base)
    tracks = [track for kind in ('video', 'audio') if (track := _track(container, kind))]
    starts: dict[int, Fraction] = {}
    for packet in container.demux(tracks) if tracks else ():
        if packet.pts is not None:
            starts.setdefault(packet.stream.index, Fraction(packet.pts * packet.time_base))
        if len(starts) == len(tracks):
            break
    return min(starts.values(), default=Fraction(0))


def _time_of(picture: Any, index: int, track: Any) -> Fraction:
    if picture.pts is not None:
        return Fraction(picture.pts * picture.time_base)
    return Fraction(index) / Fraction(track.average_rate or 25)


def _rotation(picture: Any) -> int:
    return round(float(picture.rotation) / 90) % 4


def _upright(image: NDArray[np.uint8], quarter_turns: int) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.rot90(image, quarter_turns)) if quarter_turns else image


def _shrunk(image: NDArray[np.uint8], max_height: int | None) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    if max_height is None or height <= max_height:
        return image
    size = (max(1, round(width * max_height / height)), max_height)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _chunk(
    samples: NDArray[np.float32], rate_hz: int, start_ns: int, begin: Fraction
) -> AudioChunk:
    stamp_ns = start_ns + _nanoseconds(begin)
    return AudioChunk(
        stamp_ns=stamp_ns,
        arrival_ns=stamp_ns + len(samples) * NANOSECONDS // rate_hz,
        samples=np.clip(samples, -1.0, 1.0),
        sample_rate_hz=rate_hz,
        frame_id='microphone',
    )


def _nanoseconds(seconds: Fraction) -> int:
    return int(seconds * NANOSECONDS)
