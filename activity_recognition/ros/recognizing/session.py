"""What a configured recogniser consists of, and what of it runs while it is active."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rclpy.clock import Clock, ClockType, JumpThreshold
from rclpy.duration import Duration

from activity_recognition.config import RecognizerConfig
from activity_recognition.errors import ActivityRecognitionError
from activity_recognition.inference import MultiStreamEngine
from activity_recognition.inference.trace_file import TracedEngine
from activity_recognition.modalities import Role
from activity_recognition.ros.recognizing.diagnostics import Snapshot
from activity_recognition.ros.recognizing.filters import now_ns
from activity_recognition.ros.recognizing.people import People, recognises_people
from activity_recognition.ros.recognizing.person_results import PersonResults
from activity_recognition.ros.recognizing.results import ACKNOWLEDGED_WITHIN_S, LabelList
from activity_recognition.ros.recognizing.stream_inputs import StreamInputs, audio_format
from activity_recognition.ros.recognizing.stream_publishers import StreamPublishers
from activity_recognition.ros.recognizing.worker import EngineWorker
from activity_recognition.ros.topic_choice import accepted
from activity_recognition.streams.schedule import IDLE_RATE_HZ
from activity_recognition.types import to_ns

if TYPE_CHECKING:
    from rclpy.lifecycle import LifecycleNode
    from rclpy.timer import Timer


LOOK_PERIOD_S = 0.2
"""How often the graph is looked at for publishers that came, went or changed."""
POLLS_PER_PERIOD = 2
"""Polls of a stream between two decisions while frames stay away. Counted from the last frame, the
third one comes just when the synchroniser decides without one, a period and a half later."""
SHORTEST_POLL_S = 0.01
STOP_TIMEOUT_S = 1.0
"""How long the step in progress may take when the node is deactivated."""
LOG_PERIOD_S = 5.0
"""At most one line about failing steps in this time."""


class ActiveSession:
    """What exists while the node is active: the inputs of each stream, the worker, timers."""

    def __init__(
        self,
        node: LifecycleNode,
        config: RecognizerConfig,
        engine: MultiStreamEngine,
        publishers: Mapping[str, StreamPublishers],
        people: People | None = None,
    ) -> None:
        """Make everything; nothing runs and nothing is subscribed to before :meth:`start`.

        Args:
            node: subscribes and has the timers.
            config: of the node.
            engine: with the streams; touched by the worker alone from the start on.
            publishers: of each stream, active.
            people: in the scene of the only stream; None where they are not told apart.
        """
        self.people = people
        self._node = node
        self._config = config
        self._publishers = publishers
        self._last_log_s = -LOG_PERIOD_S
        self.streams = {
            name: StreamInputs(node, config, engine.config, name) for name in engine.streams
        }
        self._trace = (
            TracedEngine(
                engine,
                Path(config.trace),
                smoothing=config.smoothing,
                on_problem=node.get_logger().error,
            )
            if config.trace
            else None
        )
        self.worker = EngineWorker(
            {name: stream.filter for name, stream in self.streams.items()},
            self._trace or engine,
            deliver={
                name: partial(publishers[name].results.deliver, entries=stream.filter.entries)
                for name, stream in self.streams.items()
            },
            on_error=self._log_failure,
            num_threads=engine.num_threads,
            crowd=people,
        )
        self._timers: dict[str, Timer] = {}
        self._undo = ExitStack()

    def start(self) -> None:
        """Start the worker, then subscribe; where it raises, :meth:`stop` undoes what was done."""
        node, reset_after_s = self._node, self._config.sync.reset_after_s
        self.worker.start()
        self._undo.callback(self._cancel_timers)
        jumps = node.get_clock().create_jump_callback(
            JumpThreshold(
                min_forward=None,
                min_backward=Duration(seconds=-reset_after_s),
                on_clock_change=True,
            ),
            post_callback=lambda _: self._reset(),
        )
        self._undo.callback(jumps.unregister)
        for stream in self.streams.values():
            self._undo.callback(stream.inputs.close)
        for stream in self.streams.values():
            stream.inputs.look()
            stream.log.begin(stream.inputs.reports())
        if self.people is not None:
            self._undo.callback(self.people.close)
            self.people.look()
        self._every('look', LOOK_PERIOD_S, self._look)
        self._set_rates()

    @property
    def trace_problem(self) -> str:
        """Why the trace ended early; empty where it did not, or none is written."""
        return self._trace.problem if self._trace is not None else ''

    def update(self, config: RecognizerConfig, engine: MultiStreamEngine) -> None:
        """Take over settings that change live; what has not changed is left alone.

        Args:
            config: of the node, from now on.
            engine: which the worker runs.
        """
        before, self._config = self._config, config
        if config.sync != before.sync:
            for stream in self.streams.values():
                stream.synchronizer.update(config.sync)
        self._set_rates()
        if (config.smoothing, config.engine) != (before.smoothing, before.engine):
            self.worker.submit(
                lambda: engine.update(
                    smoothing=config.smoothing, evidence_every=config.engine.evidence_every
                )
            )

    def stop(self) -> bool:
        """Undo everything in reverse order; return whether the worker ended in time."""
        self._undo.close()
        has_ended = self.worker.stop(STOP_TIMEOUT_S)
        if has_ended and self.people is not None:
            self.people.abandon()
        if has_ended and self._trace is not None:
            (stream,) = self.streams.values()
            self._trace.close(
                stream.synchronizer.counters,
                decisions_skipped=stream.synchronizer.decisions_skipped,
                failed_steps=self.worker.errors,
            )
        return has_ended

    def _set_rates(self) -> None:
        period_s = 1.0 / (self._config.sync.decision_rate_hz or IDLE_RATE_HZ)
        poll_s = max(period_s / POLLS_PER_PERIOD, SHORTEST_POLL_S)
        clock = self._node.get_clock()
        for name, stream in self.streams.items():
            # The node's clock: with sim time, decisions follow the simulation's pace.
            timer = self._every(f'poll {name}', poll_s, partial(self._poll, stream), clock=clock)
            # Every waking of the executor costs it as much as a frame: none while frames come.
            stream.filter.call_after_trigger(timer.reset)
        self._every('overlay', 1.0 / self._config.overlay_rate_hz, self._show)

    def _every(
        self, name: str, period_s: float, call: Callable[[], None], clock: Clock | None = None
    ) -> Timer:
        """Call something periodically, on a steady clock by default.

        Asked again for the same name, it only changes the period.
        """
        timer = self._timers.get(name)
        if timer is not None:
            _change_period(timer, period_s)
            return timer
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timers[name] = self._node.create_timer(period_s, call, clock=clock or steady)
        return self._timers[name]

    def _cancel_timers(self) -> None:
        for timer in self._timers.values():
            self._node.destroy_timer(timer)
        self._timers.clear()

    def _look(self) -> None:
        now_s, silent_after_s = time.monotonic(), self._config.silent_after_s
        for stream in self.streams.values():
            stream.inputs.look()
            reports = stream.inputs.reports()
            stream.log.report_changes(reports, now_s=now_s, silent_after_s=silent_after_s)
        if self.people is not None:
            self.people.look()
        for publishers in self._publishers.values():
            publishers.results.settle()

    def _reset(self) -> None:
        for stream in self.streams.values():
            stream.synchronizer.reset()

    def _poll(self, stream: StreamInputs) -> None:
        stream.filter.poll(now_ns(self._node.get_clock()))

    def _show(self) -> None:
        for publishers in self._publishers.values():
            publishers.show()

    def _log_failure(self, error: Exception) -> None:
        now_s = time.monotonic()
        if now_s - self._last_log_s >= LOG_PERIOD_S:
            self._last_log_s = now_s
            self._node.get_logger().error(f'a step failed: {type(error).__name__}: {error}')


def _change_period(timer: Timer, period_s: float) -> None:
    """Change how often a timer calls; the next call may come earlier for it, but never later.

    So a timer whose period is changed more often than it calls still calls, which one that is made
    again each time would not.

    Args:
        timer: of a node.
        period_s: the new period, seconds.
    """
    period_ns = to_ns(period_s)
    if period_ns == timer.timer_period_ns:
        return
    timer.timer_period_ns = period_ns
    if timer.time_until_next_call() > period_ns:
        timer.reset()


def load_engine(config: RecognizerConfig) -> MultiStreamEngine:
    """Load an engine with the streams of a configuration and warm it up; touches no node.

    Raises:
        ActivityRecognitionError: when checkpoint, device or settings cannot be used.
    """
    # Refuse wrong settings before the model is loaded.
    audio_format(config.topics)
    for role in Role:
        accepted(role, role.value, config.topics)
    engine = MultiStreamEngine.load(config.checkpoint, config.engine, config.smoothing)
    for name in config.streams or ('',):
        engine.join(name)
    if recognises_people(config, engine.config) and config.people_source != 'auto':
        # They are expected: the first of them shall not be slow.
        expected = [f'person {number}' for number in range(config.people.max)]
        for name in expected:
            engine.join(name)
        engine.warm_up()
        for name in expected:
            engine.leave(name)
    engine.warm_up()
    return engine


class Session:
    """What exists while the node is configured: the engine and the publishers."""

    def __init__(
        self, node: LifecycleNode, config: RecognizerConfig, engine: MultiStreamEngine
    ) -> None:
        """Advertise what an engine decides.

        Args:
            node: publishes.
            config: of the node.
            engine: which :func:`load_engine` made.
        """
        self._node = node
        self._config = config
        self.engine = engine
        self.publishers = {
            name: StreamPublishers(node, config, engine.config, name) for name in engine.streams
        }
        self._label_list = LabelList(node, engine.labels)
        self._person_results: PersonResults | None = None
        if recognises_people(config, engine.config):
            self._person_results = PersonResults(
                node,
                most=config.people.max,
                labels=engine.labels,
                modalities=engine.modalities,
            )
        self.active: ActiveSession | None = None
        self._is_stuck = False

    @property
    def config(self) -> RecognizerConfig:
        """The settings in force."""
        return self._config

    def start(self) -> None:
        """Begin to recognise; the publishers must be active.

        Where it raises, :meth:`stop` undoes what was done.

        Raises:
            ActivityRecognitionError: when it cannot.
        """
        if self._is_stuck:
            raise ActivityRecognitionError(
                'expected an idle engine, but its last step has not ended; '
                'clean up and configure again'
            )
        for name in self.engine.streams:
            self.engine.reset(name)
        self.engine.update(
            smoothing=self._config.smoothing, evidence_every=self._config.engine.evidence_every
        )
        self._label_list.publish(checkpoint_id=self.engine.checkpoint_id)
        for publishers in self.publishers.values():
            publishers.results.open()
        self.active = ActiveSession(
            self._node, self._config, self.engine, self.publishers, self._new_people()
        )
        self.active.start()

    def _new_people(self) -> People | None:
        """Return who is in the scene, nobody yet; None where people are not told apart."""
        if self._person_results is None:
            return None
        (scene,) = self.engine.streams
        return People(
            self._node,
            self._config,
            self.engine,
            scene=scene,
            scene_results=self.publishers[scene].results,
            results=self._person_results,
        )

    def stop(self) -> None:
        """End recognising; NO_DATA is the last thing published."""
        for publishers in self.publishers.values():
            publishers.results.close()
        if self._person_results is not None:
            self._person_results.close()
        if self.active is not None:
            self._is_stuck = not self.active.stop()
            self.active = None
        if self._is_stuck:
            self._node.get_logger().error(
                f'the step in progress did not end within {STOP_TIMEOUT_S:g} s'
            )

    def close(self) -> None:
        """Give everything up."""
        self.stop()
        until_s = time.monotonic() + ACKNOWLEDGED_WITHIN_S
        for publishers in self.publishers.values():
            publishers.results.flush(until_s)
        for publishers in self.publishers.values():
            publishers.destroy()
        if self._person_results is not None:
            self._person_results.destroy()
        self._label_list.destroy()

    def update(self, config: RecognizerConfig) -> None:
        """Take over settings that change live."""
        if config == self._config:
            return
        self._config = config
        for publishers in self.publishers.values():
            publishers.results.set_rate(config.sync.decision_rate_hz)
        if self.active is not None:
            self.active.update(config, self.engine)

    def snapshots(self) -> dict[str, Snapshot]:
        """Return what diagnostics are made from, by stream."""
        now_s, active = time.monotonic(), self.active
        if active is None:
            return {}
        return {name: self._snapshot(name, now_s, active) for name in active.streams}

    def _snapshot(self, name: str, now_s: float, active: ActiveSession) -> Snapshot:
        stream, results = active.streams[name], self.publishers[name].results
        return Snapshot(
            time_s=now_s,
            inputs=stream.inputs.reports(),
            counters=stream.synchronizer.counters,
            resets=stream.synchronizer.resets,
            decisions_skipped=stream.synchronizer.decisions_skipped,
            worker=active.worker.report(name),
            latency_s=results.latency_s,
            processing_s=results.processing_s,
            trace_problem=active.trace_problem,
            people=None if active.people is None else active.people.report(),
        )
