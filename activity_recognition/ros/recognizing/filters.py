"""The message filter chain: raw subscription -> decoder -> window synchroniser.

Every link is a ``message_filters.SimpleFilter``, from the package where it is installed. The
package's own synchronisers cannot be used: they wait for all topics, so one silent topic silences
the robot.
"""

from __future__ import annotations

import inspect
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from activity_recognition.errors import ActivityRecognitionError, DecodeError, OutOfOrderError
from activity_recognition.modalities import SAMPLE_ROLES, SPECS, Role
from activity_recognition.sensors import Drops
from activity_recognition.sensors.cdr_stamps import read_stamp
from activity_recognition.streams import DropReason
from activity_recognition.types import NANOSECONDS, Sample, Window, split_sample

try:
    from message_filters import SimpleFilter
except ImportError:
    from activity_recognition.ros.recognizing.message_filters_stand_in import SimpleFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rclpy.clock import Clock
    from rclpy.event_handler import SubscriptionEventCallbacks
    from rclpy.node import Node
    from rclpy.qos import QoSProfile
    from rclpy.qos_overriding_options import QoSOverridingOptions
    from rclpy.subscription import Subscription

    from activity_recognition.sensors import SensorDecoders
    from activity_recognition.streams import WindowSynchronizer

_TRIGGERS = frozenset(spec.sample_type for spec in SPECS if spec.triggers_decisions)
"""By type, because finding a member of an Enum takes longer."""
_THINNED = frozenset(spec.role for spec in SPECS if spec.rate_setting)


_NO_NUMBER = 1 << 63
"""Numbers from here on say that the middleware has none (in rmw it is the largest of 64 bits)."""


class SequenceGaps:
    """Counts gaps in the numbers of a topic's only publisher.

    A queue that is full drops its oldest message silently. Where several publish, the
    numbers of one cannot be distinguished from another's, and nothing is counted.
    """

    def __init__(self) -> None:
        """Count nothing until it is known who publishes."""
        self.missed = 0
        """Messages in the gaps so far."""
        self._is_alone = False
        self._newest = 0

    def note_publishers(self, count: int) -> None:
        """Take how many publish on the topic now."""
        if (count == 1) != self._is_alone:
            self._is_alone = count == 1
            self.restart()

    def restart(self) -> None:
        """Let the next message begin: what was published before it is not missed."""
        self._newest = 0

    def note(self, number: int) -> None:
        """Take a message's number; a smaller one than before is that of another publisher."""
        if not self._is_alone or number >= _NO_NUMBER:
            return
        if 0 < self._newest < number:
            self.missed += number - self._newest - 1
        self._newest = number


def now_ns(clock: Clock) -> int:
    """Return the time on ``clock``, nanoseconds: ``clock.now()`` without its Time around it."""
    with clock.handle:
        return int(clock.handle.get_now().nanoseconds)


class RawMessage(NamedTuple):
    """One message as it came."""

    type_name: str
    cdr: bytes
    arrival_ns: int
    """ROS clock at receipt."""
    entry_s: float
    """Steady clock at receipt."""


class _WithInformation:
    """A callback of a subscription that takes a message and what is known about it.

    EventsExecutor hands over both as one argument, to a callback that rclpy takes for one of two.
    """

    __signature__ = inspect.Signature(
        [inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY) for name in ('cdr', 'info')]
    )

    def __init__(self, receive: Callable[[bytes, Mapping[str, int]], None]) -> None:
        self._receive = receive

    def __call__(self, *given: Any) -> None:
        cdr, info = given if len(given) > 1 else given[0]
        self._receive(cdr, info)


class RawSubscriber(SimpleFilter):
    """Signals a topic's messages undecoded, as :class:`RawMessage`.

    The subscription can be exchanged while the chain behind it stays.
    """

    def __init__(self, node: Node) -> None:
        super().__init__()
        self._node = node
        self._clock = node.get_clock()
        self._type_name = ''
        self.subscription: Subscription | None = None
        self.gaps = SequenceGaps()

    def subscribe(
        self,
        message_class: type,
        type_name: str,
        topic: str,
        qos: QoSProfile,
        *,
        events: SubscriptionEventCallbacks | None = None,
        overrides: QoSOverridingOptions | None = None,
    ) -> None:
        """Subscribe, and only then give up an older subscription.

        Args:
            message_class: class of the type.
            type_name: its name, ``pkg/msg/Type``.
            topic: resolved name.
            qos: what is requested.
            events: callbacks of the middleware.
            overrides: of the QoS by parameters.
        """
        old = self.subscription
        self.gaps.restart()
        self.subscription = self._node.create_subscription(
            message_class,
            topic,
            _WithInformation(self._receive),
            qos,
            raw=True,
            event_callbacks=events,
            qos_overriding_options=overrides,
        )
        self._type_name = type_name
        if old is not None:
            self._node.destroy_subscription(old)

    def unsubscribe(self) -> None:
        """Give up the subscription, if there is one."""
        if self.subscription is not None:
            self._node.destroy_subscription(self.subscription)
            self.subscription = None

    def _receive(self, cdr: bytes, info: Mapping[str, int]) -> None:
        entry_s = time.monotonic()
        self.gaps.note(info['publication_sequence_number'])
        arrival_ns = now_ns(self._clock)
        self.signalMessage(RawMessage(self._type_name, cdr, arrival_ns, entry_s))


class Decoder(SimpleFilter):
    """Signals the samples in raw messages, with their entry time on the steady clock.

    Whatever cannot be decoded is a counted drop: no buffer may end the node.
    """

    def __init__(
        self,
        role: Role,
        decoders: SensorDecoders,
        synchronizer: WindowSynchronizer,
        on_failure: Callable[[Role, Exception], None],
    ) -> None:
        """Make a decoder of one topic.

        Args:
            role: of the topic.
            decoders: turn messages into samples.
            synchronizer: is asked about rates and counts what gave no sample.
            on_failure: called with what could not be decoded.
        """
        super().__init__()
        self._role = role
        self._modality = SAMPLE_ROLES.get(role)
        self._is_thinned = role in _THINNED
        self._decoders = decoders
        self._synchronizer = synchronizer
        self._on_failure = on_failure
        self.received = 0
        self.newest_entry_s: float | None = None
        self.newest_offset_ns: int | None = None
        """By how much the newest sample lies after its arrival, or before; 0 where it spans it."""
        self.drops = Drops()

    def connectInput(self, source: SimpleFilter) -> None:  # noqa: N802
        """Take the messages of ``source``."""
        source.registerCallback(self.add)

    def add(self, message: RawMessage) -> None:
        """Decode one message, unless it is above the rate."""
        self.received += 1
        self.newest_entry_s = message.entry_s
        try:
            if self._is_thinned and not self._within_rate(message):
                return
            sample = self._decoders.decode(
                self._role, message.type_name, message.cdr, message.arrival_ns
            )
        except OutOfOrderError as error:
            self._refuse(DropReason.DUPLICATE if error.duplicate else DropReason.OUT_OF_ORDER)
            return
        except Exception as error:
            self._drop(error)
            return
        if sample is not None:
            self.newest_offset_ns = _offset_ns(sample)
            for part in split_sample(sample):
                self.signalMessage(part, message.entry_s)

    def _within_rate(self, message: RawMessage) -> bool:
        modality = self._modality
        if modality is None or not self._synchronizer.thins(modality):
            return True
        stamp_ns = read_stamp(message.cdr) or message.arrival_ns
        return self._synchronizer.wants(modality, stamp_ns)

    def _drop(self, error: Exception) -> None:
        self._refuse(DropReason.UNREADABLE)
        if not isinstance(error, ActivityRecognitionError):
            error = DecodeError(f'{self._role} message: {type(error).__name__}: {error}')
        self.drops.add(error)
        self._on_failure(self._role, error)

    def _refuse(self, reason: DropReason) -> None:
        if self._modality is not None:
            self._synchronizer.refuse(self._modality, reason)


def _offset_ns(sample: Sample) -> int:
    """Return where a sample lies beside its arrival; some drivers stamp the end of their audio."""
    start_ns = sample.stamp_ns - sample.arrival_ns
    return start_ns if start_ns > 0 else min(sample.end_ns - sample.arrival_ns, 0)


class EntryTimes:
    """When, on the steady clock, things with given arrivals came in.

    One thread notes and another one finds; each step of either is atomic.
    """

    def __init__(self) -> None:
        self._entries: deque[tuple[int, float]] = deque(maxlen=4096)
        self._newest_ns = 0

    def note(self, arrival_ns: int, entry_s: float) -> None:
        """Remember one arrival; going back in time forgets what was before.

        Args:
            arrival_ns: ROS clock at receipt.
            entry_s: steady clock at receipt.
        """
        if arrival_ns < self._newest_ns:
            self._entries.clear()
        self._newest_ns = arrival_ns
        self._entries.append((arrival_ns, entry_s))

    def find(self, arrival_ns: int) -> float | None:
        """Return the entry time of the newest arrival not after ``arrival_ns``; forgets older."""
        found: float | None = None
        try:
            while self._entries[0][0] <= arrival_ns:
                found = self._entries.popleft()[1]
        except IndexError:  # there are no more
            pass
        return found


def _nobody() -> None:
    """Do nothing: whoever is to be called is not there yet."""


class SynchronizerFilter(SimpleFilter):
    """The window synchroniser as a filter: takes samples on one thread, signals on another."""

    def __init__(self, synchronizer: WindowSynchronizer) -> None:
        super().__init__()
        self._synchronizer = synchronizer
        self._on_ready: Callable[[], None] = _nobody
        self._on_trigger: Callable[[], None] = _nobody
        self.entries = EntryTimes()

    def call_when_ready(self, callback: Callable[[], None]) -> None:
        """Call something, and nothing else, whenever windows may be taken."""
        self._on_ready = callback

    def call_after_trigger(self, callback: Callable[[], None]) -> None:
        """Call something, and nothing else, after every admitted sample that may decide."""
        self._on_trigger = callback

    def connectInput(self, *sources: SimpleFilter) -> None:  # noqa: N802
        """Take the samples of every source."""
        for source in sources:
            source.registerCallback(self.add)

    def add(self, sample: Sample, entry_s: float) -> None:
        """Push one sample.

        Args:
            sample: what was decoded.
            entry_s: when its message came in, on the steady clock.
        """
        triggers = type(sample) in _TRIGGERS
        if triggers:  # no other sample makes a decision due
            self.entries.note(sample.arrival_ns, entry_s)
        if self._synchronizer.push(sample) and triggers:
            self._on_trigger()
        self._on_ready()

    def poll(self, now_ns: int) -> None:
        """Let the timer decide if a decision is due."""
        due_ns = self._synchronizer.due_ns
        if due_ns is not None and 0 <= due_ns - now_ns < NANOSECONDS:
            return
        self.entries.note(now_ns, time.monotonic())
        self._synchronizer.poll(now_ns)
        self._on_ready()

    def take(self) -> list[Window]:
        """Return every window that waits, newest decision only; called by the worker.

        The worker signals each when it has been applied.
        """
        return self._synchronizer.take(newest_only=True)
