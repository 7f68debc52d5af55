"""Topics whose type, QoS or publisher is not what one thought: followed, or told in words."""

from __future__ import annotations

import pytest

pytest.importorskip('rclpy')

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]


def jpeg(world):
    import cv2
    import numpy as np
    from sensor_msgs.msg import CompressedImage

    picture = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    message = CompressedImage(format='jpeg', data=cv2.imencode('.jpg', picture)[1].tobytes())
    stamp = world.node.get_clock().now().to_msg()
    message.header.stamp = stamp
    return message


@pytest.mark.parametrize('topic', ['image', 'image/compressed'])
@pytest.mark.parametrize('transport', ['', 'compressed'])
def test_compressed_images_are_found_on_the_topic_or_beside_it(world, seen, topic, transport):
    from sensor_msgs.msg import CompressedImage

    world.recognize(topics__image_transport=transport)
    activities = world.activities()
    camera = world.matched(world.advertise(topic, CompressedImage, reliable=False))
    world.every(0.05, camera, lambda: jpeg(world))
    world.spin_until(lambda: any(seen(m) == {'video'} for m in activities))


def test_a_publisher_that_comes_back_with_another_type_is_followed(world, seen):
    from sensor_msgs.msg import CompressedImage

    world.recognize()
    activities = world.activities()
    camera = world.camera()
    timer = world.every(0.05, camera, world.image)
    world.spin_until(lambda: any(seen(m) == {'video'} for m in activities))
    timer.cancel()
    world.node.destroy_publisher(camera)
    world.spin_until(lambda: seen(activities[-1]) == set())
    camera = world.matched(world.advertise('image', CompressedImage))
    world.every(0.05, camera, lambda: jpeg(world))
    world.spin_until(lambda: seen(activities[-1]) == {'video'})


def test_topics_are_remapped_like_those_of_any_node(world, seen):
    world.recognize(cli_args=['--ros-args', '-r', 'image:=front/color', '-r', 'activity:=doing'])
    from activity_recognition.msg import ActivityStamped

    activities = world.hear('doing', ActivityStamped)
    camera = world.camera('front/color')
    world.every(0.05, camera, world.image)
    world.spin_until(lambda: any(seen(m) == {'video'} for m in activities))


def test_a_topic_of_a_type_that_is_no_image_is_told(world):
    from std_msgs.msg import String

    world.recognize()
    diagnoses = world.diagnoses()
    world.advertise('image', String)
    world.spin_until(lambda: diagnoses.says('image', 'but std_msgs/msg/String is published'))


def test_a_transcript_of_an_unknown_type_is_read_when_its_field_is_named(world, seen):
    from diagnostic_msgs.msg import KeyValue

    node = world.recognize()
    diagnoses = world.diagnoses()
    world.advertise('transcript', KeyValue)
    world.spin_until(lambda: diagnoses.says('transcript', 'set topics.transcript_type'))
    world.remove(node)

    world.recognize(topics__transcript_field='value')
    activities = world.activities()
    speech = world.matched(world.publishers['transcript'])
    world.every(0.2, speech, lambda: KeyValue(key='text', value='hello robot'))
    world.spin_until(lambda: any(seen(m) == {'text'} for m in activities))


def test_a_transcript_type_that_is_not_installed_is_told_and_the_rest_goes_on(world, seen):
    from std_msgs.msg import String

    world.recognize(topics__transcript_type='nowhere_msgs/msg/Speech')
    activities, diagnoses, camera = world.activities(), world.diagnoses(), world.camera()
    world.advertise('transcript', String)
    world.spin_until(lambda: diagnoses.says('transcript', 'nowhere_msgs/msg/Speech'))
    world.every(0.05, camera, world.image)
    world.spin_until(lambda: any(seen(m) == {'video'} for m in activities))


def test_a_wrong_field_is_told_with_the_nearest_one(world):
    world.recognize(topics__transcript_field='dada')
    diagnoses, speech = world.diagnoses(), world.speech()
    world.every(0.1, speech, world.words)
    world.spin_until(lambda: diagnoses.says('transcript', "did you mean 'data'"))


@pytest.mark.parametrize('reliable', [False, True])
@pytest.mark.parametrize('latched', [False, True])
def test_transcripts_follow_what_the_publisher_offers(world, seen, reliable, latched):
    from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
    from std_msgs.msg import String

    speech = world.advertise('transcript', String, reliable=reliable, latched=latched)
    speech.publish(world.words())
    world.recognize()
    activities = world.activities()
    world.matched(speech)

    def followed():
        (info,) = world.node.get_subscriptions_info_by_topic('transcript') or [None]
        return info and (
            (info.qos_profile.reliability == ReliabilityPolicy.RELIABLE) == reliable
            and (info.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL) == latched
        )

    world.spin_until(followed)
    # Only a reliable publisher keeps what it said for those who come late.
    if not (latched and reliable):
        world.matched(speech)
        world.every(0.2, speech, world.words)
    world.spin_until(lambda: any(seen(m) == {'text'} for m in activities))


def test_an_override_that_cannot_match_is_told_with_what_to_set(world):
    topic = f'{world.namespace}/image'
    world.recognize(**{f'qos_overrides.{topic}.subscription.reliability': 'reliable'})
    diagnoses = world.diagnoses()
    from sensor_msgs.msg import Image

    camera = world.advertise('image', Image, reliable=False)
    words = f'set qos_overrides.{topic}.subscription.reliability to best_effort'
    world.spin_until(lambda: diagnoses.says('image', words))
    assert diagnoses.says('image', 'a publisher offers reliability best_effort')
    assert not camera.get_subscription_count()


def test_an_override_of_the_depth_is_taken(world):
    topic = f'{world.namespace}/image'
    world.recognize(**{f'qos_overrides.{topic}.subscription.depth': 17})
    world.camera()
    subscriptions = [s for s in world.recognizers[0].subscriptions if s.topic_name == topic]
    assert [s.qos_profile.depth for s in subscriptions] == [17]


def test_nobody_publishing_and_a_silent_publisher_are_told_apart(world):
    world.recognize(silent_after_s=0.3)
    diagnoses = world.diagnoses()
    world.spin_until(lambda: diagnoses.says('image', 'nobody publishes'))
    camera = world.camera()
    world.spin_until(lambda: diagnoses.says('image', 'but no message ever'))
    camera.publish(world.image())
    world.spin_until(lambda: diagnoses.says('image', 'but no message for'))
    world.every(0.05, camera, world.image)
    world.spin_until(lambda: diagnoses.status('image').level == b'\x00')
    world.spin_until(lambda: float(diagnoses.value('image', 'rate (Hz)')) > 1.0)


def test_two_publishers_of_different_types_are_told(world, seen):
    from sensor_msgs.msg import CompressedImage

    world.recognize()
    activities, diagnoses, camera = world.activities(), world.diagnoses(), world.camera()
    world.every(0.05, camera, world.image)
    world.spin_until(lambda: any(seen(m) == {'video'} for m in activities))
    from rclpy.context import Context
    from rclpy.node import Node

    # A third participant: one cannot hold both types.
    context = Context()
    context.init(args=[])
    other = Node('other', namespace=world.namespace, context=context)
    other.create_publisher(CompressedImage, 'image', 5)
    try:
        world.spin_until(lambda: diagnoses.says('image', 'publishers disagree'))
    finally:
        other.destroy_node()
        context.try_shutdown()
