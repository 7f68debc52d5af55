"""Brings pretrained networks into the cache, from where the register or the user says.

This is the only part of the package that downloads weights, and only where somebody typed
``activity-recognition weights fetch``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from activity_recognition.errors import WeightsError
from activity_recognition.weights.entries import entry_of
from activity_recognition.weights.finding import fault, places, weights_cache
from activity_recognition.weights.session import Session
from activity_recognition.weights.sources import (
    Order,
    Source,
    registered_sources,
    source_of_path,
)
from activity_recognition.weights.storing import put_in_place


def fetch(name: str, session: Session, given: Source | None = None) -> Path:
    """Bring a network into the cache, unless it is on this machine; return where it lies.

    Where the session has a folder of its own, it is brought there instead, by a copy of what is on
    this machine if there is one.

    Args:
        name: of the network.
        session: how patient to be, whom to tell, and where to put it.
        given: where to take it from instead of the register's sources.

    Raises:
        WeightsError: no source has it, or what they have is something else.
        OutputError: the cache, or the folder, cannot be written.
    """
    entry = entry_of(name)
    here = next((place for place in places(entry) if not place.faults), None)
    if here is not None and session.folder is None:
        session.reporter.say(f'{name}: is on this machine: {here.path}')
        return here.path
    folder = session.folder or weights_cache()
    targets = {file: entry.path_in(folder, file) for file in entry.files}
    wanted = {file: target for file, target in targets.items() if fault(file, target)}
    if not wanted:
        session.reporter.say(f'{name}: is in {folder}')
    else:
        session.reporter.say(f'{name}: {entry.what}; {entry.licence}, {entry.attribution}')
    for file, target in wanted.items():
        if given is None and here is not None:
            sources = [source_of_path(here.path / file.name if entry.is_folder else here.path)]
        else:
            sources = registered_sources(file) if given is None else [given]
        _fetch_file(Order(entry=entry, file=file, target=target), sources, session)
    first = targets[entry.files[0]]
    return first.parent if entry.is_folder else first


def _fetch_file(order: Order, sources: Sequence[Source], session: Session) -> None:
    """Bring one file to its place, from the first source that has it.

    Raises:
        WeightsError: none has; says what was wrong with each.
        OutputError: the place cannot be written.
    """
    reasons: list[str] = []
    for number, source in enumerate(sources, start=1):
        staged = session.temporary(order.file.name)
        try:
            origin = source(replace(order, target=staged), session)
            put_in_place(order.file, staged, order.target, origin)
            return
        except WeightsError as error:
            reasons.append(str(error))
            if number < len(sources):
                session.reporter.say(f'{error}; trying the next source')
        finally:
            staged.unlink(missing_ok=True)
    raise WeightsError(
        f'cannot fetch {order.entry.name}: {"; ".join(reasons)}; docs/weights.md says how to bring '
        'it from another machine'
    )
