"""Small seeded changes of a crop that leave its labels true.

Each modality has a module of its name, whose ``augment(crop, config, model, rng)`` returns the
arrays that it changes. Where its values themselves change with the tempo, the module has
``at_tempo(blocks, rate)``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from activity_recognition.config import ModelConfig
from activity_recognition.modalities import SPECS, ModalitySpec
from activity_recognition.training.augmentation.clocks import skew_clocks
from activity_recognition.training.augmentation.tempo import change_tempo
from activity_recognition.training.augmentation_config import AugmentationConfig

Arrays = dict[str, NDArray[Any]]
Augment = Callable[[Arrays, AugmentationConfig, ModelConfig, np.random.Generator], Arrays]

_CLOCKS, _TEMPO = 3, 1000
"""Numbers of the clocks' and the tempo's streams of random numbers; a modality's is its place among
the others."""


def augment(
    crop: Arrays, key: tuple[int, ...], config: AugmentationConfig, model: ModelConfig
) -> Arrays:
    """Return a crop with changed samples and clocks.

    Args:
        crop: arrays of one crop; left as it is.
        key: seeds what is drawn.
        config: how far everything may change.
        model: the network's side of a frame, which those of the crop exceed by the margin, and its
            vocabulary, from which misheard words are drawn.
    """
    if config.strength <= 0:
        return dict(crop)
    crop = change_tempo(crop, config, np.random.default_rng([*key, _TEMPO]))
    changed = dict(crop)
    for place, spec in enumerate(SPECS):
        if any(array.name in crop for array in spec.arrays):
            # One stream per modality, so that how many frames there are changes nothing else.
            stream = place + (place >= _CLOCKS)
            changed |= _of(spec)(crop, config, model, np.random.default_rng([*key, stream]))
    return skew_clocks(changed, config, np.random.default_rng([*key, _CLOCKS]))


@cache
def _of(spec: ModalitySpec) -> Augment:
    found: Augment = import_module(f'{__name__}.{spec.name}').augment
    return found
