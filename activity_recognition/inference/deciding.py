"""One batch of all decisions that are due, from what is cached of their streams.

Shapes: n decisions, B rows of the network (a decision that is weighed takes four), C activities.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from activity_recognition.inference.streams import NetworkState, Stream
from activity_recognition.models.fusion import Memory
from activity_recognition.models.smoothing import ActivitySmoothing, Smoothed
from activity_recognition.models.state import Rows, Sight
from activity_recognition.models.system import ActivityRecognitionSystem, ModelOutput
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


class BatchDecider:
    """Takes all decisions that are due with one call of the network."""

    def __init__(
        self,
        system: ActivityRecognitionSystem,
        state: NetworkState,
        *,
        temperature: float,
        smoothing: ActivitySmoothing,
        evidence_every: int,
    ) -> None:
        """Decide with ``system`` from ``state``.

        Args:
            system: the network.
            state: of all streams.
            temperature: calibration that divides the logits.
            smoothing: what turns beliefs into answers.
            evidence_every: every how many decisions of a stream its modalities are weighed; 0 for
                never.
        """
        self._system = system
        self._state = state
        self._temperature = temperature
        self.smoothing = smoothing
        self.evidence_every = evidence_every
        self._labels = system.config.labels

    def decide(self, due: Due) -> list[Decision]:
        """Return one decision per entry, in order."""
        device, windows_s = self._system.classifier.weight.device, self._system.windows_s
        rows = Rows.of([stream.slot for stream, _ in due], device)
        t_ns = [moment.t_ns for _, moment in due]
        sights = {m: self._state.fusion[m].ring.sight(rows, t_ns, windows_s[m]) for m in MODALITIES}
        there = np.logical_or.reduce([sight.present for sight in sights.values()])
        asked = [entry for entry, some in zip(due, there, strict=True) if some]
        seeing = sights if all(there) else {m: s.select(there) for m, s in sights.items()}
        believed = iter(self._ask(asked, seeing) if asked else ())
        return [
            self._answer(
                *entry,
                {m: s.select(slice(row, row + 1)) for m, s in sights.items()},
                next(believed),
            )
            if there[row]
            else self._no_data(*entry)
            for row, entry in enumerate(due)
        ]

    def _ask(self, due: Due, sights: Mapping[Modality, Sight]) -> list[_Believed]:
        """Run the network once for decisions that see something."""
        rows = Rows.of([stream.slot for stream, _ in due], self._system.classifier.weight.device)
        memories = {m: self._memory(m, rows, sight) for m, sight in sights.items()}
        weighed = [row for row, (stream, _) in enumerate(due) if self._weighs(stream)]
        for stream, _ in due:
            stream.decisions += 1
        if weighed:
            memories = _with_each_hidden(memories, len(due), weighed)
        logits = _on_host(self._system.classify(memories))
        beliefs = (logits / self._temperature).softmax(-1).float().numpy()
        count, answers = len(due), logits[0].float().numpy()
        hidden = np.split(beliefs[0, count:], len(weighed)) if weighed else ()
        without = dict(zip(weighed, hidden, strict=True))
        return [
            _Believed(
                logits=answers[row].copy(),
                fused=beliefs[0, row].copy(),
                unimodal=beliefs[1:, row],
                without=without.get(row),
            )
            for row in range(count)
        ]

    def _weighs(self, stream: Stream) -> bool:
        return self.evidence_every > 0 and stream.decisions % self.evidence_every == 0

    def _memory(self, modality: Modality, rows: Rows, sight: Sight) -> Memory:
        state, device = self._state.fusion[modality], self._system.classifier.weight.device
        keys, values = state.ring.view(0, rows, sight.seen.shape[1])
        dtype = state.tokens.dtype
        newest = torch.from_numpy(np.stack((rows.slots, np.maximum(sight.newest, 0)))).to(device)
        age_s = np.where(sight.present, sight.newest_age_s, 0.0)
        return Memory(
            keys=keys,
            values=values,
            ages_s=torch.from_numpy(sight.age_s).to(device, dtype)[:, None],
            seen=torch.from_numpy(sight.seen).to(device)[:, None],
            state=state.tokens[newest[0], newest[1]][:, None],
            state_age_s=torch.from_numpy(age_s).to(device, dtype)[:, None],
            present=torch.from_numpy(sight.present).to(device)[:, None],
        )

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
        sights: Mapping[Modality, Sight],
        believed: _Believed,
    ) -> Decision:
        """Smooth what the network believes of one decision and say what it rests on."""
        fused, without = believed.fused, believed.without
        smoothed = self.smoothing.step(fused, moment.t_ns, stream.smoothing)
        winner = smoothed.class_id if smoothed.class_id >= 0 else int(fused.argmax())
        weights = np.full(3, np.nan) if without is None else fused[winner] - without[:, winner]
        evidence = tuple(
            self._evidence(m, float(sights[m].newest_age_s[0]), believed.unimodal[i], weights[i])
            if sights[m].present[0]
            else _absent(m, moment.t_ns, stream)
            for i, m in enumerate(MODALITIES)
        )
        start_ns = self._window_start_ns(stream, moment.t_ns, sights)
        return self._decision(moment, smoothed, believed.logits, evidence, start_ns)

    def _evidence(
        self, modality: Modality, age_s: float, beliefs: NDArray[np.float32], weight: np.floating
    ) -> ModalityEvidence:
        """Return what a modality that is there believes by itself, (C,), and what it weighs."""
        return ModalityEvidence(
            modality=modality,
            present=True,
            age_s=age_s,
            label=self._labels[int(beliefs.argmax())],
            confidence=float(beliefs.max()),
            weight=float(weight),
        )

    def _window_start_ns(self, stream: Stream, t_ns: int, sights: Mapping[Modality, Sight]) -> int:
        """Return the oldest moment that can have influenced a decision at ``t_ns``."""
        reach_s = self._system.receptive_field_s
        return min(
            max(stream.first_stamp_ns[m], t_ns - to_ns(reach_s[m]))
            for m, sight in sights.items()
            if sight.present[0]
        )

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


def _on_host(output: ModelOutput) -> Tensor:
    """Return the logits, fused and each modality's, as float64 (4, B, C): one transfer for all."""
    logits = torch.stack((output.logits, *(output.unimodal[m] for m in MODALITIES)))
    return logits[:, :, 0].cpu().double()


def _with_each_hidden(
    memories: Mapping[Modality, Memory], count: int, weighed: Sequence[int]
) -> dict[Modality, Memory]:
    """Return the ``count`` rows as they are, then those in ``weighed`` with each modality hidden.

    Each of ``weighed`` gives three rows in a row.
    """
    device = memories[Modality.VIDEO].seen.device
    rows = torch.tensor([*range(count), *np.repeat(weighed, 3)], device=device)
    hidden = torch.zeros(len(MODALITIES), len(rows), dtype=torch.bool, device=device)
    for index in range(len(MODALITIES)):
        hidden[index, count + index :: 3] = True
    return {
        m: memories[m].select(rows).hidden_where(hidden[index])
        for index, m in enumerate(MODALITIES)
    }
