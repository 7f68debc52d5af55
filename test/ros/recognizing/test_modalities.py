"""A network of some modalities only: the others are neither subscribed to nor spoken of."""

from __future__ import annotations

import dataclasses

import pytest

pytest.importorskip('rclpy')

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]

TOPICS = ('image', 'audio', 'audio_info', 'transcript')


@pytest.fixture
def node():
    from rclpy.context import Context
    from rclpy.lifecycle import LifecycleNode

    context = Context()
    context.init(args=[])
    node = LifecycleNode('some', context=context)
    yield node
    node.destroy_node()
    context.try_shutdown()


@pytest.mark.parametrize(
    ('modalities', 'roles'),
    [
        (('audio',), ['audio', 'audio_info']),
        (('video', 'text'), ['image', 'transcript']),
        (('video', 'audio', 'text'), list(TOPICS)),
    ],
)
def test_a_network_has_inputs_for_what_it_takes_in(node, modalities, roles):
    from activity_recognition.config import RecognizerConfig
    from activity_recognition.ros.recognizing.stream_inputs import StreamInputs
    from factories.networks import TINY

    model = dataclasses.replace(TINY, modalities=modalities)
    stream = StreamInputs(node, RecognizerConfig(), model, 'kitchen')
    stream.inputs.look()
    reports = stream.inputs.reports()
    stream.inputs.close()
    assert [report.role.value for report in reports] == roles
    assert [report.topic for report in reports] == [f'/kitchen/{role}' for role in roles]


def subscribed(world) -> set[str]:
    """The inputs' topics that the recogniser subscribes to."""
    counts = {name: world.node.count_subscribers(name) for name in TOPICS}
    return {name for name, count in counts.items() if count}


def advertise_everything(world) -> dict:
    """Publish on every topic, so that nothing keeps the recogniser from subscribing to it."""
    from audio_common_msgs.msg import AudioDataStamped, AudioInfo
    from sensor_msgs.msg import Image
    from std_msgs.msg import String

    types = (Image, AudioDataStamped, AudioInfo, String)
    return {name: world.advertise(name, kind) for name, kind in zip(TOPICS, types, strict=True)}


def test_a_network_of_sound_alone_hears_and_decides_by_the_timer(world_of):
    world = world_of('audio')
    publishers = advertise_everything(world)
    activities, diagnoses = world.activities(), world.diagnoses()
    node = world.recognize(sync__decision_rate_hz=20.0)
    world.matched(publishers['audio'])
    world.every(0.04, publishers['audio'], world.sound)
    world.every(0.04, publishers['image'], world.image)
    world.spin_until(lambda: sum(bool(message.scores) for message in activities) > 10)
    assert subscribed(world) == {'audio', 'audio_info'}
    assert {tuple(item.modality for item in m.evidence) for m in activities} == {('audio',)}
    decided = [message for message in activities if message.scores]
    assert all(item.present and item.label for m in decided[-5:] for item in m.evidence)
    world.spin_until(lambda: diagnoses.status('audio'))
    assert diagnoses.status('audio_info') is not None
    assert diagnoses.status('image') is diagnoses.status('transcript') is None
    assert int(diagnoses.value('audio', 'used')) > 0
    activities.clear()
    world.there(node.trigger_deactivate)
    last = world.spin_until(lambda: activities and activities[-1].status == 2 and activities[-1])
    assert [(item.modality, item.present) for item in last.evidence] == [('audio', False)]


def test_a_network_of_two_modalities_has_two_inputs(world_of):
    world = world_of('video', 'text')
    publishers = advertise_everything(world)
    activities, overlays = world.activities(), world.diagnoses()
    world.recognize()
    world.matched(publishers['image'])
    world.matched(publishers['transcript'])
    world.every(0.05, publishers['image'], world.image)
    world.deliver(publishers['transcript'], world.words())
    world.spin_until(lambda: activities and all(item.present for item in activities[-1].evidence))
    assert [item.modality for item in activities[-1].evidence] == ['video', 'text']
    assert subscribed(world) == {'image', 'transcript'}
    world.spin_until(lambda: overlays.status('image') and overlays.status('transcript'))
    assert overlays.status('audio') is overlays.status('audio_info') is None


@pytest.mark.parametrize('modalities', [('audio',), ('video', 'text'), ('video', 'audio', 'text')])
def test_both_ways_to_write_a_message_have_the_same_evidence(modalities):
    import numpy as np
    from rclpy.serialization import deserialize_message

    from activity_recognition.msg import ActivityStamped
    from activity_recognition.ros.recognizing.activity_cdr import ActivityWriter
    from activity_recognition.ros.recognizing.conversions import to_message
    from activity_recognition.types import Decision, Modality, Status

    decision = Decision(
        t_ns=5,
        arrival_ns=6,
        status=Status.OK,
        class_id=1,
        label='b',
        confidence=0.75,
        probabilities=np.float32([0.25, 0.75]),
        logits=np.float32([0, 1]),
        evidence=(),
        window_start_ns=1,
        stable_since_ns=2,
    )
    chosen = tuple(map(Modality, modalities))
    writer = ActivityWriter(['a', 'b'], modalities=chosen)
    cdr = writer.complete(writer.write(decision), latency_s=0.0, processing_s=0.0)
    read = deserialize_message(cdr, ActivityStamped)
    made = to_message(decision, ['a', 'b'], modalities=chosen)
    assert [item.modality for item in read.evidence] == list(modalities)
    assert [item.modality for item in made.evidence] == list(modalities)
