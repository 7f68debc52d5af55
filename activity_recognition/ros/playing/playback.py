"""Plays a source to live topics: pace, stamps, /clock, pausing, and an account of what was sent."""

from __future__ import annotations

import threading

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.task import Future
from rosgraph_msgs.msg import Clock as ClockMessage
from std_srvs.srv import SetBool

from activity_recognition.media.pacing import Pacer
from activity_recognition.modalities import SAMPLE_ROLES, Role
from activity_recognition.ros.playing.playback_config import PlaybackConfig
from activity_recognition.ros.playing.playback_statistics import PlaybackStatistics
from activity_recognition.ros.playing.restamping import StampMap, restamp
from activity_recognition.ros.qos import CLOCK_QOS, DIAGNOSTICS_QOS
from activity_recognition.ros.sources.playback_source import Source
from activity_recognition.ros.sources.read_ahead import ReadAhead, TimedMessage
from activity_recognition.ros.topic_spec import TopicSpec
from activity_recognition.types import NANOSECONDS, seconds_between, to_ns

LOOP_GAP_S = 0.1
"""Between the last message of a round and the first of the next, seconds."""
SETTLE_S = 0.3
"""After subscribers are matched: they learn of it a little later than the publisher."""
LINGER_S = 0.5
"""Publishers stay this long after the end, so that subscribers can fetch the last messages."""
_MATCH_POLL_S = 0.02


class Playback:
    """Publishes the messages of a source when they are due, from a thread of its own."""

    def __init__(self, node: Node, source: Source, config: PlaybackConfig) -> None:
        """Create publishers and services on ``node``; :meth:`start` makes it play.

        Args:
            node: publishes.
            source: has the messages.
            config: when they are published and how they are stamped.
        """
        self.config = config
        self.statistics = PlaybackStatistics()
        self.finished = Future()
        """Done when everything was played, or playing failed; its result is the statistics."""
        self._node, self._source = node, source
        self._pacer = Pacer(config.rate)
        self._closing = threading.Event()
        self._clock_lock = threading.Lock()
        self._stamps = StampMap(recording_ns=0, live_ns=0)
        self._round_track_ns = 0
        self._hold = config.start_paused
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._topics = {spec.key: spec for spec in source.topics}
        self._stamped = {spec.key for spec in source.topics if spec.stamped}
        self._publishers = {spec.key: self._advertise(spec) for spec in source.topics}
        self._diagnostics = node.create_publisher(DiagnosticArray, '/diagnostics', DIAGNOSTICS_QOS)
        self._clock: Publisher | None = None
        if config.clock:
            self._clock = node.create_publisher(ClockMessage, '/clock', CLOCK_QOS)
            node.create_timer(1.0 / config.clock_rate_hz, self._send_clock, clock=self._steady)
        node.create_service(SetBool, '~/pause', self._on_pause)
        node.create_timer(1.0, self._report, clock=self._steady)
        for topic, reason in source.left_out.items():
            node.get_logger().warning(f'{topic} is left out: {reason}')
        self._thread = threading.Thread(target=self._play, name='playback', daemon=True)

    def start(self) -> None:
        """Begin to play, once."""
        self._thread.start()

    def close(self) -> None:
        """Stop playing, wait for the thread and close the source."""
        self._closing.set()
        self._pacer.stop()
        if self._thread.ident is not None:
            self._thread.join()
        self._source.close()

    @property
    def position_s(self) -> float:
        """How far into the part to play it is, seconds."""
        length_ns = self._source.end_ns - self._source.begin_ns
        return min(max(self._pacer.now_ns() - self._round_track_ns, 0), length_ns) / NANOSECONDS

    def published(self, role: Role) -> int:
        """Return the messages published on the topics of a role."""
        counts = self.statistics.published
        return sum(counts[key] for key, spec in self._topics.items() if spec.role is role)

    def summary(self) -> str:
        """Return in one sentence what was published."""
        topics = {key: publisher.topic_name for key, publisher in self._publishers.items()}
        return self.statistics.sentence(
            self._source.name,
            topics,
            left_out=len(self._source.left_out),
            unreadable=self._source.unreadable,
        )

    def _advertise(self, spec: TopicSpec) -> Publisher:
        return self._node.create_publisher(
            spec.message_class,
            self._node.resolve_topic_name(spec.topic) + spec.suffix,
            spec.qos,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )

    def _play(self) -> None:
        try:
            while self._play_round() and self.config.loop:
                length_ns = self._source.end_ns - self._source.begin_ns
                self._round_track_ns += length_ns + to_ns(LOOP_GAP_S)
                self._source.advance()
            if not self._closing.is_set():
                self._finish('finished')
        except Exception as error:
            self.statistics.fail(error)
            if self._node.context.ok():
                self._node.get_logger().error(f'playing ended: {self.statistics.error}')
                self._finish('failed')

    def _play_round(self) -> bool:
        """Play the source once; return False when playing was stopped."""
        with ReadAhead(self._source.messages()) as messages:
            messages.wait_for_first()
            if not self._begin_round():
                return False
            for message in messages:
                if not self._wait_for(message):
                    return False
                self._send(message)
        self.statistics.end_round()
        return self._pacer.wait_until(self._due_ns(self._source.end_ns))

    def _begin_round(self) -> bool:
        """Wait for the round's time, tie stamps to it and send what is latched."""
        if self.statistics.state == 'waiting':
            self._wait_for_subscribers()
            self.statistics.enter('paused' if self._hold else 'playing')
            if not self._hold:
                self._pacer.resume()
        # A source that takes long to get ready again begins late, and does not hurry after.
        self._round_track_ns = max(self._round_track_ns, self._pacer.now_ns())
        if not self._pacer.wait_until(self._round_track_ns):
            return False
        self._map_stamps()
        for message in self._source.latched():
            self._send(message)
        return True

    def _due_ns(self, time_ns: int) -> int:
        return self._round_track_ns + time_ns - self._source.begin_ns

    def _wait_for(self, message: TimedMessage) -> bool:
        due_ns = self._due_ns(message.time_ns)
        if not self._pacer.wait_until(due_ns):
            return False
        late_ns = max(0, self._pacer.now_ns() - due_ns)
        self.statistics.add_lateness(seconds_between(late_ns, 0) / self.config.rate)
        return True

    def _send(self, message: TimedMessage) -> None:
        self._send_clock()
        if message.topic_key in self._stamped and not self.config.keeps_stamps:
            cdr = restamp(message.cdr, self._stamps)
        else:
            cdr = bytes(message.cdr)
        try:
            self._publishers[message.topic_key].publish(cdr)
        except Exception as error:
            if not self._node.context.ok():
                self._pacer.stop()
                return
            self.statistics.refused[message.topic_key] += 1
            self._node.get_logger().error(
                f'{message.topic_key}: cannot publish: {error}', throttle_duration_sec=5.0
            )
        else:
            self.statistics.published[message.topic_key] += 1

    def _map_stamps(self) -> None:
        """Tie this round's beginning to the node's clock; done again after a pause."""
        behind_ns = (self._pacer.now_ns() - self._round_track_ns) / self.config.rate
        self._stamps = StampMap(
            recording_ns=self._source.begin_ns,
            live_ns=self._node.get_clock().now().nanoseconds - round(behind_ns),
            rate=self.config.rate,
        )

    def _send_clock(self) -> None:
        """Publish the source's time; there is none before it plays and after it has ended."""
        if self._clock is None or self.statistics.state not in ('playing', 'paused'):
            return
        with self._clock_lock:  # a time that is sent late would be a step back
            round_ns = max(self._pacer.now_ns() - self._round_track_ns, 0)
            message = ClockMessage()
            message.clock.sec, message.clock.nanosec = divmod(
                self._source.begin_ns + round_ns, NANOSECONDS
            )
            if self._node.context.ok():
                self._clock.publish(message)

    def _wait_for_subscribers(self) -> None:
        """Wait until every topic with samples is subscribed, if that is wanted."""
        limit_s = self.config.wait_for_subscribers_s
        deadline_ns = self._steady.now().nanoseconds + to_ns(limit_s)
        missing = [k for k, o in self._topics.items() if o.role in SAMPLE_ROLES]
        while limit_s and not self._closing.is_set():
            missing = [k for k in missing if not self._publishers[k].get_subscription_count()]
            if not missing:
                self._closing.wait(SETTLE_S)
                return
            if self._steady.now().nanoseconds > deadline_ns:
                names = ', '.join(self._publishers[key].topic_name for key in missing)
                self._node.get_logger().warning(
                    f'nobody subscribes to {names} after {limit_s:g} s; playing all the same'
                )
                return
            self._closing.wait(_MATCH_POLL_S)

    def _finish(self, state: str) -> None:
        """Let subscribers fetch what is on its way, report the end, and be done."""
        for publisher in self._publishers.values():
            publisher.wait_for_all_acked(Duration(seconds=LINGER_S))
        self._closing.wait(LINGER_S)
        self.statistics.enter(state)
        self._report()
        self._diagnostics.wait_for_all_acked(Duration(seconds=LINGER_S))
        self._node.get_logger().info(self.summary())
        self.finished.set_result(self.statistics)

    def _on_pause(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        if self.statistics.state in ('finished', 'failed'):
            response.message = f'nothing plays: {self.statistics.state}'
            return response
        if self.statistics.state == 'waiting':
            self._hold = request.data
        elif request.data:
            self._pacer.pause()
            self.statistics.enter('paused')
        elif self._pacer.paused:
            self._pacer.resume()
            self._map_stamps()
            self.statistics.enter('playing')
        response.success = True
        response.message = f'{self.statistics.state} at {self.position_s:.2f} s'
        return response

    def _report(self) -> None:
        """Publish the account to /diagnostics."""
        statistics = self.statistics
        status = DiagnosticStatus(
            level=DiagnosticStatus.ERROR if statistics.error else DiagnosticStatus.OK,
            name=f'{self._node.get_fully_qualified_name()}: playback',
            hardware_id=self._source.name,
            message=statistics.error or f'{statistics.state} at {self.position_s:.1f} s',
        )
        pairs: dict[str, object] = {
            'state': statistics.state,
            'rounds': statistics.rounds,
            'position_s': f'{self.position_s:.3f}',
            'latest_s': f'{statistics.latest_s:.6f}',
            **{f'{role}.published': self.published(role) for role in Role},
            'unreadable': self._source.unreadable,
            **{f'left_out.{name}': reason for name, reason in self._source.left_out.items()},
        }
        status.values = [KeyValue(key=key, value=str(value)) for key, value in pairs.items()]
        message = DiagnosticArray(status=[status])
        message.header.stamp = self._node.get_clock().now().to_msg()
        if self._node.context.ok():
            self._diagnostics.publish(message)
