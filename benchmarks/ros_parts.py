"""A camera with a microphone, the recogniser, and a listener, each in a process of its own.

``python ros_parts.py PART …`` plays one of them, led by words on its input as ``processes`` says.
Everything of one recogniser lies in a namespace.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

from processes import is_told, say

DRAIN_S = 1.0
"""Silence after which nothing more is expected to arrive."""
LEAD_S = 0.2
"""Before the first image: the time to make it."""
LOOK_S = 0.05
SPIN_S = 0.1


def main(argv: list[str] | None = None) -> int:
    """Play a part."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parts = parser.add_subparsers(dest='part', required=True)
    camera = parts.add_parser('camera')
    camera.add_argument('--size', type=int, nargs=2, default=(640, 480))
    camera.add_argument('--rate', type=float, default=30.0)
    camera.add_argument('--sound', action='store_true', help='sound and words, too')
    camera.add_argument('namespaces', nargs='+')
    recognizer = parts.add_parser('recognizer')
    recognizer.add_argument('--checkpoint', required=True)
    recognizer.add_argument('namespace')
    listener = parts.add_parser('listener')
    listener.add_argument('namespace')
    chosen = parser.parse_args(argv)
    if chosen.part == 'camera':
        return _camera(chosen)
    if chosen.part == 'recognizer':
        return _recognizer(chosen.namespace, chosen.checkpoint)
    return _listener(chosen.namespace)


class Publishers:
    """The topics of one recogniser's sensors, fed with messages that are serialised already."""

    def __init__(self, node: Any, namespace: str, *, sound: bool) -> None:
        from audio_common_msgs.msg import AudioDataStamped
        from rclpy.qos import qos_profile_sensor_data
        from sensor_msgs.msg import Image
        from std_msgs.msg import String

        topics = {'image': (Image, qos_profile_sensor_data)}
        if sound:
            topics |= {'audio': (AudioDataStamped, 50), 'transcript': (String, 10)}
        self._publishers = {
            topic: node.create_publisher(kind, f'/{namespace}/{topic}', qos)
            for topic, (kind, qos) in topics.items()
        }

    @property
    def matched(self) -> bool:
        """Whether every topic has a subscriber."""
        return all(p.get_subscription_count() for p in self._publishers.values())

    def publish(self, topic: str, cdr: bytes) -> None:
        """Publish a message, where its topic is wanted."""
        publisher = self._publishers.get(topic)
        if publisher is not None:
            publisher.publish(cdr)


def _camera(chosen: argparse.Namespace) -> int:
    """Wait for subscribers, then film for one of them at a time: ``NAMESPACE COUNT``."""
    import rclpy

    rclpy.init()
    node = rclpy.create_node('camera')
    sensors = {name: Publishers(node, name, sound=chosen.sound) for name in chosen.namespaces}
    while not all(publishers.matched for publishers in sensors.values()):
        time.sleep(LOOK_S)
    say(matched=True)
    for line in iter(sys.stdin.readline, ''):
        namespace, count = line.split()
        stamps_ns, rate_hz = _film(sensors[namespace], int(count), chosen)
        say(stamps_ns=stamps_ns, rate_hz=rate_hz)
    node.destroy_node()
    rclpy.shutdown()
    return 0


def _film(
    publishers: Publishers, count: int, chosen: argparse.Namespace
) -> tuple[list[int], float]:
    """Publish ``count`` images and what lies between them; returns the images' stamps and rate.

    Stamps are the moments at which the messages were due, so a publisher's own delay counts.
    """
    from activity_recognition.bags.messages import MessageMaker
    from activity_recognition.config_io import load_model_config
    from activity_recognition.inference.artificial import artificial_stream
    from activity_recognition.types import AudioChunk, Frame, to_ns

    maker = MessageMaker('raw', 95, 'std_msgs/msg/String')
    width, height = chosen.size
    windows = artificial_stream(
        load_model_config('nano'),
        frame_rate_hz=chosen.rate,
        width_px=width,
        height_px=height,
        seed=0,
        start_ns=time.time_ns() + to_ns(LEAD_S),
    )
    stamps_ns: list[int] = []
    first_ns = last_ns = 0
    for _ in range(count):
        for sample in next(windows).samples:
            if isinstance(sample, Frame):
                topic, message = 'image', maker.image(sample)
                stamps_ns.append(sample.stamp_ns)
            elif isinstance(sample, AudioChunk):
                topic, message = 'audio', maker.audio(sample)
            else:
                topic, message = 'transcript', maker.transcript(sample)
            cdr = bytes(message.cdr)
            time.sleep(max(sample.arrival_ns - time.time_ns(), 0) / 1e9)
            publishers.publish(topic, cdr)
        last_ns = time.time_ns()
        first_ns = first_ns or last_ns
    rate_hz = (count - 1) * 1e9 / (last_ns - first_ns) if count > 1 else float(chosen.rate)
    return stamps_ns, rate_hz


def _recognizer(namespace: str, checkpoint: str) -> int:
    """Run the live node, every frame deciding."""
    import rclpy
    from rclpy.parameter import Parameter

    from activity_recognition.ros.executor_choice import make_executor
    from activity_recognition.ros.recognizing.recognizer_node import RecognizerNode
    from activity_recognition.types import Frame, Modality, Window

    rclpy.init(args=['--ros-args', '-r', f'__ns:=/{namespace}'])
    overrides = {
        'checkpoint': checkpoint,
        'engine.device': 'cpu',
        'sync.decision_rate_hz': 0.0,
        # No AudioInfo is sent: the node would refuse sound of an unknown format.
        'topics.audio_sample_format': 'S16LE',
    }
    node = RecognizerNode(
        parameter_overrides=[Parameter(name, value=value) for name, value in overrides.items()]
    )
    node.start()
    executor = make_executor()
    executor.add_node(node)
    session: Any = node._session
    (feed,) = session.active.streams.values()
    decided = applied = 0

    def note(window: Window) -> None:
        nonlocal decided, applied
        applied += sum(isinstance(sample, Frame) for sample in window.samples)
        # In a silence the timer decides, for no image.
        decided += any(
            isinstance(sample, Frame) and sample.stamp_ns == window.decision.t_ns
            for sample in window.samples
            if window.decision is not None
        )

    def video() -> Any:
        return feed.synchronizer.counters[Modality.VIDEO]

    def is_busy() -> bool:
        counters = video()
        return bool(counters.queued or counters.taken > applied)

    feed.filter.registerCallback(note)
    play_counted(
        spin=lambda: executor.spin_once(timeout_sec=SPIN_S),
        received=lambda: video().received,
        decided=lambda: decided,
        is_busy=is_busy,
    )
    node.destroy_node()
    rclpy.shutdown()
    return 0


def play_counted(
    *,
    spin: Callable[[], None],
    received: Callable[[], int],
    decided: Callable[[], int],
    is_busy: Callable[[], bool] = lambda: False,
) -> None:
    """Spin until the input ends; between ``begin`` and ``count`` report what a node did and took.

    Args:
        spin: lets callbacks run for a short while.
        received: how many images have come so far.
        decided: how many answers have been given so far.
        is_busy: whether an image that has come is still being processed.
    """
    say(ready=True)
    before = (0, 0, 0.0)
    while True:
        while not is_told():
            spin()
        word = sys.stdin.readline().strip()
        if word == 'begin':
            before = (received(), decided(), time.process_time())
            say(begun=True)
        elif word == 'count':
            end_s = _drain(spin, lambda: (received(), decided()), is_busy)
            say(
                received=received() - before[0],
                decided=decided() - before[1],
                cpu_s=end_s - before[2],
            )
        else:
            return


def _drain(
    spin: Callable[[], None], progress: Callable[[], object], is_busy: Callable[[], bool]
) -> float:
    """Spin until nothing has changed for a while; returns the CPU time of the last change."""
    seen, since_s, cpu_s = progress(), time.monotonic(), time.process_time()
    while is_busy() or time.monotonic() - since_s < DRAIN_S:
        spin()
        if (now := progress()) != seen:
            seen, since_s, cpu_s = now, time.monotonic(), time.process_time()
    return cpu_s


def _listener(namespace: str) -> int:
    """Report which decisions came, by stamp, and how old they were."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor

    from activity_recognition.msg import ActivityStamped
    from activity_recognition.ros.qos import decision_profile

    rclpy.init()
    node = rclpy.create_node('listener')
    received: list[tuple[int, float]] = []

    def receive(message: ActivityStamped) -> None:
        now_ns = time.time_ns()
        stamp_ns = message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
        received.append((stamp_ns, (now_ns - stamp_ns) / 1e9))

    subscription = node.create_subscription(
        ActivityStamped, f'/{namespace}/activity', receive, decision_profile(0.0)
    )
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    while not node.count_publishers(subscription.topic_name):
        executor.spin_once(timeout_sec=SPIN_S)
    say(ready=True)
    while True:
        while not is_told():
            executor.spin_once(timeout_sec=SPIN_S)
        word = sys.stdin.readline().strip()
        if word == 'begin':
            received.clear()
            say(begun=True)
        elif word == 'count':
            say(received=received)
        else:
            break
    node.destroy_node()
    rclpy.shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
