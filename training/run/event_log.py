"""What happened in a run: one JSON object per line, appended."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any


class EventLog:
    """Appends events to a file; a resumed run goes on in the same one."""

    def __init__(self, path: Path) -> None:
        """Log to ``path``, whose folder is created."""
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def write(self, event: str, **values: Any) -> None:
        """Append one event; floats are cut to six digits, and NaN and infinity become null.

        Args:
            event: its name.
            values: what JSON can hold.
        """
        record = {'event': event, **{key: _plain(value) for key, value in values.items()}}
        with self.path.open('a', encoding='utf-8') as file:
            file.write(json.dumps(record, allow_nan=False) + '\n')


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return float(f'{value:.6g}') if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
