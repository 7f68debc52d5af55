"""Exported steps beside made-up checkpoints, and what an engine answers by whatever backend."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from activity_recognition.config import EngineConfig, ModelConfig
from activity_recognition.inference import StreamingEngine
from activity_recognition.models.checkpoint import Checkpoint
from activity_recognition.models.exporting import DESCRIPTION, weights_digest
from activity_recognition.types import MODALITIES, Decision, Status, Window
from factories.answers import Answers, run
from factories.networks import TINY, make_checkpoint


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


def asked(
    checkpoint: Checkpoint, windows: Sequence[Window], config: EngineConfig
) -> tuple[Answers, list[Decision]]:
    """Return what a fresh engine answers to a trace, as its backend's decisions have it."""
    engine = StreamingEngine(checkpoint, engine=config)
    assert not engine.choice.problem
    logits = listened(engine)
    decisions = run(engine, windows)
    there = [d for d in decisions if d.status is not Status.NO_DATA]
    present = np.array([[e.present for e in d.evidence] for d in there], bool)
    present = present.reshape(-1, len(MODALITIES))
    labels = len(checkpoint.config.labels)
    rows = torch.stack(logits) if logits else torch.zeros(0, 4, labels)
    seen = torch.from_numpy(present).unsqueeze(-1)
    unimodal = torch.where(seen, rows[:, 1:], torch.zeros_like(rows[:, 1:]))
    no_data = [d.status is Status.NO_DATA for d in decisions]
    return Answers(rows[:, 0], unimodal, present, no_data), decisions


def listened(engine: StreamingEngine) -> list[Tensor]:
    """Return a list that the logits (4, C) of every decision from now on are appended to."""
    rows: list[Tensor] = []
    decide = engine.backend.decision

    def decision(newest: Tensor, *memories: Tensor) -> Tensor:
        logits = decide(newest, *memories)
        rows.append(logits[:, 0, 0].cpu().clone())
        return logits

    engine.backend.decision = decision  # type: ignore[method-assign]
    return rows
