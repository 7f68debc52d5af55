"""Recordings made into shards, and a data set read from either."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from activity_recognition.config import ModelConfig, SyncConfig
from activity_recognition.inference.precision import Precision
from activity_recognition.training.augmentation_config import AugmentationConfig
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.data.crops import plan_epoch
from activity_recognition.training.data.dataset import Dataset, load_dataset
from activity_recognition.training.data.source import Preparing
from activity_recognition.training.run.batches import load_batch
from activity_recognition.training.run.train import fit_to_data, open_sources
from activity_recognition.training.sharding.opening import open_source
from activity_recognition.training.sharding.writing import PreparedShards, prepare_shards
from factories.networks import TINY

MARGIN = 0.25
WIDE_PX = 40
"""TINY's 32 pixels with the margin."""
SPLITTING = ('validation_fraction', 'seed', 'strict')


def prepare(data: Path | str, out: Path | str, **changes: object) -> PreparedShards:
    """Prepare for TINY, in this process."""
    settings = {'model': TINY, 'sync': SyncConfig(), 'wide_px': WIDE_PX, 'workers': 1, **changes}
    return prepare_shards(data, out, **settings)


def load(data: Path | str, cache: Path, **changes: object) -> Dataset:
    """Load a data set for TINY, where nothing else is said, in this process."""
    usual = {'validation_fraction': 0.34, 'seed': 0, 'workers': 1, 'wide_px': WIDE_PX}
    settings = {**usual, 'model': TINY, 'sync': SyncConfig(), **changes}
    splitting = {name: settings.pop(name) for name in SPLITTING if name in settings}
    how = Preparing(cache=cache, **settings)
    return load_dataset(open_source(data, how), **splitting)


def batches_of(
    dataset: Dataset, *, margin: float = MARGIN, model: ModelConfig = TINY
) -> list[dict[str, np.ndarray]]:
    """Return the batches of an epoch as a run would get them."""
    config = TrainConfig(
        crop_s=4.0,
        frame_rate_hz=4.0,
        batch_size=3,
        augmentation=AugmentationConfig(margin=margin, noise_db=20.0),
    )
    tokenizer, model = fit_to_data(model, dataset)
    segments = open_sources(dataset, tokenizer).training
    precision = Precision(device=torch.device('cpu'), dtype=torch.float32)
    return [
        {
            key: value.numpy()
            for key, value in load_batch(segments, plans, config, model, precision).items()
        }
        for plans in plan_epoch(segments, config, 1)
    ]


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder, by name."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }
