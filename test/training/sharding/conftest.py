"""Recordings that may be changed, and a place that stands for object storage."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest


@pytest.fixture
def copies(recordings: Path, tmp_path: Path) -> Path:
    """Recordings that may be changed."""
    return Path(shutil.copytree(recordings, tmp_path / 'data'))


@pytest.fixture
def bucket() -> Iterator[str]:
    """URL of an empty place in memory, which stands for object storage."""
    files = fsspec.filesystem('memory')
    files.store.clear()
    files.pseudo_dirs[:] = ['']
    yield 'memory://bucket'
    files.store.clear()
    files.pseudo_dirs[:] = ['']
