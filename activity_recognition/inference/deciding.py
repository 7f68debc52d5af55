"""One batch of all decisions that are due, from what is cached of their streams.

Shapes: n decisions, N rows of memory, C activities.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from activity_recognition.inference.backends.backend import Backend
from activity_recognition.inference.rings import Sight
from activity_recognition.inference.streams import NetworkState, Stream
from activity_recognition.inference.uploading import upload
from activity_recognition.models.smoothing import ActivitySmoothing, Smoothed
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.types import (
    MODALITIES,
    Decision,
    DecisionTime,
    Modality,
    ModalityEvidence,
    seconds_between,
    to_ns,
)

Due = Sequence[tuple[Stream, DecisionTime]]
"""Decisions to take, of different streams, in order of the slots."""
_VARIANTS = np.vstack((np.ones(3, bool), ~np.eye(3, dtype=bool)))
"""(4, 3) which modalities are there: all, then without each in turn."""


@dataclass(frozen=True, slots=True, eq=False)
class _Believed:
    """What the network answers to one decision."""

    logits: NDArray[np.float32]
    """(C,), fused."""
    fused: NDArray[np.float32]
    """(C,), probabilities."""
    unimodal: NDArray[np.float32]
    """(3, C), probabilities."""
    without: NDArray[np.float32] | None
    """(3, C), probabilities with each modality masked; None where it is not weighed."""
    is_finite: bool
    """Whether all of it is; nothing of it means anything otherwise."""


class BatchDecider:
    """Takes all decisions that are due with one call of the network."""

    def __init__(
        self,
        system: ActivityRecognitionSystem,
        backend: Backend,
        state: NetworkState,
        *,
        temperature: float,
        smoothing: ActivitySmoothing,
        evidence_every: int,
    ) -> None:
        """Decide with ``system`` from ``state``.

        Args:
            system: the network.
            backend: runs its steps.
            state: of all streams.
            temperature: calibration that divides the logits.
            smoothing: what turns beliefs into answers.
            evidence_every: every how many decisions of a stream its modalities are weighed; 0 for
                never.
        """
        self._backend = backend
        self._state = state
        self._windows_s = system.windows_s
        self._reach_ns = {m: to_ns(reach_s) for m, reach_s in system.receptive_field_s.items()}
        self._device = system.classifier.weight.device
        self._temperature = temperature
        self.smoothing = smoothing
        self.evidence_every = evidence_every
        self._labels = system.config.labels

    def decide(self, due: Due) -> list[Decision | None]:
        """Return one decision per entry, in order; None where the answer is not finite."""
        slots, t_ns = [stream.slot for stream, _ in due], [moment.t_ns for _, moment in due]
        whole = self._backend.fixed
        sights = [
            self._state.memories[m].sight(slots, t_ns, self._windows_s[m], whole=whole)
            for m in MODALITIES
        ]
        believed = self._believe([stream for stream, _ in due], sights)
        decisions: list[Decision | None] = []
        for row, (entry, belief) in enumerate(zip(due, believed, strict=True)):
            if belief is None:
                decisions.append(self._no_data(*entry))
            elif belief.is_finite:
                ages_s = [sight.newest_age_s[row] for sight in sights]
                decisions.append(self._answer(*entry, ages_s, belief))
            else:
                decisions.append(None)
        return decisions

    def _believe(
        self, streams: Sequence[Stream], sights: Sequence[Sight]
    ) -> list[_Believed | None]:
        """Run the network for the streams that see something; those to weigh are asked apart."""
        result: list[_Believed | None] = [None] * len(streams)
        asked: dict[bool, list[int]] = {False: [], True: []}
        there = [any(present) for present in zip(*(s.present for s in sights), strict=True)]
        for row, stream in enumerate(streams):
            if there[row]:
                asked[self._weighs(stream)].append(row)
                stream.decisions += 1
        for weigh, rows in asked.items():
            if rows:
                slots = [streams[row].slot for row in rows]
                seeing = [sight.select(rows) for sight in sights]
                for row, belief in zip(rows, self._ask(slots, seeing, weigh=weigh), strict=True):
                    result[row] = belief
        return result

    def _ask(
        self, slots: Sequence[int], sights: Sequence[Sight], *, weigh: bool
    ) -> Iterator[_Believed]:
        """Run the network once for all ``slots``; to weigh, also without each modality."""
        newest = np.array([sight.newest_of_all() for sight in sights]).T[:, None]
        newest = np.where(_VARIANTS, newest, -1) if weigh else np.ascontiguousarray(newest)
        memories: list[Tensor] = []
        for index, (modality, sight) in enumerate(zip(MODALITIES, sights, strict=True)):
            seen = sight.seen[:, None]
            memories += (
                self._state.memories[modality].view(slots, sight),
                upload(sight.age_s, self._device),
                upload(seen & _VARIANTS[:, index, None] if weigh else seen, self._device),
            )
        (found,) = self._backend.run('decision', upload(newest, self._device), *memories)
        logits = found.cpu().numpy()
        # Looked at here, where the numbers are on the host anyway.
        finite = np.isfinite(logits).all(axis=(0, 2, 3))
        if not finite.all():
            logits = np.where(finite[:, None, None], logits, 0.0)
        with np.errstate(over='ignore', invalid='ignore'):
            beliefs = _softmax(logits.astype(np.float64) / self._temperature)
        # A temperature near nothing makes infinities of finite logits.
        finite &= np.isfinite(beliefs).all(axis=(0, 2, 3))
        answers = logits[0, :, 0].astype(np.float32)
        for row in range(len(slots)):
            yield _Believed(
                logits=answers[row].copy(),
                fused=beliefs[0, row, 0].copy(),
                unimodal=beliefs[1:, row, 0],
                without=beliefs[0, row, 1:] if weigh else None,
                is_finite=bool(finite[row]),
            )

    def _weighs(self, stream: Stream) -> bool:
        return self.evidence_every > 0 and stream.decisions % self.evidence_every == 0

    def _no_data(self, stream: Stream, moment: DecisionTime) -> Decision:
        """Answer where nothing is seen."""
        t_ns, count = moment.t_ns, len(self._labels)
        smoothed = self.smoothing.no_data(t_ns, count, stream.smoothing)
        evidence = tuple(_absent(m, t_ns, stream) for m in MODALITIES)
        return self._decision(moment, smoothed, np.zeros(count, np.float32), evidence, t_ns)

    def _answer(
        self,
        stream: Stream,
        moment: DecisionTime,
        ages_s: Sequence[float],
        believed: _Believed,
    ) -> Decision:
        """Smooth what the network believes of one decision and say what it rests on."""
        fused, without = believed.fused, believed.without
        smoothed = self.smoothing.step(fused, moment.t_ns, stream.smoothing)
        weights = [math.nan] * len(MODALITIES)
        if without is not None:
            winner = smoothed.class_id if smoothed.class_id >= 0 else int(fused.argmax())
            weights = (fused[winner] - without[:, winner]).tolist()
        best = believed.unimodal.argmax(-1).tolist()
        evidence = tuple(
            _absent(m, moment.t_ns, stream)
            if math.isnan(ages_s[i])
            else ModalityEvidence(
                modality=m,
                present=True,
                age_s=ages_s[i],
                label=self._labels[best[i]],
                confidence=float(believed.unimodal[i, best[i]]),
                weight=weights[i],
            )
            for i, m in enumerate(MODALITIES)
        )
        present = [m for m, age_s in zip(MODALITIES, ages_s, strict=True) if not math.isnan(age_s)]
        start_ns = self._window_start_ns(stream, moment.t_ns, present)
        return self._decision(moment, smoothed, believed.logits, evidence, start_ns)

    def _window_start_ns(self, stream: Stream, t_ns: int, present: Sequence[Modality]) -> int:
        """Return the oldest moment that can have influenced a decision at ``t_ns``."""
        return min(max(stream.first_stamp_ns[m], t_ns - self._reach_ns[m]) for m in present)

    def _decision(
        self,
        moment: DecisionTime,
        smoothed: Smoothed,
        logits: NDArray[np.float32],
        evidence: tuple[ModalityEvidence, ...],
        window_start_ns: int,
    ) -> Decision:
        return Decision(
            t_ns=moment.t_ns,
            arrival_ns=moment.arrival_ns,
            status=smoothed.status,
            class_id=smoothed.class_id,
            label=self._labels[smoothed.class_id] if smoothed.class_id >= 0 else '',
            confidence=smoothed.confidence,
            probabilities=smoothed.probabilities,
            logits=logits,
            evidence=evidence,
            window_start_ns=window_start_ns,
            stable_since_ns=smoothed.stable_since_ns,
        )


def _absent(modality: Modality, t_ns: int, stream: Stream) -> ModalityEvidence:
    """Return the evidence of a modality without a sample in its window at ``t_ns``."""
    newest_ns = stream.newest_stamp_ns.get(modality)
    age_s = math.nan if newest_ns is None else seconds_between(t_ns, newest_ns)
    return ModalityEvidence(modality=modality, present=False, age_s=age_s)


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return probabilities (..., C), computed in float64 and in place."""
    logits -= logits.max(-1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(-1, keepdims=True)
    return logits.astype(np.float32)
