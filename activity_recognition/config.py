"""Settings of network and node: one frozen dataclass per component, one default, one place.

YAML files and ROS parameters hold overrides of these defaults and nothing else
(:mod:`activity_recognition.config_io`). Names carry their unit: ``_s``, ``_hz``, ``_px``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from activity_recognition.channel_choice import MAX_CHANNELS, ChannelChoice
from activity_recognition.errors import ConfigError, quoted
from activity_recognition.settings import Ranged, setting
from activity_recognition.text_files import label_fault

_STREAM_NAME = re.compile('[A-Za-z][A-Za-z0-9_]*')


@dataclass(frozen=True, kw_only=True, slots=True)
class Architecture:
    """A pretrained network's own configuration, in the words of transformers."""

    text: str = '{}'
    """A JSON object with sorted keys, so that it can be compared and hashed."""

    @classmethod
    def of(cls, mapping: Mapping[str, Any]) -> Architecture:
        """Hold a mapping of what JSON can.

        Raises:
            ConfigError: it holds something else.
        """
        try:
            return cls(text=json.dumps(mapping, sort_keys=True, allow_nan=False))
        except (TypeError, ValueError, RecursionError) as error:
            raise ConfigError(
                f'expected an architecture that JSON can hold, got {quoted(mapping)}'
            ) from error

    def as_mapping(self) -> dict[str, Any]:
        """Return it as a mapping, empty where nothing is known."""
        content: dict[str, Any] = json.loads(self.text)
        return content


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoConfig(Ranged):
    """VideoTransformer: one token per frame, then causal attention over time."""

    input_size_px: int = setting(128, low=32, high=1024)
    """Side of the square image the network sees; frames are area-resampled to it."""
    stem_channels: tuple[int, ...] = (24, 48, 96)
    """Channels of the stride-2 convolutions before the patch embedding (Xiao et al. 2021,
    "Early Convolutions Help Transformers See Better"); each halves the image."""
    width: int = setting(96, low=8, high=4096)
    """Width of the spatial blocks."""
    spatial_depth: int = setting(2, low=1, high=64)
    spatial_heads: int = setting(4, low=1, high=64)
    readout_channels: int = setting(16, low=1, high=4096)
    """Channels of every patch from which, in its place, the frame's token is read."""
    temporal_depth: int = setting(2, low=0, high=64)
    window_s: float = setting(4.0, low=0.1, high=120.0)
    """How far back one layer looks, seconds."""
    max_tokens: int = setting(256, low=1, high=8192)
    """Frames kept; large enough that ``window_s`` binds at 60 Hz."""
    backbone: str = setting('', optional_in_checkpoint=True)
    """Pretrained image network in place of stem and spatial blocks: a folder that
    ``save_pretrained`` wrote, or a name on the Hugging Face hub; empty for none."""
    trained_layers: int = setting(0, low=-1, high=1000, optional_in_checkpoint=True)
    """Last layers of the backbone that are trained, with all that comes after them; 0 freezes the
    backbone, -1 trains all of it."""
    architecture: Architecture = field(
        default=Architecture(), metadata={'optional_in_checkpoint': True}
    )
    """Of the backbone; read from it, and kept in the checkpoint."""
    image_mean: tuple[float, ...] = setting((), optional_in_checkpoint=True)
    """Of each colour, 1 being white, as the backbone expects it; read from it."""
    image_std: tuple[float, ...] = setting((), optional_in_checkpoint=True)
    """Standard deviation of each colour, above 0; likewise."""
    motion_channels: tuple[int, ...] = setting((), optional_in_checkpoint=True)
    """Channels of the stride-2 convolutions over the difference to an earlier frame, whose token is
    added to the frame's; empty for none. For a camera that stands still."""
    motion_span_s: float = setting(0.2, low=0.02, high=2.0, optional_in_checkpoint=True)
    """Least age of the frame compared with, seconds."""
    motion_memory_s: float = setting(0.0, low=0.0, high=60.0, optional_in_checkpoint=True)
    """How long what has changed is averaged at each place, with its direction, seconds; a token
    read from how much and how disordered it is is added to the frame's. 0 for none. For a camera
    that stands still."""
    appearance: bool = setting(True, optional_in_checkpoint=True)
    """Whether single frames are encoded; without, only motion is."""

    @property
    def patch_size_px(self) -> int:
        """Pixels of the input per spatial token and side."""
        return int(2 ** (len(self.stem_channels) + 1))

    @property
    def num_patches(self) -> int:
        """Spatial tokens of one image."""
        return (self.input_size_px // self.patch_size_px) ** 2

    def __post_init__(self) -> None:
        """Check that patches tile the image and heads tile the width."""
        Ranged.__post_init__(self)
        self._check_positive('stem_channels', 'motion_channels')
        if not self.appearance:
            self._check_motion_alone()
        if any(value <= 0 for value in self.image_std):
            raise ConfigError(f'video.image_std must lie above 0, got {self.image_std}')
        if not self.backbone and self.input_size_px % self.patch_size_px:
            raise ConfigError(
                f'video.input_size_px must be a multiple of {self.patch_size_px} '
                f'(2 per stem layer and 2 for the embedding), got {self.input_size_px}'
            )
        if self.width % self.spatial_heads:
            raise ConfigError(
                f'video.width must be a multiple of video.spatial_heads={self.spatial_heads}, '
                f'got {self.width}'
            )

    def _check_motion_alone(self) -> None:
        if not self.motion_channels and not self.motion_memory_s:
            raise ConfigError(
                'expected video.motion_channels or video.motion_memory_s with video.appearance: '
                'false, got neither: nothing would be seen'
            )
        if self.backbone:
            raise ConfigError(
                f'expected no video.backbone with video.appearance: false, got {self.backbone}'
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class AudioConfig(Ranged):
    """AudioCNN: log-mel spectrogram, causal convolutions, 25 tokens a second."""

    sample_rate_hz: int = setting(16000, low=4000, high=192000)
    frame_length_s: float = setting(0.025, low=0.005, high=0.2)
    """Length of one spectrogram column."""
    hop_s: float = setting(0.010, low=0.002, high=0.1)
    """Distance of spectrogram columns."""
    num_mels: int = setting(48, low=8, high=256)
    columns_per_token: int = setting(4, low=4, high=4)
    """Spectrogram columns per token: two convolutions of stride 2."""
    channels: tuple[int, ...] = (24, 48)
    """Channels of the two time-and-frequency convolutions."""
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16)
    """Dilations, in tokens, of the causal convolutions over tokens."""
    window_s: float = setting(4.0, low=0.1, high=120.0)
    max_tokens: int = setting(104, low=1, high=8192)
    """Tokens kept; large enough that ``window_s`` binds."""
    max_gap_s: float = setting(0.2, low=0.01, high=10.0)
    """Residual of the sample clock above which samples count as missing."""

    @property
    def hop_samples(self) -> int:
        """Samples between spectrogram columns."""
        return round(self.hop_s * self.sample_rate_hz)

    @property
    def frame_samples(self) -> int:
        """Samples under one spectrogram column."""
        return round(self.frame_length_s * self.sample_rate_hz)

    @property
    def fft_samples(self) -> int:
        """Samples under a column's Fourier transform, ``frame_samples`` in the middle of them."""
        return 1 << (self.frame_samples - 1).bit_length()

    @property
    def receptive_field_tokens(self) -> int:
        """Tokens back, itself included, that one token has seen; kernels have three taps."""
        return 2 + sum(2 * dilation for dilation in self.dilations)

    @property
    def token_rate_hz(self) -> float:
        """Audio tokens per second."""
        return self.sample_rate_hz / (self.hop_samples * self.columns_per_token)

    def __post_init__(self) -> None:
        """Check the shape of the convolution stack."""
        Ranged.__post_init__(self)
        self._check_positive('channels', 'dilations')
        if len(self.channels) != 2:
            raise ConfigError(f'audio.channels needs two entries, got {self.channels}')


@dataclass(frozen=True, kw_only=True, slots=True)
class TextConfig(Ranged):
    """TextTransformer: one token per utterance."""

    vocab_size: int = setting(2000, low=16, high=1_000_000)
    width: int = setting(128, low=8, high=4096)
    depth: int = setting(2, low=1, high=64)
    num_heads: int = setting(4, low=1, high=64)
    max_length: int = setting(32, low=4, high=512)
    """Word pieces per utterance; longer ones keep their end."""
    window_s: float = setting(20.0, low=0.1, high=600.0)
    max_tokens: int = setting(16, low=1, high=1024)
    """Utterances kept."""
    backbone: str = setting('', optional_in_checkpoint=True)
    """Pretrained text network: ``minilm`` for the one that the extra of that name installs, a
    folder that ``save_pretrained`` wrote, or a name on the Hugging Face hub; empty for none.
    ``vocab_size``, ``width``, ``depth`` and ``num_heads`` are then its own."""
    trained_layers: int = setting(0, low=-1, high=1000, optional_in_checkpoint=True)
    """Last layers of the backbone that are trained, with all that comes after them; 0 freezes the
    backbone, -1 trains all of it."""
    architecture: Architecture = field(
        default=Architecture(), metadata={'optional_in_checkpoint': True}
    )
    """Of the backbone; read from it, and kept in the checkpoint."""

    def __post_init__(self) -> None:
        """Check that heads tile the width."""
        Ranged.__post_init__(self)
        if self.width % self.num_heads:
            raise ConfigError(
                f'text.width must be a multiple of text.num_heads={self.num_heads}, '
                f'got {self.width}'
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig(Ranged):
    """ActivityRecognitionSystem."""

    labels: tuple[str, ...] = ('none', 'activity')
    """Activities in class order."""
    video: VideoConfig = VideoConfig()
    audio: AudioConfig = AudioConfig()
    text: TextConfig = TextConfig()
    hidden_dim: int = setting(128, low=8, high=4096)
    """Width of every modality's tokens and of the fusion."""
    num_heads: int = setting(4, low=1, high=64)
    """Heads of the temporal blocks and of the cross-modal attention."""
    dropout: float = setting(0.1, low=0.0, high=0.9)
    modalities: tuple[str, ...] = setting(('video', 'audio', 'text'), optional_in_checkpoint=True)
    """What the network takes in: names of the sections above that describe an encoder, in their
    order. Samples of others are ignored, and their topics not subscribed to."""

    @property
    def num_activities(self) -> int:
        """Number of classes."""
        return len(self.labels)

    def __post_init__(self) -> None:
        """Check labels and head sizes."""
        Ranged.__post_init__(self)
        if self.hidden_dim % self.num_heads:
            raise ConfigError(
                f'hidden_dim must be a multiple of num_heads={self.num_heads}, '
                f'got {self.hidden_dim}'
            )
        if len(self.labels) < 2 or len(set(self.labels)) != len(self.labels):
            raise ConfigError(
                f'labels must be at least two different names, got {quoted(self.labels)}'
            )
        for label in self.labels:
            if fault := label_fault(label):
                raise ConfigError(f'labels: {fault}')
        self._check_modalities()

    def _check_modalities(self) -> None:
        """Check that each has a section, and that they lie in the order of the sections."""
        known = [item.name for item in fields(self) if hasattr(item.default, 'max_tokens')]
        wanted = [name for name in known if name in self.modalities]
        if not wanted or list(self.modalities) != wanted:
            raise ConfigError(
                f'modalities: expected some of {", ".join(known)}, each once and in this order, '
                f'got {quoted(list(self.modalities))}'
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class SmoothingConfig(Ranged):
    """ActivitySmoothing: moving average, hysteresis, minimum hold, unknown threshold."""

    window_size: int = setting(5, live=True, low=1, high=1000)
    """Decisions averaged."""
    hysteresis: float = setting(0.1, live=True, low=0.0, high=1.0)
    """By how much a challenger's probability must exceed the held label's."""
    min_hold_s: float = setting(0.3, live=True, low=0.0, high=60.0)
    """A label stays at least this long."""
    unknown_threshold: float = setting(0.3, live=True, low=0.0, high=1.0)
    """Below this confidence the status is UNKNOWN."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SyncConfig(Ranged):
    """Admission and the window synchroniser."""

    decision_rate_hz: float = setting(10.0, live=True, low=0.0, high=240.0)
    """Decisions per second of sensor time; 0 decides at every admitted frame."""
    reset_after_s: float = setting(1.0, low=0.01, high=3600.0)
    """A sample this much older than the newest of its modality is a time jump, not a late one."""
    max_frame_rate_hz: float = setting(0.0, live=True, low=0.0, high=240.0)
    """Frames above this rate are skipped before decoding and counted; 0 takes every frame."""
    queue_frames: int = setting(8, low=1, high=1000)
    """Frames that may wait for the engine; the oldest is dropped and counted."""
    queue_audio_s: float = setting(8.0, low=0.1, high=600.0)
    """Seconds of audio that may wait for the engine."""
    queue_utterances: int = setting(64, low=1, high=10_000)
    """Utterances that may wait for the engine."""


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
    and refuses sound that needs one until then, for drivers may send mp3 as well."""
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


@dataclass(frozen=True, kw_only=True, slots=True)
class RecognizerConfig(Ranged):
    """The node ``recognizer``; its ROS parameters are exactly these fields, dotted."""

    checkpoint: str = ''
    """Checkpoint folder; empty takes the one shipped with the package."""
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

    def __post_init__(self) -> None:
        """Check the names of the streams."""
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
