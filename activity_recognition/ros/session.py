"""What a configured recogniser consists of, and what of it runs while it is active."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from rclpy.clock import Clock, ClockType, JumpThreshold
from rclpy.duration import Duration
from sensor_msgs.msg import Image

from activity_recognition.config import RecognizerConfig
from activity_recognition.errors import ActivityRecognitionError, ConfigError, DecodeError
from activity_recognition.inference import StreamingEngine
from activity_recognition.inference.trace_file import TracedEngine
from activity_recognition.ros.diagnostics import Snapshot
from activity_recognition.ros.filters import SynchronizerFilter
from activity_recognition.ros.inputs import Inputs
from activity_recognition.ros.overlay import draw, to_image_message
from activity_recognition.ros.qos import OVERLAY_QOS
from activity_recognition.ros.results import Results
from activity_recognition.ros.sources import wanted
from activity_recognition.ros.worker import EngineWorker
from activity_recognition.sensors import AudioFormat, Role, SensorDecoders
from activity_recognition.streams import WindowSynchronizer
from activity_recognition.streams.schedule import IDLE_RATE_HZ

if TYPE_CHECKING:
    from rclpy.lifecycle import LifecycleNode
    from rclpy.timer import Timer

    from activity_recognition.config import TopicsConfig
    from activity_recognition.types import Decision, Window

LOOK_PERIOD_S = 0.2
"""How often the graph is looked at for publishers that came, went or changed."""
POLLS_PER_PERIOD = 3
SHORTEST_POLL_S = 0.01
STOP_TIMEOUT_S = 1.0
"""How long the step in progress may take when the node is deactivated."""
LOG_PERIOD_S = 5.0
"""At most one line about failing steps in this time."""


class Running:
    """What exists while the node is active: inputs, synchroniser, worker, timers."""

    def __init__(
        self,
        node: LifecycleNode,
        config: RecognizerConfig,
        engine: StreamingEngine,
        results: Results,
        overlay: Callable[[], None],
    ) -> None:
        """Start the worker, then subscribe."""
        self._node = node
        self._config = config
        self._results = results
        self._overlay = overlay
        self._last_log_s = -LOG_PERIOD_S
        self.synchronizer = WindowSynchronizer(config.sync)
        self.filter = SynchronizerFilter(self.synchronizer)
        self._trace = (
            TracedEngine(engine, Path(config.trace), smoothing=config.smoothing)
            if config.trace
            else None
        )
        self.worker = EngineWorker(
            self.filter,
            self._trace or engine,
            deliver=self._deliver,
            on_error=self._log_failure,
            num_threads=config.engine.num_threads,
        )
        audio = engine.config.audio
        self.inputs = Inputs(
            node,
            config.topics,
            decoders=SensorDecoders(
                sample_rate_hz=audio.sample_rate_hz,
                max_gap_s=audio.max_gap_s,
                reset_after_s=config.sync.reset_after_s,
                audio_fallback=_audio_format(config.topics),
                transcript_field=config.topics.transcript_field,
            ),
            synchronizer=self.synchronizer,
        )
        self.filter.connectInput(*self.inputs.decoders)
        self._timers: dict[str, Timer] = {}
        self._undo = ExitStack()
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        node, reset_after_s = self._node, self._config.sync.reset_after_s
        self.worker.start()
        self._undo.callback(self._cancel_timers)
        jumps = node.get_clock().create_jump_callback(
            JumpThreshold(
                min_forward=None,
                min_backward=Duration(seconds=-reset_after_s),
                on_clock_change=True,
            ),
            post_callback=lambda _: self.synchronizer.reset(),
        )
        self._undo.callback(jumps.unregister)
        self._undo.callback(self.inputs.close)
        self.inputs.look()
        self._every('look', LOOK_PERIOD_S, self.inputs.look)
        self._set_rates()

    def update(self, config: RecognizerConfig, engine: StreamingEngine) -> None:
        """Take over settings that change live."""
        self._config = config
        self.synchronizer.update(config.sync)
        self._set_rates()
        self.worker.submit(
            lambda: engine.update(
                smoothing=config.smoothing, evidence_every=config.engine.evidence_every
            )
        )

    def stop(self) -> bool:
        """Undo everything in reverse order; return whether the worker ended in time."""
        self._undo.close()
        has_ended = self.worker.stop(STOP_TIMEOUT_S)
        if has_ended and self._trace is not None:
            self._trace.close(
                self.synchronizer.counters,
                decisions_skipped=self.synchronizer.decisions_skipped,
                failed_steps=self.worker.report().errors,
            )
        return has_ended

    def _set_rates(self) -> None:
        period_s = 1.0 / (self._config.sync.decision_rate_hz or IDLE_RATE_HZ)
        poll_s = max(period_s / POLLS_PER_PERIOD, SHORTEST_POLL_S)
        # The node's clock: with sim time, decisions follow the simulation's pace.
        self._every('poll', poll_s, self._poll, clock=self._node.get_clock())
        self._every('overlay', 1.0 / self._config.overlay_rate_hz, self._overlay)

    def _every(
        self, name: str, period_s: float, call: Callable[[], None], clock: Clock | None = None
    ) -> None:
        """Call something periodically, on a steady clock unless told otherwise."""
        if name in self._timers:
            self._node.destroy_timer(self._timers[name])
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timers[name] = self._node.create_timer(period_s, call, clock=clock or steady)

    def _cancel_timers(self) -> None:
        for timer in self._timers.values():
            self._node.destroy_timer(timer)
        self._timers.clear()

    def _poll(self) -> None:
        self.filter.poll(self._node.get_clock().now().nanoseconds)

    def _deliver(self, decision: Decision, window: Window) -> None:
        self._results.deliver(decision, window, self.filter.entries)

    def _log_failure(self, error: Exception) -> None:
        now_s = time.monotonic()
        if now_s - self._last_log_s >= LOG_PERIOD_S:
            self._last_log_s = now_s
            self._node.get_logger().error(f'a step failed: {type(error).__name__}: {error}')


class Session:
    """What exists while the node is configured: the engine and the publishers."""

    def __init__(self, node: LifecycleNode, config: RecognizerConfig) -> None:
        """Load and warm up the engine.

        Raises:
            ActivityRecognitionError: when checkpoint, device or settings cannot be used.
        """
        self._node = node
        self.config = config
        # Refuse wrong settings before the model is loaded.
        _audio_format(config.topics)
        for role in Role:
            wanted(role, role.value, config.topics)
        self.engine = StreamingEngine.load(config.checkpoint, config.engine, config.smoothing)
        self.engine.warm_up()
        self.results = Results(
            node,
            decision_rate_hz=config.sync.decision_rate_hz,
            labels=self.engine.labels,
            subject=config.subject_id,
        )
        self._overlay = node.create_lifecycle_publisher(Image, '~/overlay', OVERLAY_QOS)
        self.running: Running | None = None
        self._is_stuck = False

    def start(self) -> None:
        """Begin to recognise; the publishers must be active.

        Raises:
            ActivityRecognitionError: when it cannot.
        """
        if self._is_stuck:
            raise ActivityRecognitionError(
                'expected an idle engine, but its last step has not ended; '
                'clean up and configure again'
            )
        self.engine.reset()
        self.engine.update(
            smoothing=self.config.smoothing, evidence_every=self.config.engine.evidence_every
        )
        self.results.open(checkpoint_id=self.engine.checkpoint_id)
        self.running = Running(
            self._node, self.config, self.engine, self.results, self._publish_overlay
        )

    def stop(self) -> None:
        """End recognising; NO_DATA is the last thing published."""
        self.results.close()
        if self.running is not None:
            self._is_stuck = not self.running.stop()
            self.running = None
        if self._is_stuck:
            self._node.get_logger().error(
                f'the step in progress did not end within {STOP_TIMEOUT_S:g} s'
            )

    def close(self) -> None:
        """Give everything up."""
        self.stop()
        self._node.destroy_lifecycle_publisher(self._overlay)
        self.results.destroy()

    def update(self, config: RecognizerConfig) -> None:
        """Take over settings that change live."""
        self.config = config
        self.results.set_rate(config.sync.decision_rate_hz)
        if self.running is not None:
            self.running.update(config, self.engine)

    def snapshot(self) -> Snapshot:
        """Return what diagnostics are made from."""
        now_s, running = time.monotonic(), self.running
        if running is None:
            return Snapshot(time_s=now_s)
        return Snapshot(
            time_s=now_s,
            inputs=running.inputs.reports(),
            counters=running.synchronizer.counters,
            resets=running.synchronizer.resets,
            decisions_skipped=running.synchronizer.decisions_skipped,
            worker=running.worker.report(),
            latency_s=self.results.latency_s,
            processing_s=self.results.processing_s,
        )

    def _publish_overlay(self) -> None:
        newest = self.results.newest
        if newest is None or not self._overlay.get_subscription_count():
            return
        frame, message = newest
        picture = draw(None if frame is None else frame.image, message)
        self._overlay.publish(
            to_image_message(picture, stamp=message.header.stamp, frame_id=message.header.frame_id)
        )


def _audio_format(topics: TopicsConfig) -> AudioFormat | None:
    """Return the format to assume until an AudioInfo arrives; None to refuse sound until then.

    Raises:
        ConfigError: when the settings describe one that cannot be decoded.
    """
    if not topics.audio_sample_format:
        return None
    try:
        return AudioFormat(
            sample_rate_hz=topics.audio_sample_rate_hz,
            channels=topics.audio_channels,
            sample_format=topics.audio_sample_format,
        )
    except DecodeError as error:
        raise ConfigError(f'topics.audio_sample_format and its neighbours: {error}') from error
