"""Every utterance where it ended; those that came before the crop at its left edge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
from numpy.typing import NDArray

from activity_recognition.training.preview.canvas import (
    FONT,
    WIDTH_PX,
    Image,
    Scale,
    empty_row,
    write_text,
)

LINE_PX = 18


def draw(crop: Mapping[str, NDArray[Any]], scale: Scale) -> Image:
    """Draw a row of a strip.

    Args:
        crop: arrays of a crop.
        scale: what the rows share.
    """
    lines: list[tuple[int, str]] = []
    for ids, mask, stamp_ns in zip(
        crop['transcript_tokens'],
        crop['transcript_token_mask'],
        crop['transcript_stamps'],
        strict=True,
    ):
        lines.append(
            (min(max(scale.across(int(stamp_ns)), 0), WIDTH_PX), scale.tokenizer.decode(ids[mask]))
        )
    row = empty_row(LINE_PX * max(1, len(lines)))
    if not lines:
        write_text(row, 'no text', 4, 13)
    for place, (right, text) in enumerate(lines):
        length = cv2.getTextSize(text, FONT, 0.4, 1)[0][0]
        left = min(max(0, right - length), WIDTH_PX - length)
        write_text(row, text, max(left, 0), LINE_PX * place + 13)
        row[LINE_PX * place : LINE_PX * (place + 1), max(0, right - 1) : right + 1] = 255
    return row
