"""Brings pretrained networks into the cache, from where the register or the user says.

This is the only part of the package that downloads weights, and only where somebody typed
``activity-recognition weights fetch``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from activity_recognition.errors import WeightsError
from activity_recognition.weights.entries import WeightsEntry, WeightsFile, entry_of
from activity_recognition.weights.finding import Place, fault, places, weights_cache
from activity_recognition.weights.session import Session
from activity_recognition.weights.sources import Order, Source, registered_sources
from activity_recognition.weights.storing import put_in_place


def fetch(name: str, session: Session, given: Source | None = None) -> Path:
    """Bring a network into the cache unless it is on this machine; return where it lies.

    Args:
        name: of the network.
        session: how patient to be, and whom to tell.
        given: where to take it from instead of the register's sources.

    Raises:
        WeightsError: no source has it, or what they have is something else.
        OutputError: the cache cannot be written.
    """
    entry = entry_of(name)
    here = _whole(entry)
    if here is not None:
        session.reporter.say(f'{name}: is on this machine: {here.path}')
        return here.path
    session.reporter.say(f'{name}: {entry.what}; {entry.licence}, {entry.attribution}')
    for file in entry.files:
        target = entry.path_in(weights_cache(), file)
        if fault(file, target):
            sources = registered_sources(file) if given is None else [given]
            _fetch_file(entry, file, target, sources, session)
    here = _whole(entry)
    if here is None:
        raise WeightsError(f'{name} was changed while it was fetched; fetch it again')
    return here.path


def _whole(entry: WeightsEntry) -> Place | None:
    return next((place for place in places(entry) if not place.faults), None)


def _fetch_file(
    entry: WeightsEntry,
    file: WeightsFile,
    target: Path,
    sources: Sequence[Source],
    session: Session,
) -> None:
    """Bring one file into the cache, from the first source that has it.

    Raises:
        WeightsError: none has; says what was wrong with each.
        OutputError: the cache cannot be written.
    """
    reasons: list[str] = []
    for number, source in enumerate(sources, start=1):
        staged = session.temporary(file.name)
        try:
            origin = source(Order(entry=entry, file=file, target=staged), session)
            put_in_place(file, staged, target, origin)
            return
        except WeightsError as error:
            reasons.append(str(error))
            if number < len(sources):
                session.reporter.say(f'{error}; trying the next source')
        finally:
            staged.unlink(missing_ok=True)
    raise WeightsError(
        f'cannot fetch {entry.name}: {"; ".join(reasons)}; docs/weights.md says how to bring it '
        'from another machine'
    )
