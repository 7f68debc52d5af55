"""Does every 1080p image at 30 Hz reach the recogniser, and how late is its answer?

A camera process publishes raw images, best effort as cameras do, to the recogniser in a process of
its own; the counts are the recogniser's. Once with the shipped transport profile for the camera and
once with the middleware's default.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from harness import Goal, Report, arguments, publish
from processes import is_told, part, say
from record import Table, provenance

WIDTH, HEIGHT, RATE_HZ = 1920, 1080, 30.0
START_LIMIT_S = 300.0
DRAIN_S = 1.0
"""Silence after which nothing more is expected to arrive."""

COLUMNS = (
    'profile',
    'sent',
    'received',
    'lost',
    'dropped later',
    'decisions',
    'latency ms (quartiles)',
    'latency p95',
    'recogniser CPU ms per image',
    'longest publish ms',
)


def main(argv: list[str] | None = None) -> int:
    """Measure and report, or play one of the parts."""
    parser = arguments(__doc__, seconds=15.0)
    parser.add_argument('--preset', default='nano')
    parser.add_argument('--part', choices=('camera', 'recognizer'), help=argparse.SUPPRESS)
    parser.add_argument('--checkpoint', help=argparse.SUPPRESS)
    chosen = parser.parse_args(argv)
    if chosen.part == 'camera':
        return _camera(round(chosen.seconds * RATE_HZ))
    if chosen.part == 'recognizer':
        return _recognizer(chosen.checkpoint)
    return _measure(chosen)


def _measure(chosen: argparse.Namespace) -> int:
    from activity_recognition.inference.artificial import untrained_checkpoint
    from activity_recognition.models.checkpoint import save_checkpoint
    from activity_recognition.ros.transport import PROFILE_VARIABLE, image_transport

    began = provenance()
    environment = {k: v for k, v in os.environ.items() if k != PROFILE_VARIABLE}
    profile, warning = image_transport(environment)
    report = Report(
        theme='transport_1080p',
        title='1080p images at 30 Hz',
        settings={'preset': chosen.preset, 'seconds': chosen.seconds, 'seed': chosen.seed},
    )
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = untrained_checkpoint(chosen.preset, seed=chosen.seed)
        path = Path(folder) / 'checkpoint'
        save_checkpoint(path, checkpoint.system, checkpoint.tokenizer)
        for name, added in (('shipped', profile), ('default', {})):
            if name == 'shipped' and not added:
                report.notes.append(f'The shipped profile was skipped: {warning}')
                continue
            outcome = _run({**environment, **added}, str(path), chosen.seconds)
            rows.append(_row(name, outcome))
            if name == 'shipped':
                report.goals.append(_goal(outcome))
    report.tables.append(Table('Images and answers', COLUMNS, rows))
    report.notes.append(
        "Latency is from the image's stamp, taken before it is published, to the return of "
        'publishing its decision; the recogniser decides ten times a second.'
    )
    return publish(report, chosen, began=began)


def _goal(outcome: dict[str, Any]) -> Goal:
    return Goal(
        name='images lost, 1080p at 30 Hz, shipped profile',
        value=float(outcome['sent'] - outcome['received']),
        at_most=0,
        # A camera that could not keep its pace sent fewer images than were to be carried.
        settled=outcome['rate_hz'] >= 0.97 * RATE_HZ,
    )


def _row(name: str, outcome: dict[str, Any]) -> tuple[str, ...]:
    latencies = sorted(1e3 * value for value in outcome['latencies_s'])
    if len(latencies) > 1:
        low, middle, high = statistics.quantiles(latencies, n=4, method='inclusive')
        spread = f'{middle:.1f} ({low:.1f}–{high:.1f})'
        late = f'{statistics.quantiles(latencies, n=20, method="inclusive")[-1]:.1f}'
    else:
        spread = late = '–'
    return (
        name,
        str(outcome['sent']),
        str(outcome['received']),
        str(outcome['sent'] - outcome['received']),
        str(outcome['dropped']),
        str(len(latencies)),
        spread,
        late,
        f'{1e3 * outcome["cpu_s"] / max(outcome["received"], 1):.1f}',
        f'{1e3 * outcome["longest_publish_s"]:.1f}',
    )


def _run(environment: dict[str, str], checkpoint: str, seconds: float) -> dict[str, Any]:
    """Let both processes meet, film, and report what they counted."""
    with (
        part(
            __file__,
            _arguments('recognizer', checkpoint, seconds),
            _without_profile(environment),
        ) as recognizer,
        part(__file__, _arguments('camera', checkpoint, seconds), environment) as camera,
    ):
        for process in (camera, recognizer):
            if process.answer(START_LIMIT_S) != {'matched': True}:
                raise RuntimeError('camera and recogniser did not find each other')
        recognizer.ask('begin', START_LIMIT_S)
        sent = camera.ask('film', START_LIMIT_S + seconds)
        received = recognizer.ask('count', START_LIMIT_S)
        camera.command('end')
    return {**sent, **received}


def _without_profile(environment: dict[str, str]) -> dict[str, str]:
    """The profile is for processes that publish images, which the recogniser does not."""
    from activity_recognition.ros.transport import PROFILE_VARIABLE

    return {name: value for name, value in environment.items() if name != PROFILE_VARIABLE}


def _arguments(name: str, checkpoint: str, seconds: float) -> list[str]:
    return ['--part', name, '--checkpoint', checkpoint, '--seconds', str(seconds)]


def _camera(count: int) -> int:
    """Wait for a subscriber, publish images on command, report how many."""
    import array

    import numpy as np
    import rclpy
    from rclpy.qos import qos_profile_sensor_data
    from sensor_msgs.msg import Image

    rclpy.init()
    node = rclpy.create_node('camera')
    publisher = node.create_publisher(Image, 'image', qos_profile_sensor_data)
    message = Image(width=WIDTH, height=HEIGHT, encoding='rgb8', step=3 * WIDTH)
    pixels = np.random.default_rng(0).integers(0, 256, 3 * WIDTH * HEIGHT, dtype=np.uint8)
    data = array.array('B')
    data.frombytes(pixels.tobytes())
    message.data = data
    while publisher.get_subscription_count() < 1:
        time.sleep(0.05)
    say(matched=True)
    sys.stdin.readline()
    longest_s = 0.0
    start_s = time.monotonic()
    for index in range(count):
        time.sleep(max(start_s + index / RATE_HZ - time.monotonic(), 0))
        began_s = time.monotonic()
        message.header.stamp = node.get_clock().now().to_msg()
        publisher.publish(message)
        longest_s = max(longest_s, time.monotonic() - began_s)
    rate_hz = (count - 1) / (time.monotonic() - start_s) if count > 1 else RATE_HZ
    say(sent=count, rate_hz=rate_hz, longest_publish_s=longest_s)
    sys.stdin.readline()  # leaving at once would take the last images along
    node.destroy_node()
    rclpy.shutdown()
    return 0


def _recognizer(checkpoint: str) -> int:
    """Run the live node; on command, report what it received."""
    import rclpy
    from rclpy.parameter import Parameter

    from activity_recognition.ros.executor_choice import make_executor
    from activity_recognition.ros.recognizing.recognizer_node import RecognizerNode
    from activity_recognition.types import Modality, Window

    rclpy.init()
    overrides = {'checkpoint': checkpoint, 'engine.device': 'cpu'}
    node = RecognizerNode(
        parameter_overrides=[Parameter(name, value=value) for name, value in overrides.items()]
    )
    node.start()
    executor = make_executor()
    executor.add_node(node)
    session: Any = node._session
    latencies_s: list[float] = []

    def note(window: Window) -> None:
        if window.decision is not None and any(True for _ in window.samples):
            latencies_s.append(session.publishers[''].results.latency_s)

    session.active.streams[''].filter.registerCallback(note)
    while not _matched(node):
        executor.spin_once(timeout_sec=0.1)
    say(matched=True)
    while not is_told():
        executor.spin_once(timeout_sec=0.1)
    sys.stdin.readline()
    cpu_s = time.process_time()
    say(begun=True)
    while not is_told():
        executor.spin_once(timeout_sec=0.1)
    sys.stdin.readline()
    counters = session.active.streams[''].synchronizer
    seen, since_s = -1, time.monotonic()
    while time.monotonic() - since_s < DRAIN_S:
        executor.spin_once(timeout_sec=0.1)
        now = counters.counters[Modality.VIDEO].received
        if now != seen:
            seen, since_s = now, time.monotonic()
    video = counters.counters[Modality.VIDEO]
    say(
        received=video.received,
        dropped=sum(video.dropped.values()),
        latencies_s=latencies_s,
        cpu_s=time.process_time() - cpu_s,
    )
    node.destroy_node()
    rclpy.shutdown()
    return 0


def _matched(node: Any) -> bool:
    """Return whether the image subscription has found its publisher."""
    images = [item for item in node.subscriptions if item.topic_name == '/image']
    return any(item.get_publisher_count() for item in images)


if __name__ == '__main__':
    sys.exit(main())
