"""Recordings that hold key points in the place of images."""

import numpy as np
import pytest

from activity_recognition.bags import RecordingReader, RecordingWriter
from activity_recognition.bags.topics import Topic, TopicNames, choose_topics
from activity_recognition.errors import RecordingError
from activity_recognition.keypoints import draw_figure
from activity_recognition.types import Frame
from factories.bodies import STANDING, body
from factories.networks import KEYED, TINY

KEY_POINTS, SKELETON = 'activity_recognition/msg/KeyPoints', 'hri_msgs/msg/Skeleton2D'
IMAGE = 'sensor_msgs/msg/Image'
START_NS = 10**18


def frame(index: int) -> Frame:
    x, y = STANDING['left_wrist']
    points = body(left_wrist=(x, y + 5 * index), right_knee=None)
    return Frame(
        stamp_ns=START_NS + index * 100_000_000,
        arrival_ns=START_NS + index * 100_000_000 + 5_000_000,
        image=draw_figure(points, least_side_px=320),
        frame_id='camera',
        key_points=points,
    )


def topic(name: str, type_name: str, count: int = 3) -> Topic:
    return Topic(name=name, type_name=type_name, count=count)


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_what_was_written_is_read_to_the_last_digit(tmp_path, storage):
    with RecordingWriter(tmp_path / 'bag', storage=storage) as writer:
        for index in range(5):
            writer.write(frame(index))
    with RecordingReader(tmp_path / 'bag') as reader:
        assert reader.roles == TopicNames(
            image='/camera/key_points', audio='', audio_info='', transcript=''
        )
        found = list(reader.samples())
        assert not reader.drops.total
    assert len(found) == 5
    for index, sample in enumerate(found):
        wanted = frame(index)
        assert (sample.stamp_ns, sample.arrival_ns) == (wanted.stamp_ns, wanted.arrival_ns)
        assert sample.frame_id == 'camera'
        assert sample.key_points.names == wanted.key_points.names
        assert (sample.key_points.width_px, sample.key_points.height_px) == (320, 240)
        np.testing.assert_array_equal(sample.key_points.joints_px, wanted.key_points.joints_px)
        np.testing.assert_array_equal(sample.key_points.scores, wanted.key_points.scores)
        np.testing.assert_array_equal(sample.image, wanted.image)


class TestChoice:
    def test_images_go_before_key_points(self):
        topics = [topic('/camera', IMAGE), topic('/humans/bodies/a/skeleton2d', SKELETON)]
        assert choose_topics(topics).image == '/camera'
        topics.append(topic('/camera/key_points', KEY_POINTS))
        assert choose_topics(topics).image == '/camera'

    def test_key_points_go_before_images_for_a_network_that_takes_them(self):
        topics = [topic('/camera', IMAGE), topic('/humans/bodies/a/skeleton2d', SKELETON)]
        chosen = choose_topics(topics, stand_ins_first=True)
        assert chosen.image == '/humans/bodies/a/skeleton2d'
        assert choose_topics(topics[:1], stand_ins_first=True).image == '/camera'

    def test_a_reader_for_such_a_network_finds_them_beside_images(self, tmp_path):
        image = Frame(stamp_ns=START_NS, arrival_ns=START_NS, image=np.zeros((4, 4, 3), np.uint8))
        with RecordingWriter(tmp_path / 'bag') as writer:
            writer.write(image)
            writer.write(frame(1))
        with RecordingReader.for_model(tmp_path / 'bag', KEYED) as reader:
            [found] = reader.samples()
            assert found.key_points is not None
            assert not reader.drops.total
        with RecordingReader.for_model(tmp_path / 'bag', TINY) as reader:
            [found] = reader.samples()
            assert found.key_points is None

    def test_without_images_the_only_body_is_taken(self):
        topics = [topic('/camera', IMAGE, 0), topic('/humans/bodies/a/skeleton2d', SKELETON)]
        assert choose_topics(topics).image == '/humans/bodies/a/skeleton2d'

    def test_several_bodies_have_to_be_told_apart(self):
        topics = [topic(f'/humans/bodies/{name}/skeleton2d', SKELETON) for name in 'ab']
        with pytest.raises(RecordingError, match='several topics could be the image'):
            choose_topics(topics)
        named = choose_topics(topics, TopicNames(image='/humans/bodies/b/skeleton2d'))
        assert named.image == '/humans/bodies/b/skeleton2d'

    def test_they_can_be_asked_for_beside_images(self):
        topics = [topic('/camera', IMAGE), topic('/points', KEY_POINTS)]
        assert choose_topics(topics, TopicNames(image='/points')).image == '/points'
