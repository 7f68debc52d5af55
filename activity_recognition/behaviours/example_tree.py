"""A robot that calls for help, assists and greets, as a small tree over a live recognizer.

As a node of its own, with labels of your own::

    python -m activity_recognition.behaviours.example_tree --ros-args -p greet_labels:="['waving']"

It publishes what the robot would say on ``say`` (std_msgs/String).
"""

from __future__ import annotations

import dataclasses
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass

import rclpy
from py_trees.behaviour import Behaviour
from py_trees.behaviours import Running
from py_trees.common import Access, Status
from py_trees.composites import Selector, Sequence
from py_trees.display import unicode_tree
from py_trees.trees import BehaviourTree
from py_trees.visitors import SnapshotVisitor
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import String

from activity_recognition.behaviours.feed import ActivityFeed
from activity_recognition.behaviours.leaves import (
    ActivityHeld,
    HasNoData,
    IsSilent,
    IsUnknown,
    ToBlackboard,
)
from activity_recognition.behaviours.subscriber import ActivitySubscriber
from activity_recognition.config_io import build_config, unknown_key
from activity_recognition.errors import ConfigError
from activity_recognition.settings import Ranged, setting

LONGEST_WAIT_S = 0.2
"""Of the node for something to do, seconds."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, kw_only=True, slots=True)
class ExampleTreeConfig(Ranged):
    """To what the robot reacts; as ROS parameters of the same names."""

    help_labels: tuple[str, ...] = ('calling_for_help', 'fallen')
    assist_labels: tuple[str, ...] = ('asking_robot',)
    greet_labels: tuple[str, ...] = ('greeting',)
    for_s: float = setting(1.0, low=0.0, high=60.0)
    """How long an activity must have been held."""
    min_confidence: float = setting(0.5, low=0.0, high=1.0)
    """How probable it must have been all along."""
    max_age_s: float = setting(1.0, low=0.01, high=60.0)
    """How old the newest report may be."""
    silent_after_s: float = setting(2.0, low=0.01, high=60.0)
    """Without a report for this long the recognizer is silent."""
    tick_rate_hz: float = setting(10.0, low=0.1, high=100.0)
    """Ticks per second of the node; whoever else runs the tree ticks at will."""


class Say(Behaviour):
    """Says something once, and is RUNNING until the tree turns to something else."""

    def __init__(self, name: str, sentence: str, say: Callable[[str], None]) -> None:
        """Create the leaf; ``{label}`` in ``sentence`` becomes the activity on the blackboard.

        Args:
            name: of the leaf.
            sentence: what it says; ``{label}`` becomes the activity on the blackboard.
            say: takes the sentence.
        """
        super().__init__(name=name)
        self._sentence = sentence
        self._say = say
        self.blackboard = self.attach_blackboard_client(namespace='activity')
        self.blackboard.register_key(key='label', access=Access.READ)

    def initialise(self) -> None:
        """Say it."""
        self.feedback_message = self._sentence.format(label=self.blackboard.label)
        self._say(self.feedback_message)

    def update(self) -> Status:
        """Go on."""
        return Status.RUNNING


def build_tree(
    feed: ActivityFeed, config: ExampleTreeConfig, say: Callable[[str], None]
) -> Behaviour:
    """Return the root: the first reaction whose condition holds takes the robot.

    Without memory, conditions are asked again at every tick, so the urgent interrupts the rest.

    Args:
        feed: what the conditions look at.
        config: to what the robot reacts.
        say: takes its sentences.
    """

    def held(name: str, labels: tuple[str, ...]) -> Behaviour:
        return ActivityHeld(
            name,
            feed,
            labels,
            for_s=config.for_s,
            min_confidence=config.min_confidence,
            max_age_s=config.max_age_s,
        )

    def reaction(condition: Behaviour, name: str, sentence: str) -> Behaviour:
        return Sequence(f'{name} if', memory=False, children=[condition, Say(name, sentence, say)])

    reactions = [
        reaction(held('help needed', config.help_labels), 'Call for help', 'Help! ({label})'),
        reaction(held('robot asked', config.assist_labels), 'Assist', 'What can I do for you?'),
        reaction(held('greeted', config.greet_labels), 'Greet', 'Hello!'),
        reaction(IsSilent('recognizer silent', feed), 'Stop', 'I perceive nothing: I stop.'),
        reaction(HasNoData('no data', feed), 'Check sensors', 'Are my eyes and ears plugged in?'),
        reaction(IsUnknown('unknown', feed), 'Look closer', 'I cannot tell what is going on.'),
        Running('Carry on'),
    ]
    return Sequence(
        'Robot',
        memory=False,
        children=[
            ToBlackboard('Activity to blackboard', feed),
            Selector('React', memory=False, children=reactions),
        ],
    )


class ExampleTree:
    """The tree over the topic ``activity`` of a node that somebody spins."""

    def __init__(
        self,
        node: Node,
        config: ExampleTreeConfig | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        """Subscribe and build; ``say`` replaces publishing on the topic ``say``.

        Args:
            node: subscribes, and is spun by somebody.
            config: to what the robot reacts; the defaults without it.
            say: takes its sentences, instead of the topic ``say``.
        """
        self._node = node
        self.config = config or ExampleTreeConfig()
        self.subscriber = ActivitySubscriber(node, silent_after_s=self.config.silent_after_s)
        self._publisher = None if say else node.create_publisher(String, 'say', 10)
        self.root = build_tree(self.subscriber, self.config, say or self._publish)
        self._snapshot = SnapshotVisitor()
        self._tree = BehaviourTree(self.root)
        self._tree.add_visitor(self._snapshot)

    def tick(self) -> str:
        """Tick once, without waiting for anything; return :meth:`snapshot`."""
        self._tree.tick()
        return self.snapshot()

    @property
    def changed(self) -> bool:
        """Whether the last tick took another way through the tree than the one before."""
        return self._snapshot.changed

    @property
    def reaction(self) -> str:
        """Name of the leaf the tree is busy with; empty before the first tick."""
        tip = self.root.tip()
        return tip.name if tip else ''

    def snapshot(self) -> str:
        """Return the tree as text, with the last tick's results (terminal codes included)."""
        return unicode_tree(
            self.root,
            visited=self._snapshot.visited,
            previously_visited=self._snapshot.previously_visited,
        )

    def close(self) -> None:
        """Stop the tree and let go of the topics."""
        self._tree.interrupt()
        self.root.stop(Status.INVALID)
        self.subscriber.close()
        if self._publisher is not None:
            self._node.destroy_publisher(self._publisher)
            self._publisher = None

    def _publish(self, sentence: str) -> None:
        if self._publisher is not None:
            self._publisher.publish(String(data=sentence))


def read_parameters(node: Node) -> ExampleTreeConfig:
    """Declare the parameters of :class:`ExampleTreeConfig` on a node and return their values.

    Raises:
        ConfigError: for an unknown name, a value of the wrong type or one out of range.
    """
    values = {}
    for item in dataclasses.fields(ExampleTreeConfig):
        default = list(item.default) if isinstance(item.default, tuple) else item.default
        anything = ParameterDescriptor(dynamic_typing=True)  # 1 for 1.0; build_config checks
        values[item.name] = node.declare_parameter(item.name, default, anything).value
    # rclpy has no public access to what is set and not declared.
    for name in node._parameter_overrides:
        if not node.has_parameter(name) and not name.startswith('qos_overrides.'):
            raise ConfigError(unknown_key(name, values, 'parameters'))
    return build_config(ExampleTreeConfig, values, where='parameters')


def main(args: list[str] | None = None) -> int:
    """Tick the tree until Ctrl-C, and log how it goes; return the exit status."""
    # rclpy's own handlers would take the context from under a tick that is being done.
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    handlers = {n: signal.signal(n, signal.default_int_handler) for n in _SIGNALS}
    node = Node('example_tree')
    try:
        tree = ExampleTree(node, read_parameters(node))

        def tick() -> None:
            snapshot = tree.tick()
            if tree.changed:
                node.get_logger().info('\n' + snapshot)

        # Steady: the tree goes on when a simulation stands still.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        node.create_timer(1.0 / tree.config.tick_rate_hz, tick, clock=steady)
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        while rclpy.ok():
            # Waits in C are not interrupted by Python's signal handlers, hence short ones.
            executor.spin_once(timeout_sec=LONGEST_WAIT_S)
    except ConfigError as error:
        print(f'example_tree: {error}', file=sys.stderr)
        return error.exit_code
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # it ends already
        node.destroy_node()
        rclpy.try_shutdown()
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return 0


if __name__ == '__main__':
    sys.exit(main())
