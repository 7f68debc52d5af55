"""One uninterrupted stretch of a recording as arrays: what crops are cut from.

T frames, A audio blocks, U utterances, L word pieces, Q decisions, S image side.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from activity_recognition.models.tokenizer import TextTokenizer
from activity_recognition.streams.synchronizer import LONGEST_SILENCE_NS
from activity_recognition.training.data.targets import LabelTrack
from activity_recognition.types import NANOSECONDS, seconds_between

Int64 = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Segment:
    """What lies between two resets of a recording's streams; samples in order of arrival."""

    frames: NDArray[np.uint8]
    """(T, S, S, 3), usually memory-mapped."""
    frame_stamps: Int64
    frame_arrivals: Int64
    spectrograms: NDArray[np.float32]
    """(A, columns, mels), usually memory-mapped."""
    spectrogram_stamps: Int64
    spectrogram_arrivals: Int64
    spectrogram_mask: NDArray[np.bool_]
    """False where a block is a hole."""
    texts: tuple[str, ...]
    transcript_stamps: Int64
    transcript_arrivals: Int64
    transcript_tokens: Int64
    """(U, L); (U, 0) before :meth:`tokenised`."""
    transcript_token_mask: NDArray[np.bool_]
    decision_stamps: Int64
    """(Q,), the decisions that the node would take."""
    decision_arrivals: Int64
    labels: LabelTrack
    wide_frames: NDArray[np.uint8] | None = None
    """(T, W, W, 3), the same pictures kept larger, from which views are cropped."""

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
    def frame_rate_hz(self) -> float:
        """Mean rate of the frames; 0 with fewer than two."""
        if len(self.frame_stamps) < 2:
            return 0.0
        steps = np.diff(self.frame_stamps)
        silences = steps[steps > LONGEST_SILENCE_NS]
        span_s = seconds_between(int(self.frame_stamps[-1]), int(self.frame_stamps[0]))
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

    def tokenised(self, tokenizer: TextTokenizer) -> Segment:
        """Return a copy whose utterances carry the word pieces of ``tokenizer``."""
        ids = [tokenizer.encode(text) for text in self.texts]
        tokens = np.zeros((len(ids), max(map(len, ids), default=1)), dtype=np.int64)
        mask = np.zeros(tokens.shape, dtype=np.bool_)
        for row, pieces in enumerate(ids):
            tokens[row, : len(pieces)] = pieces
            mask[row, : len(pieces)] = True
        return dataclasses.replace(self, transcript_tokens=tokens, transcript_token_mask=mask)

    def _arrivals(self) -> tuple[Int64, ...]:
        return (
            self.frame_arrivals,
            self.spectrogram_arrivals,
            self.transcript_arrivals,
            self.decision_arrivals,
        )
