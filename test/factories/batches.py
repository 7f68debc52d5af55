"""Random batches for a network's forward, without front end or trace."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from activity_recognition.config import ModelConfig
from activity_recognition.keypoints import joint_array
from activity_recognition.modalities import SPEC
from activity_recognition.types import Modality, to_ns
from factories.bodies import any_body
from factories.streams import START_NS

LONG_AGO_NS = START_NS - to_ns(1000.0)


def random_batch(
    config: ModelConfig,
    *,
    frames: int = 6,
    blocks: int = 20,
    utterances: int = 3,
    decisions: int = 5,
    rows: int = 1,
    seed: int = 0,
) -> dict[str, Tensor]:
    """Return a batch of ``rows`` recordings of 2 s with everything there; decisions from 0.2 s on.

    The first decision comes before any text has arrived.
    """
    rng = np.random.default_rng(seed)
    size, audio, text = config.video.input_size_px, config.audio, config.text
    return {
        'frames': torch.from_numpy(
            _bodies(rng, rows, frames, config.video.joints)
            if config.video.key_points
            else rng.integers(0, 256, (rows, frames, size, size, 3), dtype=np.uint8)
        ),
        **_times('frame', rows, frames, 0.0, 1.9),
        'spectrograms': torch.from_numpy(
            rng.standard_normal((rows, blocks, audio.columns_per_token, audio.num_mels)).astype(
                np.float32
            )
        ),
        **_times('spectrogram', rows, blocks, 0.1, 1.95),
        'transcript_tokens': torch.from_numpy(
            rng.integers(1, text.vocab_size, (rows, utterances, text.max_length))
        ),
        'transcript_token_mask': torch.ones(rows, utterances, text.max_length, dtype=torch.bool),
        **_times('transcript', rows, utterances, 0.5, 1.5),
        'decision_stamps': _spread(rows, decisions, 0.2, 2.0),
        'decision_arrivals': _spread(rows, decisions, 0.2, 2.0),
    }


def remove(batch: dict[str, Tensor], modality: Modality) -> dict[str, Tensor]:
    """Return the batch without any sample of a modality."""
    keys = {key for key in batch if key.startswith(SPEC[modality].prefix)}
    return {key: value[:, :0] if key in keys else value for key, value in batch.items()}


def mask(batch: dict[str, Tensor], modality: Modality) -> dict[str, Tensor]:
    """Return the batch with all samples of a modality masked."""
    key = SPEC[modality].mask_key
    return {**batch, key: torch.zeros_like(batch[key])}


def scramble(batch: dict[str, Tensor], modality: Modality) -> dict[str, Tensor]:
    """Return the batch with other contents in one modality."""
    key = {
        Modality.VIDEO: 'frames',
        Modality.AUDIO: 'spectrograms',
        Modality.TEXT: 'transcript_tokens',
    }[modality]
    return {**batch, key: batch[key].flip(-1).roll(1, dims=1)}


def pad(batch: dict[str, Tensor], like: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the batch padded at the end to the sizes of another, decisions long ago."""
    result = {}
    for key, value in batch.items():
        fill = LONG_AGO_NS if key.startswith('decision') else 0
        result[key] = value.new_full((len(value), *like[key].shape[1:]), fill)
        result[key][tuple(map(slice, value.shape))] = value
    return result


def _bodies(
    rng: np.random.Generator, rows: int, count: int, joints: tuple[str, ...]
) -> NDArray[np.float32]:
    """Return key points (rows, count, J, 3)."""
    found = [joint_array(any_body(rng), joints) for _ in range(rows * count)]
    return np.stack(found).reshape(rows, count, len(joints), 3)


def _times(prefix: str, rows: int, count: int, first_s: float, last_s: float) -> dict[str, Tensor]:
    stamps = _spread(rows, count, first_s, last_s)
    return {
        f'{prefix}_stamps': stamps,
        f'{prefix}_arrivals': stamps + to_ns(0.03),
        f'{prefix}_mask': torch.ones(rows, count, dtype=torch.bool),
    }


def _spread(rows: int, count: int, first_s: float, last_s: float) -> Tensor:
    times = [START_NS + to_ns(float(t)) for t in np.linspace(first_s, last_s, count)]
    return torch.tensor(times, dtype=torch.int64).reshape(1, -1).repeat(rows, 1)
