"""The windows of a recording, those that a node with no overload would have had."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from activity_recognition.config import SyncConfig
from activity_recognition.streams.synchronizer import WindowSynchronizer
from activity_recognition.types import NANOSECONDS, Sample, Window

LONGEST_SILENCE_NS = 600 * NANOSECONDS
"""A recording silent for longer than this gets no more timer decisions until its next sample: no
input of any model reaches back so far, and a damaged record time must not yield years of them."""


def windows(
    samples: Iterable[Sample], config: SyncConfig, *, until_ns: int | None = None
) -> Iterator[Window]:
    """Yield the windows of a recording: those a node with no overload would have had.

    Every window but the last, and but one before a time jump, ends with a decision. Decisions of
    the timer fall exactly on their due time; a silence gets them for ten minutes.

    Args:
        samples: in order of arrival, the order in which they were recorded.
        config: the same that the node uses.
        until_ns: how long the timer goes on after the last sample; None stops with it.
    """
    synchronizer = WindowSynchronizer(config)
    pending: list[Sample] = []
    reset = False
    for sample in samples:
        for window in _arrivals(synchronizer, sample):
            if window.reset and (pending or reset):
                yield Window(reset=reset, samples=tuple(pending))
                pending.clear()
            reset = reset or window.reset
            pending.extend(window.samples)
            if window.decision is not None:
                yield Window(reset=reset, samples=tuple(pending), decision=window.decision)
                pending.clear()
                reset = False
    for window in () if until_ns is None else _silence(synchronizer, until_ns):
        yield Window(reset=reset, samples=tuple(pending), decision=window.decision)
        pending.clear()
        reset = False
    if pending or reset:
        yield Window(reset=reset, samples=tuple(pending))


def _arrivals(synchronizer: WindowSynchronizer, sample: Sample) -> Iterator[Window]:
    """Let the timer run up to a sample's arrival, then push it; yield what both give."""
    yield from _silence(synchronizer, sample.arrival_ns)
    synchronizer.push(sample)
    yield from synchronizer.take(newest_only=False)


def _silence(synchronizer: WindowSynchronizer, end_ns: int) -> Iterator[Window]:
    """Let the timer run up to a time at which nothing has arrived, the time itself left out."""
    due_ns = synchronizer.due_ns
    silence_ends_ns = None if due_ns is None else due_ns + LONGEST_SILENCE_NS
    while due_ns is not None and silence_ends_ns is not None and due_ns < end_ns:
        if due_ns > silence_ends_ns:
            break
        synchronizer.poll(due_ns)
        yield from synchronizer.take(newest_only=False)
        due_ns = synchronizer.due_ns
