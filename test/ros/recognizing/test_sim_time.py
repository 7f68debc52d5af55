"""Simulated time: decisions follow /clock, also when it goes back."""

from __future__ import annotations

import itertools

import pytest

pytest.importorskip('rclpy')

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]

SECOND = 1_000_000_000
START_S = 1000


def test_decisions_follow_the_clock_through_a_loop(simulated_world, seen):
    from rclpy.qos import QoSProfile, ReliabilityPolicy
    from rosgraph_msgs.msg import Clock

    world = simulated_world
    node = world.recognize()
    activities, diagnoses, camera = world.activities(), world.diagnoses(), world.camera()
    qos = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
    clock = world.matched(world.node.create_publisher(Clock, '/clock', qos), 2)

    def set_clock(now_ns):
        message = Clock()
        message.clock.sec, message.clock.nanosec = divmod(now_ns, SECOND)

        def arrived():
            clock.publish(message)
            return node.get_clock().now().nanoseconds == now_ns == world.now_ns()

        world.spin_until(arrived)

    for _lap in range(2):
        activities.clear()
        for step in range(40):
            now_ns = START_S * SECOND + step * SECOND // 20
            set_clock(now_ns)
            camera.publish(world.image(now_ns))
        world.spin_until(lambda: any(seen(m) == {'video'} for m in activities))
        assert all(START_S <= m.header.stamp.sec < START_S + 3 for m in activities if m.scores)
        assert all(abs(m.latency_s) < 3 for m in activities if m.scores)
    world.spin_until(lambda: int(diagnoses.value('engine', 'time jumps') or 0) >= 1)


def test_without_frames_the_timer_decides_in_simulated_time(simulated_world):
    from rosgraph_msgs.msg import Clock

    world = simulated_world
    world.recognize(sync__decision_rate_hz=1.0)
    activities = world.activities()
    clock = world.matched(world.node.create_publisher(Clock, '/clock', 10), 2)
    step = iter(range(100_000))

    def tick():
        message = Clock()
        message.clock.sec, message.clock.nanosec = divmod(next(step) * SECOND // 5, SECOND)
        message.clock.sec += START_S
        return message

    # Ten times as fast as real time.
    world.every(0.02, clock, tick)
    world.spin_until(lambda: len(activities) > 8)
    stamps = [m.header.stamp.sec * SECOND + m.header.stamp.nanosec for m in activities]
    gaps = sorted(b - a for a, b in itertools.pairwise(stamps))
    assert 0.8 * SECOND <= gaps[len(gaps) // 2] <= 1.4 * SECOND
