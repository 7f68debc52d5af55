"""Small seeded changes of a crop that leave its labels true.

A crop is changed alike from its beginning to its end, so that nothing flickers that did not
flicker before.

T frames, S image side, A audio blocks, U utterances, L word pieces.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]

_MAX_SHIFT = 0.06
_MAX_ZOOM = 0.1
_MAX_GAIN = 0.25
_MAX_OFFSET = 20.0
_MAX_LEVEL = 0.35
_WORD_LOSS = 0.1


def augment(crop: Arrays, key: tuple[int, ...], strength: float) -> Arrays:
    """Return a crop with changed pictures, loudness and words.

    Pictures: mirrored for half of the crops, moved by up to 6 % and zoomed by up to 10 %; contrast
    by up to 25 % and brightness by up to 20 of 255. Sound: louder or softer by up to 0.35 units of
    the log-mel spectrogram. Text: up to a tenth of the word pieces lost.

    Args:
        crop: arrays of one crop; left as it is.
        key: seeds what is drawn.
        strength: factor on every range above; 0 changes nothing.
    """
    changed = dict(crop)
    if strength <= 0:
        return changed
    # One stream per sense, so that how many frames there are changes nothing else.
    picture, sound, words = (np.random.default_rng([*key, sense]) for sense in range(3))
    changed['frames'] = _change_pictures(crop['frames'], strength, picture)
    level = np.float32(sound.uniform(-1, 1) * _MAX_LEVEL * strength)
    changed['spectrograms'] = crop['spectrograms'] + level
    changed['transcript_token_mask'] = _lose_words(crop['transcript_token_mask'], strength, words)
    return changed


def _change_pictures(
    frames: NDArray[np.uint8], strength: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Mirror, move, zoom and retone frames (T, S, S, 3)."""
    side = frames.shape[1]
    transform = _placement(side, strength, rng)
    tones = _tones(strength, rng)
    changed = np.empty(frames.shape, dtype=np.uint8)
    for source, target in zip(frames, changed, strict=True):
        moved = cv2.warpAffine(source, transform, (side, side), borderMode=cv2.BORDER_REPLICATE)
        cv2.LUT(moved, tones, dst=target)
    return changed


def _placement(side: int, strength: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw the affine map (2, 3) of pixel centres that mirrors, zooms and moves."""
    zoom = np.exp(rng.uniform(-1, 1) * _MAX_ZOOM * strength)
    shift = rng.uniform(-1, 1, size=2) * _MAX_SHIFT * strength * side
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    scale = np.array([mirror * zoom, zoom])
    centre = (side - 1) / 2
    offset = centre - scale * centre + shift
    return np.column_stack([np.diag(scale), offset])


def _tones(strength: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw the table (256,) that changes contrast and brightness."""
    gain = np.exp(rng.uniform(-1, 1) * _MAX_GAIN * strength)
    offset = rng.uniform(-1, 1) * _MAX_OFFSET * strength
    levels = (np.arange(256) - 127.5) * gain + 127.5 + offset
    return np.clip(np.round(levels), 0, 255).astype(np.uint8)


def _lose_words(
    mask: NDArray[np.bool_], strength: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Hide word pieces of mask (U, L) at random; an utterance loses never all of them."""
    loss = rng.uniform() * _WORD_LOSS * strength
    kept = mask & (rng.random(mask.shape) >= loss)
    emptied = ~kept.any(axis=1)
    kept[emptied] = mask[emptied]
    return kept
