"""The engine's thread: what it applies, what it survives, how it ends."""

from __future__ import annotations

import threading

import pytest

pytest.importorskip('rclpy')

from activity_recognition.config import SyncConfig
from activity_recognition.errors import ShapeError
from activity_recognition.ros.recognizing.filters import SynchronizerFilter
from activity_recognition.ros.recognizing.worker import EngineWorker
from activity_recognition.streams import WindowSynchronizer
from factories.timed import frame
from factories.timing import PATIENCE_S

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]


class CountingEngine:
    """Remembers what it was given; fails where told to."""

    def __init__(self, fails=()):
        self.windows, self.resets, self.fails = [], 0, set(fails)
        self.threads = set()

    def apply(self, windows):
        self.threads.add(threading.current_thread().name)
        self.windows.append(windows)
        if len(self.windows) in self.fails:
            raise ValueError('bad luck')
        return {name: w.decision for name, w in windows.items() if w.decision is not None}

    def reset(self, name):
        self.resets += 1


def worker_on(engine, *, deliver=lambda decision, window: None, errors=None):
    synchronizer = WindowSynchronizer(SyncConfig(decision_rate_hz=0.0))
    source = SynchronizerFilter(synchronizer)
    errors = [] if errors is None else errors
    worker = EngineWorker({'': source}, engine, deliver={'': deliver}, on_error=errors.append)
    return source, worker


def test_a_worker_applies_everything_on_its_own_thread_and_lives_through_errors():
    engine, errors, delivered = CountingEngine(fails=[2]), [], []
    came = threading.Event()

    def deliver(decision, window):
        delivered.append(window)
        came.set()

    source, worker = worker_on(engine, deliver=deliver, errors=errors)
    worker.start()
    for n in range(3):
        came.clear()
        source.add(frame(100.0 * n), 0.0)
        assert n == 1 or came.wait(PATIENCE_S)
        if n == 1:
            done = threading.Event()
            worker.submit(done.set)
            assert done.wait(PATIENCE_S)
    report = worker.report()
    assert worker.stop(30)
    assert [len(w.samples) for w in delivered] == [1, 1]
    assert (engine.resets, len(errors), report.errors) == (1, 1, 1)
    assert 'bad luck' in report.last_error
    assert engine.threads == {'engine'}


def test_a_worker_that_is_stuck_says_so_and_stops_in_bounded_time():
    free, entered = threading.Event(), threading.Event()

    class Stuck(CountingEngine):
        def apply(self, windows):
            entered.set()
            free.wait(PATIENCE_S)
            return {}

    source, worker = worker_on(Stuck())
    worker.start()
    source.add(frame(0.0), 0.0)
    assert entered.wait(PATIENCE_S)
    assert worker.report().busy_s >= 0
    assert not worker.stop(0.01)
    free.set()
    assert worker.stop(30)


class Picky(CountingEngine):
    """Refuses every window of the stream ``bad``, and with it the step."""

    def apply(self, windows):
        decisions = super().apply(windows)
        if 'bad' in windows:
            raise ShapeError('image: expected another')
        return decisions


def worker_of_three(engine, delivered, errors):
    sources = {
        name: SynchronizerFilter(WindowSynchronizer(SyncConfig(decision_rate_hz=0.0)))
        for name in ('good', 'bad', 'silent')
    }
    worker = EngineWorker(
        sources,
        engine,
        deliver={name: lambda *_, stream=name: delivered.append(stream) for name in sources},
        on_error=errors.append,
    )
    return sources, worker


def work_off(worker):
    """Run a worker until it has done all that waits."""
    done = threading.Event()
    worker.start()
    worker.submit(done.set)
    assert done.wait(PATIENCE_S)
    assert worker.stop(30)


def test_streams_share_a_step_and_the_silent_one_is_left_out():
    engine, delivered, applied = CountingEngine(), [], []
    sources, worker = worker_of_three(engine, delivered, [])
    for name in ('good', 'bad'):
        sources[name].registerCallback(lambda window, name=name: applied.append(name))
        sources[name].add(frame(0.0), 0.0)
    work_off(worker)
    assert [sorted(windows) for windows in engine.windows] == [['bad', 'good']]
    assert sorted(delivered) == sorted(applied) == ['bad', 'good']
    assert [worker.report(name).decisions for name in sources] == [1, 1, 0]


def test_a_sample_that_is_refused_costs_its_own_stream_alone():
    engine, delivered, errors = Picky(), [], []
    sources, worker = worker_of_three(engine, delivered, errors)
    for name in ('good', 'bad'):
        sources[name].add(frame(0.0), 0.0)
    work_off(worker)
    assert delivered == ['good']
    assert (engine.resets, len(errors)) == (1, 1)
    assert worker.report('bad').decisions == 0


def test_a_worker_that_never_started_stops():
    assert worker_on(CountingEngine())[1].stop(1)


class LookingCrowd:
    """People among whom nobody joins; remembers how long the worker said that it was busy."""

    def __init__(self):
        self.worker, self.busy_s = None, []

    is_told = True

    def expand(self, window):
        self.busy_s.append(self.worker.report().busy_s)
        return {}

    def abandon(self):
        pass


def test_what_is_done_for_people_is_part_of_the_step():
    crowd, came = LookingCrowd(), threading.Event()
    source = SynchronizerFilter(WindowSynchronizer(SyncConfig(decision_rate_hz=0.0)))
    crowd.worker = EngineWorker(
        {'': source},
        CountingEngine(),
        deliver={'': lambda decision, window: came.set()},
        on_error=lambda error: None,
        crowd=crowd,
    )
    crowd.worker.start()
    source.add(frame(100.0), 0.0)
    assert came.wait(PATIENCE_S)
    assert crowd.worker.stop(PATIENCE_S)
    assert len(crowd.busy_s) == 1
    assert crowd.busy_s[0] > 0
    assert crowd.worker.report().busy_s == 0
