"""From YAMNet's 521 sounds to activities, without any recording: a written map.

It is where an expert of sound can begin. Nobody measured it on people.

Shapes: C classes of YAMNet, L labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from activity_recognition.config_io import read_yaml
from activity_recognition.encoder_config import SOUND_LEAST
from activity_recognition.errors import ConfigError, quoted
from activity_recognition.front_ends.yamnet import CLASSES

MAP = Path(__file__).parent / 'yamnet_labels.yaml'
LEAST = SOUND_LEAST
"""Least probability of a label."""

SoundMap = Mapping[str, Mapping[int, str]]
"""By label the indices of the sounds that speak for it, with their names."""


@cache
def sound_map() -> SoundMap:
    """Return the map that comes with the package.

    Raises:
        ConfigError: it is damaged.
    """
    return read_sound_map(MAP)


def read_sound_map(path: Path) -> SoundMap:
    """Read a map from labels to sounds.

    Args:
        path: a YAML file with a mapping from indices to names for each label.

    Raises:
        ConfigError: it cannot be read, or a label has no sounds, or an index is none of YAMNet's.
    """
    found: dict[str, Mapping[int, str]] = {}
    for label, sounds in read_yaml(path).items():
        where = f'{path}: {quoted(label)}'
        if not isinstance(sounds, dict) or not sounds:
            raise ConfigError(f'{where}: expected sounds by their index, got {quoted(sounds)}')
        for index, name in sounds.items():
            known = isinstance(index, int) and not isinstance(index, bool)
            if not known or not 0 <= index < CLASSES or not isinstance(name, str):
                raise ConfigError(
                    f'{where}: expected an index from 0 to {CLASSES - 1} and a name, got '
                    f'{quoted(index)}: {quoted(name)}'
                )
        found[str(label)] = MappingProxyType(dict(sounds))
    return MappingProxyType(found)


def label_log_scores(
    scores: NDArray[np.floating], labels: Sequence[str], known: SoundMap | None = None
) -> NDArray[np.float64]:
    """Return how probable it is that something of each label is heard, as logarithms (..., L).

    That is any of the label's sounds, as if they were heard independently of each other. NaN where
    the map knows no sound of a label: sound says nothing of it, neither for nor against.

    Args:
        scores: of YAMNet, (..., C), in [0, 1].
        labels: L of them.
        known: the map; None for the one that comes with the package.
    """
    sounds = sound_map() if known is None else known
    result = np.full((*scores.shape[:-1], len(labels)), np.nan)
    for place, label in enumerate(labels):
        if label in sounds:
            silent = 1.0 - scores[..., list(sounds[label])].astype(np.float64)
            result[..., place] = np.log(np.clip(1.0 - silent.prod(axis=-1), LEAST, 1.0))
    return result
