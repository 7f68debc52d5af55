"""One segment of a recording with its labels: what crops are cut from."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from activity_recognition.inference.trace import SegmentArrays, full_masks, token_arrays
from activity_recognition.modalities import DECISION_KEYS, SPEC
from activity_recognition.models.tokenizer import TextTokenizer
from activity_recognition.streams.recorded_windows import LONGEST_SILENCE_NS
from activity_recognition.training.data.targets import LabelTrack
from activity_recognition.types import NANOSECONDS, Modality, seconds_between

Int64 = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LabelledSegment(SegmentArrays):
    """What lies between two resets of a recording, with its labels.

    Large arrays are usually memory-mapped.
    """

    labels: LabelTrack

    @property
    def start_ns(self) -> int:
        """Earliest arrival of anything."""
        return min(int(times[0]) for times in self._arrivals() if len(times))

    @property
    def end_ns(self) -> int:
        """Just after the latest arrival of anything."""
        return max(int(times[-1]) for times in self._arrivals() if len(times)) + 1

    @property
    def duration_s(self) -> float:
        """Seconds from the first arrival to the last."""
        return seconds_between(self.end_ns, self.start_ns)

    @property
    def targets(self) -> Int64:
        """(Q,), true classes of the node's decisions; negative where nothing is labelled."""
        return self.labels.at(self.decision_stamps)

    @property
    def decision_stamps(self) -> Int64:
        """(Q,), what the decisions that the node would take speak of."""
        return self.arrays[DECISION_KEYS[0]]

    def length(self, modality: Modality) -> int:
        """Return how many samples there are of a modality."""
        return len(self.arrays[SPEC[modality].stamps_key])

    def rate_hz(self, modality: Modality) -> float:
        """Return the mean rate of a modality's samples; 0 with fewer than two."""
        stamps = self.arrays[SPEC[modality].stamps_key]
        if len(stamps) < 2:
            return 0.0
        steps = np.diff(stamps)
        silences = steps[steps > LONGEST_SILENCE_NS]
        span_s = seconds_between(int(stamps[-1]), int(stamps[0]))
        span_s -= int(silences.sum()) / NANOSECONDS
        count = len(steps) - len(silences)
        return count / span_s if count else 0.0

    @property
    def busy(self) -> list[tuple[int, int]]:
        """Arrival of the first of anything and just after the last, on each side of a silence.

        Nothing is decided in a silence that is longer than :data:`LONGEST_SILENCE_NS`, as where a
        board without a clock of its own began in 1970 and was set later.
        """
        every = np.sort(np.concatenate(self._arrivals()))
        cuts = np.flatnonzero(np.diff(every) > LONGEST_SILENCE_NS) + 1
        parts = np.split(every, cuts)
        return [(int(part[0]), int(part[-1]) + 1) for part in parts if len(part)]

    def tokenised(self, tokenizer: TextTokenizer) -> LabelledSegment:
        """Return a copy whose utterances carry the token ids of ``tokenizer``."""
        if Modality.TEXT not in self.modalities:
            return self
        tokens = token_arrays(self.texts, tokenizer)
        return dataclasses.replace(self, arrays={**self.arrays, **tokens})

    def batch(self) -> dict[str, NDArray[Any]]:
        """Return the whole, tokenised, as a batch of one that ``forward`` takes."""
        specs = [SPEC[m] for m in self.modalities]
        names = [array.name for spec in specs for array in spec.arrays]
        keys = [name for name in names if name in self.arrays]
        keys += [key for spec in specs for key in spec.stored_keys]
        arrays = {key: self.arrays[key] for key in (*keys, *DECISION_KEYS)}
        return {key: value[None] for key, value in (arrays | full_masks(arrays)).items()}

    def _arrivals(self) -> list[Int64]:
        keys = [SPEC[m].arrivals_key for m in self.modalities]
        return [self.arrays[key] for key in (*keys, DECISION_KEYS[1])]
