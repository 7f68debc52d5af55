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
