"""What the synchroniser takes, refuses and forgets: late samples, time jumps, resets."""

from __future__ import annotations

import pytest

from activity_recognition.config import SyncConfig
from activity_recognition.streams import DropReason, WindowSynchronizer
from activity_recognition.types import Modality, Sample, Window, modality_of
from factories.timed import at, chunk, decisions_of, frame, words


def test_late_video_and_audio_are_dropped_and_counted_but_late_words_are_not():
    synchronizer = WindowSynchronizer(SyncConfig(reset_after_s=1.0))
    for sample in (
        frame(1000), frame(900, 1010), frame(1000, 1020),
        chunk(1000, 1030), chunk(980, 1040), chunk(1000, 1050),
        words(1000, 1060), words(-30_000, 1070, 'late'), words(-30_000, 1080, 'late'),
    ):  # fmt: skip
        synchronizer.push(sample)
    counters = synchronizer.counters
    for modality in (Modality.VIDEO, Modality.AUDIO):
        assert counters[modality].dropped[DropReason.OUT_OF_ORDER] == 1
        assert counters[modality].dropped[DropReason.DUPLICATE] == 1
    assert counters[Modality.TEXT].admitted == 2
    assert counters[Modality.TEXT].dropped[DropReason.DUPLICATE] == 1
    assert synchronizer.resets == 0


@pytest.mark.parametrize('live', [False, True])
def test_a_bag_loop_resets_all_streams_once(live):
    def lap(offset: int) -> list[Sample]:
        return [
            s
            for n in range(5)
            for s in (frame(400 * n, offset + 400 * n), chunk(400 * n, offset + 400 * n))
        ]

    synchronizer = WindowSynchronizer(SyncConfig(reset_after_s=1.0))
    trace: list[Window] = []
    for sample in [*lap(0), *lap(2000), *lap(4000)]:
        synchronizer.push(sample)
        trace += synchronizer.take(newest_only=live)
    assert sum(window.reset for window in trace) == synchronizer.resets == 2
    assert sum(len(window.samples) for window in trace) == 30
    counters = synchronizer.counters
    assert counters[Modality.VIDEO].resets + counters[Modality.AUDIO].resets == 2


def test_a_clock_set_back_resets_even_without_audio_and_video():
    synchronizer = WindowSynchronizer(SyncConfig())
    synchronizer.push(words(10_000))
    synchronizer.take(newest_only=True)
    synchronizer.poll(at(100))
    (window,) = synchronizer.take(newest_only=True)
    assert window.reset
    assert decisions_of([window]) == [100]
    synchronizer.push(words(-5000, -5000))
    assert synchronizer.take(newest_only=True)[0].reset


def test_an_explicit_reset_is_told_even_when_nothing_waits():
    synchronizer = WindowSynchronizer(SyncConfig())
    synchronizer.reset()
    assert synchronizer.take(newest_only=True) == [Window(reset=True)]
    assert synchronizer.take(newest_only=True) == []


def test_what_came_before_a_jump_is_given_up_live_and_kept_offline():
    def push() -> WindowSynchronizer:
        synchronizer = WindowSynchronizer(SyncConfig())
        for sample in (frame(5000), chunk(5000), frame(0, 5100), frame(100, 5200)):
            synchronizer.push(sample)
        return synchronizer

    live = push()
    (window,) = live.take(newest_only=True)
    assert window.reset
    assert len(window.samples) == 2
    assert sum(c.dropped[DropReason.RESET] for c in live.counters.values()) == 2
    assert live.decisions_skipped == 2
    offline = push().take(newest_only=False)
    assert [w.reset for w in offline] == [False, False, True, False]
    assert sum(len(w.samples) for w in offline) == 4


def test_what_arrived_after_the_newest_decision_comes_in_a_window_of_its_own():
    synchronizer = WindowSynchronizer(SyncConfig())
    for sample in (chunk(0, 10), frame(0, 20), frame(100, 120), chunk(100, 130)):
        synchronizer.push(sample)
    first, second = synchronizer.take(newest_only=True)
    assert decisions_of([first]) == [100]
    assert [modality_of(s) for s in first.samples] == ['audio', 'video', 'video']
    assert second.decision is None
    assert [modality_of(s) for s in second.samples] == ['audio']
    assert synchronizer.decisions_skipped == 1


def test_an_unreadable_message_is_received_and_dropped():
    synchronizer = WindowSynchronizer(SyncConfig())
    synchronizer.refuse(Modality.AUDIO)
    counters = synchronizer.counters[Modality.AUDIO]
    assert (counters.received, counters.admitted) == (1, 0)
    assert counters.dropped[DropReason.UNREADABLE] == 1
