"""Ordinary video files -> frames and audio, streamed through PyAV.

Times that start again go on; see :mod:`activity_recognition.media.decoding` for what else a file
may say wrongly.
"""

from __future__ import annotations

from contextlib import contextmanager
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from activity_recognition.errors import DecodeError, RecordingError
from activity_recognition.media.container import (
    last_packets,
    placed_packets,
    pyav,
    start_of,
    track_of,
)
from activity_recognition.media.decoding import FrameDecoder, Skipped, SoundDecoder
from activity_recognition.sensors import ChannelSelector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from activity_recognition.types import AudioChunk, Frame

_EBML = b'\x1a\x45\xdf\xa3'  # how a Matroska file begins

UNREAD_PARTS = 'joined Matroska files behind the second, which FFmpeg does not read'
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
            self.has_video = track_of(container, 'video') is not None
            self.has_audio = track_of(container, 'audio') is not None
            self.length_s = (container.duration or 0) / pyav().time_base
            """What the file says of its length, seconds; 0 where it says nothing."""
            self._start_s = start_of(container)
        self.skipped = Skipped()
        """What could not be used: how many of each kind, and what was wrong with the first."""
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
        with self._container() as container:
            track = track_of(container, 'video')
            if track is None:
                return
            decoder = FrameDecoder(
                track,
                self.skipped,
                start_s=self._start_s,
                start_ns=start_ns,
                max_height=max_height,
            )
            for packet in self._packets(container, track):
                yield from decoder.push(packet)
            yield from decoder.finish()

    def audio(self, start_ns: int) -> Iterator[AudioChunk]:
        """Yield the audio of the channels asked for; a chunk arrives at its end.

        All of it comes at one rate: that of the first block.

        Args:
            start_ns: stamp of the clip's start.

        Raises:
            RecordingError: for a channel that the file lacks.
        """
        with self._container() as container:
            track = track_of(container, 'audio')
            if track is None:
                return
            track.thread_type = 'AUTO'
            decoder = SoundDecoder(
                self.skipped, self._channels, start_s=self._start_s, start_ns=start_ns
            )
            try:
                for packet in self._packets(container, track):
                    yield from decoder.push(packet)
                yield from decoder.finish()
            except DecodeError as error:
                raise RecordingError(f'{self.path}: {error}') from error

    @contextmanager
    def _container(self) -> Iterator[Any]:
        av = pyav()
        try:
            with av.open(str(self.path)) as container:
                yield container
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise RecordingError(
                f'{self.path}: cannot read this as a video or audio file: {self._reason(error)}'
            ) from error

    def _reason(self, error: Exception) -> str:
        """Return why the file cannot be read, without FFmpeg's numbers."""
        try:
            if not self.path.stat().st_size:
                return 'it is empty'
        except OSError:
            pass  # the error says it
        if isinstance(error, pyav().error.InvalidDataError):
            return 'what it holds is nothing that FFmpeg knows, or is damaged'
        return getattr(error, 'strerror', None) or str(error)

    def _packets(self, container: Any, wanted: Any) -> Iterator[Any]:
        """Yield the packets of a track, in the order of the file, at their times."""
        for packet in self._all_packets(container):
            if packet.stream.index == wanted.index:
                yield packet

    def _all_packets(self, container: Any) -> Iterator[Any]:
        """Yield the packets of the tracks in use."""
        av = pyav()
        packets = placed_packets(container)
        end = len(_EBML)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError as error:
                self.skipped.note(UNREAD_END, error)
                yield from last_packets(container)
                return
            if packet is None:
                break
            end = max(end, (packet.pos or 0) + packet.size)
            yield packet
        if container.format.name.startswith('matroska') and _holds(self.path, _EBML, end):
            self.skipped[UNREAD_PARTS] = 1


def _holds(path: Path, mark: bytes, begin: int) -> bool:
    """Return whether a file has a mark at or behind a place."""
    with path.open('rb') as file, mmap(file.fileno(), 0, access=ACCESS_READ) as contents:
        return contents.find(mark, begin) >= 0
