"""A container that PyAV opened: its tracks, their packets at their times, its start."""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING, Any

from activity_recognition.entry import remedy
from activity_recognition.errors import MissingExtraError
from activity_recognition.media.packet_times import PacketTimes

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = ('video', 'audio')
"""Kinds of tracks that are used."""
PACKETS_AHEAD = 50
"""Packets of a file that are looked at to see where its tracks start."""
_START_PACKETS = 5_000
_START_TRUSTED_S = 1
_LIKELY_FPS = (Fraction(1), Fraction(240))
_DEFAULT_FPS = Fraction(25)


def pyav() -> Any:
    """Return PyAV, which is loaded when something is opened: training does without its codecs.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import av
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f'video and audio files are read by PyAV: {remedy(error.name or "av")}'
        ) from error
    return av


def track_of(container: Any, kind: str) -> Any:
    """Return the track of a kind that the file calls its default, else the first; None without.

    Cover images and thumbnails are none.

    Args:
        container: open.
        kind: ``video`` or ``audio``.
    """
    flags = pyav().stream.Disposition
    tracks = [
        track
        for track in getattr(container.streams, kind)
        if not track.disposition & (flags.attached_pic | flags.timed_thumbnails)
        and track.codec_context is not None
    ]
    chosen = [track for track in tracks if track.disposition & flags.default]
    return next(iter(chosen or tracks), None)


def placed_packets(container: Any, *, ahead: int = PACKETS_AHEAD) -> Iterator[Any]:
    """Yield the packets of the tracks in use in their order, at times that go on.

    Args:
        container: open.
        ahead: packets that are read before the one that is yielded; 0 waits for none.
    """
    tracks = [track for kind in KINDS if (track := track_of(container, kind))]
    times = PacketTimes(container)
    packets = container.demux(tracks) if tracks else iter(())
    following = deque(islice(packets, ahead))
    while following or not ahead:
        packet = following.popleft() if ahead else next(packets, None)
        if packet is None:
            return
        following.extend(islice(packets, int(bool(ahead))))
        times.place(packet, following)
        yield packet


def last_packets(container: Any) -> Iterator[Any]:
    """Yield the empty packets that have decoders give what they hold back."""
    for kind in KINDS:
        if track := track_of(container, kind):
            packet = pyav().Packet()
            packet.stream, packet.time_base = track, track.time_base
            yield packet


def start_of(container: Any) -> Fraction:
    """Return when a file starts, seconds: what it says where its packets agree, else their start.

    Packets are read for it.
    """
    av = pyav()
    starts: dict[int, Fraction] = {}
    wanted = sum(track_of(container, kind) is not None for kind in KINDS)
    try:
        for count, packet in enumerate(placed_packets(container)):
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


def frame_rate(track: Any) -> Fraction:
    """Return the rate to assume where frames have no times; an impossible one is ignored."""
    for rate in (track.average_rate, track.guessed_rate):
        if rate and _LIKELY_FPS[0] <= rate <= _LIKELY_FPS[1]:
            return Fraction(rate)
    return _DEFAULT_FPS
