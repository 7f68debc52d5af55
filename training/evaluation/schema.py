"""The file ``metrics.json`` of a report: its version, and how it is written and read.

What its keys mean is documented in ``docs/metrics.md``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from activity_recognition.errors import RecordingError, quoted
from activity_recognition.text_files import read_json

SCHEMA_VERSION = 3
"""Grows when a key changes its meaning or goes away; new keys may come without."""

_RENAMED = {
    'made_with': 'num_training_recordings',
    'passed_over': 'excluded_seen',
    'left_out': 'skipped',
}
"""Keys of ``data`` in version 2, and what they are called now."""

METRICS, REPORT = 'metrics.json', 'report.html'
"""Files of a report's folder."""

SECTIONS = (
    *('schema_version', 'combinations', 'agreement', 'temporal', 'calibration', 'unknown'),
    *('detection', 'latency_ms', 'cost', 'live', 'confidence_intervals', 'recordings', 'clips'),
    *('labels', 'checkpoint', 'curves', 'generalisation', 'data', 'settings', 'conditions'),
)
"""Keys of the file, in order."""

_LATER = ('live', 'clips', 'curves', 'generalisation')
"""Sections that came without a new version: a report of before lacks them."""

Metrics = dict[str, Any]


def fused_name(metrics: Mapping[str, Any]) -> str:
    """Return the name of the combination of all modalities that the checkpoint has."""
    return max(metrics.get('combinations') or {'': None}, key=lambda name: name.count('+'))


def write_metrics(path: Path, metrics: Metrics) -> None:
    """Write metrics as strict JSON (no NaN), lists of numbers on one line.

    Args:
        path: of the file.
        metrics: of a report.
    """
    text = json.dumps(metrics, indent=1, ensure_ascii=False, allow_nan=False)
    flat = re.sub(r'\[([^][{}"]*)\]', lambda inner: f'[{" ".join(inner[1].split())}]', text)
    path.write_text(flat + '\n', encoding='utf-8')


def read_metrics(folder: Path) -> Metrics:
    """Read the metrics of a report; those of version 2 are returned as of this one.

    Raises:
        RecordingError: there are none, they are damaged, or of another version.
    """
    path = folder / METRICS
    value = read_json(
        path,
        RecordingError,
        what='the metrics of a report',
        advice='evaluate a checkpoint first, with --data',
    )
    version = value.get('schema_version') if isinstance(value, dict) else None
    if version == 2:
        value = _upgraded(value)
    elif version != SCHEMA_VERSION:
        raise RecordingError(
            f'{path}: expected schema_version {SCHEMA_VERSION} or 2, got {quoted(version)}; '
            'evaluate again'
        )
    value = {**dict.fromkeys(_LATER), **value}
    if missing := [key for key in SECTIONS if key not in value]:
        raise RecordingError(f'{path}: expected {", ".join(missing)}, found none; evaluate again')
    return dict(value)


def _upgraded(metrics: Metrics) -> Metrics:
    """Return metrics of version 2 as of this version; what is damaged stays so."""
    data = metrics.get('data')
    if not isinstance(data, dict):
        return metrics
    renamed = {_RENAMED.get(key, key): value for key, value in data.items()}
    return {**metrics, 'schema_version': SCHEMA_VERSION, 'data': renamed}
