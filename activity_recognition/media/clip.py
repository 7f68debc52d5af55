"""Ordinary video files -> frames and audio, streamed through PyAV.

What a file says about itself is not relied on: frames are put in order by what the decoder gives,
times that start again go on, and audio keeps one rate.
"""

from __future__ import annotations

from collections import Counter, deque
from contextlib import contextmanager
from fractions import Fraction
from heapq import heappop, heappush
from itertools import islice
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from activity_recognition.channel_choice import MAX_CHANNELS
from activity_recognition.entry import remedy
from activity_recognition.errors import DecodeError, MissingExtraError, RecordingError
from activity_recognition.media.orientation import Orientation
from activity_recognition.media.packet_times import PacketTimes
from activity_recognition.sensors import ChannelSelector
from activity_recognition.sensors.image import MAX_PIXELS
from activity_recognition.types import NANOSECONDS, AudioChunk, Frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

MIN_RATE_HZ, MAX_RATE_HZ = 1_000, 384_000
"""Sample rates that are taken, Hz: what recordings hold."""
_REORDERED = 16  # most frames that H.264 and H.265 hold back
_LIKELY_FPS = (Fraction(1), Fraction(240))
_DEFAULT_FPS = Fraction(25)
_PACKETS_AHEAD = 50
_START_PACKETS = 5_000
_START_TRUSTED_S = 1
_ROUNDING_S = Fraction(1, 1000)
_EBML = b'\x1a\x45\xdf\xa3'  # how a Matroska file begins
_CHUNK_S = Fraction(1, 4)

DAMAGED_PACKETS = 'damaged packets'
LATE_FRAMES = 'frames whose time does not go on'
LATE_AUDIO = 'audio blocks whose time does not go on'
UNCONVERTED = 'frames and audio in formats that cannot be converted'
UNREAD_PARTS = 'joined Matroska files behind the second, which FFmpeg does not read'
UNSUPPORTED_AUDIO = 'audio blocks that recordings cannot hold'
UNREAD_END = 'ends of tracks that cannot be read'


class Clip:
    """A video or audio file; each track may be streamed on its own, any number of times.

    Times are presentation times from the clip's start, so a variable frame rate stays what it is.
    Of several tracks of a kind the one that the file calls its default is taken.
    """

    def __init__(self, path: str | Path, *, audio_channels: str = 'mean') -> None:
        """Look at the file's tracks.

        Args:
            path: any file FFmpeg reads.
            audio_channels: ``mean``, ``auto`` or the index of a channel
                (:class:`~activity_recognition.sensors.ChannelSelector`).

        Raises:
            RecordingError: when it is missing, no media file, or has neither video nor audio.
            ConfigError: for another text than these.
            MissingExtraError: without PyAV.
        """
        self.path = Path(path)
        self._channels = ChannelSelector.parse(audio_channels)
        if not self.path.is_file():
            found = 'a folder' if self.path.is_dir() else 'no such file'
            raise RecordingError(f'{self.path}: {found}; expected a video or audio file')
        with self._container() as container:
            self.has_video = _track(container, 'video') is not None
            self.has_audio = _track(container, 'audio') is not None
            self._start_s = _start_s(container)
        self.skipped: Counter[str] = Counter()
        """What could not be used: how many of each kind."""
        self.first_error = ''
        """What was wrong with the first of them, where that was said."""
        if not (self.has_video or self.has_audio):
            raise RecordingError(
                f'{self.path}: has neither a video nor an audio track that FFmpeg can decode; if '
                'it was cut short, copy or record it again'
            )

    def frames(self, start_ns: int, *, max_height: int | None = None) -> Iterator[Frame]:
        """Yield the frames as shown (turned as the file says), arriving at their stamps.

        Args:
            start_ns: stamp of the clip's start.
            max_height: shrink higher frames to this, keeping their shape.
        """
        last_ns = start_ns - 1
        for frame, time_s in self._frames():
            stamp_ns = start_ns + _nanoseconds(self._since_start(time_s))
            if stamp_ns <= last_ns:
                self.skipped[LATE_FRAMES] += 1
                continue
            last_ns = stamp_ns
            image = self._rgb(frame)
            if image is not None:
                yield Frame(
                    stamp_ns=stamp_ns,
                    arrival_ns=stamp_ns,
                    image=_shrunk(image, max_height),
                    frame_id='camera',
                )

    def audio(self, start_ns: int) -> Iterator[AudioChunk]:
        """Yield the audio of the channels asked for; a chunk arrives at its end.

        All of it comes at one rate: that of the first block.

        Args:
            start_ns: stamp of the clip's start.

        Raises:
            RecordingError: for a channel that the file lacks.
        """
        end, last_ns = self._start_s, start_ns - 1
        for samples, rate_hz, begin in self._mono():
            begin_s = self._since_start(end if begin is None else begin)
            early = min(len(samples), max(0, -int(begin_s * rate_hz)))
            end = self._start_s + begin_s + Fraction(len(samples), rate_hz)
            step = int(rate_hz * _CHUNK_S)
            for first in range(early, len(samples), step):
                chunk = _chunk(
                    samples[first : first + step],
                    rate_hz,
                    start_ns,
                    begin_s + Fraction(first, rate_hz),
                )
                if chunk.stamp_ns <= last_ns:
                    self.skipped[LATE_AUDIO] += 1
                    continue
                last_ns = chunk.stamp_ns
                yield chunk

    def _rgb(self, frame: Any) -> NDArray[np.uint8] | None:
        """Return a frame as shown; None, and counted, where it cannot be converted."""
        try:
            # On threads of its own, made for each frame, it takes ten times the work.
            pixels = frame.to_ndarray(format='rgb24', threads=1)
        except (_pyav().error.FFmpegError, ValueError) as error:
            self._skip(UNCONVERTED, error)
            return None
        return _orientation(frame).apply(np.asarray(pixels, np.uint8))

    def _skip(self, kind: str, error: object) -> None:
        self.skipped[kind] += 1
        self.first_error = self.first_error or str(error)

    def _since_start(self, time_s: Fraction) -> Fraction:
        """Return a time from the clip's start; start and times are rounded, not to the same."""
        since = time_s - self._start_s
        return Fraction(0) if -_ROUNDING_S < since < 0 else since

    def _frames(self) -> Iterator[tuple[Any, Fraction]]:
        """Yield the decoded frames in the order of the decoder, each with its time, seconds.

        That order is the one in which they are shown. So where their times are in another one, as
        of the frames that were coded from later ones in a file that only knows when to decode
        them, the times are put in order.
        """
        waiting: deque[Any] = deque()
        times: list[Fraction] = []
        after = self._start_s
        for frame, track in self._decoded('video'):
            if frame.pts is not None:
                after = Fraction(frame.pts * frame.time_base)
            heappush(times, after)
            after += 1 / _frame_rate(track)
            waiting.append(frame)
            held_back = _REORDERED if track.codec_context.has_b_frames else 0
            while len(waiting) > held_back:
                yield waiting.popleft(), heappop(times)
        while waiting:
            yield waiting.popleft(), heappop(times)

    def _mono(self) -> Iterator[tuple[NDArray[np.float32], int, Fraction | None]]:
        """Yield samples, their rate and when they begin, seconds, where the file says it."""
        selector: ChannelSelector | None = None
        for block, rate_hz in self._audio_at_one_rate():
            channels = block.layout.nb_channels
            samples = block.to_ndarray().reshape(-1, channels)
            if not np.isfinite(samples).all():
                samples = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)
            if selector is None:
                selector = ChannelSelector(self._channels, sample_rate_hz=rate_hz)
            try:
                mono = selector.push(samples)
            except DecodeError as error:
                raise RecordingError(f'{self.path}: {error}') from error
            begin = None if block.pts is None else Fraction(block.pts * block.time_base)
            yield mono, rate_hz, begin

    def _audio_at_one_rate(self) -> Iterator[tuple[Any, int]]:
        """Yield blocks of interleaved float samples, all of the first one's rate, with the rate."""
        resampler: Any = None
        before: tuple[object, ...] = ()
        rate_hz = 0
        for block, _ in self._decoded('audio'):
            if problem := _audio_problem(block):
                self._skip(UNSUPPORTED_AUDIO, problem)
                continue
            rate_hz = rate_hz or int(block.sample_rate)
            kind = (block.sample_rate, block.layout.nb_channels, block.format.name)
            if kind != before:
                yield from ((part, rate_hz) for part in self._resampled(resampler, None))
                # PyAV's arrays of planar audio reach beyond the frame from nine channels on.
                resampler = _pyav().AudioResampler(format='flt', rate=rate_hz)
                before = kind
            yield from ((part, rate_hz) for part in self._resampled(resampler, block))
        yield from ((part, rate_hz) for part in self._resampled(resampler, None))

    def _resampled(self, resampler: Any, block: Any) -> list[Any]:
        """Return what a resampler makes of a block; of None, what it still holds."""
        if resampler is None:
            return []
        try:
            return list(resampler.resample(block))
        except (_pyav().error.FFmpegError, ValueError) as error:
            self._skip(UNCONVERTED, error)
            return []

    @contextmanager
    def _container(self) -> Iterator[Any]:
        av = _pyav()
        try:
            with av.open(str(self.path)) as container:
                yield container
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise RecordingError(
                f'{self.path}: cannot read this as a video or audio file: {error}'
            ) from error

    def _decoded(self, kind: str) -> Iterator[tuple[Any, Any]]:
        """Yield the decoded frames of a track, each with the track."""
        av = _pyav()
        with self._container() as container:
            track = _track(container, kind)
            if track is None:
                return
            track.thread_type = 'AUTO'
            if kind == 'video':
                track.codec_context.options = {'max_pixels': str(MAX_PIXELS)}
            for packet in self._packets(container):
                if packet.stream.index != track.index:
                    continue
                try:
                    frames = packet.decode()
                except av.error.FFmpegError as error:
                    self._skip(DAMAGED_PACKETS, error)
                    continue
                for frame in frames:
                    yield frame, track

    def _packets(self, container: Any) -> Iterator[Any]:
        """Yield the packets of the tracks in use, in the order of the file, at their times."""
        av = _pyav()
        packets = _placed_packets(container)
        end = len(_EBML)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError as error:
                self._skip(UNREAD_END, error)
                yield from _last_packets(container)
                return
            if packet is None:
                break
            end = max(end, (packet.pos or 0) + packet.size)
            yield packet
        if container.format.name.startswith('matroska') and _holds(self.path, _EBML, end):
            self.skipped[UNREAD_PARTS] = 1


def _pyav() -> Any:
    """Return PyAV, which is loaded when a clip is looked at: training does without its codecs."""
    try:
        import av
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f'video and audio files are read by PyAV: {remedy(error.name or "av")}'
        ) from error
    return av


def _track(container: Any, kind: str) -> Any:
    """Return the track of a kind that the file calls its default, else the first; None without.

    Cover images and thumbnails are none.
    """
    flags = _pyav().stream.Disposition
    tracks = [
        track
        for track in getattr(container.streams, kind)
        if not track.disposition & (flags.attached_pic | flags.timed_thumbnails)
        and track.codec_context is not None
    ]
    chosen = [track for track in tracks if track.disposition & flags.default]
    return next(iter(chosen or tracks), None)


def _placed_packets(container: Any) -> Iterator[Any]:
    tracks = [track for kind in ('video', 'audio') if (track := _track(container, kind))]
    times = PacketTimes(container)
    packets = container.demux(tracks) if tracks else iter(())
    following = deque(islice(packets, _PACKETS_AHEAD))
    while following:
        packet = following.popleft()
        following.extend(islice(packets, 1))
        times.place(packet, following)
        yield packet


def _last_packets(container: Any) -> Iterator[Any]:
    """Yield the empty packets that have decoders give what they hold back."""
    for kind in ('video', 'audio'):
        if track := _track(container, kind):
            packet = _pyav().Packet()
            packet.stream, packet.time_base = track, track.time_base
            yield packet


def _holds(path: Path, mark: bytes, begin: int) -> bool:
    """Return whether a file has a mark at or behind a place."""
    with path.open('rb') as file, mmap(file.fileno(), 0, access=ACCESS_READ) as contents:
        return contents.find(mark, begin) >= 0


def _start_s(container: Any) -> Fraction:
    """Return when the clip starts: what the file says where its packets agree, else their start."""
    av = _pyav()
    starts: dict[int, Fraction] = {}
    wanted = sum(_track(container, kind) is not None for kind in ('video', 'audio'))
    try:
        for count, packet in enumerate(_placed_packets(container)):
            if packet.pts is not None:
                starts.setdefault(packet.stream.index, Fraction(packet.pts * packet.time_base))
            if len(starts) == wanted or count > _START_PACKETS:
                break
    except av.error.FFmpegError:
        pass  # decoding meets it again, and counts it
    start = min(starts.values(), default=Fraction(0))
    if container.start_time is None:
        return start
    said = Fraction(container.start_time, av.time_base)
    return said if not starts or abs(said - start) <= _START_TRUSTED_S else start


def _frame_rate(track: Any) -> Fraction:
    """Return the rate to assume where frames have no times; an impossible one is ignored."""
    for rate in (track.average_rate, track.guessed_rate):
        if rate and _LIKELY_FPS[0] <= rate <= _LIKELY_FPS[1]:
            return Fraction(rate)
    return _DEFAULT_FPS


def _orientation(frame: Any) -> Orientation:
    matrix = frame.side_data.get(_pyav().sidedata.sidedata.Type.DISPLAYMATRIX)
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
