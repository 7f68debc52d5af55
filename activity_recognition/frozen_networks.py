"""The frozen networks in front of a network: which it needs, and whether they are here.

No torch, no ROS: a command looks before it reads a recording or starts a process.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from activity_recognition.checkpoint_folder import checkpoint_folder
from activity_recognition.config_io import stored_model_config
from activity_recognition.errors import ConfigError, MissingExtraError, WeightsError
from activity_recognition.model_config import ModelConfig
from activity_recognition.weights import find_weights, register
from activity_recognition.weights.finding import explain_missing, explain_wrong, faults_of

RUNTIME = 'ai_edge_litert'
"""Module that runs frozen networks."""
INSTALL_RUNTIME = "pip install 'activity_recognition[litert]'"


def networks_of(model: ModelConfig) -> tuple[str, ...]:
    """Return the names, in the register of weights, of the frozen networks before a network.

    Args:
        model: of the network.
    """
    parts: list[Any] = [getattr(model, name) for name in model.modalities]
    return tuple(
        dict.fromkeys(name for part in parts for name in getattr(part, 'backbone_weights', ()))
    )


def networks_to_begin_with(model: ModelConfig) -> tuple[str, ...]:
    """Return the registered networks of which a network takes over the weights as it is made.

    Args:
        model: of the network.
    """
    parts: list[Any] = [getattr(model, name) for name in model.modalities]
    frozen = networks_of(model)
    settings = ('backbone', 'word_vectors')
    names = (getattr(part, setting, '') for part in parts for setting in settings)
    return tuple(name for name in dict.fromkeys(names) if name in register() and name not in frozen)


def missing_weights(names: Sequence[str]) -> tuple[str, ...]:
    """Return those of some registered networks that this machine lacks.

    Args:
        names: in the register of weights.
    """
    return tuple(name for name in names if not _is_there(name))


def demand_networks(*models: ModelConfig, others: Sequence[str] = ()) -> None:
    """Make sure that the frozen networks before some networks can run on this machine.

    Args:
        models: of the networks.
        others: names of further registered networks that have to be here.

    Raises:
        WeightsError: some are not here, or are not the registered ones; names them all, and the
            command that brings them.
        MissingExtraError: what runs them is not installed.
    """
    frozen = tuple(dict.fromkeys(name for model in models for name in networks_of(model)))
    sentence = explain_networks(frozen, others)
    if sentence and missing_weights((*frozen, *others)):
        raise WeightsError(sentence)
    if sentence:
        raise MissingExtraError(sentence)


def explain_networks(frozen: Sequence[str], others: Sequence[str] = ()) -> str:
    """Return what to do so that some networks can be used here; empty where they can.

    Args:
        frozen: names of networks that LiteRT runs.
        others: names of others.
    """
    missing = missing_weights(tuple(dict.fromkeys((*frozen, *others))))
    needs_runtime = bool(frozen) and importlib.util.find_spec(RUNTIME) is None
    sentences = []
    if missing:
        faults = [fault for name in missing for fault in faults_of(name)]
        sentences.append(explain_wrong(missing, faults[0]) if faults else explain_missing(missing))
    if needs_runtime:
        sentences.append(
            f'LiteRT, which runs {" and ".join(frozen)}, is not installed: {INSTALL_RUNTIME}'
        )
    return '; '.join(sentences)


def explain_checkpoint(folder: Path | str) -> str:
    """Return what to do so that a checkpoint's frozen networks can run here; empty if they can.

    Of a folder that cannot be read there is nothing to say: whoever loads it says what is wrong.

    Args:
        folder: as :func:`~activity_recognition.checkpoint_folder.checkpoint_folder` takes it.
    """
    try:
        model = stored_model_config(checkpoint_folder(folder))
    except ConfigError:
        return ''
    return explain_networks(networks_of(model))


def demand_checkpoint(folder: Path | str) -> None:
    """Make sure that the frozen networks before a checkpoint's network can run on this machine.

    Args:
        folder: see :func:`explain_checkpoint`.

    Raises:
        WeightsError, MissingExtraError: see :func:`demand_networks`.
    """
    try:
        model = stored_model_config(checkpoint_folder(folder))
    except ConfigError:
        return
    demand_networks(model)


def _is_there(name: str) -> bool:
    try:
        find_weights(name)
    except WeightsError:
        return False
    return True
