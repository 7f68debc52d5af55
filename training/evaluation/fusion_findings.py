"""What a reader has to know first of how modalities are joined: which one spoils the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

WORTH_SAYING = 0.005
"""By how much some of the modalities must be better than all of them, balanced accuracy."""
OVERFITTED = 0.3
"""What a modality has to lose from training to new recordings to have overfitted, balanced
accuracy."""


def lost(seen: float, new: float, num_labels: int) -> float:
    """Return how much of what a modality learnt is lost on what is new to it, balanced accuracy.

    Below a guess nothing is left to lose: of two labels, what is right in half of training and in
    a fifth of validation has learnt nothing that it could lose.

    Args:
        seen: balanced accuracy on what was trained on.
        new: and on what was not.
        num_labels: that a guess chooses from.
    """
    return seen - max(new, 1 / num_labels)


def better_without(combinations: Mapping[str, Mapping[str, Any]], where: str) -> str:
    """Say that some modalities are better without the others; empty where they are not.

    Args:
        combinations: scores of each combination by its name, such as ``video+audio``.
        where: on what they were measured, a phrase such as ``in validation``.
    """
    reached = {name: found['balanced_accuracy'] for name, found in combinations.items()}
    known = {name: value for name, value in reached.items() if value is not None}
    if not known:
        return ''
    whole = max(known, key=lambda name: name.count('+'))
    best = max(known, key=lambda name: known[name])
    if known[best] - known[whole] <= WORTH_SAYING:
        return ''
    kept = best.split('+')
    spoils = ' and '.join(name for name in whole.split('+') if name not in kept)
    return (
        f'{" and ".join(kept)} without {spoils} {"are" if len(kept) > 1 else "is"} better {where} '
        f'than all together: balanced accuracy {_percent(known[best])} against '
        f'{_percent(known[whole])}. Leave {spoils} out (in the recipe: '
        f'`model: {{modalities: [{", ".join(kept)}]}}`), or train on more recordings with it'
    )


def overfitted(
    own_heads: Mapping[str, Mapping[str, Mapping[str, Any]]], num_labels: int
) -> Iterator[str]:
    """Say which modalities are right on what they were trained on, and there alone.

    Args:
        own_heads: per modality ``training`` and ``validation``, with ``balanced_accuracy``.
        num_labels: of the network.
    """
    for name, found in own_heads.items():
        seen, new = (found[part]['balanced_accuracy'] for part in ('training', 'validation'))
        if seen is None or new is None:
            continue
        if lost(seen, new, num_labels) >= OVERFITTED:
            yield (
                f'{name} has overfitted to the recordings that it was trained on: its own head has '
                f'a balanced accuracy of {_percent(seen)} there, and of {_percent(new)} on the '
                'recordings held out for validation'
            )


def _percent(value: float) -> str:
    return f'{100 * value:.1f} %'
