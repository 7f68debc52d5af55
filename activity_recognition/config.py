"""Settings of network and node: one frozen dataclass per component, one default, one place.

YAML files and ROS parameters hold overrides of these defaults and nothing else
(:mod:`activity_recognition.config_io`). Names carry their unit: ``_s``, ``_hz``, ``_px``.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Any

from activity_recognition.channel_choice import MAX_CHANNELS, ChannelChoice
from activity_recognition.encoder_config import (
    Architecture,
    AudioConfig,
    TextConfig,
    VideoConfig,
)
from activity_recognition.errors import ConfigError, quoted
from activity_recognition.modalities import DEFAULT_MODALITIES, SPECS, ModalitySpec, QueueUnit
from activity_recognition.model_config import ModelConfig
from activity_recognition.settings import Ranged, setting

__all__ = [
    'BACKENDS',
    'Architecture',
    'AudioConfig',
    'EngineConfig',
    'ModelConfig',
    'PeopleConfig',
    'RecognizerConfig',
    'SmoothingConfig',
    'SyncConfig',
    'TextConfig',
    'TopicsConfig',
    'VideoConfig',
]

_STREAM_NAME = re.compile('[A-Za-z][A-Za-z0-9_]*')
_TOPIC_NAME = re.compile('/?[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*/?')


@dataclass(frozen=True, kw_only=True, slots=True)
class SmoothingConfig(Ranged):
    """ActivitySmoothing: moving average, hysteresis, minimum hold, unknown threshold."""

    window_size: int = setting(5, live=True, low=1, high=1000)
    """Decisions averaged."""
    hysteresis: float = setting(0.2, live=True, low=0.0, high=1.0)
    """By how much a challenger's probability must exceed the held label's."""
    min_hold_s: float = setting(0.3, live=True, low=0.0, high=60.0)
    """A label stays at least this long, and so long when it is below ``unknown_threshold``."""
    unknown_threshold: float = setting(0.3, live=True, low=0.0, high=1.0)
    """Below this confidence the status is UNKNOWN."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AdmissionConfig(Ranged):
    """Which samples are taken, and when a decision is due."""

    decision_rate_hz: float = setting(10.0, live=True, low=0.0, high=240.0)
    """Decisions per second of sensor time; 0 decides at every admitted frame."""
    reset_after_s: float = setting(1.0, low=0.01, high=3600.0)
    """A sample this much older than the newest of its modality is a time jump, not a late one."""
    max_frame_rate_hz: float = setting(0.0, live=True, low=0.0, high=240.0)
    """Frames above this rate are skipped before decoding and counted; 0 takes every frame."""


def _queue_setting(spec: ModalitySpec) -> tuple[str, type, Any]:
    """Declare how many samples of a modality may wait for the engine."""
    queue = spec.queue
    is_time = queue.unit is QueueUnit.SECONDS
    declared = setting(
        queue.default,
        low=0.1 if is_time else 1,
        high=queue.longest,
        optional_in_checkpoint=spec.modality not in DEFAULT_MODALITIES,
        description=queue.description,
    )
    return queue.setting, float if is_time else int, declared


_WithQueues: Any = dataclasses.make_dataclass(
    '_WithQueues',
    [_queue_setting(spec) for spec in SPECS],
    bases=(AdmissionConfig,),
    frozen=True,
    kw_only=True,
    slots=True,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class SyncConfig(_WithQueues, AdmissionConfig):  # type: ignore[misc]
    """Admission and the window synchroniser, with the length of each modality's queue."""


BACKENDS = ('auto', 'torch', 'compile', 'onnxruntime', 'onnxruntime-int8', 'cudagraph')
"""Values of ``engine.backend``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineConfig(Ranged):
    """Where and how the network runs."""

    device: str = 'auto'
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""
    precision: str = 'auto'
    """``auto``, ``fp32``, ``bf16`` or ``fp16``; auto is bf16 or fp16 on CUDA and fp32 on a CPU."""
    backend: str = 'auto'
    """What runs the network's steps: ``torch``, ``compile``, ``onnxruntime``, ``onnxruntime-int8``,
    ``cudagraph``, or ``auto`` for the fastest at hand that gives the numbers of torch."""
    resize: str = 'host'
    """Where images are brought to the network's size: on the ``host``, or on the ``device``, for
    many streams on a GPU, where a pixel may differ by one level."""
    num_threads: int = setting(1, low=0, high=1024)
    """Threads of PyTorch and OpenCV on the host; 0 measures and takes the fewest that are nearly
    the fastest, with a GPU one."""
    evidence_every: int = setting(5, live=True, low=0, high=1000)
    """Decisions between two measurements of the modalities' weights; 0 never measures."""

    def __post_init__(self) -> None:
        """Check the names of device, precision, backend and where to resize."""
        Ranged.__post_init__(self)
        if self.backend not in BACKENDS:
            raise ConfigError(
                f'engine.backend must be one of {", ".join(map(repr, BACKENDS))}, '
                f'got {quoted(self.backend)}'
            )
        if self.resize not in ('host', 'device'):
            raise ConfigError(
                f"engine.resize must be 'host' or 'device', got {quoted(self.resize)}"
            )
        if self.precision not in ('auto', 'fp32', 'bf16', 'fp16'):
            raise ConfigError(
                "engine.precision must be 'auto', 'fp32', 'bf16' or 'fp16', "
                f'got {quoted(self.precision)}'
            )
        if self.device not in ('auto', 'cpu') and not self.device.startswith('cuda'):
            raise ConfigError(
                "engine.device must be 'auto', 'cpu', 'cuda' or 'cuda:N', "
                f'got {quoted(self.device)}'
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class TopicsConfig(Ranged):
    """Input topics' types and formats; the names are remapped as in any node."""

    image_transport: str = ''
    """``raw``, ``compressed``, or empty to take what the graph offers."""
    audio_type: str = ''
    """Type of the audio topic, or empty to take what the graph offers."""
    audio_channels: str = setting(
        'mean',
        advice="a channel's index goes in quotes; the number of channels to assume is "
        'topics.audio_num_channels',
    )
    """Which of several channels is used: their ``mean``, the channel with an index as text such as
    ``'0'``, or ``auto`` for the loudest of those that agree. ``auto-5`` and ``mean-5``
    leave channel 5 out, as where it holds the robot's own loudspeaker."""
    audio_num_channels: int = setting(1, low=1, high=MAX_CHANNELS)
    """Number of channels to assume with ``audio_sample_format``."""
    audio_sample_rate_hz: int = setting(16000, low=1000, high=384000)
    """Sample rate to assume with ``audio_sample_format``."""
    audio_sample_format: str = ''
    """Sample format to assume until an AudioInfo arrives, for example S16LE; empty assumes nothing
    and refuses audio that needs one until then, for drivers may send mp3 as well."""
    transcript_type: str = ''
    """Type of the transcript topic, or empty to take what the graph offers."""
    transcript_field: str = ''
    """Field that holds the text, dotted; empty for the known field of a known type."""
    transcript_incremental: bool = False
    """Whether partial results of ``hri_msgs/LiveSpeech`` are utterances, too, each beside those
    before it; for checkpoints that were trained with them."""

    def __post_init__(self) -> None:
        """Check the transport's name and the choice of channels."""
        Ranged.__post_init__(self)
        ChannelChoice.parse(self.audio_channels)
        if self.image_transport not in ('', 'raw', 'compressed'):
            raise ConfigError(
                "topics.image_transport must be 'raw', 'compressed' or '' (look at the graph), "
                f'got {quoted(self.image_transport)}'
            )


PEOPLE_SOURCES = ('auto', 'humans', 'detections', 'none')
"""Values of ``people.source``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PeopleConfig(Ranged):
    """Who is there, and how many of them are recognised each apart."""

    source: str = 'auto'
    """Who says where people are: ``humans``, the topics of REP 155; ``detections``, the topic
    ``detections`` of a tracker, vision_msgs/Detection2DArray or yolo_msgs/DetectionArray;
    ``auto``, whichever is published, or ``none``."""
    max: int = setting(4, low=1, high=64)
    """Most people who are recognised at once; of more, those who look largest."""
    hold_s: float = setting(0.3, low=0.0, high=1.0)
    """How long the region of one image stands for later images, seconds: as long as the tracker
    takes, and a little more."""
    classes: tuple[str, ...] = ('person', 'human', '0')
    """Classes of detections that are people; detections without a class are taken for such."""
    humans: str = '/humans'
    """Where the topics of REP 155 begin."""

    def __post_init__(self) -> None:
        """Check the names of the source and of the topics."""
        Ranged.__post_init__(self)
        if not _TOPIC_NAME.fullmatch(self.humans):
            raise ConfigError(
                'people.humans: expected the beginning of a topic, such as /humans: letters, '
                f'digits and underscores between slashes, got {quoted(self.humans)}'
            )
        if self.source not in PEOPLE_SOURCES:
            raise ConfigError(
                f'people.source must be one of {", ".join(map(repr, PEOPLE_SOURCES))}, '
                f'got {quoted(self.source)}'
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class RecognizerConfig(Ranged):
    """The node ``recognizer``; its ROS parameters are exactly these fields, dotted."""

    checkpoint: str = ''
    """Checkpoint folder, or the name of a shipped one: ``people`` or ``nano``. Empty takes
    ``people`` where the networks that it needs are on this machine, else ``nano``."""
    subject_id: str = ''
    """Copied into results; empty means the whole scene."""
    streams: tuple[str, ...] = ()
    """Names of several cameras, robots or persons that the node serves at once, each on topics of
    its own: ``kitchen`` has ``kitchen/image``, ``kitchen/audio``, ``kitchen/audio_info`` and
    ``kitchen/transcript``, and answers on ``kitchen/activity``. Empty: one, without a name."""
    diagnostics_rate_hz: float = setting(1.0, low=0.1, high=10.0)
    """Reports per second on /diagnostics."""
    silent_after_s: float = setting(2.0, live=True, low=0.1, high=600.0)
    """A topic silent for this long is diagnosed."""
    overlay_rate_hz: float = setting(5.0, live=True, low=0.1, high=60.0)
    """At most this many overlay images per second, and only while somebody subscribes."""
    trace: str = ''
    """File to append to what is admitted and decided, see inference/trace_file.py; empty writes
    nothing."""
    engine: EngineConfig = EngineConfig()
    sync: SyncConfig = SyncConfig()
    smoothing: SmoothingConfig = SmoothingConfig()
    topics: TopicsConfig = TopicsConfig()
    people: PeopleConfig = PeopleConfig()

    def __post_init__(self) -> None:
        """Check the names of the streams, and what goes together with several of them."""
        Ranged.__post_init__(self)
        for name in self.streams:
            if not _STREAM_NAME.fullmatch(name):
                raise ConfigError(
                    'streams: expected names as in topics, letters, digits and underscores that '
                    f'begin with a letter, got {quoted(name)}'
                )
        if len(set(self.streams)) < len(self.streams):
            raise ConfigError(f'streams: expected different names, got {list(self.streams)}')
        if self.trace and len(self.streams) > 1:
            raise ConfigError(
                f'trace: expected one stream, got {len(self.streams)}; trace each in a node of '
                'its own'
            )
        for name, given in (('streams', self.streams), ('trace', self.trace)):
            if given and self.people.source not in ('auto', 'none'):
                raise ConfigError(
                    f'people.source: expected none together with {name}, got '
                    f'{quoted(self.people.source)}; recognise people in a node of its own'
                )

    @property
    def people_source(self) -> str:
        """Who may say where people are; ``none`` with several streams or a trace."""
        return 'none' if self.streams or self.trace else self.people.source
