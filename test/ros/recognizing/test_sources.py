"""Which topic is taken and with what QoS, from what the graph offers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip('rclpy')

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from activity_recognition.config import TopicsConfig
from activity_recognition.errors import ConfigError, UnsupportedEncodingError
from activity_recognition.ros.message_types import message_class
from activity_recognition.ros.qos import mismatch, requested_qos
from activity_recognition.ros.topic_choice import Offer, Source, accepted, choose
from activity_recognition.sensors import Role

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]

IMAGE, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'


def offer(type_name, topic='/image'):
    return Offer(topic=topic, type_name=type_name, qos=QoSProfile(depth=1))


@pytest.mark.parametrize(
    ('transport', 'offers', 'expected'),
    [
        ('', [], None),
        ('raw', [], ('/image', IMAGE)),
        ('', [offer(COMPRESSED)], ('/image', COMPRESSED)),
        ('', [offer(COMPRESSED), offer(IMAGE)], ('/image', IMAGE)),
        ('', [offer(COMPRESSED, '/image/compressed')], ('/image/compressed', COMPRESSED)),
        ('', [offer(IMAGE), offer(COMPRESSED, '/image/compressed')], ('/image', IMAGE)),
        ('raw', [offer(COMPRESSED)], None),
        ('compressed', [], ('/image/compressed', COMPRESSED)),
        ('compressed', [offer(COMPRESSED)], ('/image', COMPRESSED)),
        (
            'compressed',
            [offer(IMAGE), offer(COMPRESSED, '/image/compressed')],
            ('/image/compressed', COMPRESSED),
        ),
    ],
)
def test_the_image_source(transport, offers, expected):
    want = accepted(Role.IMAGE, '/image', TopicsConfig(image_transport=transport))
    source, _ = choose(want, offers)
    assert source == (expected and Source(topic=expected[0], type_name=expected[1]))


def test_a_topic_that_is_called_compressed_is_the_compressed_one():
    want = accepted(Role.IMAGE, '/image/compressed', TopicsConfig(image_transport='compressed'))
    source, _ = choose(want, [])
    assert source == Source(topic='/image/compressed', type_name=COMPRESSED)


def test_what_cannot_be_taken_is_refused_with_what_to_do():
    want = accepted(Role.IMAGE, '/image', TopicsConfig(image_transport='raw'))
    _, problem = choose(want, [offer(COMPRESSED)])
    assert problem.startswith(f'/image: expected {IMAGE}, but {COMPRESSED} is published; set')
    want = accepted(Role.TRANSCRIPT, '/said', TopicsConfig())
    _, problem = choose(want, [offer('my_msgs/msg/Speech', '/said')])
    assert 'set topics.transcript_type and topics.transcript_field' in problem


def test_a_named_field_takes_any_transcript_type():
    want = accepted(Role.TRANSCRIPT, '/said', TopicsConfig(transcript_field='words'))
    source, problem = choose(want, [offer('my_msgs/msg/Speech', '/said')])
    assert (source.type_name, problem) == ('my_msgs/msg/Speech', '')


def test_a_type_without_a_package_is_named_in_the_error():
    with pytest.raises(UnsupportedEncodingError, match=r'nowhere_msgs/msg/Speech is not .*in'):
        message_class('nowhere_msgs/msg/Speech')
    with pytest.raises(UnsupportedEncodingError, match='std_msgs/msg/Strong'):
        message_class('std_msgs/msg/Strong')


@pytest.mark.parametrize('role', list(Role))
@given(offers=st.lists(st.tuples(st.booleans(), st.booleans()), max_size=4))
def test_what_is_followed_matches_every_publisher(role, offers):
    profiles = [
        QoSProfile(
            depth=1,
            reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        )
        for reliable, latched in offers
    ]
    followed = requested_qos(role, profiles)
    assert [mismatch('/t', profile, followed) for profile in profiles] == [''] * len(profiles)


@pytest.mark.parametrize(
    ('policy', 'offered', 'asked'),
    [
        ('reliability', ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE),
        ('durability', DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL),
    ],
)
def test_a_mismatch_names_topic_policy_and_remedy(policy, offered, asked):
    sentence = mismatch(
        '/mic', QoSProfile(depth=1, **{policy: offered}), QoSProfile(depth=1, **{policy: asked})
    )
    assert sentence.startswith(f'/mic: a publisher offers {policy} {offered.name.lower()}')
    assert f'qos_overrides./mic.subscription.{policy} to {offered.name.lower()}' in sentence


@pytest.mark.parametrize('name', ['audio_type', 'transcript_type'])
def test_a_type_that_is_none_is_quoted_in_part(name):
    with pytest.raises(ConfigError, match=f'topics.{name}: expected') as caught:
        accepted(Role(name.removesuffix('_type')), '/topic', TopicsConfig(**{name: 'x' * 100_000}))
    assert len(str(caught.value)) < 300


def test_of_two_types_that_nobody_knows_one_is_taken_and_the_other_named():
    types = ('a_msgs/msg/Words', 'b_msgs/msg/Words')
    want = accepted(Role.TRANSCRIPT, '/words', TopicsConfig(transcript_field='text'))
    for offered in (types, types[::-1]):
        source, problem = choose(want, [offer(name, '/words') for name in offered])
        assert source == Source(topic='/words', type_name='a_msgs/msg/Words')
        assert 'a_msgs/msg/Words is taken, b_msgs/msg/Words is not' in problem
    assert choose(want, [offer(types[1], '/words')] * 2)[1] == ''
