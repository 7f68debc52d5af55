"""Topics that look alive and are of no use, over real DDS: the diagnostics say so, and why."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

pytest.importorskip('rclpy')

from activity_recognition.config_io import shipped_file

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]

SECOND = 1_000_000_000
BURST = """
import array, sys
import rclpy
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

rclpy.init(args=[])
node = rclpy.create_node('large_camera', namespace=sys.argv[1])
publisher = node.create_publisher(Image, 'image', qos_profile_sensor_data)
image = Image(width=4000, height=2000, encoding='rgb8', step=12000)
image.data = array.array('B', bytes(24_000_000))
while rclpy.ok():
    image.header.stamp = node.get_clock().now().to_msg()
    publisher.publish(image)
"""
"""Publishes images of 24 MB as fast as it can, over half a megabyte of shared memory."""


def wait_for(world, diagnoses, part, words, *, level):
    """Wait until the newest status of a part has words and level."""

    def found():
        status = diagnoses.status(part)
        return status is not None and words in status.message and status.level == level

    world.spin_until(found)
    return diagnoses.status(part).message


def test_images_too_large_for_the_transport(world):
    world.recognize()
    diagnoses = world.diagnoses()
    environment = {k: v for k, v in os.environ.items() if 'DEFAULT_PROFILES_FILE' not in k}
    process = subprocess.Popen([sys.executable, '-c', BURST, world.namespace], env=environment)
    try:
        world.spin_until(lambda: diagnoses.says('image', 'messages were lost in transport'))
        advice = f'FASTRTPS_DEFAULT_PROFILES_FILE={shipped_file("fastdds.xml")}'
        assert diagnoses.says('image', advice)
        wait_for(world, diagnoses, 'image', 'were lost in transport', level=b'\x02')
        assert int(diagnoses.value('image', 'lost in transport')) > 0
    finally:
        process.terminate()  # killed, it would leave its shared memory locked
        process.wait()


def test_images_that_are_not_taken_in_time(world):
    """The executor is held up, as by images that take long to decode; its queue keeps five."""
    world.recognize()
    diagnoses, camera = world.diagnoses(), world.camera()
    world.deliver(camera, world.image())
    held_up, go_on = threading.Event(), threading.Event()

    def hold_up():
        held_up.set()
        assert go_on.wait(600)

    world.spin_until(lambda: diagnoses.value('image', 'received') == '1')
    world.other_executor.create_task(hold_up)
    assert held_up.wait(60)
    for _ in range(100):
        camera.publish(world.image())
    go_on.set()
    world.spin_until(lambda: diagnoses.says('image', 'were overwritten before this node took them'))
    assert int(diagnoses.value('image', 'never taken')) == 95
    assert diagnoses.value('image', 'lost in transport') == '0'


def test_a_stamp_that_stands_still(world):
    world.recognize()
    diagnoses, camera = world.diagnoses(), world.camera()
    frozen_ns = world.now_ns()
    world.every(0.02, camera, lambda: world.image(frozen_ns))
    message = wait_for(world, diagnoses, 'image', 'had the stamp of the message', level=b'\x02')
    assert 'its clock stands still' in message


def test_two_cameras_on_one_topic_with_different_clocks(world):
    from rclpy.node import Node
    from sensor_msgs.msg import Image

    world.recognize()
    diagnoses, camera = world.diagnoses(), world.camera()
    other = Node('other', namespace=world.namespace, context=world.context)
    second = world.matched(other.create_publisher(Image, 'image', 10))
    world.every(0.02, camera, world.image)
    ahead = world.every(0.02, second, lambda: world.image(world.now_ns() + SECOND * 6 // 10))
    names = f'{world.namespace}/other, {world.namespace}/world'
    world.spin_until(lambda: diagnoses.says('image', f'2 publishers share it ({names})'))
    world.spin_until(lambda: diagnoses.says('image', 'two publishers with different clocks'))
    assert diagnoses.status('image').level in (b'\x01', b'\x02')
    ahead.cancel()
    other.destroy_node()
    wait_for(world, diagnoses, 'image', ' Hz', level=b'\x00')


@pytest.mark.parametrize(
    ('offset_s', 'words'), [(5, 'in the future of this node'), (-5, 'in the past when they')]
)
def test_a_camera_on_another_clock(world, offset_s, words):
    world.recognize()
    diagnoses, camera = world.diagnoses(), world.camera()
    world.every(0.05, camera, lambda: world.image(world.now_ns() + offset_s * SECOND))
    wait_for(world, diagnoses, 'image', words, level=b'\x01')
    assert float(diagnoses.value('image', 'stamp minus arrival (s)')) * offset_s > 0


def test_sound_of_another_rate_than_declared(world):
    """Twice as many samples as 16000 a second, by stamps that keep time."""
    world.recognize()
    diagnoses, microphone = world.diagnoses(), world.microphone()
    stamps = iter(range(world.now_ns(), world.now_ns() + 3600 * SECOND, SECOND // 50))
    world.every(0.02, microphone, lambda: world.sound(next(stamps)))  # 640 samples each
    message = wait_for(world, diagnoses, 'audio', '16000 samples a second', level=b'\x01')
    assert 'by their stamps 32000 come' in message
    assert 'topics.audio_sample_rate_hz' in message


def test_a_recogniser_that_never_says_anything(world):
    world.recognize()
    diagnoses, speech = world.diagnoses(), world.speech()
    timer = world.every(0.02, speech, lambda: world.words('  '))
    wait_for(world, diagnoses, 'transcript', 'messages came, and none had words', level=b'\x01')
    timer.cancel()
    world.deliver(speech, world.words('hello robot'))
    wait_for(world, diagnoses, 'transcript', ' Hz', level=b'\x00')


def test_a_healthy_world_is_healthy(world):
    world.recognize()
    diagnoses = world.diagnoses()
    camera, microphone, speech = world.camera(), world.microphone(), world.speech()
    stamps = iter(range(world.now_ns(), world.now_ns() + 3600 * SECOND, SECOND // 25))
    world.every(0.05, camera, world.image)
    world.every(0.04, microphone, lambda: world.sound(next(stamps)))
    world.every(1.0, speech, world.words)
    world.spin_until(lambda: int(diagnoses.value('image', 'received') or 0) > 100)
    for part in ('image', 'audio', 'audio_info', 'transcript'):
        assert diagnoses.status(part).level == b'\x00', diagnoses.status(part).message
