"""Can the network overfit a single batch? What cannot, learns nothing else either."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor

from activity_recognition.errors import RecordingError
from activity_recognition.inference.precision import Precision
from activity_recognition.training.augmentation_config import AugmentationConfig
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.data.crops import plan_epoch
from activity_recognition.training.data.segments import LabelledSegment
from activity_recognition.training.data.targets import IGNORE
from activity_recognition.training.pool import make_progress
from activity_recognition.training.run.batches import load_batch
from activity_recognition.training.run.clip_sizing import size_to_data
from activity_recognition.training.run.objective import TrainingModel
from activity_recognition.training.run.optimisation import make_optimiser
from activity_recognition.training.run.out_of_memory import explain_out_of_memory
from activity_recognition.training.run.processes import choose_own_precision
from activity_recognition.training.run.train import (
    demand_backbones,
    fit_to_data,
    make_model,
    open_sources,
    read_dataset,
)
from activity_recognition.types import ALL_MODALITIES

CROPS = 4
"""At most so many in the batch, so that the check takes minutes where a run takes hours."""

STEPS = 300
GOAL = 0.95
"""Share of the batch's decisions that is to be right."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What came of the check."""

    decisions: int
    """That were to be learnt."""
    steps: int
    """That were taken."""
    first_loss: float
    last_loss: float
    accuracy: float
    """Share of the decisions that is right in the end."""

    @property
    def passed(self) -> bool:
        """Whether the batch was learnt."""
        return self.accuracy >= GOAL

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        found = (
            f'{100 * self.accuracy:.1f} % of {self.decisions} decisions after {self.steps} steps, '
            f'loss {self.first_loss:.3f} to {self.last_loss:.3f}'
        )
        if self.passed:
            return f'passed: the network overfits one batch ({found})'
        return (
            f'failed: the network does not overfit one batch, expected {100 * GOAL:g} %, '
            f'got {found}; try another learning_rate, and look with `activity-recognition show` '
            'whether the labels fit the samples'
        )


def check_overfit(
    config: TrainConfig,
    data: Path | str,
    *,
    cache: Path,
    strict: bool = False,
    console: Console | None = None,
) -> Verdict:
    """Train on one batch of recordings, or of shards of them, until it is learnt, or for 300 steps.

    Args:
        config: how to train; what works against overfitting is left out.
        data: folder with recordings, or folder or URL of prepared shards.
        cache: where prepared recordings are kept.
        strict: whether a recording that cannot be used is an error.
        console: where to show progress.

    Raises:
        RecordingError: no recording can be used, or ``strict`` and one cannot, or nothing is
            labelled in those that can.
        DeviceError: there is not enough memory.
    """
    model = demand_backbones(config.model_config(), data, cache)
    precision = choose_own_precision(config.device, config.precision)
    if config.num_threads:
        torch.set_num_threads(config.num_threads)
    dataset = read_dataset(config, model, data, cache=cache, strict=strict, console=console)
    config, model = size_to_data(config, dataset, console)
    tokenizer, model = fit_to_data(model, dataset)
    sources = open_sources(dataset, tokenizer)
    config = plain_settings(config)
    network = make_model(config, dataclasses.replace(model, dropout=0.0), sources)
    with explain_out_of_memory(config, 1):
        return overfit(network, sources.training, config, precision, console=console)


def plain_settings(config: TrainConfig) -> TrainConfig:
    """Return the settings without what works against overfitting."""
    return dataclasses.replace(
        config,
        stages=(),
        batch_size=min(config.batch_size, CROPS),
        accumulation=1,
        label_smoothing=0.0,
        weight_decay=0.0,
        fused_weight=config.fused_weight or 1.0,
        contrast_weight=0.0,
        agreement_weight=0.0,
        fused_gradient=1.0,
        modalities_at_once=len(ALL_MODALITIES),
        modality_dropout=0.0,
        augmentation=AugmentationConfig(strength=0.0),
    )


def overfit(
    model: TrainingModel,
    segments: Sequence[LabelledSegment],
    config: TrainConfig,
    precision: Precision,
    *,
    console: Console | None = None,
) -> Verdict:
    """Train on the first batch of labelled crops; see :func:`check_overfit`.

    Args:
        model: network and loss.
        segments: tokenised ones.
        config: of :func:`plain_settings`.
        precision: where and how to compute.
        console: where to show progress.
    """
    model = model.to(precision.device).train()
    batch = _first_labelled(model, segments, config, precision)
    optimiser = make_optimiser(model, config)
    losses: list[float] = []
    with make_progress(console) as bar:
        task = bar.add_task('learning one batch', total=STEPS, note='')
        for _ in range(STEPS):
            loss, accuracy = _look(model, batch, precision)
            losses.append(float(loss.detach()))
            if accuracy >= GOAL and losses[-1] < losses[0] / 2:
                break
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.gradient_clip)
            optimiser.step()
            bar.update(task, advance=1, note=f'loss {losses[-1]:.3f}, {100 * accuracy:.0f} %')
    return Verdict(
        decisions=int((batch['targets'] != IGNORE).sum()),
        steps=len(losses),
        first_loss=losses[0],
        last_loss=losses[-1],
        accuracy=accuracy,
    )


def _first_labelled(
    model: TrainingModel,
    segments: Sequence[LabelledSegment],
    config: TrainConfig,
    precision: Precision,
) -> dict[str, Tensor]:
    for plans in plan_epoch(segments, config, 0):
        batch = load_batch(segments, plans, config, model.system.config, precision)
        if len(batch['targets'][batch['targets'] != IGNORE].unique()) > 1:
            return batch
    raise RecordingError(
        'expected a batch with two different labels, found none; label more, or raise crop_s or '
        'batch_size'
    )


def _look(
    model: TrainingModel, batch: Mapping[str, Tensor], precision: Precision
) -> tuple[Tensor, float]:
    """Return the loss and the share of decisions that is right; what sees nothing cannot be."""
    with precision.autocast():
        output = model.system.forward_detailed(batch)
        losses: dict[str, Tensor] = model.loss(output, batch)
    anything = torch.stack(list(output.present.values())).any(0)
    counted = anything & (batch['targets'] != IGNORE)
    right = output.logits.argmax(-1) == batch['targets']
    return losses['total'], float(right[counted].float().mean())
