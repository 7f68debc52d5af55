"""What a checkpoint must reach before it runs on a robot, and whether its report says so."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from activity_recognition.config_io import build_config, read_yaml
from activity_recognition.errors import ConfigError
from activity_recognition.modalities import SPECS
from activity_recognition.reporting.metrics import Check
from activity_recognition.training.evaluation.schema import fused_name

ACCEPTANCE = 'acceptance.yaml'
"""The demands shipped with the package, under ``config/``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """Bounds of one number; None is no bound."""

    at_least: float | None = None
    at_most: float | None = None

    def __post_init__(self) -> None:
        """Raise ConfigError for a bound that nothing can be compared with."""
        for bound in (self.at_least, self.at_most):
            if bound is not None and not math.isfinite(bound):
                raise ConfigError(f'a limit must be a finite number, got {bound}')

    def holds(self, value: float | None) -> bool:
        """Return whether a value lies within; one that was not measured does not."""
        if value is None:
            return False
        low = -math.inf if self.at_least is None else self.at_least
        return low <= value <= (math.inf if self.at_most is None else self.at_most)

    def __str__(self) -> str:
        bounds = (('at least', self.at_least), ('at most', self.at_most))
        return ' and '.join(f'{name} {bound:g}' for name, bound in bounds if bound is not None)


_OF_MODALITIES = {f'{spec.name}_macro_f1': f'combinations/{spec.name}' for spec in SPECS}
"""Limits on each modality alone, by their names."""

_CHANGES = 'changes_ratio'

PATHS = {
    # Of the decisions by themselves, with everything that is there.
    'fused_accuracy': 'combinations/{fused}/accuracy',
    'fused_balanced_accuracy': 'combinations/{fused}/balanced_accuracy',
    'fused_macro_f1': 'combinations/{fused}/macro_f1',
    # Of what a node publishes.
    'smoothed_macro_f1': 'combinations/{fused}/smoothed/macro_f1',
    **{name: f'{place}/macro_f1' for name, place in _OF_MODALITIES.items()},
    'edit_score': 'temporal/smoothed/edit_score',
    'f1_at_50': 'temporal/smoothed/f1_at_50',
    # Changes of the published answer for each change of the truth.
    _CHANGES: 'temporal/smoothed/changes_ratio',
    'onset_p95_s': 'temporal/smoothed/onset_s/p95',
    'ece': 'calibration/after/ece',
    'unknown_auroc': 'unknown/auroc',
    'mean_average_precision': 'detection/map',
    'p95_latency_ms': 'latency_ms/p95',
    'p99_latency_ms': 'latency_ms/p99',
    'real_time_factor': 'cost/real_time_factor',
    'peak_memory_mib': 'cost/peak_memory_mib',
    # Decisions of the node that ``forward`` takes differently from the same admission trace.
    'live_unequal': 'live/unequal',
    # Decisions of the node that could not be compared with it.
    'live_not_compared': 'live/not_compared',
    # Of the node's published answers with those on the undisturbed recording.
    'live_agreement': 'live/undisturbed/agreement_smoothed',
    'live_macro_f1': 'live/smoothed/macro_f1',
}
"""What can be demanded, and where ``metrics.json`` holds it.

Keys are parted by ``/``; ``{fused}`` stands for the combination of all modalities.
"""

Acceptance = Mapping[str, Limit]
"""Limits by names of :data:`PATHS`; what has none demands nothing."""

# A mapping of known names to values of one type is read as a class of such fields.
_Limits: type[Any] = dataclasses.make_dataclass(
    'Limits', [(name, Limit, Limit()) for name in PATHS], frozen=True, kw_only=True
)


def read_acceptance(path: Path) -> Acceptance:
    """Read what is demanded.

    Raises:
        ConfigError: the file cannot be read, demands nothing, an unknown thing, or no number.
    """
    overrides = read_yaml(path)
    limits = build_config(_Limits, overrides, where=str(path))
    if not overrides:
        raise ConfigError(
            f'{path}: expected limits, found none; for example ece: {{at_most: 0.05}}'
        )
    acceptance = {name: getattr(limits, name) for name in PATHS if name in overrides}
    for name, limit in acceptance.items():
        if limit == Limit():
            raise ConfigError(f'{path}: {name}: expected at_least or at_most, got neither')
    return acceptance


def check(metrics: Mapping[str, Any], acceptance: Acceptance) -> list[Check]:
    """Compare the metrics of a report with what is demanded.

    What was not measured has not been reached; but what this report cannot say is left out:
    :func:`left_open`.

    Args:
        metrics: of a report.
        acceptance: what is demanded.
    """
    checks = []
    open_names = left_open(metrics, acceptance)
    for name, limit in acceptance.items():
        if name not in open_names:
            value = _look_up(metrics, PATHS[name])
            checks.append(
                Check(
                    name=name,
                    found='not measured' if value is None else f'{value:.4g}',
                    wanted=str(limit),
                    passed=limit.holds(value),
                )
            )
    return checks


def left_open(metrics: Mapping[str, Any], acceptance: Acceptance) -> list[str]:
    """Return the limits that a report cannot be compared with.

    Nothing was played, the checkpoint has no such modality, or the truth never changes.

    Args:
        metrics: of a report.
        acceptance: what is demanded.
    """
    names = []
    if metrics.get('live') is None:
        names += [name for name, path in PATHS.items() if path.startswith('live/')]
    if combinations := metrics.get('combinations'):
        absent = [n for n, p in _OF_MODALITIES.items() if p.split('/')[1] not in combinations]
        names += absent
    if is_of_clips(metrics):
        names.append(_CHANGES)
    return [name for name in names if name in acceptance]


def is_of_clips(metrics: Mapping[str, Any]) -> bool:
    """Return whether every recording has one label, so that the truth never changes."""
    clips = metrics.get('clips')
    return clips is not None and not clips['others']


def _look_up(metrics: Mapping[str, Any], path: str) -> float | None:
    value: Any = metrics
    for key in path.split('/'):
        name = fused_name(metrics) if key == '{fused}' else key
        value = value.get(name) if isinstance(value, Mapping) else None
    return float(value) if isinstance(value, (int, float)) else None
