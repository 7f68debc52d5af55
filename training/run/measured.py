"""A trained checkpoint, saved once more with what it reaches on recordings that were held out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from activity_recognition.models.checkpoint import Checkpoint, save_checkpoint
from activity_recognition.models.rehearsal import load_rehearsal
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.run.card import write_card


def save_measured(
    trained: Checkpoint,
    target: Path,
    config: TrainConfig,
    metrics: Mapping[str, Any],
    *,
    origin: str,
    measured_on: str,
) -> None:
    """Save a checkpoint with its metrics and a card of them; kept features go along.

    Args:
        trained: the checkpoint of a run.
        target: folder to write.
        config: how it was trained.
        metrics: of the run, and as ``held_out`` what was measured.
        origin: what it was trained on, for the card.
        measured_on: what was held out, for the card.
    """
    card = write_card(
        trained.config,
        config,
        origin=origin,
        temperature=trained.temperature,
        weights=sum(p.numel() for p in trained.system.parameters()),
        measures=metrics['held_out']['combinations'],
        measured_on=measured_on,
        findings=tuple(metrics.get('findings', ())),
    )
    save_checkpoint(
        target,
        trained.system,
        trained.tokenizer,
        temperature=trained.temperature,
        metrics=metrics,
        card=card,
        rehearsal=load_rehearsal(trained.path, trained.system),
    )
