"""Says of a recording whether its images are too dark, or too bright, to show much."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import median

from activity_recognition.models.exposure import MOST_GAIN
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

    def problems(self, path: Path) -> Iterator[str]:
        """Yield a sentence where the images are too dark or too bright.

        Args:
            path: of the recording.
        """
        if not self._levels:
            return
        level = median(self._levels)
        said = f'their median brightness is {level:.0f} of 255'
        if level < DARK:
            yield (
                f'{path}: the images are dark, {said}, where {DARK:.0f} and more is usual: record '
                'with more light or a longer exposure; a network with video.exposure: normalise '
                f'brightens them, {MOST_GAIN:.0f} times at most, and with them their noise'
            )
        elif level > BRIGHT:
            yield (
                f'{path}: the images are too bright, {said}, where {BRIGHT:.0f} and less is usual: '
                'record with a shorter exposure; what is white shows nothing'
            )
