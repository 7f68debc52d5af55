"""When the synchroniser decides: grid, timer, rates."""

from __future__ import annotations

import pytest

from activity_recognition.config import SyncConfig
from activity_recognition.streams import DropReason, WindowSynchronizer, windows
from activity_recognition.types import Modality
from factories.timed import at, chunk, decisions_of, frame, words


def test_frames_decide_at_the_first_of_each_cell():
    frames = [frame(10 + 1000 * n / 30) for n in range(30)]
    trace = list(windows(frames, SyncConfig(decision_rate_hz=10.0)))
    assert decisions_of(trace) == [10, 110, 210, 310, 410, 510, 610, 710, 810, 910]
    assert all(w.decision.t_ns == w.samples[-1].stamp_ns for w in trace if w.decision)


def test_every_frame_decides_at_rate_zero():
    frames = [frame(33 * n) for n in range(10)]
    assert len(decisions_of(windows(frames, SyncConfig(decision_rate_hz=0.0)))) == 10


def test_the_timer_takes_over_when_frames_stay_away_and_hands_back():
    audio = [chunk(20 * n) for n in range(60)]
    frames = [frame(0), frame(100), frame(900, 910), frame(1000, 1010)]
    samples = sorted([*audio, *frames], key=lambda s: s.arrival_ns)
    trace = list(windows(samples, SyncConfig(decision_rate_hz=10.0)))
    assert decisions_of(trace) == [0, 100, 250, 350, 450, 550, 650, 750, 850, 900, 1000, 1160]


def test_sound_alone_and_words_alone_are_decided_by_the_timer():
    assert decisions_of(windows([chunk(20 * n) for n in range(25)], SyncConfig())) == [
        170,
        270,
        370,
        470,
    ]
    assert decisions_of(windows([words(0), words(500)], SyncConfig())) == [150, 250, 350, 450]


def test_a_recording_that_lasts_longer_is_decided_about_to_its_end():
    trace = list(windows([words(0)], SyncConfig(), until_ns=at(450)))
    assert decisions_of(trace) == [150, 250, 350]
    assert [len(window.samples) for window in trace] == [1, 0, 0]
    frames = [frame(0), frame(100)]
    assert decisions_of(windows(frames, SyncConfig(), until_ns=at(400))) == [0, 100, 250, 350]
    assert decisions_of(windows(frames, SyncConfig(), until_ns=at(100))) == [0, 100]


def test_a_node_that_never_hears_anything_decides_at_its_timer():
    synchronizer = WindowSynchronizer(SyncConfig(decision_rate_hz=10.0))
    for now in range(0, 1000, 50):
        synchronizer.poll(at(now))
    trace = synchronizer.take(newest_only=False)
    assert decisions_of(trace) == list(range(0, 1000, 100))
    assert all(not window.samples for window in trace)


def test_the_timer_never_steps_behind_frames_nor_frames_behind_the_timer():
    synchronizer = WindowSynchronizer(SyncConfig(decision_rate_hz=10.0))
    synchronizer.push(frame(0, 120))
    synchronizer.poll(at(270))
    synchronizer.push(frame(200, 320))  # older than the timer's decision at 270
    synchronizer.push(frame(280, 400))
    assert decisions_of(synchronizer.take(newest_only=False)) == [0, 270, 280]


def test_a_camera_with_a_clock_of_its_own_keeps_deciding():
    frames = [frame(100 * n - 60_000, 100 * n) for n in range(5)]
    resumed = [frame(100 * n - 60_000, 100 * n) for n in range(15, 20)]
    times = decisions_of(windows([*frames, *resumed], SyncConfig(decision_rate_hz=10.0)))
    assert times[:5] == [-60_000 + 100 * n for n in range(5)]
    assert times[-5:] == [-60_000 + 100 * n for n in range(15, 20)]


def test_a_timer_that_is_called_a_little_late_keeps_its_rate():
    synchronizer = WindowSynchronizer(SyncConfig(decision_rate_hz=10.0))
    for tick in range(400):
        synchronizer.poll(at(33 * tick))
    times = decisions_of(synchronizer.take(newest_only=False))
    assert len(times) == pytest.approx(400 * 0.33, abs=1)


def test_the_rate_limit_is_asked_before_decoding_and_counts():
    synchronizer = WindowSynchronizer(SyncConfig(max_frame_rate_hz=10.0))
    wanted = []
    for n in range(60):
        sample = frame(1000 * n / 30)
        if synchronizer.wants(Modality.VIDEO, sample.stamp_ns):
            synchronizer.push(sample)
            wanted.append(n)
    assert wanted == [0, *range(2, 60, 3)]
    counters = synchronizer.counters[Modality.VIDEO]
    assert (counters.received, counters.admitted) == (60, 21)
    assert counters.dropped[DropReason.RATE] == 39


def test_rates_change_while_samples_come():
    synchronizer = WindowSynchronizer(SyncConfig(decision_rate_hz=10.0))
    for n in range(30):
        synchronizer.push(frame(1000 * n / 30))
    assert len(decisions_of(synchronizer.take(newest_only=False))) == 10
    synchronizer.update(SyncConfig(decision_rate_hz=5.0, max_frame_rate_hz=15.0))
    for n in range(30, 60):
        synchronizer.push(frame(1000 * n / 30))
    assert len(decisions_of(synchronizer.take(newest_only=False))) == 5
    assert synchronizer.counters[Modality.VIDEO].dropped[DropReason.RATE] in (14, 15)
