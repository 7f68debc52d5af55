"""What the sensors of taught recordings show too little of, by what the network takes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np

from activity_recognition.training.data.light_findings import too_little_and_too_much_light
from activity_recognition.training.data.segments import LabelledSegment
from activity_recognition.training.data.several_recordings import named, shares
from activity_recognition.training.data.silence_findings import silent_audio

NOBODY = 0.5
"""Share of a recording's frames without a person above which it is named."""


class SignalWatch:
    """Collects it, recording by recording."""

    def __init__(self) -> None:
        self._labels: dict[Path, Collection[str]] = {}
        self._brightness: dict[Path, float | None] = {}
        self._nobody: dict[Path, float] = {}
        self._silent: dict[Path, bool] = {}

    def add(self, name: str, labels: Collection[str], segments: Sequence[LabelledSegment]) -> None:
        """Take a recording.

        Args:
            name: of it.
            labels: that it has.
            segments: of it.
        """
        place = Path(name)
        self._labels[place] = labels
        frames = [s.arrays['frames'] for s in segments if len(s.arrays.get('frames', ()))]
        if frames and frames[0].dtype == np.uint8:
            levels = np.concatenate([part.mean((1, 2, 3)) for part in frames])
            self._brightness[place] = float(np.median(levels))
        elif frames:
            missing = np.concatenate([(part[..., 2] <= 0).all(-1) for part in frames])
            self._nobody[place] = float(np.mean(missing))
        heard = (s.arrays['spectrograms'] for s in segments if 'spectrograms' in s.arrays)
        sounds = [part for part in heard if len(part)]
        self._silent[place] = bool(sounds) and all(float(np.ptp(part)) == 0.0 for part in sounds)

    def warnings(self) -> Iterator[str]:
        """Yield a sentence on the recordings with each fault, where there are any."""
        yield from too_little_and_too_much_light(self._brightness, self._labels)
        empty = [place for place, share in self._nobody.items() if share > NOBODY]
        if empty:
            least = min(self._nobody[place] for place in empty)
            yield (
                f'{named(empty)}: nobody is seen in {100 * least:.0f} % of the frames'
                f'{" and more" if len(empty) > 1 else ""}{shares(empty, self._labels)}; show the '
                'whole person, nearer and in more light'
            )
        yield from silent_audio(self._silent, self._labels)
