"""Folds of clips cut from few sources: whole sources, kinds of clips shared out evenly."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from real_data import TRAINED_ON_ONLY, RealClip


def assign_folds(clips: Sequence[RealClip], folds: int, *, seed: int) -> list[RealClip]:
    """Assign whole groups to folds so that kinds of clips are shared out evenly.

    A kind is a label with or without audible sound. The largest groups come first, each goes to the
    fold that lacks most of it. Clips without a group stay outside.
    """
    groups: defaultdict[str, Counter[tuple[str, bool]]] = defaultdict(Counter)
    for clip in clips:
        if clip.group:
            groups[clip.group][clip.label, clip.sound == 'audible'] += 1
    order = sorted(groups)
    random.Random(seed).shuffle(order)
    order.sort(key=lambda name: -groups[name].total())
    assigned = [Counter[tuple[str, bool]]() for _ in range(folds)]
    fold_of: dict[str, int] = {}
    for name in order:
        chosen = min(range(folds), key=lambda fold: _crowding(assigned[fold], groups[name]))
        assigned[chosen] += groups[name]
        fold_of[name] = chosen + 1
    return [replace(clip, fold=fold_of.get(clip.group, TRAINED_ON_ONLY)) for clip in clips]


def _crowding(there: Counter[tuple[str, bool]], added: Counter[tuple[str, bool]]) -> float:
    """Return how much of the kinds of ``added`` a fold has already, and at a tie, of all kinds."""
    return sum(there[kind] * count for kind, count in added.items()) + 1e-3 * there.total()
