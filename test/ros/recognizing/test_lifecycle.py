"""The lifecycle: what exists in which state, and how a failed configure is put right."""

from __future__ import annotations

import gc
import threading

import pytest

pytest.importorskip('rclpy')

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]


def test_configure_activate_deactivate_cleanup_and_all_over_again(world):
    from lifecycle_msgs.msg import State

    from activity_recognition.msg import ActivityLabels, ActivityStamped

    world.make_recognizer()
    activities, camera = world.activities(), world.advertise('image', image_type())
    labels = world.hear('activity_labels', ActivityLabels, latched=True)
    for lap in range(2):
        change(world, 'configure')
        assert state(world) == State.PRIMARY_STATE_INACTIVE
        assert not camera.get_subscription_count()
        change(world, 'activate')
        world.matched(camera)
        timer = world.every(0.05, camera, world.image)
        world.spin_until(lambda: any(m.status != m.STATUS_NO_DATA for m in activities))
        assert labels[-1].labels == ['none', 'waving', 'knocking', 'typing']
        assert len(labels) == lap + 1
        timer.cancel()
        change(world, 'deactivate')
        world.spin_until(lambda: not camera.get_subscription_count())
        world.spin_until(lambda: activities[-1].status == ActivityStamped.STATUS_NO_DATA)
        last = activities[-1]
        assert (last.label, last.class_id, last.confidence) == ('', -1, 0.0)
        assert [item.modality for item in last.evidence] == ['video', 'audio', 'text']
        assert last.header.frame_id == 'camera'
        change(world, 'cleanup')
        assert state(world) == State.PRIMARY_STATE_UNCONFIGURED
        assert not world.node.count_publishers('activity')
        activities.clear()


def test_shutting_down_an_active_node_says_no_data_and_unsubscribes(world):
    world.recognize()
    activities, camera = world.activities(), world.camera()
    world.every(0.05, camera, world.image)
    world.spin_until(lambda: any(m.status != m.STATUS_NO_DATA for m in activities))
    change(world, 'shutdown')
    world.spin_until(lambda: activities[-1].status == activities[-1].STATUS_NO_DATA)
    assert not camera.get_subscription_count()


def test_a_destroyed_node_leaves_the_graph_without_the_garbage_collector(world):
    gc.collect()
    gc.disable()
    try:
        node = world.recognize()
        entry = (node.get_name(), node.get_namespace())
        world.spin_until(lambda: entry in world.node.get_node_names_and_namespaces())
        world.remove(node)
        world.spin_until(lambda: entry not in world.node.get_node_names_and_namespaces())
    finally:
        gc.enable()


def test_a_wrong_checkpoint_is_one_sentence_and_can_be_put_right(world, tmp_path):
    node = world.make_recognizer(checkpoint=str(tmp_path / 'nowhere'))
    diagnoses = world.diagnoses()
    assert not change(world, 'configure')
    world.spin_until(lambda: diagnoses.says('state', 'expected a checkpoint folder'))
    assert 'nowhere' in str(node.failure)
    (tmp_path / 'damaged').mkdir()
    set_parameter(world, 'checkpoint', str(tmp_path / 'damaged'))
    assert not change(world, 'configure')
    assert 'found an empty folder' in str(node.failure)
    (tmp_path / 'damaged' / 'config.json').write_bytes(
        (world.checkpoint / 'config.json').read_bytes()
    )
    assert not change(world, 'configure')
    assert 'model.safetensors' in str(node.failure)
    set_parameter(world, 'checkpoint', str(world.checkpoint))
    assert change(world, 'configure')
    assert change(world, 'activate')
    assert node.failure is None


@pytest.mark.parametrize(
    ('override', 'value', 'right', 'words'),
    [
        ('engine.device', 'gpu', 'cpu', "'auto', 'cpu'"),
        ('sync.decision_rate_hz', 'often', 5.0, 'expected float in [0, 240]'),
        ('sync.queue_frames', 0, 4, 'expected int in [1, 1000]'),
        ('topics.image_transport', 'h264', 'raw', "'raw', 'compressed'"),
        ('topics.transcript_type', 'String', 'std_msgs/msg/String', 'package/msg/Type'),
        ('topics.audio_sample_format', 'mp3', 'S16LE', 'S16LE'),
        ('topics.audio_channels', 'left', '0', "'mean', 'auto'"),
        ('topics.audio_channels', 2, 'auto-5', 'is topics.audio_num_channels'),
    ],
)
def test_a_wrong_parameter_is_one_sentence_and_can_be_put_right(
    world, override, value, right, words
):
    node = world.make_recognizer(**{override: value})
    assert not change(world, 'configure')
    assert override.rpartition('.')[2] in str(node.failure)
    assert words in str(node.failure)
    assert set_parameter(world, override, right).successful
    assert change(world, 'configure')
    assert change(world, 'activate')


def test_an_activation_that_fails_leaves_nothing_behind_and_can_be_repeated(world, monkeypatch):
    from lifecycle_msgs.msg import State

    from activity_recognition.errors import ConfigError
    from activity_recognition.ros.recognizing.inputs import Inputs

    node = world.make_recognizer()
    camera = world.advertise('image', image_type())
    assert change(world, 'configure')
    before = len(list(node.timers)), len(list(node.subscriptions))
    look = Inputs.look

    def look_and_fail(self):
        look(self)
        raise ConfigError('the inputs are upside down')

    with monkeypatch.context() as patch:
        patch.setattr(Inputs, 'look', look_and_fail)
        assert not change(world, 'activate')
    assert 'upside down' in str(node.failure)
    assert state(world) == State.PRIMARY_STATE_INACTIVE
    assert 'engine' not in {thread.name for thread in threading.enumerate()}
    assert (len(list(node.timers)), len(list(node.subscriptions))) == before
    assert not any(entity.is_activated for entity in node._managed_entities)
    assert change(world, 'activate')
    world.matched(camera)


def test_an_unknown_parameter_is_refused_with_the_nearest_name(world):
    node = world.make_recognizer(**{'smoothing.window_sise': 3})
    assert not change(world, 'configure')
    assert "unknown key 'smoothing.window_sise'" in str(node.failure)
    assert "did you mean 'smoothing.window_size'" in str(node.failure)
    result = set_parameter(world, 'sync.decision_rate', 3.0)
    assert not result.successful
    assert "did you mean 'sync.decision_rate_hz'" in result.reason


def test_parameters_of_ros_itself_are_no_unknown_ones(world):
    world.recognize(
        **{'qos_overrides./x.subscription.depth': 3, 'start_type_description_service': False}
    )


def test_an_unexpected_error_leaves_a_node_that_can_be_configured(world, monkeypatch):
    from lifecycle_msgs.msg import State

    from activity_recognition.inference import MultiStreamEngine

    node = world.make_recognizer()
    with monkeypatch.context() as patch:
        patch.setattr(MultiStreamEngine, 'warm_up', lambda self: 1 / 0)
        assert not change(world, 'configure')
    assert isinstance(node.failure, ZeroDivisionError)
    assert state(world) == State.PRIMARY_STATE_UNCONFIGURED
    assert change(world, 'configure')


def test_parameters_are_described_with_ranges(world):
    from rcl_interfaces.srv import DescribeParameters

    world.make_recognizer()
    names = ['smoothing.unknown_threshold', 'sync.queue_frames', 'engine.device']
    request = DescribeParameters.Request(names=names)
    threshold, queue, device = world.call(
        DescribeParameters, 'recognizer/describe_parameters', request
    ).descriptors
    assert threshold.description == 'Below this confidence the status is UNKNOWN.'
    limits = threshold.floating_point_range[0]
    assert (limits.from_value, limits.to_value) == (0.0, 1.0)
    assert queue.integer_range[0].to_value == 1000
    assert 'configured' in queue.additional_constraints
    assert 'cuda' in device.description


def image_type():
    from sensor_msgs.msg import Image

    return Image


def change(world, label: str) -> bool:
    """Ask for a transition by its label, as ``ros2 lifecycle set`` does."""
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState

    request = ChangeState.Request(transition=Transition(label=label))
    return world.call(ChangeState, 'recognizer/change_state', request).success


def state(world) -> int:
    from lifecycle_msgs.srv import GetState

    return world.call(GetState, 'recognizer/get_state', GetState.Request()).current_state.id


def set_parameter(world, name: str, value: object):
    from rcl_interfaces.srv import SetParameters
    from rclpy.parameter import Parameter

    request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
    return world.call(SetParameters, 'recognizer/set_parameters', request).results[0]
