"""The demand that a place holds recordings that can be used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from activity_recognition.errors import RecordingError

_NAMED = 3
"""Unusable recordings that an error speaks of."""


def demand_usable(data: Path | str, *, usable: int, skipped: Sequence[str], strict: bool) -> None:
    """Raise where no recording can be used, or with ``strict`` where any cannot.

    Args:
        data: where they were looked for.
        usable: how many can be used.
        skipped: why each of the others cannot.
        strict: whether all must be usable.

    Raises:
        RecordingError: as said; it names what is wrong with the first of them.
    """
    reasons = '; '.join(skipped[:_NAMED]) + ('; …' if len(skipped) > _NAMED else '')
    if not usable:
        raise RecordingError(
            f'{data}: expected labelled recordings below it, found none that can be used: '
            f'{reasons or "there are none"}'
        )
    if strict and skipped:
        raise RecordingError(
            f'{data}: expected recordings that can all be used, got {len(skipped)} that cannot: '
            f'{reasons}; mend or remove them, or leave --strict out'
        )
