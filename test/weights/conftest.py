"""A register of made-up networks, an empty cache, and no folder of the user's."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from activity_recognition.weights import entries
from activity_recognition.weights.finding import FOLDER_VARIABLE
from factories.weights import write_register


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of the cache of weights, which does not exist yet."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    return tmp_path / 'cache' / 'activity_recognition' / 'weights'


@pytest.fixture
def made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> Iterator[Path]:
    """File of a register with the networks ``pose`` and ``words``, in the place of the real one."""
    path = write_register(tmp_path / 'weights.yaml')
    monkeypatch.setattr(entries, 'REGISTER', path)
    entries.register.cache_clear()
    yield path
    entries.register.cache_clear()
