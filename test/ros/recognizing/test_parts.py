"""The recogniser's parts on their own."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip('rclpy')

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message, serialize_message

from activity_recognition.config import RecognizerConfig, SyncConfig, TopicsConfig
from activity_recognition.errors import DecodeError, ShapeError, UnsupportedEncodingError
from activity_recognition.msg import ActivityStamped
from activity_recognition.ros import message_filters_stand_in
from activity_recognition.ros.activity_cdr import ActivityWriter
from activity_recognition.ros.conversions import no_data_message, to_message, to_time
from activity_recognition.ros.diagnostics import Diagnosis, Snapshot
from activity_recognition.ros.filters import EntryTimes, SynchronizerFilter
from activity_recognition.ros.inputs import InputReport
from activity_recognition.ros.message_types import message_class
from activity_recognition.ros.overlay import draw, to_image_message
from activity_recognition.ros.parameters import config_fields
from activity_recognition.ros.qos import follow, mismatch
from activity_recognition.ros.sources import Offer, Source, choose, wanted
from activity_recognition.ros.worker import EngineWorker
from activity_recognition.sensors import Role
from activity_recognition.sensors.cdr_stamps import read_stamp
from activity_recognition.streams import DropReason, InputCounters, WindowSynchronizer
from activity_recognition.types import (
    MODALITIES,
    Decision,
    Frame,
    Modality,
    ModalityEvidence,
    Status,
    Utterance,
    Window,
)

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]

IMAGE, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
SECOND = 1_000_000_000


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
        ('compressed', [], None),
        (
            'compressed',
            [offer(IMAGE), offer(COMPRESSED, '/image/compressed')],
            ('/image/compressed', COMPRESSED),
        ),
    ],
)
def test_the_image_source(transport, offers, expected):
    want = wanted(Role.IMAGE, '/image', TopicsConfig(image_transport=transport))
    source, _ = choose(want, offers)
    assert source == (expected and Source(topic=expected[0], type_name=expected[1]))


def test_what_cannot_be_taken_is_refused_with_what_to_do():
    want = wanted(Role.IMAGE, '/image', TopicsConfig(image_transport='raw'))
    _, problem = choose(want, [offer(COMPRESSED)])
    assert problem.startswith(f'/image: expected {IMAGE}, but {COMPRESSED} is published; set')
    want = wanted(Role.TRANSCRIPT, '/said', TopicsConfig())
    _, problem = choose(want, [offer('my_msgs/msg/Speech', '/said')])
    assert 'set topics.transcript_type and topics.transcript_field' in problem


def test_a_named_field_takes_any_transcript_type():
    want = wanted(Role.TRANSCRIPT, '/said', TopicsConfig(transcript_field='words'))
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
    followed = follow(role, profiles)
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


@given(st.integers(0, 2**31 - 1), st.integers(0, SECOND - 1), st.booleans())
def test_a_stamp_is_read_from_the_buffer_of_a_message(seconds, nanoseconds, little):
    order = 'little' if little else 'big'
    head = bytes([0, int(little), 0, 0])
    buffer = head + seconds.to_bytes(4, order) + nanoseconds.to_bytes(4, order) + b'rest'
    assert read_stamp(buffer) == seconds * SECOND + nanoseconds
    with pytest.raises(DecodeError, match='header'):
        read_stamp(buffer[:11])


def test_a_real_message_has_its_stamp_where_it_is_looked_for():
    from sensor_msgs.msg import CompressedImage, Image

    for cls in (Image, CompressedImage):
        message = cls()
        message.header.stamp.sec, message.header.stamp.nanosec = 1_700_000_000, 123
        assert read_stamp(serialize_message(message)) == 1_700_000_000 * SECOND + 123


def test_entry_times_are_those_of_the_newest_arrival_not_later():
    entries = EntryTimes()
    for arrival, entry in ((10, 1.0), (20, 2.0), (30, 3.0)):
        entries.note(arrival, entry)
    assert entries.find(9) is None
    assert entries.find(21) == 2.0
    assert entries.find(21) is None
    entries.note(5, 4.0)  # time went back
    assert entries.find(30) == 4.0


def simple_filters():
    real = pytest.importorskip('message_filters', reason='message_filters is not installed here')
    return real.SimpleFilter(), message_filters_stand_in.SimpleFilter()


def test_the_stand_in_behaves_like_message_filters():
    logs = []
    for one in simple_filters():
        log = []
        numbers = [one.registerCallback(lambda *a, log=log: log.append(a), n) for n in 'ab']
        one.signalMessage('x', 'y')
        logs.append((numbers, log))
    assert logs[0] == logs[1] == ([0, 1], [('x', 'y', 'a'), ('x', 'y', 'b')])


def test_the_chain_is_made_of_message_filters_where_they_are_installed():
    real, _ = simple_filters()
    assert issubclass(SynchronizerFilter, type(real))


def frame(n):
    image = np.zeros((2, 2, 3), np.uint8)
    return Frame(stamp_ns=n * SECOND // 10, arrival_ns=n * SECOND // 10, image=image)


class CountingEngine:
    """Remembers what it was given; fails where told to."""

    def __init__(self, fails=()):
        self.windows, self.resets, self.fails = [], 0, set(fails)
        self.threads = set()

    def apply(self, windows):
        self.threads.add(threading.current_thread().name)
        self.windows.append(windows)
        if len(self.windows) in self.fails:
            raise ValueError('bad luck')
        return {name: w.decision for name, w in windows.items() if w.decision is not None}

    def reset(self, name):
        self.resets += 1


def worker_on(engine, *, deliver=lambda stream, decision, window: None, errors=None):
    synchronizer = WindowSynchronizer(SyncConfig(decision_rate_hz=0.0))
    source = SynchronizerFilter(synchronizer)
    errors = [] if errors is None else errors
    worker = EngineWorker({'': source}, engine, deliver=deliver, on_error=errors.append)
    return source, worker


def test_a_worker_applies_everything_on_its_own_thread_and_lives_through_errors():
    engine, errors, delivered = CountingEngine(fails=[2]), [], []
    came = threading.Event()

    def deliver(stream, decision, window):
        delivered.append(window)
        came.set()

    source, worker = worker_on(engine, deliver=deliver, errors=errors)
    worker.start()
    for n in range(3):
        came.clear()
        source.add(frame(n), 0.0)
        assert n == 1 or came.wait(30)
        if n == 1:
            done = threading.Event()
            worker.submit(done.set)
            assert done.wait(30)
    report = worker.report()
    assert worker.stop(30)
    assert [len(w.samples) for w in delivered] == [1, 1]
    assert (engine.resets, len(errors), report.errors) == (1, 1, 1)
    assert 'bad luck' in report.last_error
    assert engine.threads == {'engine'}


def test_a_worker_that_is_stuck_says_so_and_stops_in_bounded_time():
    free, entered = threading.Event(), threading.Event()

    class Stuck(CountingEngine):
        def apply(self, windows):
            entered.set()
            free.wait(60)
            return {}

    source, worker = worker_on(Stuck())
    worker.start()
    source.add(frame(0), 0.0)
    assert entered.wait(30)
    assert worker.report().busy_s >= 0
    assert not worker.stop(0.01)
    free.set()
    assert worker.stop(30)


class Picky(CountingEngine):
    """Refuses every window of the stream ``bad``, and with it the step."""

    def apply(self, windows):
        decisions = super().apply(windows)
        if 'bad' in windows:
            raise ShapeError('image: expected another')
        return decisions


def worker_of_three(engine, delivered, errors):
    sources = {
        name: SynchronizerFilter(WindowSynchronizer(SyncConfig(decision_rate_hz=0.0)))
        for name in ('good', 'bad', 'silent')
    }
    worker = EngineWorker(
        sources,
        engine,
        deliver=lambda stream, decision, window: delivered.append(stream),
        on_error=errors.append,
    )
    return sources, worker


def test_streams_share_a_step_and_the_silent_one_is_left_out():
    engine, delivered, applied = CountingEngine(), [], []
    sources, worker = worker_of_three(engine, delivered, [])
    for name in ('good', 'bad'):
        sources[name].registerCallback(lambda window, name=name: applied.append(name))
        sources[name].add(frame(0), 0.0)
    done = threading.Event()
    worker.start()
    worker.submit(done.set)
    assert done.wait(30)
    assert worker.stop(30)
    assert [sorted(windows) for windows in engine.windows] == [['bad', 'good']]
    assert sorted(delivered) == sorted(applied) == ['bad', 'good']
    assert [worker.report(name).decisions for name in sources] == [1, 1, 0]


def test_a_sample_that_is_refused_costs_its_own_stream_alone():
    engine, delivered, errors = Picky(), [], []
    sources, worker = worker_of_three(engine, delivered, errors)
    for name in ('good', 'bad'):
        sources[name].add(frame(0), 0.0)
    done = threading.Event()
    worker.start()
    worker.submit(done.set)
    assert done.wait(30)
    assert worker.stop(30)
    assert delivered == ['good']
    assert (engine.resets, len(errors)) == (1, 1)
    assert worker.report('bad').decisions == 0


def test_a_worker_that_never_started_stops():
    assert worker_on(CountingEngine())[1].stop(1)


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


def report(role=Role.IMAGE, **changes):
    values = {
        'role': role,
        'topic': f'/{role}',
        'type_name': IMAGE,
        'qos': 'best effort, volatile',
        'publishers': 1,
        'received': 10,
        'lost': 0,
        'age_s': 0.1,
        'problems': (),
    }
    return InputReport(**{**values, **changes})


def image_status(now, before=()):
    diagnosis = Diagnosis(node_name='/r', hardware_id='cpu', silent_after_s=2.0)
    counters = {modality: InputCounters() for modality in MODALITIES}
    first, *_ = diagnosis.statuses(
        Snapshot(time_s=2.0, inputs=(now,), counters=counters),
        Snapshot(time_s=1.0, inputs=tuple(before)),
        checkpoint='abc',
    )
    return first


@pytest.mark.parametrize(
    ('now', 'level', 'words'),
    [
        (report(), b'\x00', '10.0 Hz'),
        (report(age_s=3.0), b'\x01', 'no message for 3.0 s'),
        (report(age_s=None, received=0), b'\x01', 'no message ever'),
        (report(publishers=0), b'\x01', '/image: nobody publishes'),
        (report(problems=('it is upside down',)), b'\x02', 'it is upside down'),
        (report(role=Role.TRANSCRIPT, age_s=100.0), b'\x00', 'Hz'),
        (report(role=Role.AUDIO_INFO, publishers=0, received=0), b'\x00', 'nothing received'),
        (report(dropped={'image size': 3}, example='image size: 0 x 0'), b'\x01', '0 x 0'),
    ],
)
def test_inputs_are_diagnosed_in_words(now, level, words):
    before = report(role=now.role, received=0)
    status = image_status(now, [before])
    assert status.level == level
    assert words in status.message


def test_old_drops_are_not_told_again():
    old = report(dropped={'image size': 3}, example='image size: 0 x 0')
    assert image_status(old, [old]).level == b'\x00'


def test_every_drop_has_a_value_in_the_diagnosis():
    keys = {value.key for value in image_status(report()).values}
    assert {f'dropped: {reason}' for reason in DropReason} <= keys


@pytest.mark.parametrize('shape', [(48, 64), (1080, 1920), (7, 3), None])
def test_the_overlay_is_drawn_for_any_frame(shape):
    image = None if shape is None else np.full((*shape, 3), 200, np.uint8)
    picture = draw(image, to_message(decision(), ('a', 'b', 'c')))
    assert picture.shape[1:] == (640, 3)
    message = to_image_message(picture, stamp=to_time(3), frame_id='camera')
    assert message.height * message.step == len(message.data) == picture.size
    assert bytes(message.data) == picture.tobytes()
    assert message.header.frame_id == 'camera'


def test_every_field_of_the_configuration_is_a_described_parameter():
    fields = config_fields(RecognizerConfig)
    assert fields['sync.decision_rate_hz'].default == SyncConfig().decision_rate_hz
    assert fields['sync.decision_rate_hz'].live
    assert fields['smoothing.hysteresis'].description.startswith('By how much')
    assert [name for name, item in fields.items() if not item.description] == []


def test_only_frames_that_were_admitted_put_the_timer_off():
    source = SynchronizerFilter(WindowSynchronizer(SyncConfig()))
    told = []
    source.on_frame = lambda: told.append(True)
    words = Utterance(stamp_ns=0, arrival_ns=SECOND, text='hello')
    for sample in (frame(1), frame(1), frame(0), words, frame(2)):
        source.add(sample, 0.0)
    assert len(told) == 2


def test_windows_reach_every_callback_of_the_synchroniser_filter():
    synchronizer = WindowSynchronizer(SyncConfig())
    source = SynchronizerFilter(synchronizer)
    windows, ready = [], []
    source.on_ready = lambda: ready.append(1)
    source.registerCallback(windows.append)
    head = message_filters_stand_in.SimpleFilter()
    source.connectInput(head)
    head.signalMessage(frame(1), 0.0)
    for window in source.take():
        source.signalMessage(window)
    assert [type(window) for window in windows] == [Window]
    assert ready
