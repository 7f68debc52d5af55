"""A recogniser whose network takes inertial measurements alone, over real DDS."""

from __future__ import annotations

import itertools

import pytest

pytest.importorskip('rclpy')

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]


def measurement(world, number: int):
    """Return a message stamped now."""
    from sensor_msgs.msg import Imu

    message = Imu()
    nanoseconds = world.now_ns()
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(nanoseconds, 10**9)
    message.header.frame_id = 'wrist'
    message.orientation_covariance[0] = -1.0
    message.linear_acceleration.z = 9.81
    message.linear_acceleration.x = float(number % 7)
    message.angular_velocity.y = float(number % 3) - 1.0
    return message


@pytest.mark.parametrize('reliable', [True, False], ids=['reliable', 'sensor-data'])
def test_it_subscribes_to_the_sensor_alone_and_decides(world_of, reliable):
    from sensor_msgs.msg import Image, Imu

    world = world_of('imu')
    image = world.advertise('image', Image)
    sensor = world.advertise('imu', Imu, reliable=reliable)
    activities, diagnoses = world.activities(), world.diagnoses()
    world.recognize(sync__decision_rate_hz=20.0)
    world.matched(sensor)
    numbers = itertools.count()
    world.every(0.01, sensor, lambda: measurement(world, next(numbers)))
    world.every(0.05, image, world.image)
    world.spin_until(lambda: sum(bool(message.scores) for message in activities) > 10)
    assert image.get_subscription_count() == 0
    assert {tuple(item.modality for item in m.evidence) for m in activities} == {('imu',)}
    decided = [message for message in activities if message.scores]
    assert all(item.present and item.label for m in decided[-5:] for item in m.evidence)
    world.spin_until(lambda: diagnoses.status('imu'))
    assert diagnoses.status('image') is diagnoses.status('audio') is None
    world.spin_until(lambda: int(diagnoses.value('imu', 'used') or 0) > 0)


def test_measurements_that_are_none_are_counted(world_of):
    from sensor_msgs.msg import Imu

    world = world_of('imu')
    sensor = world.advertise('imu', Imu)
    diagnoses = world.diagnoses()
    world.recognize()
    world.matched(sensor)

    def none():
        message = measurement(world, 0)
        message.angular_velocity_covariance[0] = -1.0
        return message

    world.every(0.01, sensor, none)
    world.spin_until(lambda: diagnoses.says('imu', 'angular_velocity'))
