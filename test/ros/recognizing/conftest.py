"""A recogniser with a tiny network and a world around it that shows, sounds and says things."""

from __future__ import annotations

import array
import dataclasses
import itertools
import os
import threading
import time
from concurrent.futures import Future
from pathlib import Path

import pytest

from factories.timing import PATIENCE_S

_numbers = itertools.count()


@pytest.fixture(scope='session')
def checkpoint(tmp_path_factory):
    """Write the checkpoint of a tiny network."""
    from activity_recognition.models.checkpoint import save_checkpoint
    from factories.networks import TINY, make_system, tokenizer_for

    folder = tmp_path_factory.mktemp('checkpoints') / 'tiny'
    save_checkpoint(folder, make_system(), tokenizer_for(TINY))
    return folder


class World:
    """One node beside the recogniser, publishing what sensors would and hearing what it says."""

    def __init__(self, checkpoint: Path, *, use_sim_time: bool = False) -> None:
        from rclpy.context import Context
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.node import Node
        from rclpy.parameter import Parameter

        self.checkpoint = checkpoint
        self.namespace = f'/world_{os.getpid()}_{next(_numbers)}'
        self.context = Context()
        self.context.init(args=[])
        self.executor = SingleThreadedExecutor(context=self.context)
        # Two participants, as between processes, and a thread of its own for the recogniser.
        self.other_context = Context()
        self.other_context.init(args=[])
        self.other_executor = SingleThreadedExecutor(context=self.other_context)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._spin_other, daemon=True)
        self._thread.start()
        self.use_sim_time = use_sim_time
        self.node = Node(
            'world',
            namespace=self.namespace,
            context=self.context,
            parameter_overrides=[Parameter('use_sim_time', value=use_sim_time)],
        )
        self.executor.add_node(self.node)
        self.recognizers = []
        self.publishers = {}
        self.heard = {}

    def _spin_other(self) -> None:
        while not self._ended.is_set():
            self.other_executor.spin_once(timeout_sec=0.05)

    def there(self, call):
        """Call something on the recogniser's thread and return what it gave."""
        answer = Future()

        def run():
            try:
                answer.set_result(call())
            except Exception as error:
                answer.set_exception(error)

        self.other_executor.create_task(run)
        self.spin_until(answer.done)
        return answer.result()

    def make_recognizer(self, *, cli_args: list[str] | None = None, **parameters):
        """Create the node, unconfigured; dots in parameter names are written as ``__``."""
        from rclpy.parameter import Parameter

        from activity_recognition.ros.recognizing.recognizer_node import RecognizerNode

        given = {'checkpoint': str(self.checkpoint), 'use_sim_time': self.use_sim_time}
        # The microphone of this world has no AudioInfo.
        given |= {'diagnostics_rate_hz': 10.0, 'topics.audio_sample_format': 'S16LE'}
        given |= {name.replace('__', '.'): value for name, value in parameters.items()}
        node = RecognizerNode(
            namespace=self.namespace,
            context=self.other_context,
            cli_args=cli_args,
            parameter_overrides=[Parameter(name, value=v) for name, v in given.items()],
        )
        self.other_executor.add_node(node)
        self.recognizers.append(node)
        return node

    def recognize(self, **options):
        """Create the node and bring it to active."""
        node = self.make_recognizer(**options)
        self.there(node.start)
        return node

    def remove(self, node) -> None:
        """Take a recogniser down."""
        self.there(node.destroy_node)
        self.other_executor.remove_node(node)
        self.recognizers.remove(node)

    def hear(self, topic: str, message_class, *, latched=False, best_effort=False) -> list:
        """Subscribe and return the list that messages are appended to."""
        from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

        qos = QoSProfile(depth=100)
        if latched:
            qos.durability = DurabilityPolicy.TRANSIENT_LOCAL
        if best_effort:
            qos.reliability = ReliabilityPolicy.BEST_EFFORT
        messages = []
        self.heard[topic] = self.node.create_subscription(
            message_class, topic, messages.append, qos
        )
        return messages

    def activities(self) -> list:
        """Subscribe to the decisions."""
        from activity_recognition.msg import ActivityStamped

        return self.hear('activity', ActivityStamped)

    def diagnoses(self):
        """Subscribe to the diagnostics of the recogniser here."""
        from diagnostic_msgs.msg import DiagnosticArray

        return Diagnoses(self.hear('/diagnostics', DiagnosticArray), self.namespace)

    def advertise(self, topic: str, message_class, *, reliable=True, latched=False, depth=50):
        """Publish on a topic."""
        from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

        qos = QoSProfile(depth=depth)
        if not reliable:
            qos.reliability = ReliabilityPolicy.BEST_EFFORT
        if latched:
            qos.durability = DurabilityPolicy.TRANSIENT_LOCAL
        self.publishers[topic] = self.node.create_publisher(message_class, topic, qos)
        return self.publishers[topic]

    def camera(self, topic: str = 'image', *, reliable=False):
        """Publish images; returns once the recogniser listens."""
        from sensor_msgs.msg import Image

        return self.matched(self.advertise(topic, Image, reliable=reliable))

    def microphone(self):
        """Publish sound of the assumed format; returns once the recogniser listens."""
        from audio_common_msgs.msg import AudioDataStamped

        return self.matched(self.advertise('audio', AudioDataStamped))

    def speech(self):
        """Publish transcripts; returns once the recogniser listens."""
        from std_msgs.msg import String

        return self.matched(self.advertise('transcript', String))

    def matched(self, publisher, count: int = 1):
        """Wait for subscribers."""
        self.spin_until(lambda: publisher.get_subscription_count() >= count)
        return publisher

    def now_ns(self) -> int:
        """Time on the clock that the recogniser uses."""
        return self.node.get_clock().now().nanoseconds

    def image(self, stamp_ns: int | None = None, *, width=64, height=48):
        """Make an image, stamped now unless told otherwise."""
        from sensor_msgs.msg import Image

        message = Image(height=height, width=width, encoding='rgb8', step=width * 3)
        message.data = array.array('B', os.urandom(height * width * 3))
        message.header.frame_id = 'camera'
        return stamped(message, self.now_ns() if stamp_ns is None else stamp_ns)

    def sound(self, stamp_ns: int | None = None, *, data: bytes | None = None):
        """Make 40 ms of S16LE at 16 kHz that end now, or begin at a stamp."""
        from audio_common_msgs.msg import AudioDataStamped

        message = AudioDataStamped()
        message.header.frame_id = 'microphone'
        message.audio.data = array.array('B', os.urandom(2 * 640) if data is None else data)
        return stamped(message, self.now_ns() - 40_000_000 if stamp_ns is None else stamp_ns)

    def words(self, text: str = 'hello robot'):
        """Make a transcript."""
        from std_msgs.msg import String

        return String(data=text)

    def every(self, period_s: float, publisher, make):
        """Publish what ``make`` returns periodically, in real time; cancel the timer to stop."""
        from rclpy.clock import Clock, ClockType

        clock = Clock(clock_type=ClockType.STEADY_TIME)
        return self.node.create_timer(period_s, lambda: publisher.publish(make()), clock=clock)

    def deliver(self, publisher, message) -> None:
        """Publish one message and wait until the recogniser has it: no queue can overflow."""
        topic = publisher.topic_name
        feeds = self.recognizers[-1]._session.active.streams.values()
        inputs = [item for feed in feeds for item in feed.inputs.each]
        decoder = next(item.decoder for item in inputs if item.report().topic == topic)
        before = decoder.received
        publisher.publish(message)
        self.spin_until(lambda: decoder.received > before)

    def spin_until(self, condition, *, timeout_s: float = PATIENCE_S):
        """Spin both nodes until a condition holds, and return what it gave."""
        deadline = time.monotonic() + timeout_s
        while not (found := condition()):
            assert time.monotonic() < deadline, 'this did not happen in time'
            self.executor.spin_once(timeout_sec=0.05)
        return found

    def spin_for(self, seconds: float) -> None:
        """Spin for a while, where time itself is what is tested."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.executor.spin_once(timeout_sec=0.02)

    def call(self, service_class, name: str, request):
        """Call a service and return its response."""
        client = self.node.create_client(service_class, name)
        self.spin_until(client.service_is_ready)
        future = client.call_async(request)
        self.spin_until(future.done)
        self.node.destroy_client(client)
        return future.result()

    def close(self) -> None:
        """Destroy everything."""
        for node in list(self.recognizers):
            self.remove(node)
        self._ended.set()
        self._thread.join(PATIENCE_S)
        for executor in (self.executor, self.other_executor):
            executor.shutdown()
        self.node.destroy_node()
        for context in (self.context, self.other_context):
            context.try_shutdown()


class Diagnoses:
    """The newest statuses of one recogniser, by part."""

    def __init__(self, messages: list, namespace: str) -> None:
        self._messages = messages
        self._prefix = f'{namespace}/recognizer: '

    def status(self, part: str):
        """Return the newest status of a part; None before the first."""
        for message in reversed(self._messages):
            for status in message.status:
                if status.name == self._prefix + part:
                    return status
        return None

    def says(self, part: str, words: str) -> bool:
        """Tell whether any status of a part so far had these words."""
        return any(
            status.name == self._prefix + part and words in status.message
            for message in self._messages
            for status in message.status
        )

    def value(self, part: str, key: str) -> str:
        """Return a value of the newest status of a part; empty before the first."""
        status = self.status(part)
        return next((v.value for v in status.values if v.key == key), '') if status else ''

    def forget(self) -> None:
        """Wait for new ones."""
        self._messages.clear()


def stamped(message, stamp_ns: int):
    """Set a message's stamp."""
    seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
    message.header.stamp.sec, message.header.stamp.nanosec = seconds, nanoseconds
    return message


def present(message) -> set[str]:
    """Return the modalities that a decision saw."""
    return {item.modality for item in message.evidence if item.present}


@pytest.fixture
def world(checkpoint):
    """A world with the wall clock."""
    with_clock = World(checkpoint)
    yield with_clock
    with_clock.close()


@pytest.fixture
def worlds(tmp_path):
    """Return worlds whose recogniser has a network of a configuration, by a name."""
    from activity_recognition.models.checkpoint import save_checkpoint
    from factories.networks import make_system, tokenizer_for

    made = []

    def make(model, name: str) -> World:
        folder = tmp_path / name
        save_checkpoint(folder, make_system(model), tokenizer_for(model))
        made.append(World(folder))
        return made[-1]

    yield make
    for world in made:
        world.close()


@pytest.fixture
def world_of(worlds):
    """Return worlds whose recogniser has a network of some modalities only."""
    from factories.networks import TINY

    def make(*modalities: str) -> World:
        return worlds(dataclasses.replace(TINY, modalities=modalities), '-'.join(modalities))

    return make


@pytest.fixture
def simulated_world(checkpoint):
    """A world in which time is what /clock says."""
    with_clock = World(checkpoint, use_sim_time=True)
    yield with_clock
    with_clock.close()


@pytest.fixture
def seen():
    """Return the modalities that a decision saw."""
    return present
