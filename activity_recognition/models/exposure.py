"""Brings every image to about the same brightness, as a longer or shorter exposure would have.

A gain about black, from one number: the mean level of the image as the network sees it. It depends
on that image alone, so that it is the same while streaming and over a whole recording, and it comes
first in the network, so that training, every backend and every recording or shard have it alike:
stored images stay as the camera gave them (ADR 38).

Shapes: N images, S image side.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from activity_recognition.config import VideoConfig

TARGET = 106.0
"""Mean level of 255 that images are brought to: the median of 300 clips of surveillance cameras."""
LEAST_GAIN, MOST_GAIN = 0.5, 4.0
"""Of an image. Above, what is seen in the dark would be the noise of the camera."""
_WHITE = 255.0


def exposure_gain(frames: Tensor) -> Tensor:
    """Return the gain of each image, float32 (N,), in :data:`LEAST_GAIN` .. :data:`MOST_GAIN`.

    Args:
        frames: uint8 (N, S, S, 3).
    """
    return _gain_of(frames.to(torch.float32))


def expose(frames: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return images (N, S, S, 3) with their gain, 0 to 255; what would be above white is white.

    Args:
        frames: uint8.
        dtype: of the result.
    """
    levels = frames.to(torch.float32)
    # In place, which saves as much time as the gain takes.
    return levels.mul_(_gain_of(levels).view(-1, 1, 1, 1)).clamp_(max=_WHITE).to(dtype)


def exposed(differences: Tensor, gain: Tensor | None) -> Tensor:
    """Return differences between levels, (N, S, S), scaled by the gain (N,) where there is one.

    Args:
        differences: between images, or between places of one.
        gain: of the newer image of each pair.
    """
    return differences if gain is None else differences * gain.to(differences.dtype)[:, None, None]


def exposed_images(frames: NDArray[np.uint8], video: VideoConfig) -> NDArray[np.uint8]:
    """Return images (N, S, S, 3) as the network sees them, rounded to levels.

    Args:
        frames: uint8.
        video: of the network.
    """
    if not video.exposes or not len(frames):
        return frames
    images = torch.from_numpy(frames)
    return np.asarray(expose(images).round().to(torch.uint8).numpy())


def gain_of_level(level: float) -> float:
    """Return the gain of an image of a mean level, in :data:`LEAST_GAIN` .. :data:`MOST_GAIN`.

    Args:
        level: 0 to 255.
    """
    return max(TARGET / max(level, TARGET / MOST_GAIN), LEAST_GAIN)


def _gain_of(levels: Tensor) -> Tensor:
    mean = levels.flatten(1).mean(1)
    return (TARGET / mean.clamp(min=TARGET / MOST_GAIN)).clamp(min=LEAST_GAIN)
