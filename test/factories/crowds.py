"""Streams that come and go: what an engine of many is given, and what it should answer to each."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from activity_recognition.config import EngineConfig
from activity_recognition.inference import MultiStreamEngine, StreamingEngine
from activity_recognition.models.checkpoint import Checkpoint
from activity_recognition.types import MODALITIES, Decision, Modality, Status, Window
from factories.answers import Answers, assert_equal, dense, run
from factories.backends import answers_of, by, listened
from factories.scenes import ANY_RATE, ANY_SCENE, trace_of
from factories.streams import Scene

_ALWAYS = (0.0, 1e6)


@dataclass(frozen=True, kw_only=True)
class Stay:
    """One stream from joining to leaving."""

    scene: Scene
    rate_hz: float | None = 6.0
    """Of decisions, as for :func:`trace_of`."""
    joins: int = 0
    """The step that it joins before."""
    beats: tuple[bool, ...] = (True,)
    """In which steps from then on it has a window, over and over again."""
    resets: frozenset[int] = frozenset()
    """Which of its windows it is reset by name before."""
    leaves: int | None = None
    """After how many windows it leaves; by default when all are taken."""

    def windows(self) -> list[Window]:
        """Return all that an engine is given; a reset by name is one of the next window."""
        return [
            window._replace(reset=window.reset or index in self.resets)
            for index, window in enumerate(trace_of(self.scene, self.rate_hz)[: self.leaves])
        ]


@dataclass
class Visit:
    """A stay, and what an engine answered to it."""

    name: str
    stay: Stay
    given: list[Window]
    """What it brings, one after the other."""
    brought: int = 0
    decisions: list[Decision] = field(default_factory=list)
    logits: list[Tensor] = field(default_factory=list)
    """(4, C) per decision with data."""


@dataclass(frozen=True)
class Alone:
    """What a stay is answered by itself."""

    decisions: list[Decision]
    """By an engine of its own, by torch."""
    answers: Answers
    """Of ``forward`` over the whole of it."""


def alone(checkpoint: Checkpoint, stay: Stay, *, device: str = 'cpu') -> Alone | None:
    """Return what a stay is answered by itself; None where nothing is asked."""
    trace = stay.windows()
    if not any(window.decision for window in trace):
        return None
    engine = StreamingEngine(checkpoint, engine=by('torch', device))
    return Alone(run(engine, trace), dense(checkpoint, trace, device=device).on_host())


def answers_to(visit: Visit, checkpoint: Checkpoint) -> Answers:
    """Return the answers to a visit as those to a single stream."""
    heads = 1 + len(checkpoint.system.modalities)
    none = checkpoint.system.classifier.weight.new_zeros(0, heads, len(checkpoint.config.labels))
    rows = torch.stack(visit.logits) if visit.logits else none.cpu()
    return answers_of(rows, visit.decisions)


def attend(
    checkpoint: Checkpoint, stays: Sequence[Stay], config: EngineConfig
) -> tuple[list[Visit], set[int]]:
    """Let every stay join a fresh engine, bring its windows and leave.

    Names and slots of those that left are taken again.

    Returns:
        The visits in the order of ``stays``, and how many streams had a window at once.
    """
    engine = MultiStreamEngine(checkpoint, engine=config)
    assert not engine.choice.problem
    heard = listened(engine)
    visits: dict[int, Visit] = {}
    here: dict[int, Visit] = {}
    counts: set[int] = set()
    for step in itertools.count():
        for index, stay in enumerate(stays):
            if stay.joins == step:
                name = next(n for n in map(str, itertools.count()) if n not in engine.streams)
                engine.join(name)
                given = trace_of(stay.scene, stay.rate_hz)[: stay.leaves]
                visits[index] = here[index] = Visit(name, stay, given)
        brought = {v.name: _next_of(v, engine) for v in here.values() if _has_one(v, step)}
        counts.add(len(brought))
        _note({v.name: v for v in here.values()}, engine.apply(brought), heard)
        for index in [i for i, visit in here.items() if visit.brought == len(visit.given)]:
            engine.leave(here.pop(index).name)
        if len(visits) == len(stays) and not here:
            break
    return [visits[index] for index in range(len(stays))], counts


def _has_one(visit: Visit, step: int) -> bool:
    beats = visit.stay.beats
    there = visit.brought < len(visit.given)
    return there and beats[(step - visit.stay.joins) % len(beats)]


def _next_of(visit: Visit, engine: MultiStreamEngine) -> Window:
    if visit.brought in visit.stay.resets:
        engine.reset(visit.name)
    visit.brought += 1
    return visit.given[visit.brought - 1]


def _note(
    here: Mapping[str, Visit], decisions: Mapping[str, Decision], heard: list[Tensor]
) -> None:
    rows = torch.cat(heard, dim=1).unbind(1) if heard else ()
    heard.clear()
    for name, decision in decisions.items():
        here[name].decisions.append(decision)
    with_data = [name for name, d in decisions.items() if d.status is not Status.NO_DATA]
    # The network is asked for those that are ablated after all others.
    asked = sorted(with_data, key=lambda name: _is_ablated(decisions[name]))
    for name, row in zip(asked, rows, strict=True):
        here[name].logits.append(row)


def _is_ablated(decision: Decision) -> bool:
    return any(not math.isnan(e.weight) for e in decision.evidence if e.present)


ANY_STAYS = st.lists(
    st.builds(
        Stay,
        scene=ANY_SCENE,
        rate_hz=ANY_RATE,
        joins=st.integers(0, 12),
        beats=st.lists(st.booleans(), min_size=1, max_size=4).filter(any).map(tuple),
        resets=st.frozensets(st.integers(0, 20), max_size=2),
        leaves=st.none() | st.integers(0, 12),
    ),
    min_size=1,
    max_size=8,
)
"""One to eight streams, whatever each is, whenever it joins and leaves."""


def check_crowd(
    checkpoint: Checkpoint, stays: Sequence[Stay], config: EngineConfig, tolerance: float
) -> list[Visit]:
    """Hold what an engine of many answers to each against ``forward`` over it; return the visits.

    Raises:
        AssertionError: an answer is further than ``tolerance`` from it.
    """
    visits, _ = attend(checkpoint, stays, config)
    for visit in visits:
        trace = visit.stay.windows()
        if any(window.decision for window in trace):
            expected = dense(checkpoint, trace, device=config.device).on_host()
            assert_equal(answers_to(visit, checkpoint), expected, tolerance)
    return visits


def crowd_of(streams: int, scene: Scene) -> list[Stay]:
    """Return ``streams`` stays that are there at once, and one more in the place of the first.

    They join one after the other, are out of step, miss different modalities, bring several frames
    in one window, are reset, and leave early. Each is made of ``scene``, and sees other things.
    """
    kinds = (
        {'leaves': 2 * streams + 3},
        {'scene': {'silences': ((Modality.VIDEO, *_ALWAYS),)}, 'beats': (True, True, False)},
        {'scene': {'silences': ((Modality.AUDIO, *_ALWAYS),)}},
        {'scene': {'utterances': 0, 'jumps': (0.6 * scene.duration_s,)}},
        # All that arrives within half a second in one window.
        {'scene': {'frame_rate_hz': 3 * scene.frame_rate_hz}, 'rate_hz': 2.0},
        {'rate_hz': None, 'beats': (True, False)},
        {'scene': {'silences': tuple((m, 0.0, 0.5 * scene.duration_s) for m in MODALITIES)}},
        {'rate_hz': 0.0, 'resets': frozenset({2}), 'beats': (True, False, True)},
    )
    stays = []
    for index in range(streams + 1):
        kind = dict(kinds[index % len(kinds)])
        changed = kind.pop('scene', {})
        first_leaves = streams + kinds[0]['leaves']
        stays.append(
            Stay(
                scene=replace(scene, seed=scene.seed + index, **changed),
                joins=index if index < streams else first_leaves,
                **kind,
            )
        )
    return stays


def presence(visits: Sequence[Visit]) -> np.ndarray:
    """Return which of the network's modalities each decision with data saw, bool (Q, M)."""
    rows = [
        [e.present for e in d.evidence]
        for visit in visits
        for d in visit.decisions
        if d.status is not Status.NO_DATA
    ]
    assert rows, 'no decision had data'
    return np.array(rows, dtype=bool)
