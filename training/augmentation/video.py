"""Frames: mirrored, moved, zoomed and retoned, alike from the beginning of a crop to its end.

Nothing flickers that did not flicker before. T frames, S side of the network's frames, W side of
those that come in: larger by the margin, or the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from activity_recognition.config import ModelConfig
from activity_recognition.training.augmentation.key_points import change_points
from activity_recognition.training.augmentation_config import AugmentationConfig

_MID_GREY = 127.5
_LEAST_GAMMA = 0.2


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
    side = model.video.input_size_px
    if model.video.key_points:
        changed: dict[str, NDArray[Any]] = {
            'frames': change_points(crop['frames'], model.video.joints, config, rng)
        }
        if model.video.takes_both:
            # Mirrored or not by itself: directions are summed up without regard to which they are.
            changed['images'] = change_frames(crop['images'], config, rng, side)
        return changed
    return {'frames': change_frames(crop['frames'], config, rng, side)}


def change_frames(
    frames: NDArray[np.uint8], config: AugmentationConfig, rng: np.random.Generator, side: int
) -> NDArray[np.uint8]:
    """Return changed frames (T, S, S, 3).

    Args:
        frames: (T, W, W, 3).
        config: how far they may change.
        rng: what is drawn.
        side: S.
    """
    if config.crops:
        transform = _view(frames.shape[1], side, config, rng)
    else:
        transform = _placement(side, config, rng)
    tones = _tones(_mean_level(frames), config, rng)
    changed = np.empty((len(frames), side, side, 3), dtype=np.uint8)
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


def _view(
    wide: int, side: int, config: AugmentationConfig, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw the affine map (2, 3) that crops a view, mirrored or not, and scales it to ``side``.

    The view is a square inside the image, of any size between the network's and the whole
    image, anywhere: the random resized crop of Szegedy et al. 2015, at the image's own aspect
    ratio.
    """
    smallest = np.log(side / wide) * min(config.strength, 1.0)
    extent = wide * np.exp(rng.uniform(smallest, 0.0))
    left, top = rng.uniform(0.0, wide - extent, size=2)
    mirrored = rng.random() < config.mirror
    zoom = side / extent
    # Pixels are squares, their centres at half numbers from the image's edge.
    offset = zoom * (0.5 - np.array([left, top])) - 0.5
    if mirrored:
        return np.array([[-zoom, 0.0, side - 1 - offset[0]], [0.0, zoom, offset[1]]])
    return np.array([[zoom, 0.0, offset[0]], [0.0, zoom, offset[1]]])


def _mean_level(frames: NDArray[np.uint8]) -> float:
    """Return about the mean level of frames (T, W, W, 3), from some of their pixels."""
    return float(frames[:, ::4, ::4].mean()) if len(frames) else _MID_GREY


def _tones(mean: float, config: AugmentationConfig, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw the table (256, 1, 3) that changes contrast, brightness and the colours' balance.

    Black stays black, so that a dark recording keeps what it shows. Contrast leaves white as well.

    Args:
        mean: level of the frames, about which contrast changes.
        config: how far tones may change.
        rng: what is drawn.
    """
    gain = np.exp(rng.uniform(-1, 1) * config.contrast * config.strength)
    change = rng.uniform(-1, 1) * config.brightness * config.strength / _MID_GREY
    balance = np.exp(rng.uniform(-1, 1, size=3) * config.colour * config.strength)
    levels = _brightened(_contrasted(np.arange(256) / 255, mean / 255, gain), change, rng)
    coloured = 255 * levels[:, None, None] * balance
    return np.clip(np.round(coloured), 0, 255).astype(np.uint8)


def _contrasted(levels: NDArray[np.float64], mean: float, gain: float) -> NDArray[np.float64]:
    """Change contrast by a gain at the mean, less towards black and white, which stay.

    Args:
        levels: 0 to 1.
        mean: of the frames, 0 to 1.
        gain: above 0.
    """
    middle = min(max(mean, 1 / 255), 254 / 255)
    below = middle * (np.minimum(levels, middle) / middle) ** gain
    above = 1 - (1 - middle) * ((1 - np.maximum(levels, middle)) / (1 - middle)) ** gain
    return np.where(levels < middle, below, above)


def _brightened(
    levels: NDArray[np.float64], change: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Change mid-grey by about a share of itself: partly by a gain, partly by a gamma.

    Args:
        levels: 0 to 1.
        change: logarithm of the change of mid-grey.
        rng: draws how much of it is the gain's.
    """
    by_gain = rng.random() * change
    gamma = 1 - (change - by_gain) / np.log(2)
    return np.exp(by_gain) * levels ** max(gamma, _LEAST_GAMMA)
