"""What arrays of others have to be before they are used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from activity_recognition.errors import RecordingError
from activity_recognition.types import NANOSECONDS

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MAX_S = 7 * 24 * 3600
"""Longest time from the start of a recording, seconds."""
NUMBERS = 'iuf'
"""Kinds of arrays with numbers."""


def demand_array(
    path: Path,
    key: str,
    array: NDArray[Any],
    shape: tuple[int | None, ...],
    *,
    kinds: str = NUMBERS,
) -> NDArray[Any]:
    """Return an array that is of a shape and a kind.

    Args:
        path: of the file, to be named.
        key: name of the array.
        array: to be checked.
        shape: that is expected; None for any length but 0.
        kinds: of NumPy's types; numbers by default.

    Raises:
        RecordingError: it is another.
    """
    fits = array.ndim == len(shape) and all(
        found == wanted if wanted is not None else found
        for found, wanted in zip(array.shape, shape, strict=True)
    )
    if not fits or array.dtype.kind not in kinds:
        lengths = ', '.join('any' if length is None else str(length) for length in shape)
        what = 'text' if kinds == 'U' else 'numbers'
        raise RecordingError(
            f'{path}: {key}: expected {what} of shape ({lengths}), got {array.dtype} {array.shape}'
        )
    return array


def stamps_of(path: Path, key: str, times_s: NDArray[Any], count: int) -> NDArray[np.int64]:
    """Return times in nanoseconds from the start, (count,).

    Args:
        path: of the file, to be named.
        key: name of the array.
        times_s: (count,), seconds from the start, growing.
        count: how many there have to be.

    Raises:
        RecordingError: they are no such times; naming the first that is not.
    """
    seconds = demand_array(path, key, times_s, (count,)).astype(np.float64)
    outside = ~((seconds >= 0) & (seconds <= MAX_S))
    if outside.any():
        place = int(outside.argmax())
        raise RecordingError(
            f'{path}: {key}: expected seconds from the start in [0, {MAX_S}], got '
            f'{seconds[place]} at {place}; subtract the time at which all of the file starts'
        )
    stamps = np.rint(seconds * NANOSECONDS).astype(np.int64)
    if (back := np.diff(stamps) <= 0).any():
        place = int(back.argmax()) + 1
        raise RecordingError(
            f'{path}: {key}: expected growing times, got {seconds[place]} s at {place} after '
            f'{seconds[place - 1]} s'
        )
    return stamps
