"""hri_msgs that are built here, published by another process: a release's definition counts."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager

import pytest

from factories.foreign import built, environment_with

pytest.importorskip('rclpy')

pytestmark = [
    pytest.mark.ros,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning"),
]

DEFINITIONS = {
    # As it was before it had a locale.
    'LiveSpeech': 'std_msgs/Header header\nstring incremental\nstring final\nfloat64 confidence\n',
    'NormalizedPointOfInterest2D': 'float32 x\nfloat32 y\nfloat32 c\n',
    'Skeleton2D': (
        'std_msgs/Header header\nuint8 NOSE=0\nuint8 RIGHT_EAR=17\n'
        'hri_msgs/NormalizedPointOfInterest2D[] skeleton\n'
    ),
}
SPEAK = """
import sys
import rclpy
from hri_msgs.msg import LiveSpeech
namespace, incremental, final = sys.argv[1:]
rclpy.init(args=[])
node = rclpy.create_node('speaker', namespace=namespace)
publisher = node.create_publisher(LiveSpeech, 'transcript', 10)
def speak():
    message = LiveSpeech(incremental=incremental, final=final, confidence=0.5)
    message.header.stamp = node.get_clock().now().to_msg()
    publisher.publish(message)
node.create_timer(0.2, speak)
rclpy.spin(node)
"""

STAND = """
import sys
import rclpy
from hri_msgs.msg import NormalizedPointOfInterest2D, Skeleton2D
namespace, topic = sys.argv[1:]
rclpy.init(args=[])
node = rclpy.create_node('tracker', namespace=namespace)
publisher = node.create_publisher(Skeleton2D, topic, rclpy.qos.qos_profile_sensor_data)
def track():
    message = Skeleton2D()
    message.skeleton = [
        NormalizedPointOfInterest2D(x=0.4 + 0.01 * n, y=0.05 * n, c=0.9) for n in range(18)
    ]
    message.header.stamp = node.get_clock().now().to_msg()
    message.header.frame_id = 'body_b1'
    publisher.publish(message)
node.create_timer(0.1, track)
rclpy.spin(node)
"""


@pytest.fixture(scope='module')
def with_hri_msgs(tmp_path_factory):
    """Build hri_msgs; return the environment that has them."""
    prefix = built(tmp_path_factory.mktemp('hri_msgs'), 'hri_msgs', DEFINITIONS)
    return environment_with(prefix)


@pytest.mark.parametrize(
    ('incremental', 'final', 'options'),
    [
        ('', 'hello robot', []),
        ('hello ro', '', ['-p', 'topics.transcript_incremental:=true']),
        ('hello ro', '', ['-p', 'topics.transcript_field:=incremental']),
    ],
)
def test_live_speech_without_a_locale_is_heard(
    world, checkpoint, with_hri_msgs, seen, incremental, final, options
):
    activities = world.activities()
    speaker = [SPEAK, world.namespace, incremental, final]
    with processes(world, checkpoint, with_hri_msgs, options, speaker):
        world.spin_until(lambda: any(seen(m) == {'text'} for m in activities))


def test_a_skeleton_is_seen(world, checkpoint, with_hri_msgs, seen):
    """REP-155's topic of a body takes the place of the camera's."""
    activities = world.activities()
    topic = 'humans/bodies/b1/skeleton2d'
    tracker = [STAND, world.namespace, topic]
    with processes(world, checkpoint, with_hri_msgs, ['-r', f'image:={topic}'], tracker):
        world.spin_until(lambda: any(seen(m) == {'video'} for m in activities))
    assert {m.header.frame_id for m in activities if seen(m)} == {'body_b1'}


@contextmanager
def processes(world, checkpoint, environment, options, script):
    """Start a recogniser, and a script that publishes for it."""
    recognizer = [sys.executable, '-m', 'activity_recognition.ros.recognizing.recognizer_node']
    recognizer += ['--ros-args', '-r', f'__ns:={world.namespace}', '-p', 'autostart:=true']
    recognizer += ['-p', f'checkpoint:={checkpoint}', '-p', 'engine.device:=cpu', *options]
    commands = (recognizer, [sys.executable, '-c', *script])
    started = [subprocess.Popen(command, env=environment) for command in commands]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()
