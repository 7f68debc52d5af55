"""Text: some tokens lost, some replaced, as by a speech recogniser. U utterances, L tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from activity_recognition.config import ModelConfig
from activity_recognition.models.tokenizer import SPECIAL_TOKENS
from activity_recognition.training.augmentation_config import AugmentationConfig


def augment(
    crop: Mapping[str, NDArray[Any]],
    config: AugmentationConfig,
    model: ModelConfig,
    rng: np.random.Generator,
) -> dict[str, NDArray[Any]]:
    """Return the changed arrays of a crop; see :func:`activity_recognition.training.augmentation`.

    Args:
        crop: arrays of one crop; left as it is.
        config: how far they may change.
        model: the network.
        rng: what is drawn.
    """
    tokens, mask = change_tokens(
        crop['transcript_tokens'],
        crop['transcript_token_mask'],
        config,
        rng,
        model.text.vocab_size,
    )
    return {'transcript_tokens': tokens, 'transcript_token_mask': mask}


def change_tokens(
    tokens: NDArray[np.int64],
    mask: NDArray[np.bool_],
    config: AugmentationConfig,
    rng: np.random.Generator,
    vocab_size: int,
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return changed token ids (U, L) and their mask (U, L).

    Args:
        tokens: (U, L).
        mask: (U, L).
        config: how far they may change.
        rng: what is drawn.
        vocab_size: of the tokenizer; ids below it are drawn.
    """
    mask = _lose(mask, rng.uniform() * config.word_loss * config.strength, rng)
    first = len(SPECIAL_TOKENS)
    if config.word_errors > 0 and vocab_size > first:
        share = rng.uniform() * config.word_errors * config.strength
        misheard = rng.random(tokens.shape) < share
        tokens = np.where(misheard & mask, rng.integers(first, vocab_size, tokens.shape), tokens)
    return tokens, mask


def _lose(mask: NDArray[np.bool_], share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Hide tokens at random; an utterance loses never all of them."""
    kept = mask & (rng.random(mask.shape) >= share)
    emptied = ~kept.any(axis=1)
    kept[emptied] = mask[emptied]
    return kept
