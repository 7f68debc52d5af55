"""Decisions as messages, as their bytes, and drawn over a frame."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip('rclpy')

from rclpy.serialization import deserialize_message, serialize_message

from activity_recognition.msg import ActivityStamped
from activity_recognition.msg import ModalityEvidence as EvidenceMessage
from activity_recognition.ros.recognizing.activity_cdr import ActivityWriter
from activity_recognition.ros.recognizing.conversions import no_data_message, to_message, to_time
from activity_recognition.ros.recognizing.overlay import draw, to_image_message
from activity_recognition.types import NANOSECONDS as SECOND
from activity_recognition.types import Decision, Modality, ModalityEvidence, Status

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]


def decision(status=Status.OK, class_id=1):
    return Decision(
        t_ns=5 * SECOND,
        arrival_ns=5 * SECOND,
        status=status,
        class_id=class_id if status is Status.OK else -1,
        label='b' if status is Status.OK else '',
        confidence=0.0 if status is Status.NO_DATA else 0.5,
        probabilities=np.array([0.2, 0.5, 0.3], np.float32),
        logits=np.zeros(3, np.float32),
        evidence=(
            ModalityEvidence(modality=Modality.AUDIO, present=True, age_s=0.1, label='c'),
            ModalityEvidence(modality=Modality.VIDEO, present=False),
        ),
        window_start_ns=SECOND,
        stable_since_ns=3 * SECOND,
    )


def test_a_decision_as_message():
    message = to_message(decision(), ('a', 'b', 'c'), frame_id='camera', subject_id='me')
    assert (message.status, message.label, message.class_id) == (0, 'b', 1)
    assert [score.label for score in message.scores] == ['b', 'c', 'a']
    assert [item.modality for item in message.evidence] == ['video', 'audio', 'text']
    video, audio, text = message.evidence
    assert audio.present
    assert math.isnan(audio.weight)
    assert (video.present, video.confidence, video.weight) == (False, 0.0, 0.0)
    assert math.isnan(text.age_s)
    assert (message.stable_since.sec, message.window_start.sec) == (3, 1)
    assert (message.header.frame_id, message.subject_id) == ('camera', 'me')


def test_unknown_and_no_data_as_messages():
    unknown = to_message(decision(Status.UNKNOWN), ('a', 'b', 'c'))
    assert (unknown.label, unknown.class_id, len(unknown.scores)) == ('', -1, 3)
    assert unknown.stable_since == unknown.header.stamp
    nothing = to_message(decision(Status.NO_DATA), ('a', 'b', 'c'))
    assert (nothing.confidence, list(nothing.scores)) == (0.0, [])
    assert no_data_message(7).status == nothing.status == 2


unit = st.floats(0.0, 1.0, width=32)
text = st.text(st.characters(exclude_characters='\0', exclude_categories=['Cs']), max_size=9)
moments = st.integers(-SECOND, 2**31 * SECOND - 1)


@st.composite
def any_decision(draw):
    labels = draw(st.lists(text, min_size=1, max_size=5, unique=True))
    status = draw(st.sampled_from(Status))
    class_id = draw(st.integers(0, len(labels) - 1)) if status is Status.OK else -1
    evidence = draw(
        st.lists(
            st.builds(
                ModalityEvidence,
                modality=st.sampled_from(Modality),
                present=st.booleans(),
                age_s=st.floats(-1.0, 1e6, width=32) | st.just(math.nan),
                label=st.sampled_from([*labels, '', 'of another model']),
                confidence=unit | st.just(math.nan),
                weight=st.floats(-1.0, 1.0, width=32) | st.just(math.nan),
            ),
            max_size=3,
            unique_by=lambda item: item.modality,
        )
    )
    count = len(labels)
    probabilities = draw(st.lists(unit, min_size=count, max_size=count))
    return labels, Decision(
        t_ns=draw(moments),
        arrival_ns=0,
        status=status,
        class_id=class_id,
        label=labels[class_id] if status is Status.OK else '',
        confidence=draw(unit),
        probabilities=np.array(probabilities, np.float32),
        logits=np.zeros(count, np.float32),
        evidence=tuple(evidence),
        window_start_ns=draw(moments),
        stable_since_ns=draw(moments),
    )


@given(any_decision(), text, text, st.floats(-5.0, 5.0, width=32), unit)
@settings(max_examples=200, deadline=None)
def test_a_decision_is_written_as_its_message_would_be(
    case, frame_id, subject_id, latency_s, processing_s
):
    labels, any_one = case
    writer = ActivityWriter(labels, subject_id=subject_id)
    written = writer.complete(
        writer.write(any_one, frame_id=frame_id), latency_s=latency_s, processing_s=processing_s
    )
    message = to_message(any_one, labels, frame_id=frame_id, subject_id=subject_id)
    message.latency_s, message.processing_s = latency_s, processing_s
    theirs = serialize_message(message)
    assert len(written) == len(theirs)
    # Gaps hold whatever was in memory, and NaN is nothing's equal: words, not bytes, are compared.
    found, expected = (deserialize_message(cdr, ActivityStamped) for cdr in (written, theirs))
    assert str(found) == str(expected)


@given(st.integers(-(10**18), 2**31 * SECOND - 1))
def test_times_survive_the_message(stamp_ns):
    time = to_time(stamp_ns)
    assert time.sec * SECOND + time.nanosec == max(stamp_ns, 0)


@pytest.mark.parametrize('count', [1, 3, 4])
@pytest.mark.parametrize('label', ['on', 'operating_the_coffee_machine_in_the_kitchen'])
def test_the_evidence_of_one_modality_does_not_cover_that_of_the_next(count, label):
    names = [modality.value for modality in Modality][:count]
    evidence = [
        EvidenceMessage(modality=name, present=True, label=label, confidence=1.0, weight=-0.12)
        for name in names
    ]
    canvas = draw(None, ActivityStamped(evidence=evidence))
    written = canvas[-46:].any(axis=(0, 2))
    column = 640 // count
    for index in range(count):
        assert written[10 + column * index : column * (index + 1) - 4].any()
        assert not written[column * (index + 1) - 4 : column * (index + 1) + 9].any()


@pytest.mark.parametrize('shape', [(48, 64), (1080, 1920), (7, 3), None])
def test_the_overlay_is_drawn_for_any_frame(shape):
    image = None if shape is None else np.full((*shape, 3), 200, np.uint8)
    picture = draw(image, to_message(decision(), ('a', 'b', 'c')))
    assert picture.shape[1:] == (640, 3)
    message = to_image_message(picture, stamp=to_time(3), frame_id='camera')
    assert message.height * message.step == len(message.data) == picture.size
    assert bytes(message.data) == picture.tobytes()
    assert message.header.frame_id == 'camera'
