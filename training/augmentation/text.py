"""Words: some lost, some misheard, as a speech recogniser does. U utterances, L word pieces."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from activity_recognition.models.tokenizer import SPECIAL_TOKENS
from activity_recognition.training.config import AugmentationConfig


def change_tokens(
    tokens: NDArray[np.int64],
    mask: NDArray[np.bool_],
    config: AugmentationConfig,
    rng: np.random.Generator,
    vocab_size: int,
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return changed word pieces (U, L) and their mask (U, L)."""
    mask = _lose(mask, rng.uniform() * config.word_loss * config.strength, rng)
    first = len(SPECIAL_TOKENS)
    if config.word_errors > 0 and vocab_size > first:
        share = rng.uniform() * config.word_errors * config.strength
        misheard = rng.random(tokens.shape) < share
        tokens = np.where(misheard & mask, rng.integers(first, vocab_size, tokens.shape), tokens)
    return tokens, mask


def _lose(mask: NDArray[np.bool_], share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Hide word pieces at random; an utterance loses never all of them."""
    kept = mask & (rng.random(mask.shape) >= share)
    emptied = ~kept.any(axis=1)
    kept[emptied] = mask[emptied]
    return kept
