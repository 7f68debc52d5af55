"""A camera and a microphone that is a device of its own, as one live source."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue

from activity_recognition.media.addresses import MediaSource
from activity_recognition.media.stream import MediaStream
from activity_recognition.types import AudioChunk, Frame

_Coming = Frame | AudioChunk | BaseException | None


class CameraWithMicrophone:
    """Two live sources on one clock, each read by a thread of its own; read once, by one thread.

    Each has the times at which its first packet came. The end of one is the end of both.
    """

    def __init__(self, camera: MediaStream, microphone: MediaStream) -> None:
        """Say what is to be opened.

        Args:
            camera: of which the images are used; it has the same clock as the microphone.
            microphone: of which the sound is used.
        """
        self._camera, self._microphone = camera, microphone
        self.skipped = microphone.skipped = camera.skipped
        """What could not be used: how many of each kind."""

    @property
    def source(self) -> MediaSource:
        """The camera, after which both are called."""
        return self._camera.source

    @property
    def has_video(self) -> bool:
        """Whether the camera has images, once both are open."""
        return self._camera.has_video

    @property
    def has_audio(self) -> bool:
        """Whether the microphone has sound, once both are open."""
        return self._microphone.has_audio

    @property
    def interruptions(self) -> int:
        """How often one of them was gone, and was tried again."""
        return self._camera.interruptions + self._microphone.interruptions

    def samples(self, opened: Callable[[], None] = lambda: None) -> Iterator[Frame | AudioChunk]:
        """Open both and yield their samples when they are due, until one ends.

        Args:
            opened: called once it is known what both have.

        Raises:
            RecordingError: one cannot be opened, or stops and is not back in time.
            MissingExtraError: without PyAV.
        """
        coming: SimpleQueue[_Coming] = SimpleQueue()
        both = threading.Barrier(2, action=opened)
        for stream in (self._camera, self._microphone):
            threading.Thread(
                target=_read, args=(stream, coming, both), name=stream.source.shown, daemon=True
            ).start()
        while (found := coming.get()) is not None:
            if isinstance(found, BaseException):
                raise found
            yield found


def _read(stream: MediaStream, coming: SimpleQueue[_Coming], both: threading.Barrier) -> None:
    """Hand on the samples of one source; its end, or what ended it, comes last."""
    has_met = False

    def meet() -> None:
        nonlocal has_met
        if not has_met:
            both.wait()
            has_met = True

    try:
        for sample in stream.samples(meet):
            coming.put(sample)
        coming.put(None)
    except threading.BrokenBarrierError:
        return  # the other one says why
    except BaseException as error:
        coming.put(error)
    finally:
        if not has_met:
            both.abort()  # or the other one would wait for ever
