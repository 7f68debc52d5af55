"""Pictures: mirrored, moved, zoomed and retoned, alike from the beginning of a crop to its end.

Nothing flickers that did not flicker before. T frames, S image side.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from activity_recognition.config import AugmentationConfig


def change_pictures(
    frames: NDArray[np.uint8], config: AugmentationConfig, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return changed frames (T, S, S, 3)."""
    side = frames.shape[1]
    transform = _placement(side, config, rng)
    tones = _tones(config, rng)
    changed = np.empty(frames.shape, dtype=np.uint8)
    for source, target in zip(frames, changed, strict=True):
        moved = cv2.warpAffine(source, transform, (side, side), borderMode=cv2.BORDER_REPLICATE)
        cv2.LUT(moved, tones, dst=target)
    return changed


def _placement(
    side: int, config: AugmentationConfig, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw the affine map (2, 3) of pixel centres that mirrors, zooms and moves."""
    zoom = np.exp(rng.uniform(-1, 1) * config.zoom * config.strength)
    shift = rng.uniform(-1, 1, size=2) * config.shift * config.strength * side
    mirror = -1.0 if rng.random() < config.mirror else 1.0
    scale = np.array([mirror * zoom, zoom])
    centre = (side - 1) / 2
    offset = centre - scale * centre + shift
    return np.column_stack([np.diag(scale), offset])


def _tones(config: AugmentationConfig, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw the table (256, 1, 3) that changes contrast, brightness and the colours' balance."""
    gain = np.exp(rng.uniform(-1, 1) * config.contrast * config.strength)
    offset = rng.uniform(-1, 1) * config.brightness * config.strength
    balance = np.exp(rng.uniform(-1, 1, size=3) * config.colour * config.strength)
    levels = (np.arange(256) - 127.5) * gain + 127.5 + offset
    coloured = levels[:, None, None] * balance
    return np.clip(np.round(coloured), 0, 255).astype(np.uint8)
