"""``engine.backend`` as a parameter, and what a node says that cannot have what was asked for."""

from __future__ import annotations

import shutil
import sys

import pytest

pytest.importorskip('rclpy')

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]


@pytest.fixture
def logged(world):
    """What the nodes of this world log."""
    from rcl_interfaces.msg import Log

    return world.hear('/rosout', Log, latched=True)


def says(world, logged, level: int, words: str):
    """Wait until the recogniser here has logged some words, and return the line."""

    def found():
        return next(
            (
                line.msg
                for line in logged
                if line.level == level
                and words in line.msg
                and line.name.startswith(world.namespace.strip('/'))
            ),
            '',
        )

    return world.spin_until(found)


def levels():
    from rcl_interfaces.msg import Log

    return (
        int.from_bytes(x, 'little') if isinstance(x, bytes) else x for x in (Log.INFO, Log.ERROR)
    )


def change(world, label: str) -> bool:
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState

    request = ChangeState.Request(transition=Transition(label=label))
    return world.call(ChangeState, 'recognizer/change_state', request).success


def set_backend(world, name: str):
    from rcl_interfaces.srv import SetParameters
    from rclpy.parameter import Parameter

    parameter = Parameter('engine.backend', value=name).to_parameter_msg()
    request = SetParameters.Request(parameters=[parameter])
    return world.call(SetParameters, 'recognizer/set_parameters', request).results[0]


def test_it_is_a_described_parameter(world):
    from rcl_interfaces.srv import DescribeParameters, GetParameters

    world.make_recognizer()
    names = ['engine.backend']
    (described,) = world.call(
        DescribeParameters,
        'recognizer/describe_parameters',
        DescribeParameters.Request(names=names),
    ).descriptors
    for name in ('torch', 'compile', 'onnxruntime', 'onnxruntime-int8', 'cudagraph', 'auto'):
        assert name in described.description
    assert 'configured' in described.additional_constraints
    (value,) = world.call(
        GetParameters, 'recognizer/get_parameters', GetParameters.Request(names=names)
    ).values
    assert value.string_value == 'auto'


def test_a_wrong_one_is_one_sentence_and_can_be_put_right(world):
    node = world.make_recognizer(engine__backend='tensorrt')
    assert not change(world, 'configure')
    assert "engine.backend must be one of 'auto', 'torch'" in str(node.failure)
    assert "got 'tensorrt'" in str(node.failure)
    refusal = set_backend(world, 'openvino')
    assert not refusal.successful
    assert "got 'openvino'" in refusal.reason
    assert set_backend(world, 'torch').successful
    assert change(world, 'configure')
    assert node.failure is None


@pytest.mark.parametrize(
    ('backend', 'words'),
    [
        ('onnxruntime', '`activity-recognition export`'),
        ('cudagraph', 'needs a CUDA device'),
    ],
)
def test_one_that_cannot_be_had_is_said_and_the_node_works(world, logged, backend, words):
    if backend == 'onnxruntime':
        pytest.importorskip('onnxruntime')
    info, error = levels()
    node = world.make_recognizer(engine__backend=backend, engine__device='cpu')
    activities = world.activities()
    assert change(world, 'configure')
    assert says(world, logged, error, words)
    assert f'torch instead of {backend}' in says(world, logged, info, 'with 4 activities')
    assert change(world, 'activate')
    assert node.failure is None
    camera = world.camera()
    world.every(0.05, camera, world.image)
    world.spin_until(lambda: any(m.status != m.STATUS_NO_DATA for m in activities))


def test_auto_without_the_package_is_no_error(world, logged, monkeypatch):
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    info, _ = levels()
    node = world.make_recognizer(engine__device='cpu')
    assert change(world, 'configure')
    assert 'by torch' in says(world, logged, info, 'with 4 activities')
    assert not node._session.engine.choice.problem


@pytest.mark.timeout(900)
def test_exported_steps_beside_the_checkpoint_are_used(world, logged, tiny_export, tmp_path):
    pytest.importorskip('onnxruntime')
    folder = tmp_path / 'tiny'
    shutil.copytree(world.checkpoint, folder)
    shutil.copytree(tiny_export, folder / 'onnx')
    info, _ = levels()
    world.make_recognizer(
        checkpoint=str(folder), engine__backend='onnxruntime', engine__device='cpu'
    )
    activities = world.activities()
    assert change(world, 'configure')
    assert 'by onnxruntime' in says(world, logged, info, 'with 4 activities')
    assert change(world, 'activate')
    camera = world.camera()
    world.every(0.05, camera, world.image)
    world.spin_until(lambda: any(m.status != m.STATUS_NO_DATA for m in activities))
