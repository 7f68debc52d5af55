"""A camera or an address -> frames and audio on one clock, as they happen, through PyAV.

Everything is read in one pass. Samples have the times of the source from its first packet on; where
its format has none, as a stream of JPEG images, the time of their receipt. What comes ahead of its
time is held until it is due. What comes late is not decoded until the source has caught up, so that
latency does not grow; a source that stays late by itself is taken as it comes. One that goes away
is connected again where that is wanted, and its samples go on at the time at which it is back.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from errno import EBUSY, EIO, ENOTTY
from fractions import Fraction
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from typing import Any

from activity_recognition.channel_choice import ChannelChoice
from activity_recognition.errors import DecodeError, RecordingError
from activity_recognition.media.addresses import CAMERA_FORMAT, MICROPHONE_FORMAT, MediaSource
from activity_recognition.media.container import KINDS, placed_packets, pyav, track_of
from activity_recognition.media.decoding import FrameDecoder, Skipped, SoundDecoder
from activity_recognition.media.pacing import Pacer
from activity_recognition.media.reconnecting import STEADY_S, Backoff
from activity_recognition.sensors import ChannelSelector
from activity_recognition.types import NANOSECONDS, AudioChunk, Frame, to_ns

TIMEOUT_S = 10.0
"""A source that neither answers nor sends anything for so long is given up."""
LATE_PACKETS = 'packets that came too late to be decoded'
_ALSA = '/usr/share/alsa'
"""Where ALSA's settings are on Debian, Ubuntu and others."""
_LOOKED_AT_US = '2000000'
"""So much of a source is read before it is known what it has, microseconds."""
_LATE_NS = to_ns(1.0)
_SKIP_AT_MOST_NS = to_ns(2.0)
_AHEAD_NS = to_ns(1.0)
"""How far tracks may lie apart in the source; so much is decoded before it is due."""
_LONGEST_WAIT_NS = to_ns(10.0)
"""A source whose time goes on by more than this at once has set its clock: ours follows."""
_WITHOUT_TIMES = frozenset({'mpjpeg', 'mjpeg', 'h264', 'hevc', 'm4v', 'mpegvideo'})
"""FFmpeg's names of formats whose times are made up from a guessed rate."""


class _LostError(RecordingError):
    """A source cannot be opened, or does not go on."""


class MediaStream:
    """A live source; it is read once, by one thread."""

    def __init__(
        self,
        source: MediaSource,
        pacer: Pacer,
        *,
        audio_channels: str = 'mean',
        timeout_s: float = TIMEOUT_S,
        reconnect_s: float = 0.0,
        on_lost: Callable[[str], None] = lambda _: None,
        kinds: Collection[str] = KINDS,
    ) -> None:
        """Say what is to be opened.

        Args:
            source: a camera or an address.
            pacer: the clock of the source; it is set to 0 when the first packet comes.
            audio_channels: ``mean``, ``auto`` or the index of a channel.
            timeout_s: how long to wait for an answer, and for each packet, seconds.
            reconnect_s: for how long a source that had begun and is gone is tried again, seconds; 0
                does not. What has a known length, as a file that a server hands out, is not.
            on_lost: told in a sentence that it is gone and is tried again.
            kinds: of its tracks that are used: ``video``, ``audio``.

        Raises:
            ConfigError: for another ``audio_channels`` than these.
        """
        self.source, self._pacer, self._timeout_s = source, pacer, timeout_s
        self._backoff, self._on_lost, self._kinds = Backoff(pacer, reconnect_s), on_lost, kinds
        self._has_begun = self._has_length = False
        self._channels = ChannelSelector.parse(audio_channels)
        self.has_video = self.has_audio = False
        """What it has, once it is open."""
        self.skipped = Skipped()
        """What could not be used: how many of each kind."""
        self.interruptions = 0
        """How often it was gone, and was tried again."""

    def samples(self, opened: Callable[[], None] = lambda: None) -> Iterator[Frame | AudioChunk]:
        """Open the source and yield its samples when they are due, until it ends.

        Args:
            opened: called once it is known what the source has, and again where it is connected
                again.

        Raises:
            RecordingError: it cannot be opened, has nothing that can be decoded, or stops and is
                not back in time.
            MissingExtraError: without PyAV.
        """
        lost, first = False, None
        while True:
            failure: _LostError | None = None
            began_ns: int | None = None
            try:
                for sample in self._connection(opened):
                    lost = False
                    now_ns = self._pacer.now_ns()
                    began_ns = now_ns if began_ns is None else began_ns
                    if now_ns - began_ns >= to_ns(STEADY_S):
                        self._backoff.reset()
                    yield sample
            except _LostError as error:
                failure = error
            if not lost:
                first = failure
                lost = self._is_tried_again(failure)
            if not (lost and self._backoff.wait()):
                break
        if first is not None and not self._pacer.is_stopped:
            raise first

    def _is_tried_again(self, failure: Exception | None) -> bool:
        """Return whether to connect again; then it is said, with what was wrong, if anything."""
        may_come_back = self._has_begun and not self._has_length and not self._pacer.is_stopped
        if not (may_come_back and self._backoff.is_wanted):
            return False
        self.interruptions += 1
        why = f'{self.source.shown}: it ended' if failure is None else str(failure)
        self._on_lost(f'{why}; trying to connect again')
        return True

    def _connection(self, opened: Callable[[], None]) -> Iterator[Frame | AudioChunk]:
        """Open the source and yield its samples until it ends or is gone."""
        with self._container() as container:
            # A device has none, nor what is sent as it happens.
            self._has_length = (container.duration or 0) > 0
            tracks = {
                kind: track_of(container, kind) if kind in self._kinds else None for kind in KINDS
            }
            self.has_video, self.has_audio = (track is not None for track in tracks.values())
            if not (self.has_video or self.has_audio):
                raise RecordingError(
                    f'{self.source.shown}: has no {" or ".join(self._kinds)} that FFmpeg can decode'
                )
            opened()
            yield from self._due(container, tracks)

    def _due(self, container: Any, tracks: dict[str, Any]) -> Iterator[Frame | AudioChunk]:
        """Yield what is decoded of a container in the order of its arrival, when it is due."""
        coming, decoding = _Coming(), self._decoding(container, tracks)
        failure: Exception | None = None
        while True:
            now_ns = self._pacer.now_ns()
            yield from coming.until(now_ns)
            if coming and coming.newest_ns - now_ns > _AHEAD_NS:
                if not self._wait_for(coming.oldest_ns):
                    return
            else:
                try:
                    samples = decoding.next()
                except (pyav().error.FFmpegError, OSError) as error:
                    failure = error  # what came before it is still due
                    break
                if samples is None:
                    coming.extend(decoding.finish())
                    break
                coming.extend(samples)
        self._has_begun |= decoding.has_begun
        while coming and self._wait_for(coming.oldest_ns):
            yield from coming.until(self._pacer.now_ns())
        if failure is not None:
            raise failure

    def _wait_for(self, due_ns: int) -> bool:
        """Wait until a sample is due; return whether the clock still runs."""
        if due_ns - self._pacer.now_ns() > _LONGEST_WAIT_NS:
            self._pacer.set(due_ns)
        return self._pacer.wait_until(due_ns)

    def _decoding(self, container: Any, tracks: dict[str, Any]) -> _Decoding:
        return _Decoding(container, tracks, self._pacer, self.skipped, self._channels)

    @contextmanager
    def _container(self) -> Iterator[Any]:
        av = pyav()
        source = self.source
        if source.format == MICROPHONE_FORMAT and Path(_ALSA).is_dir():
            # The library that comes with PyAV looks where it was built.
            os.environ.setdefault('ALSA_CONFIG_DIR', _ALSA)
        try:
            with av.open(
                source.address,
                format=source.format,
                options={'analyzeduration': _LOOKED_AT_US, **source.options},
                timeout=self._timeout_s,
            ) as container:
                yield container
        except DecodeError as error:
            raise RecordingError(f'{source.shown}: {error}') from error
        except _LostError:
            raise
        except (av.error.FFmpegError, OSError, ValueError) as error:
            # Without what FFmpeg says of the address, which may hold a password.
            raise _LostError(f'{source.shown}: {self._reason(error)}') from None

    def _reason(self, error: Exception) -> str:
        av = pyav()
        words = getattr(error, 'strerror', None) or type(error).__name__
        is_camera = self.source.format == CAMERA_FORMAT
        if isinstance(error, av.error.ExitError):
            return (
                f'nothing came for {self._timeout_s:g} s; is it running, and is the address right?'
            )
        if is_camera and getattr(error, 'errno', None) == EBUSY:
            return 'the camera is busy: another program uses it; end that program, then try again'
        if getattr(error, 'errno', None) == ENOTTY and is_camera:
            return 'it is no camera'
        if isinstance(error, PermissionError) and is_camera:
            return 'the camera may not be opened: join the group of its device (often `video`)'
        if self.source.format == MICROPHONE_FORMAT:
            return (
                'it cannot be opened or read: there is none of this name, or another program has '
                'it; `arecord -L` lists what there is'
            )
        if getattr(error, 'errno', None) == EIO and not is_camera:
            return 'the other side has closed the connection'
        if isinstance(error, av.error.InvalidDataError):
            return 'what it sends is no video or audio that FFmpeg knows'
        return f'cannot open or read it: {words}'


class _Decoding:
    """The tracks of one container, packet by packet; the clock begins with the first."""

    def __init__(
        self,
        container: Any,
        tracks: dict[str, Any],
        pacer: Pacer,
        skipped: Skipped,
        channels: ChannelChoice,
    ) -> None:
        self._tracks, self._pacer, self._skipped = tracks, pacer, skipped
        self._channels = channels
        self._has_times = container.format.name not in _WITHOUT_TIMES
        self._packets = placed_packets(container, ahead=0)
        self._reading = _Reading(pacer, skipped)
        self._frames: FrameDecoder | None = None
        self._sound: SoundDecoder | None = None
        self.has_begun = False
        """Whether a packet came."""

    def next(self) -> Iterator[Frame | AudioChunk] | None:
        """Read a packet and return what is decoded of it; None at the end."""
        try:
            packet = next(self._packets, None)
        except pyav().error.OSError:
            if self._has_times or not self.has_begun:
                raise
            return None  # how FFmpeg says that a sender of images has ended
        if packet is None:
            return None
        if not self.has_begun:
            self._begin(_shown_at(packet) if self._has_times else Fraction(0))
        if self._has_times and not self._reading.wants(packet):
            return iter(())
        if self._sound is not None and packet.stream.index == self._tracks['audio'].index:
            return self._sound.push(packet)
        assert self._frames is not None
        received_s = None if self._has_times else Fraction(self._pacer.now_ns(), NANOSECONDS)
        return self._frames.push(packet, received_s)

    def _begin(self, start_s: Fraction) -> None:
        self.has_begun = True
        # 0, but where it is connected again, or is not the first of several sources.
        start_ns = self._pacer.now_ns()
        self._pacer.resume()
        self._reading.begin(start_ns)
        if (video := self._tracks['video']) is not None:
            self._frames = FrameDecoder(
                video,
                self._skipped,
                start_s=start_s if self._has_times else Fraction(start_ns, NANOSECONDS),
                start_ns=start_ns,
                is_live=True,
            )
        if self._tracks['audio'] is not None:
            self._sound = SoundDecoder(
                self._skipped, self._channels, start_s=start_s, start_ns=start_ns
            )

    def finish(self) -> Iterator[Frame | AudioChunk]:
        """Return what the decoders held back."""
        for decoder in (self._frames, self._sound):
            if decoder is not None:
                yield from decoder.finish()


class _Coming:
    """Samples that were decoded and are not due yet."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, int, Frame | AudioChunk]] = []
        self._numbers = count()
        self.newest_ns = 0
        """Latest arrival so far."""

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def oldest_ns(self) -> int:
        """When the next one is due."""
        return self._waiting[0][0]

    def extend(self, samples: Iterable[Frame | AudioChunk]) -> None:
        for sample in samples:
            self.newest_ns = max(self.newest_ns, sample.arrival_ns)
            heappush(self._waiting, (sample.arrival_ns, next(self._numbers), sample))

    def until(self, now_ns: int) -> Iterator[Frame | AudioChunk]:
        """Yield what is due by now."""
        while self._waiting and self._waiting[0][0] <= now_ns:
            yield heappop(self._waiting)[2]


class _Reading:
    """Which packets are decoded: those that are not late."""

    def __init__(self, pacer: Pacer, skipped: Skipped) -> None:
        self._pacer, self._skipped = pacer, skipped
        self._first_s: Fraction | None = None
        self._start_ns = 0
        self._late_since_ns: int | None = None
        self._needs_key: set[int] = set()

    def begin(self, start_ns: int) -> None:
        """Note when the first packet came, on our clock."""
        self._start_ns = start_ns

    def wants(self, packet: Any) -> bool:
        """Return whether to decode a packet; else it is counted."""
        time_s = _time_of(packet)
        if time_s is None:
            return True
        if self._first_s is None:
            self._first_s = time_s
        due_ns = self._start_ns + int((time_s - self._first_s) * NANOSECONDS)
        now_ns = self._pacer.now_ns()
        if now_ns - due_ns > _LATE_NS:
            if self._late_since_ns is None:
                self._late_since_ns = now_ns
            if now_ns - self._late_since_ns <= _SKIP_AT_MOST_NS:
                # What was left out is missing until the next frame that needs no other.
                self._needs_key.add(packet.stream.index)
                self._skipped[LATE_PACKETS] += 1
                return False
            self._pacer.set(due_ns)  # it does not catch up: the source itself is late
        self._late_since_ns = None
        if packet.stream.index in self._needs_key and not packet.is_keyframe:
            self._skipped[LATE_PACKETS] += 1
            return False
        self._needs_key.discard(packet.stream.index)
        return True


def _shown_at(packet: Any) -> Fraction:
    """Return when the first packet is shown, seconds on the source's clock."""
    ticks = packet.dts if packet.pts is None else packet.pts
    return Fraction(0) if ticks is None else Fraction(ticks * packet.time_base)


def _time_of(packet: Any) -> Fraction | None:
    """Return when a packet is decoded, else shown, seconds on the source's clock."""
    ticks = packet.pts if packet.dts is None else packet.dts
    return None if ticks is None else Fraction(ticks * packet.time_base)
