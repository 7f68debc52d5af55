"""The example: what the robot does, in process and as a node of its own."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from activity_recognition.errors import ConfigError
from activity_recognition.simulation import ACTIVITIES
from activity_recognition.types import Status
from factories.timing import PATIENCE_S, check_ends_in_time, seconds_of

# Loading ROS imports a module that Python deprecates.
pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]

COMMAND = [sys.executable, '-m', 'activity_recognition.behaviours.example_tree', '--ros-args']


@pytest.fixture
def example():
    from activity_recognition.behaviours import example_tree

    return example_tree


@pytest.fixture
def root(example, feed):
    """The tree over a feed that the test fills, and what it says."""
    said = []
    config = example.ExampleTreeConfig(for_s=1.0, min_confidence=0.5)
    tree = example.build_tree(feed, config, said.append)
    yield tree, said
    tree.stop()


def test_it_reacts_to_what_people_do_and_to_what_it_cannot_tell(root, feed, clock, report):
    tree, said = root

    def reaction(time_s, *args, **fields):
        clock.set(time_s)
        if args or fields:
            feed.push(report(time_s, *args, **fields))
        tree.tick_once()
        return tree.tip().name

    assert reaction(0.0) == 'Carry on'
    assert reaction(0.5, 'greeting', since_s=0.0) == 'Carry on'
    assert reaction(1.0, 'greeting', since_s=0.0) == 'Greet'
    assert reaction(1.1, 'greeting', since_s=0.0) == 'Greet'
    assert reaction(2.0, 'none', since_s=1.2) == 'Carry on'
    assert reaction(3.1, 'asking_robot', since_s=2.1) == 'Assist'
    assert reaction(4.5, 'fallen', since_s=3.2) == 'Call for help'
    assert reaction(5.0, status=Status.UNKNOWN) == 'Look closer'
    assert reaction(5.5, status=Status.NO_DATA) == 'Check sensors'
    assert reaction(7.6) == 'Stop'
    assert reaction(8.0, 'greeting', since_s=6.0) == 'Greet'
    assert said == [
        'Hello!',
        'What can I do for you?',
        'Help! (fallen)',
        'I cannot tell what is going on.',
        'Are my eyes and ears plugged in?',
        'I perceive nothing: I stop.',
        'Hello!',
    ]


def test_its_labels_are_those_of_the_simulator(example):
    config = example.ExampleTreeConfig()
    assert {*config.help_labels, *config.assist_labels, *config.greet_labels} <= set(ACTIVITIES)


def test_the_snapshot_shows_the_way_through_the_tree(example, make_stage):
    stage = make_stage()
    tree = example.ExampleTree(
        stage.tree_node, example.ExampleTreeConfig(max_age_s=60.0, silent_after_s=60.0)
    )
    assert tree.reaction == ''
    assert 'waiting for the first message' in tree.tick()
    assert (tree.changed, tree.reaction) == (True, 'Carry on')
    tree.tick()
    assert not tree.changed

    from std_msgs.msg import String

    from factories.ros_stage import activity_message

    heard = []
    stage.peer_node.create_subscription(String, 'say', heard.append, 10)
    stage.spin_until(lambda: stage.tree_node.count_subscribers('say'))
    now_ns = stage.tree_node.get_clock().now().nanoseconds
    stage.advertise().publish(activity_message(now_ns, 'greeting', since_ns=now_ns - 2 * 10**9))
    stage.spin_until(lambda: 'Hello!' in tree.tick())
    assert tree.reaction == 'Greet'
    stage.spin_until(lambda: heard)
    assert [message.data for message in heard] == ['Hello!']
    tree.close()
    tree.close()


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_as_a_node_it_takes_labels_speaks_and_stops_when_told(make_stage, number):
    from std_msgs.msg import String

    from factories.ros_stage import activity_message

    stage = make_stage()
    heard = []
    stage.peer_node.create_subscription(String, 'say', heard.append, 10)
    publisher = stage.advertise()
    parameters = ['-p', "greet_labels:=['waving']", '-p', 'for_s:=0', '-p', 'max_age_s:=30']
    process = subprocess.Popen(
        [*COMMAND, '-r', f'__ns:={stage.namespace}', *parameters],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:

        def answered():
            assert process.poll() is None, process.stderr.read()
            now_ns = stage.peer_node.get_clock().now().nanoseconds
            publisher.publish(activity_message(now_ns, 'waving'))
            return heard

        stage.spin_until(answered)
        assert heard[0].data == 'Hello!'
        assert any('Greet [' in line for line in process.stderr)  # waits for the log to tell
        process.send_signal(number)
        check_ends_in_time(seconds_of(lambda: process.wait(PATIENCE_S)))
        _, log = process.communicate()
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert 'Traceback' not in log


@pytest.mark.parametrize(
    ('parameter', 'sentence'),
    [
        ('min_confidence:=2.0', 'ExampleTreeConfig.min_confidence must lie in [0, 1], got 2.0'),
        ('greet_labels:=3', 'parameters: greet_labels: expected a list, got 3'),
        (
            'greet_label:=3',
            "parameters: unknown key 'greet_label'; did you mean 'greet_labels'?",
        ),
    ],
)
def test_a_wrong_parameter_is_refused_in_one_sentence(example, capsys, parameter, sentence):
    assert example.main(['--ros-args', '-p', parameter]) == ConfigError.exit_code
    assert capsys.readouterr().err.strip() == f'example_tree: {sentence}'
