"""What a checkpoint must reach before it runs on a robot, and whether its report says so."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from activity_recognition.config_io import build_config, read_yaml
from activity_recognition.errors import ConfigError
from activity_recognition.reporting.metrics import Check

ACCEPTANCE = 'acceptance.yaml'
"""The demands shipped with the package, under ``config/``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """Bounds of one number; None is no bound."""

    at_least: float | None = None
    at_most: float | None = None

    def __post_init__(self) -> None:
        """Raise ConfigError for a bound that nothing can be held against."""
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Acceptance:
    """What can be demanded; a limit without bounds demands nothing."""

    fused_accuracy: Limit = Limit()
    fused_balanced_accuracy: Limit = Limit()
    fused_macro_f1: Limit = Limit()
    """Of the decisions by themselves, with everything that is there."""
    smoothed_macro_f1: Limit = Limit()
    """Of what a node publishes."""
    video_macro_f1: Limit = Limit()
    audio_macro_f1: Limit = Limit()
    text_macro_f1: Limit = Limit()
    edit_score: Limit = Limit()
    f1_at_50: Limit = Limit()
    changes_ratio: Limit = Limit()
    """Changes of the published answer for each change of the truth."""
    onset_p95_s: Limit = Limit()
    ece: Limit = Limit()
    unknown_auroc: Limit = Limit()
    mean_average_precision: Limit = Limit()
    p95_latency_ms: Limit = Limit()
    p99_latency_ms: Limit = Limit()
    real_time_factor: Limit = Limit()
    peak_memory_mib: Limit = Limit()
    live_unequal: Limit = Limit()
    """Decisions of the node that ``forward`` takes differently from the same admission trace."""
    live_not_compared: Limit = Limit()
    """Decisions of the node that could not be held against it."""
    live_agreement: Limit = Limit()
    """Of the node's published answers with those on the undisturbed recording."""
    live_macro_f1: Limit = Limit()
    """Of the node's published answers."""


PATHS = {
    'fused_accuracy': 'combinations/video+audio+text/accuracy',
    'fused_balanced_accuracy': 'combinations/video+audio+text/balanced_accuracy',
    'fused_macro_f1': 'combinations/video+audio+text/macro_f1',
    'smoothed_macro_f1': 'combinations/video+audio+text/smoothed/macro_f1',
    'video_macro_f1': 'combinations/video/macro_f1',
    'audio_macro_f1': 'combinations/audio/macro_f1',
    'text_macro_f1': 'combinations/text/macro_f1',
    'edit_score': 'temporal/smoothed/edit_score',
    'f1_at_50': 'temporal/smoothed/f1_at_50',
    'changes_ratio': 'temporal/smoothed/changes_ratio',
    'onset_p95_s': 'temporal/smoothed/onset_s/p95',
    'ece': 'calibration/after/ece',
    'unknown_auroc': 'unknown/auroc',
    'mean_average_precision': 'detection/map',
    'p95_latency_ms': 'latency_ms/p95',
    'p99_latency_ms': 'latency_ms/p99',
    'real_time_factor': 'cost/real_time_factor',
    'peak_memory_mib': 'cost/peak_memory_mib',
    'live_unequal': 'live/unequal',
    'live_not_compared': 'live/not_compared',
    'live_agreement': 'live/undisturbed/agreement_smoothed',
    'live_macro_f1': 'live/smoothed/macro_f1',
}
"""Where ``metrics.json`` holds what is demanded; keys parted by ``/``."""


def read_acceptance(path: Path) -> Acceptance:
    """Read what is demanded.

    Raises:
        ConfigError: the file cannot be read, demands nothing, an unknown thing, or no number.
    """
    overrides = read_yaml(path)
    acceptance = build_config(Acceptance, overrides, where=str(path))
    if not overrides:
        raise ConfigError(
            f'{path}: expected limits, found none; for example ece: {{at_most: 0.05}}'
        )
    for name in overrides:
        if getattr(acceptance, name) == Limit():
            raise ConfigError(f'{path}: {name}: expected at_least or at_most, got neither')
    return acceptance


def check(metrics: dict[str, Any], acceptance: Acceptance) -> list[Check]:
    """Hold the metrics of a report against what is demanded.

    What was not measured has not been reached; but what only a run over topics can tell is left out
    of a report without one: :func:`left_open`.
    """
    checks = []
    open_names = left_open(metrics, acceptance)
    for item in dataclasses.fields(acceptance):
        limit: Limit = getattr(acceptance, item.name)
        if limit != Limit() and item.name not in open_names:
            value = _look_up(metrics, PATHS[item.name])
            checks.append(
                Check(
                    name=item.name,
                    found='not measured' if value is None else f'{value:.4g}',
                    wanted=str(limit),
                    passed=limit.holds(value),
                )
            )
    return checks


def left_open(metrics: dict[str, Any], acceptance: Acceptance) -> list[str]:
    """Return the limits that a report cannot be held against, because nothing was played."""
    if metrics.get('live') is not None:
        return []
    names = [name for name, path in PATHS.items() if path.startswith('live/')]
    return [name for name in names if getattr(acceptance, name) != Limit()]


def _look_up(metrics: dict[str, Any], path: str) -> float | None:
    value: Any = metrics
    for key in path.split('/'):
        value = value.get(key) if isinstance(value, dict) else None
    return float(value) if isinstance(value, (int, float)) else None
