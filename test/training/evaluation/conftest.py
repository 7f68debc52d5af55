"""Made-up decisions, and a checkpoint measured on tiny simulated recordings."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from activity_recognition.config import EngineConfig
from activity_recognition.models.checkpoint import load_checkpoint, save_checkpoint
from activity_recognition.training.data.targets import LabelTrack
from activity_recognition.training.evaluation.decisions import Answers, SegmentResult
from activity_recognition.training.evaluation.measuring import (
    Evaluation,
    EvaluationConfig,
    evaluate_checkpoint,
)
from activity_recognition.types import MODALITIES, to_ns
from factories.networks import TINY, make_system, tokenizer_for

START_NS = 1_700_000_000_000_000_000
PERIOD_S = 0.1
LABELS = ('none', 'greeting', 'typing')
"""What the checkpoint knows; the recordings also have walking."""


def track_of(targets: list[int], period_s: float = PERIOD_S) -> LabelTrack:
    """Return the labels that the truth at evenly spaced moments stands for."""
    times = START_NS + np.arange(len(targets) + 1) * to_ns(period_s)
    labelled = np.flatnonzero(np.array(targets) >= 0)
    return LabelTrack(
        starts_ns=times[labelled],
        ends_ns=times[labelled + 1],
        classes=np.array(targets, dtype=np.int64)[labelled],
    )


def make_result(
    targets: list[int],
    decided: list[int],
    *,
    smoothed: list[int] | None = None,
    own: dict[str, list[int]] | None = None,
    absent: dict[str, list[int]] | None = None,
    probabilities: np.ndarray | None = None,
    num_classes: int = 3,
) -> SegmentResult:
    """Return decisions every tenth of a second; probabilities follow them where not given."""
    count = len(targets)
    classes = np.array(decided, dtype=np.int64)
    if probabilities is None:
        probabilities = np.full((count, num_classes), 0.1, dtype=np.float32)
        probabilities[np.arange(count), np.maximum(classes, 0)] = 0.8
    present = {m: np.ones(count, dtype=np.bool_) for m in MODALITIES}
    for name, places in (absent or {}).items():
        present[next(m for m in MODALITIES if m.value == name)][places] = False
    heads = {m: np.array((own or {}).get(m.value, decided), dtype=np.int64) for m in MODALITIES}
    after = classes if smoothed is None else np.array(smoothed, dtype=np.int64)
    return SegmentResult(
        stamps_ns=START_NS + np.arange(count) * to_ns(PERIOD_S),
        targets=np.array(targets, dtype=np.int64),
        logits=np.log(probabilities.astype(np.float64)),
        anything=np.ones(count, dtype=np.bool_),
        present=present,
        own=heads,
        own_logits={m: np.eye(num_classes, dtype=np.float32)[c] for m, c in heads.items()},
        decisions=Answers(classes=classes, probabilities=probabilities.astype(np.float32)),
        smoothed=Answers(classes=after, probabilities=probabilities.astype(np.float32)),
        labels=track_of(targets),
    )


@pytest.fixture(scope='session')
def checkpoint_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny network with random weights, saved as a run leaves it."""
    run = tmp_path_factory.mktemp('measured') / 'run'
    config = dataclasses.replace(TINY, labels=LABELS)
    save_checkpoint(run / 'checkpoint', make_system(config), tokenizer_for(config), temperature=1.7)
    return run / 'checkpoint'


@pytest.fixture(scope='session')
def quick() -> EvaluationConfig:
    """Measure within seconds."""
    return EvaluationConfig(
        resamples=50, cost_decisions=30, num_workers=1, engine=EngineConfig(device='cpu')
    )


@pytest.fixture(scope='session')
def evaluation(
    checkpoint_path: Path,
    recordings: Path,
    quick: EvaluationConfig,
    tmp_path_factory: pytest.TempPathFactory,
) -> Evaluation:
    """That network measured; not to be changed."""
    torch.set_num_threads(1)
    return evaluate_checkpoint(
        load_checkpoint(checkpoint_path),
        recordings,
        cache=tmp_path_factory.mktemp('cache'),
        config=quick,
        conditions={'python': '3'},
    )
