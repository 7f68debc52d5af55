"""Small seeded changes of a crop that leave its labels true.

T frames, S image side, A audio blocks, U utterances, L word pieces.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from activity_recognition.training.augmentation.audio import change_spectrograms
from activity_recognition.training.augmentation.clocks import skew_clocks
from activity_recognition.training.augmentation.text import change_tokens
from activity_recognition.training.augmentation.video import change_frames
from activity_recognition.training.config import AugmentationConfig

Arrays = dict[str, NDArray[Any]]


def augment(
    crop: Arrays,
    key: tuple[int, ...],
    config: AugmentationConfig,
    *,
    side_px: int,
    vocab_size: int = 0,
) -> Arrays:
    """Return a crop with changed pictures, sound, words and clocks.

    Args:
        crop: arrays of one crop; left as it is.
        key: seeds what is drawn.
        config: how far everything may change.
        side_px: side of the network's pictures; those of the crop are larger by the margin.
        vocab_size: number of word pieces, from which misheard ones are drawn.
    """
    if config.strength <= 0:
        return dict(crop)
    # One stream per sense, so that how many frames there are changes nothing else.
    pictures, sound, words, clocks = (np.random.default_rng([*key, sense]) for sense in range(4))
    changed = dict(crop)
    changed['frames'] = change_frames(crop['frames'], config, pictures, side_px)
    changed['spectrograms'] = change_spectrograms(crop['spectrograms'], config, sound)
    changed['transcript_tokens'], changed['transcript_token_mask'] = change_tokens(
        crop['transcript_tokens'], crop['transcript_token_mask'], config, words, vocab_size
    )
    return skew_clocks(changed, config, clocks)
