"""What is published: labels, heartbeat, overlay, live settings."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('rclpy')

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]


def test_labels_are_latched_and_their_version_is_that_of_the_list(world):
    from activity_recognition.msg import ActivityLabels
    from activity_recognition.ros.recognizing.conversions import labels_message

    node = world.recognize()
    world.spin_until(lambda: world.node.count_publishers('activity_labels'))
    heard = world.hear('activity_labels', ActivityLabels, latched=True)
    (late,) = world.spin_until(lambda: heard)
    assert late.labels == ['none', 'waving', 'knocking', 'typing']
    assert len(late.checkpoint_id) == 12
    same = labels_message(late.labels, checkpoint_id='x', stamp_ns=0)
    other = labels_message(late.labels[::-1], checkpoint_id='x', stamp_ns=0)
    assert late.label_set_version == same.label_set_version != other.label_set_version
    assert node.failure is None


def test_decisions_are_a_heartbeat_that_nobody_late_hears_as_news(world):
    from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

    from activity_recognition.msg import ActivityLabels, ActivityStamped

    node = world.recognize(sync__decision_rate_hz=5.0)
    (info,) = world.spin_until(lambda: world.node.get_publishers_info_by_topic('activity'))
    offered = info.qos_profile
    assert offered.reliability == ReliabilityPolicy.RELIABLE
    assert offered.durability == DurabilityPolicy.TRANSIENT_LOCAL
    assert offered.lifespan.nanoseconds == pytest.approx(0.6e9, rel=1e-6)
    heard = world.activities()
    world.spin_until(lambda: heard)
    world.there(node.trigger_deactivate)
    world.spin_for(1.0)
    late = world.hear('activity', ActivityStamped, latched=True)
    labels = world.hear('activity_labels', ActivityLabels, latched=True)
    world.spin_until(lambda: labels and world.heard['activity'].get_publisher_count())
    assert late == []


def test_a_decision_lives_three_periods_of_the_rate_in_force(world):
    world.recognize(sync__decision_rate_hz=5.0)
    activities = world.activities()
    world.spin_until(lambda: activities)
    assert set_parameter(world, 'sync.decision_rate_hz', 2.0).successful

    def offered():
        return world.node.get_publishers_info_by_topic('activity')

    world.spin_until(lambda: [i.qos_profile.lifespan.nanoseconds for i in offered()] == [1.5e9])
    activities.clear()
    world.spin_until(lambda: len(activities) > 2)
    world.there(world.recognizers[0].trigger_deactivate)
    world.spin_until(lambda: activities[-1].status == activities[-1].STATUS_NO_DATA)
    count = len(activities)
    assert set_parameter(world, 'sync.decision_rate_hz', 4.0).successful
    world.there(world.recognizers[0].trigger_activate)
    world.spin_until(lambda: [i.qos_profile.lifespan.nanoseconds for i in offered()] == [0.75e9])
    world.spin_until(lambda: len(activities) > count)


def test_the_overlay_is_drawn_only_while_somebody_watches(world, monkeypatch):
    from sensor_msgs.msg import Image

    from activity_recognition.ros.recognizing import stream_publishers as outcome

    drawn = []
    draw = outcome.draw
    monkeypatch.setattr(outcome, 'draw', lambda *args: drawn.append(1) or draw(*args))
    world.recognize(overlay_rate_hz=20.0)
    activities, camera = world.activities(), world.camera()
    world.every(0.05, camera, world.image)
    world.spin_until(lambda: sum(bool(m.scores) for m in activities) > 8)
    assert drawn == []
    pictures = world.hear('recognizer/overlay', Image, best_effort=True)
    world.spin_until(lambda: len(pictures) > 2)
    picture = pictures[-1]
    assert (picture.encoding, picture.width, picture.height) == ('rgb8', 640, 480)
    assert picture.header.frame_id == 'camera'
    assert np.frombuffer(picture.data, np.uint8).std() > 10
    world.node.destroy_subscription(world.heard['recognizer/overlay'])
    world.spin_until(lambda: not world.node.count_subscribers('recognizer/overlay'))
    world.spin_for(0.2)
    count = len(drawn)
    world.spin_for(0.5)
    assert len(drawn) == count


def test_thresholds_smoothing_and_rates_change_live(world):
    world.recognize(smoothing__unknown_threshold=0.0)
    activities, camera = world.activities(), world.camera()
    world.every(0.02, camera, world.image)
    world.spin_until(lambda: any(m.label for m in activities))
    assert set_parameter(world, 'smoothing.unknown_threshold', 1).successful
    world.spin_until(lambda: activities[-1].status == activities[-1].STATUS_UNKNOWN)
    unknown = activities[-1]
    assert (unknown.label, unknown.class_id) == ('', -1)
    assert unknown.confidence > 0
    assert unknown.scores
    assert set_parameter(world, 'smoothing.unknown_threshold', 0.0).successful
    world.spin_until(lambda: activities[-1].label)
    assert set_parameter(world, 'sync.decision_rate_hz', 2.0).successful

    def gaps_s():
        stamps = [m.header.stamp.sec + m.header.stamp.nanosec * 1e-9 for m in activities[-4:]]
        return np.diff(stamps)

    world.spin_until(lambda: np.median(gaps_s()) == pytest.approx(0.5, abs=0.1))


def test_what_is_not_live_is_refused_while_configured(world):
    node = world.recognize()
    result = set_parameter(world, 'checkpoint', '/elsewhere')
    assert not result.successful
    assert 'deactivate and clean up first' in result.reason
    assert not set_parameter(world, 'smoothing.unknown_threshold', 1.5).successful
    assert not set_parameter(world, 'smoothing.unknown_threshold', 'high').successful
    assert node.get_parameter('smoothing.unknown_threshold').value == 0.3
    world.there(node.trigger_deactivate)
    world.there(node.trigger_cleanup)
    assert set_parameter(world, 'checkpoint', '/elsewhere').successful


def test_whom_it_is_about_is_told(world):
    world.recognize(subject_id='person_7')
    activities = world.activities()
    world.spin_until(lambda: activities)
    assert {m.subject_id for m in activities} == {'person_7'}


def test_diagnostics_report_in_every_state(world):
    node = world.make_recognizer()
    diagnoses = world.diagnoses()
    world.spin_until(lambda: diagnoses.says('state', 'unconfigured'))
    world.there(node.trigger_configure)
    world.spin_until(lambda: diagnoses.says('state', 'inactive'))
    world.there(node.trigger_activate)
    world.spin_until(lambda: diagnoses.status('engine'))
    status = diagnoses.status('engine')
    assert 'cpu' in status.hardware_id
    assert len(diagnoses.value('engine', 'checkpoint')) == 12


def set_parameter(world, name: str, value: object):
    from rcl_interfaces.srv import SetParameters
    from rclpy.parameter import Parameter

    request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
    return world.call(SetParameters, 'recognizer/set_parameters', request).results[0]


def test_all_streams_together_wait_so_long_for_acknowledgements(monkeypatch):
    from activity_recognition.ros.recognizing.results import Results

    waited = []

    class Deaf:
        def wait_for_all_acked(self, timeout):
            waited.append(timeout.nanoseconds / 1e9)

    now_s = [100.0]
    monkeypatch.setattr(
        'activity_recognition.ros.recognizing.results.time.monotonic', lambda: now_s[0]
    )
    results = Results.__new__(Results)
    results._activity = Deaf()
    for passed_s in (0.0, 0.3, 9.0):
        now_s[0] = 100.0 + passed_s
        results.flush(100.5)
    assert waited == [0.5, pytest.approx(0.2), 0.0]
