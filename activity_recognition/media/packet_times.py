"""When the packets of a media file are due: in order, also where a file starts its times again."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

SLACK_S = Fraction(1, 10)
"""How far decoding times may go back before they are taken to start again, seconds."""
REORDERED = 16
"""How many packets presentation times may go back: frames are stored in another order."""
REORDERING_S = Fraction(1)
"""The same where the file does not say how long a packet lasts, seconds."""
CLOSE_S = Fraction(1)
"""Packets that go on this closely with earlier times have left them by mistake, seconds.

And what starts this close to each other starts together.
"""
MAX_GAP_S = Fraction(10)
"""Longest gap in a broadcast stream (MPEG-TS); beyond, its clock has changed. FFmpeg's number."""
MAX_GAP_ELSEWHERE_S = Fraction(30 * 3600)
"""Longest gap in other files. FFmpeg's number."""
_REMEMBERED = 8
_TS_DISCONT = 0x0200  # AVFMT_TS_DISCONT


@dataclass(slots=True)
class _Track:
    offset: Fraction
    """Added to the times of its packets, seconds."""
    decoding: Fraction | None = None
    """The last decoding time, after adding."""
    presentation: Fraction | None = None
    """The last presentation time, after adding."""


class PacketTimes:
    """Shifts packets so that times which start again go on where they stopped.

    Files are joined byte by byte (MPEG-TS, MP3, WebM), and the clock of MPEG-TS has 33 bits. All
    tracks are shifted alike, so they stay together: show it the packets of all of them in the order
    of the file.
    """

    def __init__(self, container: Any) -> None:
        self._only_decoding_times = container.format.name == 'avi'
        broadcast = bool(container.format.flags & _TS_DISCONT)
        self._max_gap_s = MAX_GAP_S if broadcast else MAX_GAP_ELSEWHERE_S
        self._tracks: dict[int, _Track] = {}
        self._offsets = [Fraction(0)]
        self._end = Fraction(0)
        """When the last packet of any track has been played."""

    def place(self, packet: Any, following: Sequence[Any] = ()) -> None:
        """Correct the times of the next packet, in place.

        Args:
            packet: the next one in the file.
            following: some behind it, to see where its tracks start.
        """
        if self._only_decoding_times and packet.dts is not None:
            # An AVI file has no other; what FFmpeg makes up is right for frames in order alone.
            packet.pts = packet.dts
        ticks = packet.pts if packet.dts is None else packet.dts
        if ticks is None or not packet.time_base:
            return
        due = Fraction(ticks * packet.time_base)
        length = Fraction((packet.duration or 0) * packet.time_base)
        track = self._tracks.setdefault(packet.stream.index, _Track(self._offsets[-1]))
        if packet.is_discard:
            # It is decoded for those behind it, and by an edit list not shown: its time goes back.
            self._shift(packet, track.offset)
            return
        if packet.dts is not None:
            last, slack = track.decoding, SLACK_S
        else:
            last, slack = track.presentation, REORDERED * length or REORDERING_S
        if last is not None:
            offset = self._known_offset(track.offset, due, last, slack)
            if offset is None:
                offset = self._end - _start_s((packet, *following), due)
                self._offsets = [*self._offsets, offset][-_REMEMBERED:]
            track.offset = offset
        if packet.dts is not None:
            track.decoding = due + track.offset
        if packet.pts is not None:
            due = Fraction(packet.pts * packet.time_base)
            track.presentation = due + track.offset
        self._end = max(self._end, due + track.offset + length)
        self._shift(packet, track.offset)

    @staticmethod
    def _shift(packet: Any, offset: Fraction) -> None:
        if shift := round(offset / packet.time_base):
            packet.pts = None if packet.pts is None else packet.pts + shift
            packet.dts = None if packet.dts is None else packet.dts + shift

    def _known_offset(
        self, current: Fraction, due: Fraction, last: Fraction, slack: Fraction
    ) -> Fraction | None:
        """Return the offset with which a packet follows the last one of its track, if one does."""
        # A track may pause while another one goes on.
        latest = max(last, self._end)
        for offset in (current, *reversed(self._offsets)):
            if last - slack <= due + offset <= latest + CLOSE_S:
                return offset
        if last - slack <= due + current <= latest + self._max_gap_s:
            return current
        return None


def _start_s(packets: Sequence[Any], due: Fraction) -> Fraction:
    """Return when the tracks start of which packets are due about a time, seconds."""
    first: dict[int, Fraction] = {}
    for packet in packets:
        ticks = packet.dts if packet.pts is None else packet.pts
        if ticks is not None and packet.time_base and not packet.is_discard:
            first.setdefault(packet.stream.index, Fraction(ticks * packet.time_base))
    return min((start for start in first.values() if abs(start - due) <= CLOSE_S), default=due)
