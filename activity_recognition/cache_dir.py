"""Where this package keeps what can be made again: a folder of the user (XDG base directories)."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """Return the folder, which may not exist yet.

    Raises:
        RuntimeError: the user has no home directory, and XDG_CACHE_HOME names none.
    """
    base = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(base) / 'activity_recognition'
