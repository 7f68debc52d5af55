"""Every setting of the package: one frozen dataclass per component, one default, one place.

YAML files and ROS parameters hold overrides of these defaults and nothing else
(:mod:`activity_recognition.config_io`). Names carry their unit: ``_s``, ``_hz``, ``_px``.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from activity_recognition.errors import ConfigError

_STREAM_NAME = re.compile('[A-Za-z][A-Za-z0-9_]*')


def _between(
    owner: object,
    name: str,
    low: float,
    high: float,
    *,
    low_open: bool = False,
) -> None:
    """Raise ConfigError unless the field ``name`` lies between ``low`` and ``high``."""
    value = getattr(owner, name)
    inside = (low < value if low_open else low <= value) and value <= high
    if not inside:
        bracket = '(' if low_open else '['
        raise ConfigError(
            f'{type(owner).__name__}.{name} must lie in {bracket}{low:g}, {high:g}], got {value!r}'
        )


def setting(
    default: Any,
    *,
    live: bool = False,
    low: float | None = None,
    high: float | None = None,
    late: bool = False,
) -> Any:
    """Declare a field with what a ROS parameter descriptor needs to know of it.

    Args:
        default: the value when nothing overrides it.
        live: whether it may change while the node is active.
        low: smallest accepted value, if it has one.
        high: largest accepted value, if it has one.
        late: whether older checkpoints lack it; the default is what they do. A checkpoint that
            has the default does not name it.
    """
    metadata = {'live': live, 'low': low, 'high': high, 'late': late}
    if isinstance(default, (list, dict, set)):
        raise TypeError('a default must be immutable')
    return field(default=default, metadata=metadata)


class Ranged:
    """Checks every field that declares a range; mixed into the dataclasses below."""

    __slots__ = ()

    def __post_init__(self) -> None:
        """Raise ConfigError for the first field outside its declared range."""
        for item in dataclasses.fields(self):  # type: ignore[arg-type]
            low, high = item.metadata.get('low'), item.metadata.get('high')
            if low is not None and high is not None:
                _between(self, item.name, low, high)

    def _check_positive(self, *names: str) -> None:
        """Raise ConfigError unless every entry of these tuples is at least 1."""
        for name in names:
            value = getattr(self, name)
            if any(entry < 1 for entry in value):
                raise ConfigError(
                    f'{type(self).__name__}.{name} must hold numbers from 1 up, got {value}'
                )


@dataclass(frozen=True, kw_only=True, slots=True)
class Architecture:
    """A pretrained network's own configuration, in the words of transformers."""

    text: str = '{}'
    """A JSON object with sorted keys, so that it can be compared and hashed."""

    @classmethod
    def of(cls, mapping: Mapping[str, Any]) -> Architecture:
        """Hold a mapping of what JSON can."""
        return cls(text=json.dumps(mapping, sort_keys=True))

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
    backbone: str = setting('', late=True)
    """Pretrained image network in place of stem and spatial blocks: a folder that
    ``save_pretrained`` wrote, or a name on the Hugging Face hub; empty for none."""
    trained_layers: int = setting(0, low=-1, high=1000, late=True)
    """Last layers of the backbone that are trained, with all that comes after them; 0 freezes the
    backbone, -1 trains all of it."""
    architecture: Architecture = field(default=Architecture(), metadata={'late': True})
    """Of the backbone; read from it, and kept in the checkpoint."""
    image_mean: tuple[float, ...] = setting((), late=True)
    """Of each colour, 1 being white, as the backbone expects it; read from it."""
    image_std: tuple[float, ...] = setting((), late=True)
    """Standard deviation of each colour, above 0; likewise."""
    motion_channels: tuple[int, ...] = setting((), late=True)
    """Channels of the stride-2 convolutions over the difference to an earlier frame, whose token is
    added to the frame's; empty for none. For a camera that stands still."""
    motion_span_s: float = setting(0.2, low=0.02, high=2.0, late=True)
    """Least age of the frame compared with, seconds."""
    motion_memory_s: float = setting(0.0, low=0.0, high=60.0, late=True)
    """How long what has changed is averaged at each place, with its direction, seconds; a token
    read from how much and how disordered it is is added to the frame's. 0 for none. For a camera
    that stands still."""
    appearance: bool = setting(True, late=True)
    """Whether single pictures are read; without, only what moves counts."""

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
    backbone: str = setting('', late=True)
    """Pretrained text network: ``minilm`` for the one that the extra of that name installs, a
    folder that ``save_pretrained`` wrote, or a name on the Hugging Face hub; empty for none.
    ``vocab_size``, ``width``, ``depth`` and ``num_heads`` are then its own."""
    trained_layers: int = setting(0, low=-1, high=1000, late=True)
    """Last layers of the backbone that are trained, with all that comes after them; 0 freezes the
    backbone, -1 trains all of it."""
    architecture: Architecture = field(default=Architecture(), metadata={'late': True})
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
            raise ConfigError(f'labels must be at least two different names, got {self.labels}')


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


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineConfig(Ranged):
    """Where and how the network runs."""

    device: str = 'auto'
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""
    precision: str = 'auto'
    """``auto``, ``fp32``, ``bf16`` or ``fp16``; auto is bf16 or fp16 on CUDA and fp32 on a CPU."""
    num_threads: int = setting(1, low=0, high=1024)
    """Intra-op threads on a CPU; 0 leaves torch's own choice."""
    evidence_every: int = setting(5, live=True, low=0, high=1000)
    """Decisions between two measurements of the modalities' weights; 0 never measures."""

    def __post_init__(self) -> None:
        """Check device and precision names."""
        Ranged.__post_init__(self)
        if self.precision not in ('auto', 'fp32', 'bf16', 'fp16'):
            raise ConfigError(
                f"engine.precision must be 'auto', 'fp32', 'bf16' or 'fp16', got {self.precision!r}"
            )
        if self.device not in ('auto', 'cpu') and not self.device.startswith('cuda'):
            raise ConfigError(
                f"engine.device must be 'auto', 'cpu', 'cuda' or 'cuda:N', got {self.device!r}"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class TopicsConfig(Ranged):
    """Input topics' types and formats; the names are remapped as in any node."""

    image_transport: str = ''
    """``raw``, ``compressed``, or empty to take what the graph offers."""
    audio_type: str = ''
    """Type of the audio topic, or empty to take what the graph offers."""
    audio_channels: int = setting(1, low=1, high=64)
    """Channels to assume with ``audio_sample_format``."""
    audio_sample_rate_hz: int = setting(16000, low=1000, high=384000)
    """Sample rate to assume with ``audio_sample_format``."""
    audio_sample_format: str = ''
    """Sample format to assume until an AudioInfo arrives, for example S16LE; empty assumes nothing
    and refuses sound that needs one until then, for drivers may send mp3 as well."""
    transcript_type: str = ''
    """Type of the transcript topic, or empty to take what the graph offers."""
    transcript_field: str = ''
    """Field that holds the text, dotted; empty for the known field of a known type."""

    def __post_init__(self) -> None:
        """Check the transport's name."""
        Ranged.__post_init__(self)
        if self.image_transport not in ('', 'raw', 'compressed'):
            raise ConfigError(
                "topics.image_transport must be 'raw', 'compressed' or '' (look at the graph), "
                f'got {self.image_transport!r}'
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
                    f'begin with a letter, got {name!r}'
                )
        if len(set(self.streams)) < len(self.streams):
            raise ConfigError(f'streams: expected different names, got {list(self.streams)}')
        if self.trace and len(self.streams) > 1:
            raise ConfigError(
                f'trace: expected one stream, got {len(self.streams)}; trace each in a node of '
                'its own'
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class AugmentationConfig(Ranged):
    """How far crops are changed at random while training; labels must stay true."""

    strength: float = setting(1.0, low=0.0, high=2.0)
    """Factor on all ranges, but not on chances and numbers; 0 changes nothing."""
    mirror: float = setting(0.5, low=0.0, high=1.0)
    """Chance that pictures are mirrored; 0 where labels tell left from right."""
    shift: float = setting(0.06, low=0.0, high=0.5)
    """Pictures are moved by up to this share of their side."""
    zoom: float = setting(0.1, low=0.0, high=1.0)
    """Logarithm of the largest zoom."""
    margin: float = setting(0.0, low=0.0, high=1.0)
    """Above 0, pictures are kept larger than the network's by this share of its side, and views of
    at least the network's size are cropped from them instead of ``shift`` and ``zoom``: what they
    show are pixels of the camera, never a repeated border."""
    contrast: float = setting(0.25, low=0.0, high=2.0)
    """Logarithm of the largest gain."""
    brightness: float = setting(20.0, low=0.0, high=255.0)
    """Largest offset, levels of 255."""
    colour: float = setting(0.0, low=0.0, high=1.0)
    """Logarithm of the largest gain of one colour."""
    level: float = setting(0.35, low=0.0, high=3.0)
    """Largest change of loudness, units of the log-mel spectrogram (1 is 17 dB)."""
    mel_shift: float = setting(0.0, low=0.0, high=32.0)
    """Sound is moved up or down by up to this many mel bands."""
    noise_db: float = setting(0.0, low=0.0, high=80.0)
    """Noise of a random colour is added, up to this far above the spectrogram's floor, dB."""
    mel_masks: int = setting(0, low=0, high=32)
    """Bands hidden (SpecAugment), each up to ``mel_mask_bins`` mels wide."""
    mel_mask_bins: int = setting(8, low=1, high=256)
    time_masks: int = setting(0, low=0, high=32)
    """Stretches hidden (SpecAugment), each up to ``time_mask_columns`` of 10 ms long."""
    time_mask_columns: int = setting(40, low=1, high=10_000)
    word_loss: float = setting(0.1, low=0.0, high=1.0)
    """Up to this share of the word pieces is lost."""
    word_errors: float = setting(0.0, low=0.0, high=1.0)
    """Up to this share of the word pieces is replaced by others."""
    clock_skew_s: float = setting(0.0, low=0.0, high=2.0)
    """Stamps of sound and speech are moved by up to this much against the camera's, seconds."""

    @property
    def crops(self) -> bool:
        """Whether views are cropped from pictures with a margin."""
        return self.margin > 0 and self.strength > 0

    def wide_px(self, side_px: int) -> int:
        """Return the side of pictures with their margin, pixels; 0 where none is needed."""
        return with_margin(side_px, self.margin) if self.crops else 0


def with_margin(side_px: int, margin: float) -> int:
    """Return a picture's side with a margin of a share of it, both edges together, pixels."""
    return side_px + round(side_px * margin)


@dataclass(frozen=True, kw_only=True, slots=True)
class StageConfig(Ranged):
    """One stage of a curriculum; what is None is as in the run that it belongs to."""

    name: str = 'stage'
    """What logs call it."""
    epochs: int = setting(1, low=1, high=100_000)
    """At most; ``patience`` may end it earlier."""
    patience: int | None = None
    min_gain: float | None = None
    fused_weight: float | None = None
    unimodal_weight: float | None = None
    contrast_weight: float | None = None
    agreement_weight: float | None = None
    modalities_at_once: int | None = None
    modality_dropout: float | None = None

    def overrides(self) -> dict[str, Any]:
        """Return the settings of the run that this stage replaces, its epochs among them."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {name: v for name, v in values.items() if name != 'name' and v is not None}


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig(Ranged):
    """One training run."""

    preset: str = 'nano'
    """Name of a file under config/models, or a path to one."""
    seed: int = setting(0, low=0, high=2**31 - 1)
    epochs: int = setting(20, low=1, high=100_000)
    """At most; without meaning where there are ``stages``."""
    batch_size: int = setting(8, low=1, high=100_000)
    """Crops per step, over all processes."""
    accumulation: int = setting(1, low=1, high=10_000)
    """Parts in which each process works through its share of a step's crops, to save memory."""
    crop_s: float = setting(16.0, low=1.0, high=600.0)
    """Length of a training crop, seconds."""
    frame_rate_hz: float = setting(5.0, low=0.5, high=120.0)
    """Mean rate to which frames of a crop are thinned at random."""
    learning_rate: float = setting(1e-3, low=1e-8, high=1.0)
    weight_decay: float = setting(0.05, low=0.0, high=1.0)
    warmup_fraction: float = setting(0.05, low=0.0, high=0.9)
    """Share of the steps over which the learning rate rises linearly."""
    gradient_clip: float = setting(1.0, low=1e-3, high=1e3)
    """Largest norm of the gradient."""
    label_smoothing: float = setting(0.05, low=0.0, high=0.9)
    fused_weight: float = setting(1.0, low=0.0, high=10.0)
    """Weight of the fused classifier's cross-entropy; 0 trains the encoders alone."""
    unimodal_weight: float = setting(0.3, low=0.0, high=10.0)
    """Weight of each unimodal head's cross-entropy."""
    contrast_weight: float = setting(0.0, low=0.0, high=10.0)
    """Weight of the contrastive alignment of the modalities at the same time."""
    contrast_temperature: float = setting(0.1, low=0.01, high=10.0)
    """Divides the cosines of the contrastive alignment."""
    contrast_gap_s: float = setting(2.0, low=0.0, high=600.0)
    """Decisions of one crop that are closer than this are no negatives of each other."""
    agreement_weight: float = setting(0.0, low=0.0, high=10.0)
    """Weight of the divergence of each unimodal head's belief from the fused one."""
    modalities_at_once: int = setting(3, low=1, high=3)
    """A crop shows at most so many modalities, drawn anew for each."""
    modality_dropout: float = setting(0.15, low=0.0, high=1.0)
    """Chance that a modality is hidden from a crop."""
    ignore_boundary_s: float = setting(0.0, low=0.0, high=10.0)
    """Decisions this close to a change of label do not count in the loss."""
    average_decay: float = setting(0.999, low=0.0, high=0.99999)
    """Decay of the moving average of the weights, which is what is kept."""
    frame_encoder_rate: float = setting(1.0, low=0.0, high=1.0)
    """Factor on the learning rate of the frame encoder, below 1 where it begins pretrained; 0
    leaves it as it is. With ``video.backbone`` it is that of the backbone's trained layers."""
    text_encoder_rate: float = setting(1.0, low=0.0, high=1.0)
    """The same for the transformer of the text encoder, which is its backbone where it has one."""
    augmentation: AugmentationConfig = AugmentationConfig()
    validation_fraction: float = setting(0.1, low=0.0, high=0.9)
    """Share of the recordings held out for calibration and for choosing the weights kept."""
    validate_every: int = setting(2, low=1, high=100_000)
    """Epochs between two validations; the last epoch of a stage is always validated."""
    patience: int = setting(0, low=0, high=100_000)
    """Validations in a row without gain that end the run, or the stage; 0 never does."""
    min_gain: float = setting(0.0, low=0.0, high=1.0)
    """What balanced accuracy must gain to count."""
    stages: tuple[StageConfig, ...] = ()
    """A curriculum, in order; none trains everything at once for ``epochs``."""
    device: str = 'auto'
    precision: str = 'auto'
    num_threads: int = setting(0, low=0, high=1024)
    num_workers: int = setting(0, low=0, high=256)
    """Processes that read and decode recordings; 0 takes one per core."""

    def __post_init__(self) -> None:
        """Check that there is something to learn, in every stage."""
        Ranged.__post_init__(self)
        if not self.fused_weight and not self.unimodal_weight:
            raise ConfigError(
                'expected fused_weight or unimodal_weight above 0, got 0 for both: nothing would '
                'be learnt from the labels'
            )
        for stage in self.stages:
            self.of_stage(stage)

    def of_stage(self, stage: StageConfig) -> TrainConfig:
        """Return the settings that hold within a stage.

        Raises:
            ConfigError: what the stage replaces lies outside its range.
        """
        return dataclasses.replace(self, stages=(), **stage.overrides())


@dataclass(frozen=True, kw_only=True, slots=True)
class PretrainConfig(Ranged):
    """Pretraining of a frame encoder on single pictures of simulated people."""

    preset: str = 'nano'
    """Name of a file under config/models, or a path to one."""
    seed: int = setting(0, low=0, high=2**31 - 1)
    scenes: int = setting(30_000, low=1, high=100_000_000)
    """Rooms, each with a person of its own; none is seen twice."""
    stills_per_scene: int = setting(4, low=1, high=1000)
    """Pictures of each."""
    scenes_per_batch: int = setting(8, low=1, high=10_000)
    learning_rate: float = setting(1e-3, low=1e-8, high=1.0)
    weight_decay: float = setting(0.05, low=0.0, high=1.0)
    warmup_fraction: float = setting(0.05, low=0.0, high=0.9)
    """Share of the steps over which the learning rate rises linearly."""
    gradient_clip: float = setting(1.0, low=1e-3, high=1e3)
    """Largest norm of the gradient."""
    average_decay: float = setting(0.999, low=0.0, high=0.99999)
    """Decay of the moving average of the weights, which is what is kept."""
    device: str = 'auto'
    precision: str = 'auto'
    num_threads: int = setting(0, low=0, high=1024)
    num_workers: int = setting(0, low=0, high=256)
    """Processes that draw pictures; 0 takes half of the cores."""

    @property
    def steps(self) -> int:
        """Batches, of ``scenes_per_batch * stills_per_scene`` pictures each."""
        return max(1, self.scenes // self.scenes_per_batch)
