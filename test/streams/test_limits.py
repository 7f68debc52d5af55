"""The synchroniser under load: bounded queues, bounded time, several threads."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from activity_recognition.config import SyncConfig
from activity_recognition.streams import DropReason, WindowSynchronizer, windows
from activity_recognition.types import MODALITIES, Modality, Sample, modality_of
from factories.timed import at, chunk, frame, words


def test_overload_drops_the_oldest_of_each_ring_only():
    synchronizer = WindowSynchronizer(
        SyncConfig(queue_frames=4, queue_audio_s=0.1, queue_utterances=2)
    )
    for n in range(50):
        synchronizer.push(frame(40 * n))
        synchronizer.push(chunk(40 * n, 40 * n))
        synchronizer.push(words(40 * n, text=str(n)))
    (window, *after) = synchronizer.take(newest_only=True)
    kept = [s for w in (window, *after) for s in w.samples]
    stamps = {m: [s.stamp_ns for s in kept if modality_of(s) is m] for m in MODALITIES}
    assert stamps[Modality.VIDEO] == [at(40 * n) for n in range(46, 50)]
    assert stamps[Modality.AUDIO] == [at(40 * n) for n in range(45, 50)]
    assert stamps[Modality.TEXT] == [at(40 * n) for n in range(48, 50)]
    counters = synchronizer.counters
    assert counters[Modality.VIDEO].dropped[DropReason.OVERLOAD] == 46
    assert counters[Modality.AUDIO].dropped[DropReason.OVERLOAD] == 45
    assert counters[Modality.TEXT].dropped[DropReason.OVERLOAD] == 48


def test_the_newest_chunk_is_kept_however_long_it_is():
    synchronizer = WindowSynchronizer(SyncConfig(queue_audio_s=0.1))
    synchronizer.push(chunk(0, length_ms=20))
    synchronizer.push(chunk(20, length_ms=5000))
    (window,) = synchronizer.take(newest_only=True)
    assert [len(s.samples) for s in window.samples] == [5000 * 16]


def test_a_damaged_record_time_does_not_yield_years_of_decisions():
    trace = list(windows([frame(0), frame(1e12)], SyncConfig()))
    assert len(trace) < 6100
    assert sum(len(w.samples) for w in trace) == 2


def test_decisions_that_nobody_takes_are_bounded():
    synchronizer = WindowSynchronizer(SyncConfig())
    for n in range(3000):
        synchronizer.poll(at(100 * n))
    assert len(synchronizer.take(newest_only=False)) + synchronizer.decisions_skipped == 3000
    assert synchronizer.decisions_skipped > 0


def test_pushing_costs_the_same_whether_much_or_little_waits():
    def seconds(count: int) -> float:
        config = SyncConfig(queue_frames=1000, queue_utterances=10_000)
        best = float('inf')
        for _ in range(3):
            synchronizer = WindowSynchronizer(config)
            samples = [words(n, text=str(n)) for n in range(count)]
            start = time.process_time()
            for sample in samples:
                synchronizer.push(sample)
            synchronizer.take(newest_only=False)
            best = min(best, time.process_time() - start)
        return best

    # Ten times as many would take a hundred times as long if anything scanned what waits.
    assert seconds(20_000) < 40 * seconds(2_000)


def test_a_long_recording_is_read_in_linear_time_and_bounded_memory():
    def endless() -> Iterator[Sample]:
        for n in range(20_000):
            yield frame(100 * n) if n % 2 else chunk(100 * n, 100 * n)

    trace = windows(endless(), SyncConfig())
    assert sum(len(window.samples) for window in trace) == 20_000


def test_threads_may_push_poll_and_take_at_once():
    synchronizer = WindowSynchronizer(SyncConfig(queue_frames=1000, queue_audio_s=600.0))
    taken = []

    def frames() -> None:
        for n in range(500):
            synchronizer.push(frame(10 * n))

    def sound() -> None:
        for n in range(500):
            synchronizer.push(chunk(10 * n, 10 * n))

    def take() -> None:
        for _ in range(500):
            taken.extend(synchronizer.take(newest_only=True))

    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(job) for job in (frames, sound, take)]
        for job in jobs:
            job.result()
    taken += synchronizer.take(newest_only=True)
    counters = synchronizer.counters
    assert all(
        c.received == c.admitted + sum(list(c.dropped.values())[:4]) for c in counters.values()
    )
    assert sum(len(w.samples) for w in taken) == sum(c.taken for c in counters.values())
