"""People over real DDS: trackers with messages that are built here, each person's activities out.

Tracker and recogniser are processes of their own, for the packages are not installed in this one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager

import pytest

pytest.importorskip('rclpy')

from activity_recognition.sensors.definitions import KNOWN_DEFINITIONS
from factories.foreign import built, environment_with

pytestmark = [
    pytest.mark.ros,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning"),
]

COMMON = """
import array, os, sys
import rclpy
from sensor_msgs.msg import Image
from std_msgs.msg import Header, String
from rclpy.qos import QoSProfile, DurabilityPolicy
namespace, *options = sys.argv[1:]
rclpy.init(args=[])
node = rclpy.create_node('tracker', namespace=namespace)
camera = node.create_publisher(Image, 'image', rclpy.qos.qos_profile_sensor_data)
here = ['a', 'b']
PLACES = {'a': 10.0, 'b': 50.0}
def cue(message):
    here[:] = filter(None, message.data.split(','))
node.create_subscription(String, 'cue', cue, 10)
def show():
    header = Header(frame_id='camera', stamp=node.get_clock().now().to_msg())
    image = Image(header=header, height=48, width=64, encoding='rgb8', step=192)
    image.data = array.array('B', os.urandom(48 * 192))
    track(header)
    camera.publish(image)
def run():
    node.create_timer(0.1, show)
    rclpy.spin(node)
"""

VISION = (
    COMMON
    + """
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose
publisher = node.create_publisher(Detection2DArray, 'detections', 10)
def track(header):
    message = Detection2DArray(header=header)
    for name in here:
        result = ObjectHypothesisWithPose()
        result.hypothesis.class_id, result.hypothesis.score = 'person', 0.9
        found = Detection2D(header=header, id=name, results=[result])
        found.bbox.center.position.x, found.bbox.center.position.y = PLACES[name], 24.0
        found.bbox.size_x, found.bbox.size_y = 12.0, 30.0
        message.detections.append(found)
    publisher.publish(message)
run()
"""
)

YOLO = (
    COMMON
    + """
from yolo_msgs.msg import Detection, DetectionArray
publisher = node.create_publisher(DetectionArray, 'detections', rclpy.qos.qos_profile_sensor_data)
def track(header):
    message = DetectionArray(header=header)
    for name in here:
        found = Detection(class_id=0, class_name='person', score=0.9, id=name)
        found.bbox.center.position.x, found.bbox.center.position.y = PLACES[name], 24.0
        found.bbox.size.x, found.bbox.size.y = 12.0, 30.0
        message.detections.append(found)
    message.detections.append(Detection(class_id=56, class_name='chair', id='c'))
    publisher.publish(message)
run()
"""
)

HUMANS = (
    COMMON
    + """
from hri_msgs.msg import IdsList, LiveSpeech, NormalizedRegionOfInterest2D
latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
bodies = node.create_publisher(IdsList, 'humans/bodies/tracked', 10)
persons = node.create_publisher(IdsList, 'humans/persons/tracked', latched)
regions = {
    name: node.create_publisher(
        NormalizedRegionOfInterest2D,
        f'humans/bodies/{name}/roi',
        rclpy.qos.qos_profile_sensor_data,
    )
    for name in PLACES
}
body_of = node.create_publisher(String, 'humans/persons/ann/body_id', latched)
voice_of = node.create_publisher(String, 'humans/persons/ann/voice_id', latched)
speech = node.create_publisher(LiveSpeech, 'humans/voices/v1/speech', 10)
if 'named' in options:
    persons.publish(IdsList(ids=['ann']))
    body_of.publish(String(data='a'))
    voice_of.publish(String(data='v1'))
def name(message):
    body_of.publish(message)
node.create_subscription(String, 'name', name, 10)
def track(header):
    bodies.publish(IdsList(header=header, ids=here))
    for name in here:
        x = PLACES[name] / 64
        region = NormalizedRegionOfInterest2D(header=header, c=0.9)
        region.xmin, region.xmax, region.ymin, region.ymax = x - 0.1, x + 0.1, 0.2, 0.8
        regions[name].publish(region)
    if 'named' in options:
        speech.publish(LiveSpeech(header=header, final='hello robot', confidence=0.9))
run()
"""
)


def definitions_of(package, *type_names):
    """Return the published definitions of some types with what they use, by name of the message."""
    return {
        name.rpartition('/')[2]: text
        for type_name in type_names
        for name, text in KNOWN_DEFINITIONS[f'{package}/msg/{type_name}'].items()
    }


@pytest.fixture(scope='module')
def foreign(tmp_path_factory):
    """Build what trackers publish; return the environment that has it."""
    packages = {
        'hri_msgs': (('IdsList', 'NormalizedRegionOfInterest2D', 'LiveSpeech'), ()),
        'vision_msgs': (('Detection2DArray',), ('geometry_msgs',)),
        'yolo_msgs': (('DetectionArray',), ('geometry_msgs',)),
    }
    return environment_with(
        *(
            built(tmp_path_factory.mktemp(name), name, definitions_of(name, *types), needs=needs)
            for name, (types, needs) in packages.items()
        )
    )


@contextmanager
def running(world, environment, script, *options, parameters=(), recognizer_has_types=True):
    """Start a recogniser and a tracker beside it."""
    recognizer = [sys.executable, '-m', 'activity_recognition.ros.recognizing.recognizer_node']
    recognizer += ['--ros-args', '-r', f'__ns:={world.namespace}', '-p', 'autostart:=true']
    recognizer += ['-p', f'checkpoint:={world.checkpoint}', '-p', 'engine.device:=cpu']
    recognizer += ['-p', 'diagnostics_rate_hz:=10.0', '-p', 'people.humans:=humans']
    recognizer += [word for given in parameters for word in ('-p', given)]
    tracker = [sys.executable, '-c', script, world.namespace, *options]
    of_recognizer = environment if recognizer_has_types else dict(os.environ)
    commands = ((recognizer, of_recognizer), (tracker, environment))
    started = [subprocess.Popen(command, env=env) for command, env in commands]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


class Heard:
    """What is said of people."""

    def __init__(self, world):
        from activity_recognition.msg import ActivityStamped

        self.world = world
        self.people = world.hear('activities', ActivityStamped)
        self.scene = world.activities()
        self.diagnoses = world.diagnoses()

    def of(self, subject):
        """Return the messages about one person."""
        return [message for message in self.people if message.subject_id == subject]

    def until(self, subject, condition):
        """Wait for a message about somebody."""
        self.world.spin_until(lambda: any(condition(m) for m in self.of(subject)))

    def until_left(self, subject):
        """Wait until somebody has left: the last message says NO_DATA, and knows of no modality."""
        self.world.spin_until(lambda: self.of(subject) and has_left(self.of(subject)[-1]))

    def cue(self, topic, text):
        """Tell the tracker something."""
        from std_msgs.msg import String

        publisher = self.world.publishers.get(topic) or self.world.advertise(topic, String)
        self.world.matched(publisher)
        publisher.publish(String(data=text))


def has_left(message):
    return message.status == message.STATUS_NO_DATA and not any(e.present for e in message.evidence)


def sees(message):
    return any(e.modality == 'video' and e.present for e in message.evidence)


@pytest.mark.parametrize('script', [VISION, YOLO], ids=['vision_msgs', 'yolo_msgs'])
def test_everybody_whom_a_tracker_follows_is_told_apart(world, foreign, script):
    heard = Heard(world)
    with running(world, foreign, script):
        for name in 'ab':
            heard.until(name, sees)
        world.spin_until(lambda: any(sees(message) for message in heard.scene))
        assert {message.header.frame_id for message in heard.people} == {'camera'}
        assert {message.subject_id for message in heard.scene} == {''}
        assert {message.subject_id for message in heard.people} == {'a', 'b'}
        (offer,) = world.node.get_publishers_info_by_topic(f'{world.namespace}/activities')
        assert offer.qos_profile.reliability.name == 'RELIABLE'
        assert offer.qos_profile.durability.name == 'VOLATILE'
        world.spin_until(lambda: heard.diagnoses.value('people', 'recognised') == 'a, b')

        heard.cue('cue', 'a')
        heard.until_left('b')
        before = len(heard.of('a'))
        world.spin_until(lambda: len(heard.of('a')) > before + 5)
        assert not any(has_left(message) for message in heard.of('a'))
        assert sum(has_left(message) for message in heard.of('b')) == 1

        last = len(heard.of('b'))
        heard.cue('cue', 'a,b')
        world.spin_until(lambda: any(sees(message) for message in heard.of('b')[last:]))
        first = next(message for message in heard.of('b')[last:] if sees(message))
        assert first.window_start.sec * 10**9 + first.window_start.nanosec > (
            heard.of('b')[last - 1].header.stamp.sec * 10**9
        )
        world.spin_until(lambda: heard.diagnoses.value('people', 'recognised') == 'a, b')


def test_more_people_than_the_budget_are_named(world, foreign):
    heard = Heard(world)
    with running(world, foreign, VISION, parameters=['people.max:=1']):
        heard.until('a', sees)
        world.spin_until(lambda: heard.diagnoses.says('people', 'left out'))
        assert heard.diagnoses.value('people', 'left out') == 'b'
        assert {message.subject_id for message in heard.people} == {'a'}


def test_bodies_of_rep_155_are_told_apart(world, foreign):
    heard = Heard(world)
    with running(world, foreign, HUMANS):
        for name in 'ab':
            heard.until(name, sees)
        assert {m.header.frame_id for m in heard.of('b') if sees(m)} == {'body_b'}
        world.spin_until(lambda: heard.diagnoses.value('people', 'source') == 'humans')
        heard.cue('cue', 'b')
        heard.until_left('a')
        assert not any(has_left(message) for message in heard.of('b'))


def test_a_person_has_a_name_words_and_a_frame(world, foreign):
    """A late joiner hears the latched names."""
    heard = Heard(world)
    with running(world, foreign, HUMANS, 'named'):
        heard.until('ann', sees)
        assert {m.header.frame_id for m in heard.of('ann')} == {'body_a'}
        heard.until('ann', lambda m: any(e.modality == 'text' and e.present for e in m.evidence))
        heard.until('b', sees)
        assert not any(
            e.modality == 'text' and e.present for m in heard.of('b') for e in m.evidence
        )
        # Her id jumps to the other body.
        before = len(heard.people)
        heard.cue('name', 'b')
        world.spin_until(
            lambda: any(m.header.frame_id == 'body_b' for m in heard.of('ann') if sees(m))
        )
        left = {m.subject_id for m in heard.people[before:] if has_left(m)}
        assert left >= {'ann', 'b'}


@pytest.mark.parametrize(
    ('script', 'package'), [(VISION, 'vision_msgs'), (YOLO, 'yolo_msgs')], ids=['vision', 'yolo']
)
def test_a_package_that_the_recogniser_lacks_is_named(world, foreign, script, package):
    heard = Heard(world)
    with running(world, foreign, script, recognizer_has_types=False):
        world.spin_until(lambda: heard.diagnoses.says('people', f'install the package {package}'))
        world.spin_until(lambda: any(sees(message) for message in heard.scene))
        assert heard.people == []


def test_nobody_is_told_apart_where_that_is_switched_off(world, foreign):
    heard = Heard(world)
    with running(world, foreign, VISION, parameters=["people.source:='none'"]):
        world.spin_until(lambda: sum(sees(message) for message in heard.scene) > 20)
        assert heard.people == []
        assert heard.diagnoses.status('people') is None
        assert world.node.count_publishers(f'{world.namespace}/activities') == 0
