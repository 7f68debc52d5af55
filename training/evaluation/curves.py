"""How right a run was after each of its epochs, in training and in validation.

N validations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from activity_recognition.config_io import build_config
from activity_recognition.errors import ConfigError

Values = tuple[float | None, ...]
"""(N,); None where nothing was counted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """One measure over the epochs."""

    training: Values
    """On as many recordings that are trained on."""
    validation: Values
    """On recordings that are not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HeadCurve:
    """Balanced accuracy of one modality's own head over the epochs."""

    modality: str
    training: Values
    validation: Values


@dataclass(frozen=True, kw_only=True, slots=True)
class StageStart:
    """Where a stage of the curriculum begins."""

    name: str
    first_epoch: int
    """From 1 up."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JoinedPoint:
    """What was reached when the best weights of each modality had been put together."""

    epoch: int
    """After which they were."""
    balanced_accuracy: float | None
    """Fused, in validation."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingCurves:
    """The validations of one run."""

    epochs: tuple[int, ...]
    """(N,), after which a validation was made; from 1 up, growing."""
    stages: tuple[StageStart, ...]
    fused: Curve
    """Balanced accuracy of all modalities together."""
    loss: Curve
    """Mean cross-entropy of the fused logits, nats."""
    own_heads: tuple[HeadCurve, ...]
    joined: tuple[JoinedPoint, ...] = ()
    kept_epoch: int = 0
    """After which the weights of the checkpoint were kept; 0 where the last ones were."""
    kept_joined: bool = False
    """Whether they are those that were put together after that epoch."""

    def __post_init__(self) -> None:
        """Raise ConfigError where the parts do not fit together."""
        curves: list[Curve | HeadCurve] = [self.fused, self.loss, *self.own_heads]
        lengths = {len(line) for curve in curves for line in (curve.training, curve.validation)}
        if lengths != {len(self.epochs)} or not self.epochs:
            raise ConfigError(f'expected {len(self.epochs)} numbers for as many epochs, from 1 up')
        if self.epochs[0] < 1 or any(later <= epoch for epoch, later in pairwise(self.epochs)):
            raise ConfigError('expected epochs that grow, from 1 up')


def read_curves(metrics: Mapping[str, Any]) -> TrainingCurves | None:
    """Return the curves that a checkpoint has of its run; None where it has none.

    Args:
        metrics: what the checkpoint's ``metrics.json`` holds, in whatever state.
    """
    training = metrics.get('training')
    return parse_curves(training.get('curves')) if isinstance(training, Mapping) else None


def parse_curves(found: object) -> TrainingCurves | None:
    """Return curves that a file holds; None where they are damaged, or none.

    Args:
        found: what :func:`activity_recognition.config_io.to_mapping` gave of curves.
    """
    if not isinstance(found, Mapping):
        return None
    try:
        return build_config(TrainingCurves, found, where='curves')
    except (ConfigError, TypeError):
        return None
