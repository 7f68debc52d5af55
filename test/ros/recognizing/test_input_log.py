"""What the console says of the inputs: one line for each change, by a clock that the test holds."""

from __future__ import annotations

import re

import pytest

pytest.importorskip('rclpy')

from activity_recognition.modalities import SPEC
from activity_recognition.ros.recognizing.input_log import InputLog
from activity_recognition.ros.recognizing.inputs import InputReport
from activity_recognition.sensors import Role
from activity_recognition.types import MODALITIES

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]

IMAGE = 'sensor_msgs/msg/Image'
ROLES = [item.role for modality in MODALITIES for item in SPEC[modality].roles]


def report(role, **changes):
    values = {
        'role': role,
        'topic': f'/{role}',
        'type_name': '',
        'qos': '',
        'publishers': 0,
        'received': 0,
        'lost': 0,
        'age_s': None,
        'problems': (),
    }
    return InputReport(**{**values, **changes})


def coming(role, received, *, age_s=0.1, type_name=IMAGE):
    return report(
        role,
        received=received,
        age_s=age_s,
        publishers=1,
        type_name=type_name,
        qos='best effort, volatile',
    )


class Console:
    """Keeps the lines since they were read last."""

    def __init__(self):
        self._lines = []

    def info(self, message):
        self._lines.append(f'info {message}')

    def warning(self, message):
        self._lines.append(f'warning {message}')

    def read(self):
        lines, self._lines = self._lines, []
        return lines


@pytest.fixture
def console():
    return Console()


@pytest.fixture
def tell(console):
    """Tell the log of inputs at a time, activated at 100 s; return the new lines."""
    log = InputLog(console, now_s=100.0)
    log.begin([report(role) for role in ROLES])
    console.read()

    def at(time_s, *reports):
        given = {item.role: item for item in reports}
        everything = [given.get(role, report(role)) for role in ROLES]
        log.report_changes(everything, now_s=100.0 + time_s, silent_after_s=2.0)
        return console.read()

    return at


def test_the_activation_is_one_line_with_all_inputs(console):
    log = InputLog(console, now_s=0.0)
    log.begin([coming(Role.IMAGE, 0), report(Role.AUDIO), report(Role.TRANSCRIPT)])
    assert console.read() == [
        f'info active: subscribed to image /image ({IMAGE}); '
        'looking for publishers of audio /audio, transcript /transcript'
    ]
    log.report_changes([coming(Role.IMAGE, 0)], now_s=0.2, silent_after_s=2.0)
    assert console.read() == []  # it was said already


def test_a_subscription_that_is_made_or_changed_is_a_line(tell):
    assert tell(1, coming(Role.IMAGE, 0)) == [
        f'info image: subscribed to /image ({IMAGE}, best effort, volatile)'
    ]
    assert tell(2, coming(Role.IMAGE, 0)) == []
    (line,) = tell(3, coming(Role.IMAGE, 0, type_name='sensor_msgs/msg/CompressedImage'))
    assert 'sensor_msgs/msg/CompressedImage' in line
    (line,) = tell(4, report(Role.IMAGE, publishers=1))
    assert line == 'info image: /image is published with another type'


def test_what_is_missing_after_five_seconds_is_named_once(tell):
    assert tell(4.9) == []
    lines = tell(5.0)
    assert lines == [
        f'warning {role}: missing 5 s after the activation: /{role}: nobody publishes; '
        f'start the driver or remap {role}'
        for role in (Role.IMAGE, Role.AUDIO, Role.TRANSCRIPT)
    ]
    assert tell(6.0) == tell(600.0) == []
    lines = tell(601.0, coming(Role.IMAGE, 1))
    assert lines[-1] == 'info image: /image comes now, after 601.0 s'


def test_a_problem_is_the_reason(tell):
    wrong = report(Role.IMAGE, publishers=1, problems=('/image: expected Image, but X came',))
    lines = tell(5.0, wrong, coming(Role.AUDIO, 3), coming(Role.TRANSCRIPT, 1))
    (line,) = [line for line in lines if line.startswith('warning')]
    assert line.endswith('activation: /image: expected Image, but X came')


def test_sound_that_nobody_explains_is_named(tell):
    sound = coming(Role.AUDIO, 100)
    sound.dropped['audio info'] = 100
    lines = tell(5.0, sound, coming(Role.IMAGE, 9))
    assert any(line.startswith('warning audio_info: missing') for line in lines)


def test_what_goes_silent_and_comes_back_is_a_line_each(tell):
    tell(1.0, coming(Role.IMAGE, 10, age_s=0.0))
    assert tell(2.9, coming(Role.IMAGE, 10, age_s=1.9)) == []
    (line,) = tell(3.2, coming(Role.IMAGE, 10, age_s=2.2))
    assert line.startswith('warning image: /image: 1 publisher(s), but no message for 2.2 s')
    assert tell(4.0, coming(Role.IMAGE, 10, age_s=3.0)) == []
    assert tell(4.5, coming(Role.IMAGE, 11)) == ['info image: /image comes again, after 3.5 s']
    (line,) = tell(9.0, report(Role.IMAGE, received=11, age_s=4.6, type_name=IMAGE, qos='x'))[1:2]
    assert 'nobody publishes' in line


def test_a_slow_camera_does_not_fill_the_log(tell):
    """An image every three seconds, where two without one are a pause."""
    lines, received = [], 0

    def show(begin_s, end_s, period_s):
        nonlocal received
        for tenth in range(begin_s * 10, end_s * 10):
            received += tenth % round(period_s * 10) == 0
            age_s = tenth % round(period_s * 10) / 10
            found = tell(tenth / 10, coming(Role.IMAGE, received, age_s=age_s))
            lines.extend(line for line in found if 'no message for' in line)

    show(10, 600, 3.0)
    assert len(lines) == 1
    show(600, 700, 0.1)  # it is steady now, and pauses are news again
    show(700, 720, 20.0)
    assert len(lines) == 2


def test_people_do_not_always_speak(tell):
    tell(1.0, coming(Role.TRANSCRIPT, 1))
    assert not any('transcript' in x for x in tell(60.0, coming(Role.TRANSCRIPT, 1, age_s=59.0)))


def test_a_real_node_says_what_it_hears(world, capfd):
    logged = []

    def line(pattern):
        logged.extend(capfd.readouterr().err.splitlines())
        return any(re.search(pattern, text) for text in logged)

    world.recognize(silent_after_s=0.5)
    ns = world.namespace
    assert line(rf'active: subscribed to audio_info {ns}/audio_info \(.*AudioInfo\); looking for ')
    camera = world.camera()
    timer = world.every(0.05, camera, world.image)
    world.spin_until(lambda: line(rf'image: subscribed to {ns}/image \({IMAGE}, best effort, '))
    world.spin_until(lambda: line(rf'audio: missing 5 s after the activation: {ns}/audio: nobody'))
    assert not line('image: missing')
    timer.cancel()
    world.spin_until(lambda: line(rf'image: {ns}/image: 1 publisher\(s\), but no message for'))
    world.every(0.05, camera, world.image)
    world.spin_until(lambda: line(rf'image: {ns}/image comes again, after '))


@pytest.mark.parametrize(
    ('parameters', 'topic'),
    [
        ({'topics__image_transport': 'raw'}, 'image'),
        ({'topics__image_transport': 'compressed'}, 'image/compressed'),
        ({'topics__audio_type': 'audio_common_msgs/msg/AudioDataStamped'}, 'audio'),
        ({'topics__transcript_type': 'std_msgs/msg/String'}, 'transcript'),
        ({}, 'audio_info'),
    ],
)
def test_an_input_whose_type_is_set_is_on_the_graph_before_a_publisher(world, parameters, topic):
    world.recognize(**parameters)
    world.spin_until(lambda: world.node.count_subscribers(topic))
