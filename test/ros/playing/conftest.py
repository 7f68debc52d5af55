"""A small recording, nodes that play in this process, and ears on their topics."""

import itertools
import os
import threading
import time
from dataclasses import dataclass

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy  # noqa: E402

from activity_recognition.bags import RecordingWriter  # noqa: E402
from activity_recognition.ros.message_types import message_class  # noqa: E402
from activity_recognition.ros.playing.player_node import PlayerNode  # noqa: E402
from activity_recognition.ros.playing.simulator_node import SimulatorNode  # noqa: E402
from activity_recognition.sensors.cdr import TypeRegistry  # noqa: E402
from activity_recognition.types import AudioChunk, Frame, LabelSpan, Utterance  # noqa: E402
from factories.timing import PATIENCE_S  # noqa: E402

START_NS = 1_700_000_000_000_000_000
MS = 1_000_000

LATCHED = QoSProfile(
    depth=100,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
LOSSY = QoSProfile(depth=100, reliability=ReliabilityPolicy.BEST_EFFORT)
RELIABLE = QoSProfile(depth=100)

TOPICS = {
    '/image': ('sensor_msgs/msg/Image', LOSSY),
    '/audio': ('audio_common_msgs/msg/AudioDataStamped', RELIABLE),
    '/audio_info': ('audio_common_msgs/msg/AudioInfo', LATCHED),
    '/transcript': ('std_msgs/msg/String', RELIABLE),
    '/activity_truth': ('activity_recognition/msg/ActivityStamped', LATCHED),
    '/clock': ('rosgraph_msgs/msg/Clock', LOSSY),
    '/diagnostics': ('diagnostic_msgs/msg/DiagnosticArray', RELIABLE),
}

LABELS = (
    LabelSpan(start_s=0.0, end_s=0.8, label='walking'),
    LabelSpan(start_s=0.8, end_s=1.5, label='none'),
)


def samples():
    """Two seconds: 20 frames, 10 chunks, 2 utterances; what happens arrives 10 ms later."""
    frames = [
        Frame(
            stamp_ns=START_NS + n * 100 * MS,
            arrival_ns=START_NS + n * 100 * MS + 10 * MS,
            image=np.full((24, 32, 3), n, np.uint8),
            frame_id='camera',
        )
        for n in range(20)
    ]
    chunks = [
        AudioChunk(
            stamp_ns=START_NS + n * 200 * MS,
            arrival_ns=START_NS + (n + 1) * 200 * MS + 5 * MS,
            samples=np.full(3200, n / 100, np.float32),
            sample_rate_hz=16_000,
        )
        for n in range(9)
    ]
    words = [
        Utterance(stamp_ns=START_NS + s * MS, arrival_ns=START_NS + (s + 300) * MS, text=text)
        for s, text in ((400, 'hello'), (1300, 'good bye'))
    ]
    return sorted([*frames, *chunks, *words], key=lambda sample: sample.arrival_ns)


@pytest.fixture(scope='session')
def recording(tmp_path_factory):
    """The recording of ``samples``, with labels."""
    path = tmp_path_factory.mktemp('recordings') / 'two_seconds'
    with RecordingWriter(path, start_ns=START_NS) as writer:
        writer.set_labels(LABELS)
        for sample in samples():
            writer.write(sample)
    return path


@dataclass(frozen=True)
class Heard:
    """One message as it came."""

    cdr: bytes
    time_ns: int
    """Wall clock at receipt."""


class Listener:
    """Collects what is published on topics, undecoded, in a thread of its own."""

    def __init__(self, context, topics):
        self.heard = {topic: [] for topic in topics}
        self._changed = threading.Condition()
        self._types = TypeRegistry()
        self._names = {topic: name for topic, (name, _) in topics.items()}
        self.node = rclpy.create_node('listener', context=context)
        for topic, (type_name, qos) in topics.items():
            self.node.create_subscription(
                message_class(type_name),
                topic,
                lambda cdr, topic=topic: self._note(topic, cdr),
                qos,
                raw=True,
            )

    def _note(self, topic, cdr):
        with self._changed:
            self.heard[topic].append(Heard(cdr, time.time_ns()))
            self._changed.notify_all()

    def wait_for(self, condition, what):
        """Wait until ``condition()`` holds, looked at whenever a message came."""
        with self._changed:
            assert self._changed.wait_for(condition, PATIENCE_S), f'waited in vain for {what}'

    def wait_count(self, topic, count):
        self.wait_for(lambda: len(self.heard[topic]) >= count, f'{count} messages on {topic}')

    def read(self, topic):
        """Return the messages of a topic, decoded."""
        kind = self._types.resolve(self._names[topic])
        return [kind.deserialise(heard.cdr) for heard in self.heard[topic]]

    def stamps(self, topic):
        """Return the header stamps of a topic, nanoseconds."""
        return [nanoseconds(message.header.stamp) for message in self.read(topic)]

    def status(self, name):
        """Return the newest diagnostic values of a status whose name ends so, if any came."""
        found = [
            {pair.key: pair.value for pair in status.values}
            for message in self.read('/diagnostics')
            for status in message.status
            if status.name.endswith(name)
        ]
        return found[-1] if found else {}


def nanoseconds(stamp):
    return stamp.sec * 1_000_000_000 + stamp.nanosec


class Stage:
    """One ROS domain with threads that spin its nodes."""

    def __init__(self, domain_id):
        self.context = rclpy.Context()
        self.context.init(domain_id=domain_id)
        self._ends = []

    def spin(self, node):
        executor = SingleThreadedExecutor(context=self.context)
        executor.add_node(node)
        thread = threading.Thread(target=executor.spin, daemon=True)
        thread.start()

        def end():
            executor.shutdown()
            thread.join(PATIENCE_S)
            node.destroy_node()

        self._ends.append(end)

    def listen(self, *topics, **extra):
        """Listen to topics, and to those that a player waits for."""
        topics = {*topics, '/image', '/audio', '/transcript'}
        listener = Listener(self.context, {**{topic: TOPICS[topic] for topic in topics}, **extra})
        self.spin(listener.node)
        return listener

    def play(self, bag, *arguments, **parameters):
        """Start a player once all its topics are heard; double underscores stand for dots."""
        return self._start(PlayerNode, arguments, {'bag': str(bag), **parameters})

    def simulate(self, *arguments, **parameters):
        return self._start(SimulatorNode, arguments, parameters)

    def _start(self, make, arguments, parameters):
        names = {name.replace('__', '.'): value for name, value in parameters.items()}
        names.setdefault('playback.wait_for_subscribers_s', PATIENCE_S)
        node = make(
            context=self.context,
            cli_args=['--ros-args', *arguments],
            parameter_overrides=[Parameter(name, value=value) for name, value in names.items()],
        )
        self.spin(node)
        node.playback.start()
        return node

    def close(self):
        for end in reversed(self._ends):
            end()
        self.context.try_shutdown()


DOMAINS = itertools.count(int(os.environ.get('ROS_DOMAIN_ID', '0')) + 1)


@pytest.fixture
def stage():
    made = Stage(next(DOMAINS) % 101)
    yield made
    made.close()


def wait_until_finished(node):
    """Wait for the end of a playback and return its statistics."""
    done = threading.Event()
    node.playback.finished.add_done_callback(lambda _: done.set())
    if not node.playback.finished.done():
        assert done.wait(PATIENCE_S), 'playing did not end'
    return node.playback.finished.result()


@pytest.fixture
def finish():
    return wait_until_finished
