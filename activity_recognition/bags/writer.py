"""Writes samples as a rosbag2 recording that any ROS 2 tool plays."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer

from activity_recognition.bags.labels import write_labels
from activity_recognition.bags.messages import IMAGE_FORMATS, MessageMaker
from activity_recognition.bags.storage import METADATA, writable
from activity_recognition.bags.topics import END_TOPIC, START_TOPIC
from activity_recognition.errors import RecordingError
from activity_recognition.modalities import ROLE_SPEC, SPEC, ModalitySpec, Role
from activity_recognition.scratch import scratch_folder
from activity_recognition.sensors.keypoints import KEY_POINTS_TYPE
from activity_recognition.types import LabelSpan, Modality, Sample

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from rosbags.interfaces import Connection

    from activity_recognition.bags.messages import OutgoingMessage

KEY_POINTS_TOPIC = '/camera/key_points'
"""Key points in the place of images."""

_STORAGES = {'mcap': StoragePlugin.MCAP, 'sqlite3': StoragePlugin.SQLITE3}
_FOREVER = QosTime(2147483647, 4294967295)
_ROSBAG2_VERSION: Literal[9] = 9


class RecordingWriter:
    """A recording being written: a context manager that leaves a whole recording or nothing.

    Everything goes to a hidden folder beside the target, renamed at the end. Records are stored
    with the samples' arrivals as record times; messages carry their stamps, except std_msgs/String,
    which has no place for one: read again, its stamp is its arrival.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        start_ns: int | None = None,
        storage: str = 'mcap',
        image: str = 'raw',
        jpeg_quality: int = 95,
        transcript_type: str = 'std_msgs/msg/String',
        overwrite: bool = False,
    ) -> None:
        """Prepare a recording; nothing is touched before the context is entered.

        Args:
            path: the rosbag2 folder to make.
            start_ns: start of the recording, from which labels count; the first sample's arrival
                by default.
            storage: ``mcap`` or ``sqlite3``.
            image: ``raw``, ``jpeg`` or ``png``.
            jpeg_quality: 1 to 100.
            transcript_type: ``std_msgs/msg/String`` or ``hri_msgs/msg/LiveSpeech``.
            overwrite: replace an existing recording; anything else is never replaced.

        Raises:
            RecordingError: for another value or an existing path.
        """
        self.path = Path(path)
        if storage not in _STORAGES:
            raise RecordingError(f"storage must be 'mcap' or 'sqlite3', got {storage!r}")
        if image not in IMAGE_FORMATS:
            raise RecordingError(f'image must be one of {", ".join(IMAGE_FORMATS)}, got {image!r}')
        self._plugin = _STORAGES[storage]
        self._start_ns = start_ns
        self._overwrite = overwrite
        self._messages = MessageMaker(image, jpeg_quality, transcript_type)
        self._labels: tuple[LabelSpan, ...] | None = None
        self._rates_hz: dict[Modality, int] = {}
        self._connections: dict[str, Connection] = {}
        self._writer: Writer | None = None
        self._workspace = Path()
        self._scratch = ExitStack()
        self._refuse_existing()

    def __enter__(self) -> RecordingWriter:
        with writable(self.path):
            self._workspace = self._scratch.enter_context(
                scratch_folder(self.path.parent, f'.{self.path.name}.partial-')
            )
            self._writer = Writer(
                self._workspace / self.path.name,
                version=_ROSBAG2_VERSION,
                storage_plugin=self._plugin,
            )
            self._writer.open()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if exc_type is None:
                self._finish()
        finally:
            self._open.abort()  # does nothing to a writer that is closed
            self._writer = None
            self._scratch.close()

    def set_labels(self, spans: Iterable[LabelSpan]) -> None:
        """Give the recording its labels, seconds from its start."""
        self._labels = tuple(spans)

    def write(self, sample: Sample) -> None:
        """Store one sample at its arrival; of a frame with key points, these and no image.

        Raises:
            RecordingError: when it arrives before the start, when audio changes its rate, or when
                the disk is full.
        """
        self._begin(sample.arrival_ns)
        spec = SPEC[sample.modality]
        if rate_hz := getattr(sample, 'sample_rate_hz', 0):
            self._check_rate(spec, rate_hz)
        for message in self._messages.messages(sample):
            self._put(topic_of(spec.role, message.kind.name), message, sample.arrival_ns)

    def write_message(
        self, topic: str, message: OutgoingMessage, arrival_ns: int, *, latched: bool = False
    ) -> None:
        """Store one message of a topic that holds no samples.

        Args:
            topic: its name.
            message: of the type that all messages of the topic have.
            arrival_ns: its record time.
            latched: whether late subscribers get the topic's last messages.

        Raises:
            RecordingError: when it arrives before the start, or when the disk is full.
        """
        self._begin(arrival_ns)
        self._put(topic, message, arrival_ns, latched=latched)

    def write_end(self, end_ns: int) -> None:
        """Let the recording last longer than what it holds: decisions go on until then.

        Args:
            end_ns: not before anything else arrives.
        """
        self.write_message(END_TOPIC, self._messages.time(end_ns), end_ns)

    def _begin(self, arrival_ns: int) -> None:
        """Start the recording with what arrives first."""
        if self._start_ns is None:
            self._start_ns = arrival_ns
        if arrival_ns < self._start_ns:
            raise RecordingError(
                f'{self.path}: a sample arrives at {arrival_ns} ns, before the start of the '
                f'recording, {self._start_ns} ns'
            )
        if not self._connections:
            self._put(START_TOPIC, self._messages.time(self._start_ns), self._start_ns)

    def _check_rate(self, spec: ModalitySpec, rate_hz: int) -> None:
        """Refuse samples at a second rate; describe those at the first, where a topic does it."""
        assert self._start_ns is not None
        if spec.modality not in self._rates_hz:
            self._rates_hz[spec.modality] = rate_hz
            for item in spec.roles[1:]:
                description = self._messages.description(item.role, rate_hz)
                self._put(topic_of(item.role), description, self._start_ns, latched=item.latched)
        known_hz = self._rates_hz[spec.modality]
        if rate_hz != known_hz:
            raise RecordingError(
                f'{self.path}: {spec.name} changes from {known_hz} to {rate_hz} Hz; a recording '
                'holds one rate'
            )

    def _put(
        self, topic: str, message: OutgoingMessage, record_ns: int, *, latched: bool = False
    ) -> None:
        with writable(self.path):
            if topic not in self._connections:
                self._connections[topic] = self._open.add_connection(
                    topic,
                    message.kind.name,
                    typestore=message.kind.store,
                    offered_qos_profiles=[_qos(latched=latched)],
                )
            self._open.write(self._connections[topic], record_ns, message.cdr)

    @property
    def _open(self) -> Writer:
        if self._writer is None:
            raise RecordingError(f'{self.path}: the recording is not open; use it in a with block')
        return self._writer

    def _finish(self) -> None:
        """Close the storage and move it to its place."""
        if not self._connections:
            raise RecordingError(f'{self.path}: nothing was written, so there is no recording')
        with writable(self.path):
            self._open.close()
            made = self._workspace / self.path.name
            if self._labels is not None:
                write_labels(made / 'labels.csv', self._labels)
            self._refuse_existing()
            if self.path.exists():
                self.path.replace(self._workspace / 'replaced')
            made.replace(self.path)

    def _refuse_existing(self) -> None:
        if not self.path.exists():
            return
        if not self._overwrite:
            raise RecordingError(f'{self.path}: exists already; choose another path or overwrite')
        own = (self.path / METADATA).is_file()
        if not own and not (self.path.is_dir() and not any(self.path.iterdir())):
            raise RecordingError(f'{self.path}: is not a recording, so it is not overwritten')


def topic_of(role: Role, type_name: str = '') -> str:
    """Return the topic that a recording has for a role.

    Args:
        role: what the topic is to the recogniser.
        type_name: of its messages: compressed images go where image_transport puts them, key points
            to a topic of their own.
    """
    if type_name == KEY_POINTS_TYPE:
        return KEY_POINTS_TOPIC
    return f'/{ROLE_SPEC[role].default_topic}{ROLE_SPEC[role].suffix(type_name)}'


def _qos(*, latched: bool) -> Qos:
    """Return the profile a topic is played with: reliable, and transient local when latched."""
    return Qos(
        QosHistory.KEEP_LAST,
        1 if latched else 50,
        QosReliability.RELIABLE,
        QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
        _FOREVER,
        _FOREVER,
        QosLiveliness.AUTOMATIC,
        _FOREVER,
        avoid_ros_namespace_conventions=False,
    )
