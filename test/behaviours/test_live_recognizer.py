"""The leaves in a ticking tree against the live recognizer, in process and in another one."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from py_trees.common import Status as Result
from py_trees.composites import Selector, Sequence
from py_trees.trees import BehaviourTree

from activity_recognition.behaviours import (
    ActivityHeld,
    HasNoData,
    IsNone,
    IsSilent,
    IsUnknown,
    ToBlackboard,
)
from activity_recognition.models.checkpoint import save_checkpoint
from factories.networks import TINY, make_system, tokenizer_for

# Loading ROS imports a module that Python deprecates.
pytestmark = [
    pytest.mark.ros,
    pytest.mark.timeout(900),  # a process that loads the network, on a busy machine
    pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning"),
]

LABELS = ('none', 'greeting', 'fallen')


@pytest.fixture
def checkpoint(tmp_path):
    """Write the checkpoint of a tiny network that decides for one label, whatever it is shown."""

    def write(label: str) -> Path:
        config = dataclasses.replace(TINY, labels=LABELS)
        system = make_system(config)
        system.classifier.weight.data.zero_()
        system.classifier.bias.data.fill_(0.0)
        system.classifier.bias.data[LABELS.index(label)] = 4.0
        save_checkpoint(tmp_path / label, system, tokenizer_for(config))
        return tmp_path / label

    return write


class Robot:
    """A stage with a camera on it and a tree that tells what it makes of the recognizer."""

    def __init__(self, stage: Any) -> None:
        from sensor_msgs.msg import Image

        from activity_recognition.behaviours.subscriber import ActivitySubscriber

        self.stage = stage
        feed = ActivitySubscriber(stage.tree_node, silent_after_s=1.0)
        self.leaves = {
            'greeting': ActivityHeld('greeting', feed, 'greeting', for_s=0.4, min_confidence=0.6),
            'none': IsNone('none', feed),
            'unknown': IsUnknown('unknown', feed),
            'no data': HasNoData('no data', feed),
            'silent': IsSilent('silent', feed),
        }
        react = Selector('react', memory=False, children=list(self.leaves.values()))
        to_blackboard = ToBlackboard('to blackboard', feed)
        self.tree = BehaviourTree(Sequence('root', memory=False, children=[to_blackboard, react]))
        self.feed = feed
        self.told: list[str] = []
        self._filmed_ns = 0
        self._camera = stage.peer_node.create_publisher(Image, 'image', 5)
        self._image = Image(height=32, width=32, encoding='mono8', step=32, data=bytes(32 * 32))

    def film(self) -> None:
        """Publish a picture, up to twenty a second."""
        now = self.stage.peer_node.get_clock().now()
        if now.nanoseconds - self._filmed_ns >= 50_000_000:
            self._filmed_ns = now.nanoseconds
            self._image.header.stamp = now.to_msg()
            self._camera.publish(self._image)

    def tick(self) -> str:
        """Tick; return the name of the leaf that succeeds, empty when none does."""
        self.tree.tick()
        names = [name for name, leaf in self.leaves.items() if leaf.status is Result.SUCCESS]
        name = names[0] if names else ''
        if self.told[-1:] != [name]:
            self.told.append(name)
        return name

    def sees(self, name: str, *, filming: bool) -> None:
        """Tick, filming or not, until the tree tells so."""

        def told() -> bool:
            if filming:
                self.film()
            return self.tick() == name

        self.stage.spin_until(told)


@pytest.fixture
def robot(make_stage) -> Robot:
    return Robot(make_stage())


@pytest.fixture
def recognizer_process(robot, checkpoint) -> Iterator[subprocess.Popen]:
    """The recognizer in a process of its own, sure that nothing is happening."""
    command = [
        sys.executable,
        '-m',
        'activity_recognition.ros.recognizing.recognizer_node',
        '--ros-args',
    ]
    command += ['-r', f'__ns:={robot.stage.namespace}', '-p', 'autostart:=true']
    command += ['-p', f'checkpoint:={checkpoint("none")}', '-p', 'engine.device:=cpu']
    process = subprocess.Popen(command)
    yield process
    process.kill()
    process.wait()


def test_an_activity_is_held_until_the_camera_goes_and_the_node_sleeps(robot, checkpoint):
    from rclpy.parameter import Parameter

    from activity_recognition.ros.recognizing.recognizer_node import RecognizerNode

    overrides = {'checkpoint': str(checkpoint('greeting')), 'engine.device': 'cpu'}
    node = RecognizerNode(
        namespace=robot.stage.namespace,
        context=robot.stage.context,
        parameter_overrides=[Parameter(name, value=value) for name, value in overrides.items()],
    )
    robot.stage.add(node)
    node.start()
    robot.sees('greeting', filming=True)
    observation = robot.feed.observe()
    assert observation.stable_s >= 0.4
    assert set(observation.report.scores) == set(LABELS)
    assert {item.modality.value: item.present for item in observation.evidence} == {
        'video': True,
        'audio': False,
        'text': False,
    }
    robot.sees('no data', filming=False)
    robot.sees('greeting', filming=True)
    node.trigger_deactivate()
    robot.sees('no data', filming=True)  # its last words
    robot.sees('silent', filming=True)


def test_none_unknown_no_data_and_a_dead_process_are_told_apart(robot, recognizer_process):
    from rclpy.parameter import Parameter
    from rclpy.parameter_client import AsyncParameterClient

    robot.sees('no data', filming=False)
    robot.sees('none', filming=True)
    parameters = AsyncParameterClient(robot.stage.tree_node, 'recognizer')
    robot.stage.spin_until(parameters.services_are_ready)
    future = parameters.set_parameters([Parameter('smoothing.unknown_threshold', value=1.0)])
    robot.stage.spin_until(future.done)
    assert future.result().results[0].successful
    robot.sees('unknown', filming=True)
    robot.told.clear()
    recognizer_process.kill()
    robot.sees('silent', filming=True)
    assert set(robot.told) <= {'unknown', 'silent'}
