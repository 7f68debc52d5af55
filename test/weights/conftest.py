"""A register of made-up networks, an empty cache, and no folder of the user's."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from activity_recognition.weights import entries
from activity_recognition.weights.fetching import fetch
from activity_recognition.weights.finding import FOLDER_VARIABLE
from activity_recognition.weights.session import FetchConfig, Reporter, Session
from activity_recognition.weights.sources import given_source
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


class Heard(Reporter):
    """Keeps what a fetch says."""

    def __init__(self) -> None:
        self.sentences: list[str] = []
        self.counts: list[tuple[int, int]] = []

    def say(self, sentence: str) -> None:
        self.sentences.append(sentence)

    def received(self, count: int, total: int) -> None:
        self.counts.append((count, total))


@pytest.fixture
def heard() -> Heard:
    """What is told of the fetches of `bring`."""
    return Heard()


@pytest.fixture
def bring(made_up: Path, heard: Heard) -> Callable[..., Path]:
    """Fetch networks in one session, from the register's sources or from a place."""

    def bring(*names: str, place: Path | str = '', **patience: float) -> Path:
        given = given_source(str(place)) if place else None
        with Session(FetchConfig(**patience), heard) as session:
            return [fetch(name, session, given) for name in names or ('pose',)][-1]

    return bring
