"""One batch of all decisions that are due, from what is cached of their streams.

Shapes: n decisions, N rows of memory, M modalities, C activities.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from activity_recognition.config import SmoothingConfig
from activity_recognition.inference.backends.backend import Backend
from activity_recognition.inference.lanes import Lane
from activity_recognition.inference.lanes.lane import Stream
from activity_recognition.inference.precision import upload
from activity_recognition.inference.rings import AttentionView
from activity_recognition.models.smoothing import ActivitySmoothing, Smoothed
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.types import (
    Decision,
    DecisionTime,
    Modality,
    ModalityEvidence,
    seconds_between,
)

Due = Sequence[tuple[Stream, DecisionTime]]
"""Decisions to take, of different streams, in order of the slots."""


@dataclass(frozen=True, slots=True, eq=False)
class _Prediction:
    """What the network answers to one decision."""

    logits: NDArray[np.float32]
    """(C,), fused."""
    fused: NDArray[np.float32]
    """(C,), probabilities."""
    unimodal: NDArray[np.float32]
    """(M, C), probabilities."""
    ablated: NDArray[np.float32] | None
    """(M, C), probabilities with each modality masked; None where that is not asked."""
    is_finite: bool
    """Whether all of it is; nothing of it means anything otherwise."""


class BatchDecider:
    """Takes all decisions that are due with one call of the network."""

    def __init__(
        self,
        system: ActivityRecognitionSystem,
        backend: Backend,
        lanes: Mapping[Modality, Lane[Any, Any]],
        *,
        temperature: float,
        smoothing: ActivitySmoothing,
        evidence_every: int,
    ) -> None:
        """Decide with ``system`` from what its lanes keep.

        Args:
            system: the network.
            backend: runs its steps.
            lanes: of the network's modalities, in its order.
            temperature: calibration that divides the logits.
            smoothing: what turns probabilities into answers.
            evidence_every: every how many decisions of a stream each of its modalities is masked
                in turn, to see its effect; 0 for never.
        """
        self._backend = backend
        self._lanes = tuple(lanes.values())
        self._modalities = tuple(lanes)
        self._variants = np.vstack((np.ones(len(lanes), bool), ~np.eye(len(lanes), dtype=bool)))
        """(1 + M, M) which modalities are seen: all, then without each in turn."""
        self._device = system.classifier.weight.device
        self._temperature = temperature
        self._smoothing = smoothing
        self._evidence_every = evidence_every
        self._labels = system.config.labels

    def update(
        self, *, smoothing: SmoothingConfig | None = None, evidence_every: int | None = None
    ) -> None:
        """Change settings while running.

        Args:
            smoothing: how answers are smoothed; None leaves it.
            evidence_every: as when it was made; None leaves it.
        """
        if smoothing is not None:
            self._smoothing.change(smoothing)
        if evidence_every is not None:
            self._evidence_every = evidence_every

    def decide(self, due: Due) -> list[Decision | None]:
        """Return one decision per entry, in order; None where the answer is not finite."""
        streams, t_ns = [stream for stream, _ in due], [moment.t_ns for _, moment in due]
        whole = self._backend.fixed
        views = [
            lane.memory.visible_window(_slots(streams, lane), t_ns, lane.window_s, whole=whole)
            for lane in self._lanes
        ]
        predictions = self._predict(streams, views)
        decisions: list[Decision | None] = []
        for row, (entry, prediction) in enumerate(zip(due, predictions, strict=True)):
            if prediction is None:
                decisions.append(self._no_data(*entry))
            elif prediction.is_finite:
                ages_s = [view.newest_age_s[row] for view in views]
                decisions.append(self._answer(*entry, ages_s, prediction))
            else:
                decisions.append(None)
        return decisions

    def _predict(
        self, streams: Sequence[Stream], views: Sequence[AttentionView]
    ) -> list[_Prediction | None]:
        """Run the network for the streams that see something; ablations apart."""
        result: list[_Prediction | None] = [None] * len(streams)
        rows_of: dict[bool, list[int]] = {False: [], True: []}
        sees = [any(present) for present in zip(*(view.present for view in views), strict=True)]
        for row, stream in enumerate(streams):
            if sees[row]:
                rows_of[self._ablates(stream)].append(row)
                stream.count_decision()
        for ablate, rows in rows_of.items():
            if rows:
                chosen = [view.select(rows) for view in views]
                found = self._run([streams[row] for row in rows], chosen, ablate=ablate)
                for row, prediction in zip(rows, found, strict=True):
                    result[row] = prediction
        return result

    def _run(
        self, streams: Sequence[Stream], views: Sequence[AttentionView], *, ablate: bool
    ) -> Iterator[_Prediction]:
        """Run the network once for all ``streams``; to ablate, also without each modality."""
        variants = self._variants
        newest = np.array([view.newest_of_all() for view in views]).T[:, None]
        newest = np.where(variants, newest, -1) if ablate else np.ascontiguousarray(newest)
        memories: list[Tensor] = []
        for index, (lane, view) in enumerate(zip(self._lanes, views, strict=True)):
            seen = view.seen[:, None]
            memories += (
                lane.memory.view(_slots(streams, lane), view),
                upload(view.age_s, self._device),
                upload(seen & variants[:, index, None] if ablate else seen, self._device),
            )
        (found,) = self._backend.run('decision', upload(newest, self._device), *memories)
        logits = found.cpu().numpy()
        # Looked at here, where the numbers are on the host anyway.
        finite = np.isfinite(logits).all(axis=(0, 2, 3))
        if not finite.all():
            logits = np.where(finite[:, None, None], logits, 0.0)
        with np.errstate(over='ignore', invalid='ignore'):
            probabilities = _softmax(logits.astype(np.float64) / self._temperature)
        # A temperature near nothing makes infinities of finite logits.
        finite &= np.isfinite(probabilities).all(axis=(0, 2, 3))
        answers = logits[0, :, 0].astype(np.float32)
        for row in range(len(streams)):
            yield _Prediction(
                logits=answers[row].copy(),
                fused=probabilities[0, row, 0].copy(),
                unimodal=probabilities[1:, row, 0],
                ablated=probabilities[0, row, 1:] if ablate else None,
                is_finite=bool(finite[row]),
            )

    def _ablates(self, stream: Stream) -> bool:
        return self._evidence_every > 0 and stream.decisions % self._evidence_every == 0

    def _no_data(self, stream: Stream, moment: DecisionTime) -> Decision:
        """Answer where nothing is seen."""
        t_ns, count = moment.t_ns, len(self._labels)
        smoothed = self._smoothing.no_data(t_ns, count, stream.smoothing)
        evidence = tuple(_absent(m, t_ns, stream) for m in self._modalities)
        return self._decision(moment, smoothed, np.zeros(count, np.float32), evidence, t_ns)

    def _answer(
        self,
        stream: Stream,
        moment: DecisionTime,
        ages_s: Sequence[float],
        prediction: _Prediction,
    ) -> Decision:
        """Smooth what the network answers to one decision and say what it rests on."""
        fused, ablated = prediction.fused, prediction.ablated
        smoothed = self._smoothing.step(fused, moment.t_ns, stream.smoothing)
        weights = [math.nan] * len(self._modalities)
        if ablated is not None:
            winner = smoothed.class_id if smoothed.class_id >= 0 else int(fused.argmax())
            weights = (fused[winner] - ablated[:, winner]).tolist()
        best = prediction.unimodal.argmax(-1).tolist()
        evidence = tuple(
            _absent(m, moment.t_ns, stream)
            if math.isnan(ages_s[i])
            else ModalityEvidence(
                modality=m,
                present=True,
                age_s=ages_s[i],
                label=self._labels[best[i]],
                confidence=float(prediction.unimodal[i, best[i]]),
                weight=weights[i],
            )
            for i, m in enumerate(self._modalities)
        )
        lanes = zip(self._lanes, ages_s, strict=True)
        present = [lane for lane, age_s in lanes if not math.isnan(age_s)]
        start_ns = _window_start_ns(stream, moment.t_ns, present)
        return self._decision(moment, smoothed, prediction.logits, evidence, start_ns)

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


def _window_start_ns(stream: Stream, t_ns: int, present: Sequence[Lane[Any, Any]]) -> int:
    """Return the oldest moment that can have influenced a decision at ``t_ns``."""
    firsts_ns = [stream.source(m).first_stamp_ns[m] for m in (lane.modality for lane in present)]
    reached_ns = [t_ns - lane.reach_ns for lane in present]
    return min(map(max, firsts_ns, reached_ns))


def _slots(streams: Sequence[Stream], lane: Lane[Any, Any]) -> list[int]:
    """Return where a lane has what each stream sees."""
    modality = lane.modality
    return [stream.source(modality).slot for stream in streams]


def _absent(modality: Modality, t_ns: int, stream: Stream) -> ModalityEvidence:
    """Return the evidence of a modality without a sample in its window at ``t_ns``."""
    newest_ns = stream.source(modality).newest_stamp_ns.get(modality)
    age_s = math.nan if newest_ns is None else seconds_between(t_ns, newest_ns)
    return ModalityEvidence(modality=modality, present=False, age_s=age_s)


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return probabilities (..., C), computed in float64 and in place."""
    logits -= logits.max(-1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(-1, keepdims=True)
    return logits.astype(np.float32)
