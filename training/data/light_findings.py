"""Says of recordings whether their images are too dark, or too bright, to show much."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from statistics import median

from activity_recognition.models.exposure import MOST_GAIN
from activity_recognition.training.data.several_recordings import named, shares
from activity_recognition.types import Frame, Sample

DARK, BRIGHT = 40.0, 220.0
"""Median brightness, of 255, below and above which a recording is named. Those of 300 clips of
surveillance cameras, some of them at night, lie between 59 and 180, half of them between 85 and
127: none is named. Below :data:`DARK`, a network that normalises exposure has to brighten nearly
threefold, and shows as much of the camera's noise."""
_EVERY = 8
"""Of an image, one pixel in so many is looked at, along each side."""


class LightWatch:
    """Collects how bright a recording's images are."""

    def __init__(self) -> None:
        self._levels: list[float] = []

    def add(self, sample: Sample) -> None:
        """Take one sample; figures that are drawn of key points say nothing of light."""
        if isinstance(sample, Frame) and sample.key_points is None:
            self._levels.append(float(sample.image[::_EVERY, ::_EVERY].mean()))

    @property
    def brightness(self) -> float | None:
        """Median over the images of their mean level, of 255; None without images."""
        return median(self._levels) if self._levels else None


def too_little_and_too_much_light(
    brightness: Mapping[Path, float | None], labels: Mapping[Path, Collection[str]]
) -> Iterator[str]:
    """Yield a sentence on the recordings that are too dark, and one on those too bright.

    Args:
        brightness: of each recording, see :attr:`LightWatch.brightness`.
        labels: that each recording has.
    """
    known = {path: level for path, level in brightness.items() if level is not None}
    if dark := {path: level for path, level in known.items() if level < DARK}:
        yield (
            f'{named(list(dark))}: the images are dark{shares(list(dark), labels)}, '
            f'{_levels(dark.values())}, where {DARK:.0f} and more is usual: record with more light '
            'or a longer exposure; a network with video.exposure: normalise brightens them, '
            f'{MOST_GAIN:.0f} times at most, and with them their noise'
        )
    if bright := {path: level for path, level in known.items() if level > BRIGHT}:
        yield (
            f'{named(list(bright))}: the images are too bright{shares(list(bright), labels)}, '
            f'{_levels(bright.values())}, where {BRIGHT:.0f} and less is usual: record with a '
            'shorter exposure; what is white shows nothing'
        )


def _levels(values: Collection[float]) -> str:
    least, most = round(min(values)), round(max(values))
    return f'their median brightness is {least}{f" to {most}" if most > least else ""} of 255'
