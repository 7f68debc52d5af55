"""Recordings of key points are played as they were recorded."""

import numpy as np
import pytest

pytest.importorskip('rclpy')

from rclpy.qos import qos_profile_sensor_data

from activity_recognition.bags import import_key_points
from activity_recognition.sensors.decoders import Role
from factories.bodies import SIZE_PX, STANDING

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]

COUNT = 5


def test_key_points_come_on_the_image_topic(stage, finish, tmp_path):
    joints = np.tile(np.array(list(STANDING.values()), np.float32), (COUNT, 1, 1))
    joints[:, 9, 1] -= np.arange(COUNT)
    np.savez(
        tmp_path / 'a.npz',
        joints=joints,
        names='coco17',
        t_s=np.arange(COUNT) / 10,
        image_size=SIZE_PX,
    )
    recording = import_key_points(tmp_path / 'a.npz', tmp_path / 'bag').path
    kind = ('activity_recognition/msg/KeyPoints', qos_profile_sensor_data)
    ears = stage.listen(**{'/image': kind})
    player = stage.play(recording, playback__wait_for_subscribers_s=0.5)
    finish(player)
    assert player.playback.published(Role.IMAGE) == COUNT
    ears.wait_count('/image', COUNT)
    for message, places in zip(ears.read('/image'), joints, strict=True):
        assert message.names == list(STANDING)
        assert (message.width, message.height) == SIZE_PX
        np.testing.assert_array_equal(np.stack([message.x, message.y], axis=1), places)
    stamps = ears.stamps('/image')
    assert np.diff(stamps).tolist() == [100_000_000] * (COUNT - 1)
