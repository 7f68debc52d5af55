"""Settings of the network: those of its encoders, and what they have in common."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from activity_recognition.encoder_config import AudioConfig, TextConfig, VideoConfig
from activity_recognition.errors import ConfigError, quoted
from activity_recognition.settings import Ranged, setting
from activity_recognition.text_files import label_fault

FUSIONS = EXPERTS, ATTENTION = ('experts', 'attention')
"""Ways to join modalities."""

_VIDEO, _AUDIO, _TEXT = VideoConfig(), AudioConfig(), TextConfig()


@dataclass(frozen=True, kw_only=True, slots=True)
class ImuConfig(Ranged):
    """ImuCNN: acceleration and angular velocity, causal convolutions, 12.5 tokens a second."""

    sample_rate_hz: int = setting(50, low=10, high=1000)
    """Rate of the samples that the network takes; a sensor of any rate is resampled to it."""
    samples_per_token: int = setting(4, low=4, high=4)
    """Samples per token: two convolutions of stride 2."""
    channels: tuple[int, ...] = (32, 64)
    """Channels of the two convolutions over samples."""
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16)
    """Dilations, in tokens, of the causal convolutions over tokens."""
    window_s: float = setting(4.0, low=0.1, high=120.0)
    max_tokens: int = setting(56, low=1, high=8192)
    """Tokens kept; large enough that ``window_s`` binds."""
    max_gap_s: float = setting(0.2, low=0.01, high=10.0)
    """Distance of two messages above which samples between them count as missing."""

    @property
    def samples_before_token(self) -> int:
        """Samples before its own that the convolutions over samples read; they have five taps."""
        return 9

    @property
    def receptive_field_tokens(self) -> int:
        """Tokens back, itself included, that one token has seen; kernels have three taps."""
        own = 1 - (-self.samples_before_token // self.samples_per_token)
        return own + sum(2 * dilation for dilation in self.dilations)

    def __post_init__(self) -> None:
        """Check the shape of the convolution stack."""
        Ranged.__post_init__(self)
        self._check_positive('channels', 'dilations')
        if len(self.channels) != 2:
            raise ConfigError(f'imu.channels needs two entries, got {self.channels}')


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig(Ranged):
    """ActivityRecognitionSystem."""

    labels: tuple[str, ...] = ('none', 'activity')
    """Activities in class order."""
    video: VideoConfig = _VIDEO
    audio: AudioConfig = _AUDIO
    text: TextConfig = _TEXT
    imu: ImuConfig = field(default=ImuConfig(), metadata={'optional_in_checkpoint': True})
    hidden_dim: int = setting(128, low=8, high=4096)
    """Width of every modality's tokens and of the fusion."""
    num_heads: int = setting(4, low=1, high=64)
    """Heads of the temporal blocks and of the cross-modal attention."""
    dropout: float = setting(0.1, low=0.0, high=0.9)
    fusion: str = setting('experts', unnamed_in_checkpoint='attention')
    """How modalities are joined: ``experts`` multiplies what each modality's own head believes and
    adds a correction by cross-modal attention; ``attention`` decides by that alone."""
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
        if self.fusion not in FUSIONS:
            raise ConfigError(
                f'fusion must be one of {", ".join(FUSIONS)}, got {quoted(self.fusion)}'
            )
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
