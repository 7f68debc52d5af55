"""Streams that come and go: what an engine of many is given, and what it answered to each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from activity_recognition.inference import MultiStreamEngine
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.types import MODALITIES, Decision, Status, Window
from factories.answers import Answers


@dataclass
class Visit:
    """One stream from joining to leaving."""

    name: str
    given: list[Window]
    """What it brings; a crowd may send it away before the end."""
    taken: list[Window] = field(default_factory=list)
    """What the engine was given; a reset by name is one of the next window."""
    decisions: list[Decision] = field(default_factory=list)
    fused: list[Tensor] = field(default_factory=list)
    """(C,) per decision with data."""
    unimodal: list[Tensor] = field(default_factory=list)
    """(3, C) per decision with data; anything where absent."""

    def answers(self, like: Tensor) -> Answers:
        """Return the answers as those of a single stream; ``like`` gives the dtype where none."""
        none = like.new_zeros(0, like.shape[0])
        no_data = [d.status is Status.NO_DATA for d in self.decisions]
        present = np.array(
            [[e.present for e in d.evidence] for d in self.decisions if d.status != Status.NO_DATA],
            dtype=bool,
        ).reshape(-1, len(MODALITIES))
        if not self.fused:
            return Answers(none, like.new_zeros(0, 3, like.shape[0]), present, no_data)
        there = torch.from_numpy(present).unsqueeze(-1)
        unimodal = torch.stack(self.unimodal)
        unimodal = torch.where(there, unimodal, torch.zeros_like(unimodal))
        return Answers(torch.stack(self.fused), unimodal, present, no_data)


class Listener:
    """Reads the heads' outputs: a Decision holds them in float32 alone."""

    def __init__(self, system: ActivityRecognitionSystem) -> None:
        self._heard: dict[str, list[Tensor]] = {'fused': []}
        heads = {'fused': system.classifier}
        for modality in MODALITIES:
            heads[modality.value] = system.unimodal_heads[modality.value]
            self._heard[modality.value] = []
        self._handles = [
            head.register_forward_hook(
                lambda _, inputs, output, name=name: self._heard[name].append(
                    output[:, 0].detach().clone()
                )
            )
            for name, head in heads.items()
        ]

    def take(self) -> dict[str, Tensor]:
        """Return what each head has put out since the last time, (n, C) over all calls.

        Of several decisions of one stream, as of one that weighs its modalities, the first counts.
        """
        heard = {name: torch.cat(outputs) for name, outputs in self._heard.items() if outputs}
        for outputs in self._heard.values():
            outputs.clear()
        return heard

    def close(self) -> None:
        """Listen no more."""
        for handle in self._handles:
            handle.remove()


def play(
    engine: MultiStreamEngine, visits: Sequence[Visit], rng: np.random.Generator, *, haste: float
) -> None:
    """Let every visit join, bring its windows and leave; those of one name one after the other.

    Args:
        engine: nobody has joined.
        visits: filled in.
        rng: decides who comes, goes, is reset, and who has a window in which step.
        haste: chance that a stream that is there has a window in a step.
    """
    listener = Listener(engine.checkpoint.system)
    waiting = {v.name: [w for w in visits if w.name == v.name] for v in visits}
    here: dict[str, Visit] = {}
    left: dict[str, list[Window]] = {}
    try:
        while waiting or here:
            _come(engine, waiting, here, left, rng)
            windows = {}
            for name, visit in here.items():
                if left[name] and rng.random() < haste:
                    windows[name] = left[name].pop(0)
                    if rng.random() < 0.03:
                        engine.reset(name)
                        visit.taken.append(windows[name]._replace(reset=True))
                    else:
                        visit.taken.append(windows[name])
            _note(here, engine.apply(windows), listener)
            _go(engine, here, left, rng)
    finally:
        listener.close()


def _come(
    engine: MultiStreamEngine,
    waiting: dict[str, list[Visit]],
    here: dict[str, Visit],
    left: dict[str, list[Window]],
    rng: np.random.Generator,
) -> None:
    for name in [*waiting]:
        if name not in here and rng.random() < 0.3:
            engine.join(name)
            here[name] = waiting[name].pop(0)
            left[name] = list(here[name].given)
            if not waiting[name]:
                del waiting[name]


def _go(
    engine: MultiStreamEngine,
    here: dict[str, Visit],
    left: dict[str, list[Window]],
    rng: np.random.Generator,
) -> None:
    for name in [*here]:
        if not left[name] or rng.random() < 0.01:
            engine.leave(name)
            del here[name]


def _note(here: Mapping[str, Visit], decisions: Mapping[str, Decision], listener: Listener) -> None:
    heard = listener.take()
    for name, decision in decisions.items():
        here[name].decisions.append(decision)
    with_data = [name for name, d in decisions.items() if d.status is not Status.NO_DATA]
    # The network is asked for those that are weighed after all others.
    asked = sorted(with_data, key=lambda name: _is_weighed(decisions[name]))
    assert len(asked) == (len(heard['fused']) if heard else 0)
    for row, name in enumerate(asked):
        here[name].fused.append(heard['fused'][row])
        here[name].unimodal.append(torch.stack([heard[m.value][row] for m in MODALITIES]))


def _is_weighed(decision: Decision) -> bool:
    return any(not math.isnan(e.weight) for e in decision.evidence if e.present)
