"""Key points on the image topic: a node recognises from them as from pictures."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('rclpy')

from factories.bodies import SIZE_PX, STANDING
from factories.networks import KEYED

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]


def key_points(stamp_ns: int, raised_px: float):
    """Make a message of a body whose left hand is raised so far."""
    from activity_recognition.msg import KeyPoints

    places = {**STANDING, 'left_wrist': np.subtract(STANDING['left_wrist'], (0, raised_px))}
    message = KeyPoints(width=SIZE_PX[0], height=SIZE_PX[1], names=list(places))
    message.x = [float(x) for x, _ in places.values()]
    message.y = [float(y) for _, y in places.values()]
    message.header.frame_id = 'tracker'
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
    return message


def test_a_node_decides_on_key_points(world, seen):
    from activity_recognition.msg import KeyPoints

    decisions = world.activities()
    diagnoses = world.diagnoses()
    # Advertised before the node looks: of the types an image topic may have, this one is there.
    tracker = world.advertise('image', KeyPoints, reliable=False)
    world.recognize()
    world.matched(tracker)
    stamps = [world.now_ns() + index * 100_000_000 for index in range(10)]
    for index, stamp_ns in enumerate(stamps):
        world.deliver(tracker, key_points(stamp_ns, 3.0 * index))
    shown = world.spin_until(lambda: [found for found in decisions if seen(found)])
    assert seen(shown[0]) == {'video'}
    assert shown[0].header.frame_id == 'tracker'
    stamp = shown[0].header.stamp
    assert stamp.sec * 10**9 + stamp.nanosec in stamps
    world.spin_until(lambda: diagnoses.value('image', 'received') == '10')
    assert diagnoses.value('image', 'type') == 'activity_recognition/msg/KeyPoints'


def test_a_message_that_contradicts_itself_is_a_counted_drop(world):
    from activity_recognition.msg import KeyPoints

    diagnoses = world.diagnoses()
    tracker = world.advertise('image', KeyPoints, reliable=False)
    world.recognize()
    world.matched(tracker)
    wrong = key_points(world.now_ns(), 0.0)
    wrong.x = wrong.x[:3]
    world.deliver(tracker, wrong)
    world.spin_until(lambda: diagnoses.value('image', 'unreadable: key point number') == '1')


@pytest.fixture
def keyed_world(worlds):
    """A recogniser whose network takes key points."""
    return worlds(KEYED, 'keyed')


def test_a_network_of_key_points_decides_on_them(keyed_world, seen):
    from activity_recognition.msg import KeyPoints

    world = keyed_world
    decisions = world.activities()
    tracker = world.advertise('image', KeyPoints, reliable=False)
    world.recognize()
    world.matched(tracker)
    for index in range(10):
        world.deliver(tracker, key_points(world.now_ns(), 3.0 * index))
    shown = world.spin_until(lambda: [found for found in decisions if seen(found)])
    assert seen(shown[0]) == {'video'}


def test_images_for_a_network_of_key_points_are_counted_and_explained(keyed_world, seen):
    world = keyed_world
    decisions, diagnoses = world.activities(), world.diagnoses()
    from sensor_msgs.msg import Image

    camera = world.advertise('image', Image, reliable=False)
    world.recognize()
    world.matched(camera)
    for _ in range(8):
        world.deliver(camera, world.image())
    reason = 'unreadable: image without key points'
    world.spin_until(lambda: diagnoses.value('image', reason) == '8')
    for words in (
        'could not be used; the last: image without key points: the checkpoint takes the key',
        'got sensor_msgs/msg/Image; remap image to the topic of a skeleton tracker',
    ):
        world.spin_until(lambda words=words: diagnoses.says('image', words))
    assert not any(seen(found) for found in decisions)


@pytest.fixture
def finding_world(worlds, tmp_path):
    """A recogniser before whose network a pose network finds key points in images."""
    pytest.importorskip('ai_edge_litert')
    from factories.pose import FINDING, made_up_pose

    with made_up_pose(tmp_path / 'pose'):
        yield worlds(FINDING, 'finding')


def test_key_points_are_found_in_images(finding_world, seen):
    from sensor_msgs.msg import Image

    world = finding_world
    decisions, diagnoses = world.activities(), world.diagnoses()
    camera = world.advertise('image', Image, reliable=False)
    world.recognize()
    world.matched(camera)
    for _ in range(10):
        world.deliver(camera, world.image())
    shown = world.spin_until(lambda: [found for found in decisions if seen(found)])
    assert seen(shown[0]) == {'video'}
    world.spin_until(lambda: diagnoses.value('image', 'received') == '10')


def test_without_the_weights_the_node_says_which_command_gets_them(worlds, tmp_path, monkeypatch):
    from activity_recognition.errors import ActivityRecognitionError
    from factories.pose import FINDING

    monkeypatch.setenv('ACTIVITY_RECOGNITION_WEIGHTS', str(tmp_path))
    world = worlds(FINDING, 'finding')
    node = world.make_recognizer()
    with pytest.raises(ActivityRecognitionError, match='weights fetch movenet_lightning'):
        world.there(node.start)
