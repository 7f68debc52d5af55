"""Where the windows come from that `watch` recognises: read as fast as it goes, or as the clock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType

from activity_recognition.config import SyncConfig
from activity_recognition.media.pacing import Pacer
from activity_recognition.reporting.metrics import FrameAccount
from activity_recognition.reporting.scores import account_frames
from activity_recognition.streams import windows
from activity_recognition.streams.admission import DropReason
from activity_recognition.streams.recorded_windows import LONGEST_SILENCE_NS
from activity_recognition.streams.synchronizer import WindowSynchronizer
from activity_recognition.types import Modality, Sample, Window, seconds_between, to_ns

_POLL_S = 0.05
_SILENT_NS = to_ns(0.5)
"""What a live source has not sent for so long has stayed away."""
_END_S = 2.0
"""How long to wait at the end for a thread that may be reading."""


def paced(samples: Iterator[Sample], pacer: Pacer) -> Iterator[Sample]:
    """Yield the samples of a file when they are due, until the clock is stopped.

    Args:
        samples: in order of arrival.
        pacer: stands still at 0.
    """
    pacer.resume()
    for sample in samples:
        if not pacer.wait_until(sample.arrival_ns):
            return
        yield sample


class WholeFeed:
    """Every sample of a file, as fast as they are taken: nothing is dropped."""

    is_live = False

    def __init__(self, samples: Iterator[Sample], sync: SyncConfig) -> None:
        """Take what is to be recognised.

        Args:
            samples: in order of arrival.
            sync: admission and the decisions' times.
        """
        self._windows = windows(samples, sync)

    def __enter__(self) -> WholeFeed:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return

    def windows(self) -> Iterator[Window | None]:
        """Yield the windows, up to the end."""
        yield from self._windows

    def lateness_s(self, t_ns: int) -> float:
        """Return how much later than its time something is known; NaN, for nothing is paced."""
        del t_ns
        return float('nan')

    @property
    def frames(self) -> FrameAccount | None:
        """Where the frames went; None, for they are all used."""
        return None

    @property
    def dropped(self) -> Mapping[str, int]:
        """What was dropped because the machine is too slow."""
        return {}


class LiveFeed:
    """Samples at their time: a thread of its own takes them in, and of what waits the newest goes.

    So latency does not grow where the machine is slower than the source; what is dropped is
    counted. Decisions without a frame are taken at the times of the samples, as over a recording:
    one that is read late has not stayed away.
    """

    is_live = True

    def __init__(
        self,
        samples: Callable[[], Iterator[Sample]],
        pacer: Pacer,
        sync: SyncConfig,
        *,
        may_fall_silent: bool = False,
    ) -> None:
        """Prepare to listen.

        Args:
            samples: opens the source and yields its samples when they are due, in a thread.
            pacer: the source's clock; it is stopped at the end.
            sync: admission and the decisions' times.
            may_fall_silent: whether to decide also while nothing comes, as of a camera.
        """
        self._samples, self._pacer = samples, pacer
        self._may_fall_silent = may_fall_silent
        self._synchronizer = WindowSynchronizer(sync)
        self._news = threading.Event()
        self._ended = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._listen, name='source', daemon=True)

    def __enter__(self) -> LiveFeed:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pacer.stop()
        # A read from a device or the network may take longer; it ends with the process.
        self._thread.join(_END_S)

    def _listen(self) -> None:
        try:
            for sample in self._samples():
                self._run_timer(sample.arrival_ns)
                self._synchronizer.push(sample)
                self._news.set()
        except BaseException as error:
            self._error = error
        finally:
            self._ended.set()
            self._news.set()

    def _run_timer(self, until_ns: int) -> None:
        """Decide for lack of frames up to a time; a long silence gets ten minutes of it."""
        first_ns = self._synchronizer.due_ns
        if first_ns is None:
            return
        until_ns = min(until_ns, first_ns + LONGEST_SILENCE_NS)
        while (due_ns := self._synchronizer.due_ns) is not None and due_ns < until_ns:
            self._synchronizer.poll(due_ns)

    def wait_for(self, known: Callable[[], bool]) -> None:
        """Wait until something is known of the source, or it has ended.

        Args:
            known: whether it is.
        """
        while not known() and not self._ended.wait(_POLL_S):
            pass

    def windows(self) -> Iterator[Window | None]:
        """Yield what there is, None while nothing comes, up to the end of the source.

        Raises:
            Exception: what ended the source.
        """
        while True:
            came = self._news.wait(_POLL_S)
            self._news.clear()
            ended = self._ended.is_set()
            if self._may_fall_silent and not ended:
                self._run_timer(self._pacer.now_ns() - _SILENT_NS)
            taken = self._synchronizer.take(newest_only=True)
            yield from taken
            if ended:
                if self._error is not None:
                    raise self._error
                return
            if not (came or taken):
                yield None

    def lateness_s(self, t_ns: int) -> float:
        """Return how much later than its time something is known.

        Args:
            t_ns: its time, on the source's clock.
        """
        return seconds_between(self._pacer.now_ns(), t_ns)

    @property
    def frames(self) -> FrameAccount | None:
        """Where the frames went so far; None where none came."""
        counters = self._synchronizer.counters[Modality.VIDEO]
        if not counters.received:
            return None
        return account_frames(
            published=counters.received,
            received=counters.received,
            used=counters.taken,
            dropped={str(reason): n for reason, n in counters.dropped.items()},
        )

    @property
    def dropped(self) -> Mapping[str, int]:
        """What was dropped because the machine is too slow, by what it is."""
        found = {
            f'{modality.value} samples': counters.dropped[DropReason.OVERLOAD]
            for modality, counters in self._synchronizer.counters.items()
        }
        found['decisions'] = self._synchronizer.decisions_skipped
        return {name: number for name, number in found.items() if number}
