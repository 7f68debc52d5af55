"""A network with more labels: what it says of the old ones stays as it is, bit for bit.

C activities, D width.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from activity_recognition.models.system import ActivityRecognitionSystem


def with_labels(
    system: ActivityRecognitionSystem, labels: Sequence[str], fresh: Collection[str] = ()
) -> ActivityRecognitionSystem:
    """Return a copy of a network with other labels; encoders and what they share stay.

    A label that the network knows keeps its weights. A new one begins with zeros in the heads, and
    in everything that is added to them, with the mean over the old ones: that favours none.

    Args:
        system: the network.
        labels: of the copy, in the order of its classes.
        fresh: labels that begin as new ones, though the network may know them.
    """
    grown = ActivityRecognitionSystem(replace(system.config, labels=tuple(labels)))
    known = {label: place for place, label in enumerate(system.config.labels)}
    places = [-1 if label in fresh else known.get(label, -1) for label in labels]
    state = dict(system.state_dict())
    for name in _of_heads(system):
        state[name] = _rows(state[name], places, torch.zeros_like(state[name][:1]))
    for name in _added(system):
        state[name] = _rows(state[name], places, state[name].mean(0, keepdim=True))
    grown.load_state_dict(state)
    return grown.eval()


def _of_heads(system: ActivityRecognitionSystem) -> list[str]:
    return [
        f'unimodal_heads.{modality}.{part}'
        for modality in system.modalities
        for part in ('weight', 'bias')
    ]


def _added(system: ActivityRecognitionSystem) -> list[str]:
    prior = [] if system.experts is None else ['experts.log_prior']
    return ['classifier.weight', 'classifier.bias', *prior]


def _rows(tensor: Tensor, places: Sequence[int], otherwise: Tensor) -> Tensor:
    """Return the rows of a tensor (C, ...) at places, another where one is negative."""
    return torch.cat([tensor[p : p + 1] if p >= 0 else otherwise for p in places])
