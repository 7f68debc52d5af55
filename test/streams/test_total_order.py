"""Any samples in any order: nothing lost, one total order, offline and live alike."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from activity_recognition.config import SyncConfig
from activity_recognition.streams import DropReason, WindowSynchronizer, windows
from activity_recognition.streams.admission import Admission
from activity_recognition.streams.waiting import cut, drain
from activity_recognition.types import (
    ALL_MODALITIES,
    MODALITIES,
    Modality,
    Sample,
    Window,
    modality_of,
)
from factories.timed import chunk, decisions_of, frame, words

samples_in_any_order = st.lists(
    st.tuples(
        st.sampled_from(MODALITIES),
        st.integers(-1500, 1500),  # stamp relative to the arrival, ms
        st.integers(0, 180),  # arrival after the one before, ms
        st.sampled_from(['hello', 'help']),
    ),
    max_size=60,
)


def make(drawn: list[tuple[Modality, int, int, str]]) -> list[Sample]:
    """Samples with arrivals that never go back, as a recording has them, and any stamps."""
    result: list[Sample] = []
    arrival = 0
    for modality, offset, gap, text in drawn:
        arrival += gap
        if modality is Modality.VIDEO:
            result.append(frame(arrival + offset, arrival))
        elif modality is Modality.AUDIO:
            result.append(chunk(arrival + offset, arrival))
        else:
            result.append(words(arrival + offset, arrival, text))
    return result


def one_by_one(samples: list[Sample], config: SyncConfig) -> Iterator[Window]:
    """A node without overload whose timer fires exactly when due."""
    synchronizer = WindowSynchronizer(config)
    for sample in samples:
        while (due := synchronizer.due_ns) is not None and due < sample.arrival_ns:
            synchronizer.poll(due)
            yield from synchronizer.take(newest_only=False)
        synchronizer.push(sample)
        yield from synchronizer.take(newest_only=False)


class Plodder(WindowSynchronizer):
    """Asks the whole rule of every sample, and cuts every take as if anything could be in it."""

    def __init__(self, config: SyncConfig) -> None:
        super().__init__(config)
        self._admission = WholeRule(config)

    def take(self, *, newest_only: bool) -> list[Window]:
        segments = drain(self._queues.values(), self._decisions, self._segment)
        if newest_only:
            segments = [self._newest(segments)]
        numbers = [segment.number for segment in segments]
        before = [self._taken_segment, *numbers]
        self._taken_segment = self._segment
        return [
            window
            for segment, last in zip(segments, before, strict=False)
            for window in cut(segment, reset=segment.number != last)
        ]


class WholeRule(Admission):
    def admit_next(self, sample: Sample) -> bool:
        return False


def flat(trace: Iterable[Window]) -> list[object]:
    """The order in which an engine meets things, whatever the cut into windows."""
    events: list[object] = []
    for window in trace:
        events += ['reset'] * window.reset
        events += [(modality_of(s), s.stamp_ns, s.arrival_ns) for s in window.samples]
        if window.decision is not None:
            events.append(window.decision)
    return events


def segments(trace: Iterable[Window]) -> list[list[Window]]:
    parts: list[list[Window]] = [[]]
    for window in trace:
        if window.reset:
            parts.append([])
        parts[-1].append(window)
    return parts


@given(samples_in_any_order)
@settings(max_examples=50, deadline=None)
def test_offline_windows_are_those_of_pushing_and_taking_one_by_one(drawn):
    samples = make(drawn)
    assert flat(windows(samples, SyncConfig())) == flat(one_by_one(samples, SyncConfig()))


@given(samples_in_any_order, st.sampled_from([0.0, 3.0, 10.0]))
@settings(max_examples=50, deadline=None)
def test_order_is_total_and_a_decision_sees_exactly_what_came_before(drawn, rate):
    for part in segments(windows(make(drawn), SyncConfig(decision_rate_hz=rate))):
        newest = -1
        newest_decision = -1
        for window in part:
            for sample in window.samples:
                assert sample.arrival_ns > newest
                newest = sample.arrival_ns
            if window.decision is not None:
                assert window.decision.arrival_ns >= newest
                assert window.decision.arrival_ns > newest_decision
                newest = newest_decision = window.decision.arrival_ns


@given(samples_in_any_order)
@settings(max_examples=50, deadline=None)
def test_stamps_of_audio_and_video_increase_between_resets(drawn):
    for part in segments(windows(make(drawn), SyncConfig())):
        for modality in (Modality.VIDEO, Modality.AUDIO):
            stamps = [s.stamp_ns for w in part for s in w.samples if modality_of(s) is modality]
            assert all(a < b for a, b in itertools.pairwise(stamps))


@given(samples_in_any_order, st.lists(st.booleans(), min_size=60, max_size=60), st.booleans())
@settings(max_examples=50, deadline=None)
def test_every_sample_is_accounted_for_at_every_moment(drawn, takes, newest_only):
    synchronizer = WindowSynchronizer(
        SyncConfig(queue_frames=3, queue_audio_s=0.1, queue_utterances=2, max_frame_rate_hz=20.0)
    )
    taken = dict.fromkeys(ALL_MODALITIES, 0)
    pushed = dict.fromkeys(ALL_MODALITIES, 0)
    for sample, take in zip(make(drawn), takes, strict=False):
        pushed[modality_of(sample)] += 1
        synchronizer.push(sample)
        synchronizer.poll(sample.arrival_ns)
        for window in synchronizer.take(newest_only=newest_only) if take else ():
            for one in window.samples:
                taken[modality_of(one)] += 1
        for modality, c in synchronizer.counters.items():
            refused = (
                c.dropped[DropReason.OUT_OF_ORDER]
                + c.dropped[DropReason.DUPLICATE]
                + c.dropped[DropReason.RATE]
            )
            assert c.received == pushed[modality] == c.admitted + refused
            assert c.taken == taken[modality]
            assert c.queued >= 0
    rest = synchronizer.take(newest_only=False)
    queued = sum(len(window.samples) for window in rest)
    after = synchronizer.counters
    assert sum(c.taken for c in after.values()) == sum(taken.values()) + queued
    assert all(c.queued == 0 for c in after.values())


@given(samples_in_any_order, st.integers(1, 7))
@settings(max_examples=50, deadline=None)
def test_live_and_offline_agree_on_samples_and_live_decisions_are_among_offline_ones(drawn, every):
    samples = make(drawn)
    config = SyncConfig(queue_frames=1000, queue_audio_s=600.0, queue_utterances=1000)
    live_node = WindowSynchronizer(config)
    live: list[Window] = []
    for number, sample in enumerate(samples):
        while (due := live_node.due_ns) is not None and due < sample.arrival_ns:
            live_node.poll(due)
        live_node.push(sample)
        if number % every == 0:
            live += live_node.take(newest_only=True)
    live += live_node.take(newest_only=True)
    offline = list(windows(samples, config))
    assert {w.decision for w in live if w.decision} <= {w.decision for w in offline if w.decision}
    discarded = sum(c.dropped[DropReason.RESET] for c in live_node.counters.values())
    assert sum(len(w.samples) for w in live) + discarded == sum(len(w.samples) for w in offline)
    skipped = live_node.decisions_skipped
    assert len(decisions_of(live)) + skipped == len(decisions_of(offline))


@given(
    samples_in_any_order,
    st.integers(1, 7),
    st.booleans(),
    st.sampled_from([0.0, 9.0]),
    st.sampled_from([0.0, 10.0]),
)
@settings(max_examples=200, deadline=None)
def test_the_quick_way_of_plain_samples_gives_what_the_whole_rule_gives(
    drawn, every, newest_only, frame_rate, decision_rate
):
    config = SyncConfig(
        queue_frames=3,
        queue_audio_s=0.1,
        queue_utterances=2,
        max_frame_rate_hz=frame_rate,
        decision_rate_hz=decision_rate,
    )
    both = [WindowSynchronizer(config), Plodder(config)]
    traces: tuple[list[Window], list[Window]] = ([], [])
    for number, sample in enumerate(make(drawn)):
        for synchronizer, trace in zip(both, traces, strict=True):
            synchronizer.push(sample)
            synchronizer.poll(sample.arrival_ns)
            if number % every == 0:
                trace.extend(synchronizer.take(newest_only=newest_only))
    assert cuts(traces[0]) == cuts(traces[1])
    assert both[0].counters == both[1].counters
    assert both[0].decisions_skipped == both[1].decisions_skipped


def cuts(trace: list[Window]) -> list[tuple[object, ...]]:
    return [(w.reset, w.decision, [(s.stamp_ns, s.arrival_ns) for s in w.samples]) for w in trace]
