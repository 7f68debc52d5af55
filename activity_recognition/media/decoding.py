"""Packets of a track -> frames or audio chunks, as they come: for files and live sources alike.

What a file says about itself is not relied on: frames are put in order by what the decoder gives,
and audio keeps one rate.
"""

from __future__ import annotations

from collections import Counter, deque
from fractions import Fraction
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from activity_recognition.channel_choice import MAX_CHANNELS
from activity_recognition.media.container import frame_rate, pyav
from activity_recognition.media.orientation import Orientation
from activity_recognition.sensors import ChannelSelector
from activity_recognition.sensors.image import MAX_PIXELS
from activity_recognition.types import NANOSECONDS, AudioChunk, Frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from activity_recognition.channel_choice import ChannelChoice

MIN_RATE_HZ, MAX_RATE_HZ = 1_000, 384_000
"""Sample rates that are taken, Hz: what recordings hold."""
_REORDERED = 16  # most frames that H.264 and H.265 hold back
_ROUNDING_S = Fraction(1, 1000)
_CHUNK_S = Fraction(1, 4)

DAMAGED_PACKETS = 'damaged packets'
LATE_FRAMES = 'frames whose time does not go on'
LATE_AUDIO = 'audio blocks whose time does not go on'
UNCONVERTED = 'frames and audio in formats that cannot be converted'
UNSUPPORTED_AUDIO = 'audio blocks that recordings cannot hold'


class Skipped(Counter[str]):
    """What could not be used: how many of each kind."""

    def __init__(self) -> None:
        """Begin with nothing."""
        super().__init__()
        self.first_error = ''
        """What was wrong with the first of them, where that was said."""

    def note(self, kind: str, error: object) -> None:
        """Count one of a kind.

        Args:
            kind: in words.
            error: what is wrong with it.
        """
        self[kind] += 1
        self.first_error = self.first_error or str(error)


class FrameDecoder:
    """Frames of a video track, as shown, in the order of the decoder.

    That order is the one in which they are shown. So where their times are in another one, as of
    the frames that were coded from later ones in a file that only knows when to decode them, the
    times are put in order.
    """

    def __init__(
        self,
        track: Any,
        skipped: Skipped,
        *,
        start_s: Fraction,
        start_ns: int,
        max_height: int | None = None,
        is_live: bool = False,
    ) -> None:
        """Begin with a track's first packet.

        Args:
            track: of an open container.
            skipped: counts what cannot be used.
            start_s: when the source starts, on the clock of the packets, seconds.
            start_ns: stamp of that moment.
            max_height: shrink higher frames to this, keeping their shape, pixels.
            is_live: whether each frame is wanted at once: no later one is waited for.
        """
        self._track, self._skipped = track, skipped
        self._start_s, self._start_ns, self._max_height = start_s, start_ns, max_height
        self._held_back = 0 if is_live else _REORDERED
        self._waiting: deque[Any] = deque()
        self._times: list[Fraction] = []
        self._after = start_s
        self._last_ns = start_ns - 1
        # Threads of their own for frames hold back as many frames as there are threads.
        track.thread_type = 'SLICE' if is_live else 'AUTO'
        track.codec_context.options = {'max_pixels': str(MAX_PIXELS)}

    def push(self, packet: Any, received_s: Fraction | None = None) -> Iterator[Frame]:
        """Yield the frames that a packet completes, arriving at their stamps.

        Args:
            packet: of the track.
            received_s: when it came, on the clock of the packets, seconds, where that goes before
                the times that it has; None where these are right.
        """
        for frame in _decoded(packet, self._skipped):
            if received_s is not None:
                self._after = received_s
            elif frame.pts is not None:
                self._after = Fraction(frame.pts * frame.time_base)
            heappush(self._times, self._after)
            self._after += 1 / frame_rate(self._track)
            self._waiting.append(frame)
            held_back = self._held_back if self._track.codec_context.has_b_frames else 0
            while len(self._waiting) > held_back:
                yield from self._next()

    def finish(self) -> Iterator[Frame]:
        """Yield what was held back, once there is no more packet."""
        while self._waiting:
            yield from self._next()

    def _next(self) -> Iterator[Frame]:
        frame, time_s = self._waiting.popleft(), heappop(self._times)
        stamp_ns = self._start_ns + _nanoseconds(_since(time_s, self._start_s))
        if stamp_ns <= self._last_ns:
            self._skipped[LATE_FRAMES] += 1
            return
        self._last_ns = stamp_ns
        image = self._rgb(frame)
        if image is not None:
            yield Frame(
                stamp_ns=stamp_ns,
                arrival_ns=stamp_ns,
                image=_shrunk(image, self._max_height),
                frame_id='camera',
            )

    def _rgb(self, frame: Any) -> NDArray[np.uint8] | None:
        """Return a frame as shown; None, and counted, where it cannot be converted."""
        try:
            # On threads of its own, made for each frame, it takes ten times the work.
            pixels = frame.to_ndarray(format='rgb24', threads=1)
        except (pyav().error.FFmpegError, ValueError) as error:
            self._skipped.note(UNCONVERTED, error)
            return None
        return _orientation(frame).apply(np.asarray(pixels, np.uint8))


class SoundDecoder:
    """Chunks of the channels asked for of an audio track; each arrives at its end.

    All of it comes at one rate: that of the first block.
    """

    def __init__(
        self,
        skipped: Skipped,
        channels: ChannelChoice,
        *,
        start_s: Fraction,
        start_ns: int,
    ) -> None:
        """Begin with a track's first packet.

        Args:
            skipped: counts what cannot be used.
            channels: which are used.
            start_s: when the source starts, on the clock of the packets, seconds.
            start_ns: stamp of that moment.
        """
        self._skipped, self._channels = skipped, channels
        self._start_s, self._start_ns = start_s, start_ns
        self._selector: ChannelSelector | None = None
        self._resampler: Any = None
        self._kind: tuple[object, ...] = ()
        self._rate_hz = 0
        self._end, self._last_ns = start_s, start_ns - 1

    def push(self, packet: Any) -> Iterator[AudioChunk]:
        """Yield the chunks that a packet gives.

        Raises:
            DecodeError: for a channel that the track lacks.
        """
        for block in _decoded(packet, self._skipped):
            if problem := _audio_problem(block):
                self._skipped.note(UNSUPPORTED_AUDIO, problem)
                continue
            self._rate_hz = self._rate_hz or int(block.sample_rate)
            kind = (block.sample_rate, block.layout.nb_channels, block.format.name)
            if kind != self._kind:
                yield from self._resampled(None)
                # PyAV's arrays of planar audio reach beyond the frame from nine channels on.
                self._resampler = pyav().AudioResampler(format='flt', rate=self._rate_hz)
                self._kind = kind
            yield from self._resampled(block)

    def finish(self) -> Iterator[AudioChunk]:
        """Yield what was held back, once there is no more packet."""
        yield from self._resampled(None)

    def _resampled(self, block: Any) -> Iterator[AudioChunk]:
        """Yield what the resampler makes of a block; of None, what it still holds."""
        if self._resampler is None:
            return
        try:
            parts = list(self._resampler.resample(block))
        except (pyav().error.FFmpegError, ValueError) as error:
            self._skipped.note(UNCONVERTED, error)
            return
        for part in parts:
            begin = None if part.pts is None else Fraction(part.pts * part.time_base)
            yield from self._chunks(self._mono(part), begin)

    def _mono(self, block: Any) -> NDArray[np.float32]:
        channels = block.layout.nb_channels
        samples = block.to_ndarray().reshape(-1, channels)
        if not np.isfinite(samples).all():
            samples = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)
        if self._selector is None:
            self._selector = ChannelSelector(self._channels, sample_rate_hz=self._rate_hz)
        return self._selector.push(samples)

    def _chunks(self, samples: NDArray[np.float32], begin: Fraction | None) -> Iterator[AudioChunk]:
        """Yield samples that begin at a time, seconds, or where those before ended."""
        rate_hz = self._rate_hz
        begin_s = _since(self._end if begin is None else begin, self._start_s)
        early = min(len(samples), max(0, -int(begin_s * rate_hz)))
        self._end = self._start_s + begin_s + Fraction(len(samples), rate_hz)
        step = int(rate_hz * _CHUNK_S)
        for first in range(early, len(samples), step):
            start_s = begin_s + Fraction(first, rate_hz)
            chunk = _chunk(samples[first : first + step], rate_hz, self._start_ns, start_s)
            if chunk.stamp_ns <= self._last_ns:
                self._skipped[LATE_AUDIO] += 1
                continue
            self._last_ns = chunk.stamp_ns
            yield chunk


def _decoded(packet: Any, skipped: Skipped) -> list[Any]:
    """Return what a packet's decoder gives for it; nothing, and counted, where it is damaged."""
    try:
        return list(packet.decode())
    except pyav().error.FFmpegError as error:
        skipped.note(DAMAGED_PACKETS, error)
        return []


def _since(time_s: Fraction, start_s: Fraction) -> Fraction:
    """Return a time from the source's start; start and times are rounded, not to the same."""
    since = time_s - start_s
    return Fraction(0) if -_ROUNDING_S < since < 0 else since


def _orientation(frame: Any) -> Orientation:
    matrix = frame.side_data.get(pyav().sidedata.sidedata.Type.DISPLAYMATRIX)
    return Orientation() if matrix is None else Orientation.of_matrix(bytes(matrix))


def _audio_problem(block: Any) -> str:
    """Return why an audio block cannot be taken, empty where it can."""
    rate_hz, channels = int(block.sample_rate), block.layout.nb_channels
    if MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ and 1 <= channels <= MAX_CHANNELS:
        return ''
    return (
        f'expected audio of {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz and at most {MAX_CHANNELS} channels, '
        f'got {rate_hz} Hz and {channels} channel(s); convert it, for example to 48000 Hz'
    )


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
        samples=samples,
        sample_rate_hz=rate_hz,
        frame_id='microphone',
    )


def _nanoseconds(seconds: Fraction) -> int:
    return int(seconds * NANOSECONDS)
