"""Exported steps beside made-up checkpoints, and what an engine answers by whatever backend."""

from __future__ import annotations

import dataclasses
import itertools
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from activity_recognition.config import EngineConfig, ModelConfig
from activity_recognition.inference import MultiStreamEngine, StreamingEngine, multi_stream
from activity_recognition.inference.backends import choice
from activity_recognition.inference.backends.backend import Backend
from activity_recognition.inference.backends.choice import Choice
from activity_recognition.inference.backends.eager import EagerBackend
from activity_recognition.inference.precision import Precision
from activity_recognition.models.checkpoint import Checkpoint
from activity_recognition.models.exporting import DESCRIPTION, weights_digest
from activity_recognition.models.steps import Steps
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.types import Decision, Status, Window
from factories.answers import Answers, run
from factories.networks import STEPS, TINY, make_checkpoint


def tiny_weights(config: ModelConfig) -> Checkpoint:
    """Return a checkpoint whose steps are those of the tiny network.

    Numbers of tokens kept and the motion beside the frames are no part of a step.
    """
    checkpoint = make_checkpoint(config)
    tiny = make_checkpoint(TINY).system.state_dict()
    missing, unexpected = checkpoint.system.load_state_dict(tiny, strict=False)
    assert all('motion' in name for name in missing)
    assert not unexpected
    return checkpoint


def beside(checkpoint: Checkpoint, export: Path, folder: Path) -> Checkpoint:
    """Return a checkpoint in ``folder`` with a copy of an export, said to be of its weights."""
    copied = folder / 'onnx'
    shutil.copytree(export, copied)
    description = json.loads((copied / DESCRIPTION).read_text(encoding='utf-8'))
    description['weights'] = weights_digest(checkpoint.system)
    (copied / DESCRIPTION).write_text(json.dumps(description), encoding='utf-8')
    return dataclasses.replace(checkpoint, path=folder)


def by(backend: str, device: str = 'cpu') -> EngineConfig:
    """Return settings that ask for a backend, and for float32 to compare its numbers in."""
    return EngineConfig(device=device, precision='fp32', backend=backend, evidence_every=3)


def asked(
    checkpoint: Checkpoint, windows: Sequence[Window], config: EngineConfig
) -> tuple[Answers, list[Decision]]:
    """Return what a fresh engine answers to a trace, as its backend's decisions have it."""
    engine = StreamingEngine(checkpoint, engine=config)
    assert not engine.choice.problem, engine.choice.problem
    logits = listened(engine)
    decisions = run(engine, windows)
    labels = len(checkpoint.config.labels)
    none = torch.zeros(0, 1 + len(engine.modalities), labels)
    rows = torch.cat(logits, dim=1).transpose(0, 1) if logits else none
    return answers_of(rows, decisions), decisions


def answers_of(rows: Tensor, decisions: Sequence[Decision]) -> Answers:
    """Return answers made of logits (Q, 1 + M, C) of the Q decisions with data among them."""
    there = [d for d in decisions if d.status is not Status.NO_DATA]
    present = np.array([[e.present for e in d.evidence] for d in there], bool)
    present = present.reshape(-1, rows.shape[1] - 1)
    seen = torch.from_numpy(present).unsqueeze(-1)
    unimodal = torch.where(seen, rows[:, 1:], torch.zeros_like(rows[:, 1:]))
    no_data = [d.status is Status.NO_DATA for d in decisions]
    return Answers(rows[:, 0], unimodal, present, no_data)


def listened(engine: StreamingEngine | MultiStreamEngine) -> list[Tensor]:
    """Return a list that the logits (1 + M, B, C) of every call from now on are appended to.

    A Decision holds them in float32 alone. Of several decisions of one stream, as of one that
    ablates its modalities, the first counts.
    """
    calls: list[Tensor] = []
    run_step = engine.backend.run

    def run(step: str, *inputs: Tensor) -> tuple[Tensor, ...]:
        outputs = run_step(step, *inputs)
        if step == 'decision':
            calls.append(outputs[0][:, :, 0].cpu().clone())
        return outputs

    engine.backend.run = run  # type: ignore[method-assign]
    return calls


class Overwriting:
    """PyTorch with the manners of a CUDA graph: fixed views, and one result per step and shape."""

    name, fixed = 'overwriting', True

    def __init__(self, system: ActivityRecognitionSystem) -> None:
        steps = Steps(system).eval()
        self._eager = EagerBackend(steps)
        self._results: dict[tuple, list[Tensor]] = {}
        self.shapes: dict[str, set] = {spec.name: set() for spec in steps.specs}
        """Of the inputs that came."""

    def run(self, step: str, *inputs: Tensor) -> tuple[Tensor, ...]:
        shapes = tuple(tuple(tensor.shape) for tensor in inputs)
        self.shapes[step].add(shapes)
        results = self._eager.run(step, *inputs)
        kept = self._results.setdefault((step, shapes), [torch.zeros_like(r) for r in results])
        for old, new in zip(kept, results, strict=True):
            old.copy_(new)
        return tuple(kept)


@contextmanager
def overwriting() -> Iterator[list[Overwriting]]:
    """Have every engine run by such a backend; yield those that are made."""
    made: list[Overwriting] = []

    def choose(
        name: str, checkpoint: Checkpoint, precision: Precision, *, num_threads: int
    ) -> Choice:
        made.append(Overwriting(checkpoint.system))
        return Choice(backend=made[-1], reason='for the test')

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(multi_stream, 'choose_backend', choose)
        yield made


@contextmanager
def half_of_the_steps() -> Iterator[None]:
    """Let ONNX Runtime seem to be faster at every other step, and torch at those between."""
    faster = dict(zip(STEPS, itertools.cycle((choice.TORCH, choice.ONNX))))

    def times(backends: Mapping[str, Backend], system: object) -> dict[str, dict[str, float]]:
        return {
            step: {name: 1.0 if name == faster[step] else 2.0 for name in backends}
            for step in faster
        }

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choice, 'step_times', times)
        yield
