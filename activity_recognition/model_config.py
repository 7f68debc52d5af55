"""Settings of the network: those of its encoders, and what they have in common."""

from __future__ import annotations

from dataclasses import dataclass, fields

from activity_recognition.encoder_config import AudioConfig, TextConfig, VideoConfig
from activity_recognition.errors import ConfigError, quoted
from activity_recognition.settings import Ranged, setting
from activity_recognition.text_files import label_fault

_VIDEO, _AUDIO, _TEXT = VideoConfig(), AudioConfig(), TextConfig()


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig(Ranged):
    """ActivityRecognitionSystem."""

    labels: tuple[str, ...] = ('none', 'activity')
    """Activities in class order."""
    video: VideoConfig = _VIDEO
    audio: AudioConfig = _AUDIO
    text: TextConfig = _TEXT
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
