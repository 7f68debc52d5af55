"""The log-mel spectrogram, low frequencies at the bottom; what is missing or hidden is red.

Of a network that takes embeddings alone, these are shown: one column each, brighter where larger.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from activity_recognition.training.preview.canvas import (
    WIDTH_PX,
    Image,
    Scale,
    empty_row,
    write_text,
)

HEIGHT_PX = 96
LEVELS = (-2.5, 2.0)
"""Log-mel levels shown from black to white."""
STRENGTHS = (0.0, 0.5)
"""Square roots of an embedding's numbers, means of about ten, shown from black to white."""


def draw(crop: Mapping[str, NDArray[Any]], scale: Scale) -> Image:
    """Draw a row of a strip.

    Args:
        crop: arrays of a crop.
        scale: what the rows share.
    """
    row = empty_row(HEIGHT_PX)
    blocks, (low, high) = _shown(crop)
    stamps = crop['spectrogram_stamps']
    length_ns = int(np.median(np.diff(stamps))) if len(stamps) > 1 else 0
    for block, stamp_ns, there in zip(blocks, stamps, crop['spectrogram_mask'], strict=True):
        left, right = (
            max(0, scale.across(int(stamp_ns) - length_ns)),
            min(WIDTH_PX, scale.across(int(stamp_ns))),
        )
        if left >= right:
            continue
        levels = np.clip((block.T[::-1] - low) / (high - low) * 255, 0, 255).astype(np.uint8)
        scaled = cv2.resize(levels, (right - left, HEIGHT_PX), interpolation=cv2.INTER_AREA)
        row[:, left:right] = scaled[..., None] if there else (90, 0, 0)
    if not crop['spectrogram_mask'].any():
        write_text(row, 'no audio', 4, HEIGHT_PX // 2)
    return row


def _shown(crop: Mapping[str, NDArray[Any]]) -> tuple[NDArray[Any], tuple[float, float]]:
    """Return what is drawn of each block, (A, columns, rows), and what is black and white."""
    if 'spectrograms' in crop:
        return crop['spectrograms'], LEVELS
    strengths = np.sqrt(crop['sound_embeddings'][:, None, :-1].astype(np.float32))
    return strengths, STRENGTHS
