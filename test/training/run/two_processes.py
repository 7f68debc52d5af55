"""One process of a small run: `torchrun ... two_processes.py OUT ACCUMULATION`.

Writes the losses of every step, of the whole batch, as the trainer reports them.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import warnings
from pathlib import Path

import torch
import torch.distributed

from activity_recognition.config import EngineConfig
from activity_recognition.inference.precision import choose_precision
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.run.objective import TrainingLoss, TrainingModel
from activity_recognition.training.run.processes import join_processes
from activity_recognition.training.run.trainer import Sources, Trainer

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from factories.networks import TINY
from factories.segments import make_segment

SEGMENTS = 6


def config(accumulation: int) -> TrainConfig:
    """Everything at once: each term of the loss, modalities hidden, batches that do not divide."""
    return TrainConfig(
        epochs=5,
        batch_size=5,
        accumulation=accumulation,
        crop_s=4.0,
        frame_rate_hz=4.0,
        contrast_weight=0.0 if accumulation > 1 else 0.3,
        agreement_weight=0.3,
        modality_dropout=0.2,
        validate_every=5,
        device='cpu',
    )


def run(out: Path, accumulation: int) -> list[dict[str, float]]:
    """Train and return the losses of every step and the gradient's norm, which Adam hides."""
    settings = config(accumulation)
    precision = choose_precision(EngineConfig(device='cpu', precision='fp32'))
    torch.set_num_threads(1)
    torch.manual_seed(0)
    system = ActivityRecognitionSystem(dataclasses.replace(TINY, dropout=0.0))
    trainer = Trainer(
        TrainingModel(system, TrainingLoss(torch.ones(4), settings, width=TINY.hidden_dim)),
        Sources(
            training=[make_segment(seed=seed) for seed in range(SEGMENTS)],
            validation=[make_segment(seed=20 + seed) for seed in range(3)],
        ),
        settings,
        precision,
        run=out,
        fingerprint='same',
        accelerator=join_processes(precision),
    )
    return [{**step.losses, 'norm': step.gradient_norm} for step in trainer.steps()]


if __name__ == '__main__':
    warnings.simplefilter('ignore')
    folder = Path(sys.argv[1])
    losses = run(folder, int(sys.argv[2]))
    if torch.distributed.get_rank() == 0:
        (folder / 'losses.json').write_text(json.dumps(losses), encoding='utf-8')
    torch.distributed.destroy_process_group()
