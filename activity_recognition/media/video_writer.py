"""Writes frames, and their sound, as a video file that browsers and players show."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from activity_recognition.errors import ConfigError, OutputError, quoted
from activity_recognition.media.container import pyav
from activity_recognition.media.sound_track import SoundTrack
from activity_recognition.scratch import scratch_folder, writing
from activity_recognition.types import AudioChunk

SUFFIXES = ('.mp4', '.mkv', '.mov')
"""Of the files that are written."""
_ENCODERS: Sequence[tuple[str, dict[str, str]]] = (
    ('libx264', {'preset': 'veryfast', 'crf': '23'}),
    ('mpeg4', {'qscale': '4'}),
)
"""Tried in this order, with their options."""
_TIME_BASE = Fraction(1, 90_000)
_MOST_EARLY = 1_000
"""Chunks of sound that are kept until the first frame."""
_WHAT = 'the video'


class VideoWriter:
    """A context; the file is there at its end, whole, also after an error or Ctrl-C in it.

    Each frame is shown from its time until the next one's. All have the size of the first, with
    which sound begins, too.
    """

    def __init__(self, path: Path, *, has_sound: bool = False) -> None:
        """Prepare to write.

        Args:
            path: of the file, which ends in one of :data:`SUFFIXES`.
            has_sound: whether it gets a sound track.

        Raises:
            ConfigError: it ends otherwise.
            OutputError: nothing can be written there.
            MissingExtraError: without PyAV.
        """
        check_suffix(path)
        self.path = path
        self.count = 0
        """Frames so far."""
        self._av = pyav()
        self._stack = ExitStack()
        with writing(path, _WHAT):
            folder = self._stack.enter_context(scratch_folder(path.absolute().parent, '.video-'))
        self._partial = folder / path.name
        self._container: Any = None
        self._track: Any = None
        self._has_sound = has_sound
        self._sound: SoundTrack | None = None
        self._early: list[AudioChunk] = []
        self._last_ticks = -1
        self._broken = False
        self._origin_ns = 0

    def __enter__(self) -> VideoWriter:
        return self

    def write(self, image: NDArray[np.uint8], stamp_ns: int) -> None:
        """Append a frame; one that is not later than the last is left out.

        Args:
            image: RGB, uint8 (H, W, 3).
            stamp_ns: when it is shown; that of the first is the beginning.

        Raises:
            OutputError: it cannot be written.
        """
        self._broken = True
        with writing(self.path, _WHAT, self._av.error.FFmpegError):
            if self._container is None:
                self._begin(image, stamp_ns)
            ticks = round(Fraction(stamp_ns - self._origin_ns, 1_000_000_000) / _TIME_BASE)
            if ticks > self._last_ticks:
                self._last_ticks = ticks
                self._encode(image, ticks)
        self._broken = False

    def write_sound(self, chunk: AudioChunk) -> None:
        """Append sound; where there is no sound track, nothing.

        Args:
            chunk: not earlier than those before.

        Raises:
            OutputError: it cannot be written.
        """
        if not self._has_sound:
            return
        if self._sound is None:
            # The track begins with the first frame, of which nobody knows yet when it is.
            self._early = [*self._early, chunk][-_MOST_EARLY:]
            return
        self._broken = True
        with writing(self.path, _WHAT, self._av.error.FFmpegError):
            self._sound.write(chunk, self._origin_ns)
        self._broken = False

    def _encode(self, image: NDArray[np.uint8], ticks: int) -> None:
        width, height = self._track.width, self._track.height
        if image.shape[:2] != (height, width):
            image = _fitted(image, width, height)
        frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format='rgb24')
        frame.pts, frame.time_base = ticks, _TIME_BASE
        self._container.mux(self._track.encode(frame))
        self.count += 1

    def _begin(self, image: NDArray[np.uint8], stamp_ns: int) -> None:
        self._origin_ns = stamp_ns
        self._container = self._av.open(str(self._partial), 'w')
        name, options = next(
            (name, options) for name, options in _ENCODERS if name in self._av.codecs_available
        )
        self._track = self._container.add_stream(name, rate=30, options=options)
        height, width = image.shape[:2]
        # Colours have half the resolution in what players understand.
        self._track.width, self._track.height = width - width % 2, height - height % 2
        self._track.pix_fmt = 'yuv420p'
        self._track.time_base = self._track.codec_context.time_base = _TIME_BASE
        if self._has_sound:
            self._sound = SoundTrack(self._container)
            for chunk in self._early:
                self._sound.write(chunk, stamp_ns)
            self._early.clear()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._stack:
            if self._container is None:
                return
            if isinstance(error, OutputError) and self._broken:
                with contextlib.suppress(self._av.error.FFmpegError, OSError):
                    self._container.close()
                return
            with writing(self.path, _WHAT, self._av.error.FFmpegError):
                self._container.mux(self._track.encode())
                if self._sound is not None:
                    self._sound.finish()
                self._container.close()
                shutil.move(self._partial, self.path)


def check_suffix(path: Path) -> None:
    """Refuse the name of a file that cannot be written.

    Raises:
        ConfigError: it ends otherwise than videos do.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(
            f'{path}: expected a video file that ends in {", ".join(SUFFIXES)}, got '
            f'{quoted(path.suffix)}'
        )


def _fitted(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Return an image in another size, by a pixel less where that is all."""
    if 0 <= image.shape[0] - height <= 1 and 0 <= image.shape[1] - width <= 1:
        return image[:height, :width]
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
