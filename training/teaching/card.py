"""The model card of a taught checkpoint: what was taught, how good it is, and what it stands on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from activity_recognition.errors import ActivityRecognitionError, CheckpointError
from activity_recognition.models.checkpoint import CARD, Checkpoint
from activity_recognition.text_files import read_text
from activity_recognition.training.run.card import plain
from activity_recognition.training.teaching.estimate import Estimate

_LONGEST = 20_000
"""Characters of the card of before."""


def write_taught_card(
    before: Checkpoint,
    labels: Sequence[str],
    found: Estimate,
    *,
    sentences: Sequence[str],
) -> str:
    """Return a model card in Markdown.

    Args:
        before: the checkpoint that was taught.
        labels: that it knows now.
        found: what was taught, and how good it is.
        sentences: what else was done and found.
    """
    rows = [
        f'| {plain(each.label)} | {each.recordings} | {each.groups or "–"} | '
        f'{_share(each.right, each.asked, each.interval)} |'
        for each in found.labels
    ]
    return '\n'.join(
        [
            '# Activity recognition checkpoint',
            '',
            f'Recognises {", ".join(map(plain, labels))}. Some of it was taught from a few '
            'recordings, on top of a trained checkpoint.',
            '',
            '## What was taught',
            '',
            f'{plain(found.headline())}.',
            '',
            *(f'- {plain(sentence)}' for sentence in sentences),
            '',
            '| label | recordings | people or places | right when left out |',
            '| --- | --- | --- | --- |',
            *rows,
            '',
            'Trust it with people and places like those of the recordings, no others.',
            '',
            f'## What it was taught on top of: checkpoint {before.id}',
            '',
            _demoted(_card_of(before.path)),
            '',
        ]
    )


def _share(right: int, asked: int, interval: tuple[float, float]) -> str:
    if not asked:
        return 'not known'
    low, high = interval
    return f'{right} of {asked} ({100 * low:.0f} to {100 * high:.0f} %)'


def _card_of(folder: Path) -> str:
    """Return the card of the checkpoint that was taught; empty where it has none."""
    try:
        return read_text(folder / CARD, CheckpointError, what='the model card')[:_LONGEST]
    except ActivityRecognitionError:
        return ''


def _demoted(text: str) -> str:
    """Put the headings of a card two levels lower."""
    return re.sub(r'^(#{1,4}) ', r'##\1 ', text.strip(), flags=re.MULTILINE)
