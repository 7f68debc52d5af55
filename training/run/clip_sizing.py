"""How large a network, and how strict its regularisation, a number of clips allows.

A rule and no search: with few clips, what a search finds on its few validation clips is chance.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from activity_recognition.config import ModelConfig
from activity_recognition.config_io import build_config, dotted_overrides, nested, unknown_key
from activity_recognition.errors import ConfigError
from activity_recognition.models.pretrained import with_backbones
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.data.dataset import Dataset


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipSize:
    """What holds below a number of clips per label."""

    below: float
    """Clips per label, the number itself left out."""
    hidden_dim: int
    """Width of tokens and fusion, and of the text encoder."""
    dropout: float
    weight_decay: float
    label_smoothing: float
    strength: float
    """Of the augmentation."""
    epochs: int
    """Over all stages."""

    def settings(self) -> dict[str, Any]:
        """Return the settings of a run, by their dotted names."""
        return {
            'model.hidden_dim': self.hidden_dim,
            'model.text_width': self.hidden_dim,
            'model.dropout': self.dropout,
            'weight_decay': self.weight_decay,
            'label_smoothing': self.label_smoothing,
            'augmentation.strength': self.strength,
            'epochs': self.epochs,
        }


SIZES = (
    ClipSize(
        below=15,
        hidden_dim=32,
        dropout=0.4,
        weight_decay=0.3,
        label_smoothing=0.2,
        strength=1.25,
        epochs=100,
    ),
    ClipSize(
        below=40,
        hidden_dim=48,
        dropout=0.3,
        weight_decay=0.2,
        label_smoothing=0.15,
        strength=1.25,
        epochs=80,
    ),
    ClipSize(
        below=80,
        hidden_dim=64,
        dropout=0.25,
        weight_decay=0.1,
        label_smoothing=0.1,
        strength=1.0,
        epochs=60,
    ),
    ClipSize(
        below=300,
        hidden_dim=96,
        dropout=0.2,
        weight_decay=0.1,
        label_smoothing=0.1,
        strength=1.0,
        epochs=30,
    ),
    ClipSize(
        below=float('inf'),
        hidden_dim=128,
        dropout=0.1,
        weight_decay=0.05,
        label_smoothing=0.05,
        strength=0.75,
        epochs=15,
    ),
)
"""The rule, by growing numbers of clips."""
SIZED = tuple(SIZES[0].settings())
"""Settings that can follow from the number of clips."""


def size_for(clips_per_label: float) -> ClipSize:
    """Return what the rule says.

    Args:
        clips_per_label: recordings that are trained on, divided by labels.

    Raises:
        ConfigError: there are none.
    """
    if not clips_per_label > 0:
        raise ConfigError(f'expected clips to size a network to, got {clips_per_label:g} per label')
    return next(size for size in SIZES if clips_per_label < size.below)


def sized(config: TrainConfig, *, clips: int, labels: int) -> TrainConfig:
    """Return a recipe with what it leaves to the number of clips filled in.

    Args:
        config: of the run; its ``sized_to_clips`` names those settings.
        clips: recordings that are trained on.
        labels: how many labels they have.

    Raises:
        ConfigError: a name in ``sized_to_clips`` is none of :data:`SIZED`.
    """
    for name in config.sized_to_clips:
        if name not in SIZED:
            raise ConfigError(unknown_key(name, SIZED, 'sized_to_clips'))
    if not config.sized_to_clips:
        return config
    found = size_for(clips / labels).settings()
    chosen = {name: found[name] for name in config.sized_to_clips}
    fixed = dataclasses.replace(config, sized_to_clips=())
    values = nested({**dotted_overrides(fixed), **chosen}, where='sized_to_clips')
    result = build_config(TrainConfig, values, where='sized_to_clips')
    return result.with_epochs(result.epochs) if 'epochs' in chosen else result


def size_to_data(
    config: TrainConfig, dataset: Dataset, console: Console | None = None
) -> tuple[TrainConfig, ModelConfig]:
    """Fill in what a recipe leaves to the number of clips, and return the network that it names.

    Args:
        config: of the run.
        dataset: what it is trained on.
        console: where to say what that is.
    """
    clips, labels = len(dataset.training), max(1, len(dataset.labels))
    found = sized(config, clips=clips, labels=labels)
    if console is not None and config.sized_to_clips:
        values = ', '.join(f'{name} {_value(found, name):g}' for name in config.sized_to_clips)
        console.print(
            f'sized to {clips / labels:.4g} clips per label: {values}',
            highlight=False,
            soft_wrap=True,
        )
    return found, with_backbones(found.model_config())


def _value(config: TrainConfig, name: str) -> float:
    value: Any = config
    for part in name.split('.'):
        value = getattr(value, part)
    return float(value)
