"""How much work a network is, by arithmetic on its configuration alone.

Each encoder counts its own (:meth:`Encoder.work`); here they are put together with the fusion's and
the decision's. What is counted says :mod:`activity_recognition.models.work`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import torch

from activity_recognition.config import ModelConfig
from activity_recognition.errors import ConfigError
from activity_recognition.modalities import SPEC
from activity_recognition.model_config import EXPERTS
from activity_recognition.models.attention import NUM_KNOTS
from activity_recognition.models.step_spec import RING_ROOM, viewed_rows
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.models.work import (
    FLOAT_BYTES,
    PER_MULTIPLY_ADD,
    Work,
    attention_operations,
    bytes_of,
)
from activity_recognition.types import Modality


def sample_work(
    config: ModelConfig, modality: Modality, *, length: int = 1, held: int | None = None
) -> dict[str, Work]:
    """Return the work of one step with a modality's samples, part by part.

    Args:
        config: the network.
        modality: one that the network has.
        length: how much the samples bring: blocks of a spectrogram, subword tokens.
        held: tokens in the window, those of this step included; by default as many as are ever
            kept.

    Raises:
        ConfigError: the samples go through a pretrained backbone, or through an encoder that does
            not count its operations.
    """
    section = getattr(config, modality.value)
    if backbone := getattr(section, 'backbone', ''):
        raise ConfigError(
            f'expected a {modality} encoder of this package to count the operations of, got the '
            f'backbone {backbone!r}; measure it instead'
        )
    encoder = _skeleton(config).encoders[modality]
    parts = encoder.work(length=length, held=encoder.max_tokens if held is None else held)
    tokens = length if SPEC[modality].has_holes else 1
    return {**parts, 'keys and values': _keys_and_values(config, modality, tokens=tokens)}


def decision_work(
    config: ModelConfig, *, held: Mapping[Modality, int] | None = None, ablated: bool = False
) -> dict[str, Work]:
    """Return the work of one decision, part by part.

    Args:
        config: the network.
        held: tokens of each modality in its window; by default as many as are ever kept. The
            fusion computes with views of them (:func:`viewed_rows`).
        ablated: whether it also measures the effect of masking each modality, as so many decisions
            more at once.
    """
    full = _skeleton(config).max_tokens
    inside = full if held is None else held
    tokens = sum(viewed_rows(inside[m], most) for m, most in full.items())
    rows, askers = (1 + len(full) if ablated else 1), len(full)
    width, classes = config.hidden_dim, config.num_activities
    ages = rows * askers * NUM_KNOTS * width + NUM_KNOTS * askers * config.num_heads * tokens
    layers = rows * askers * (2 + 8) * width**2  # query, output and the feed-forward
    heads = askers * width * classes
    fusion = Work(
        products=PER_MULTIPLY_ADD * (ages + layers),
        attention=attention_operations(rows * askers * config.num_heads, tokens, width),
        weight_bytes=_weights(config, 'cross_attention') - _key_value_bytes(config) * askers,
        cache_bytes=FLOAT_BYTES * 2 * tokens * width,
    )
    read = ['unimodal_heads', 'classifier', *(['experts'] if config.fusion == EXPERTS else [])]
    # Joining the experts takes no products of matrices, and so little else that it is left out.
    classifiers = Work(
        products=PER_MULTIPLY_ADD * rows * 2 * heads,
        weight_bytes=sum(_weights(config, part) for part in read),
    )
    return {'fusion': fusion, 'classifiers': classifiers}


def ring_bytes(config: ModelConfig) -> int:
    """Return the memory that a stream's cached tokens take, float32, however long it runs."""
    # Keys, values and the token itself for the fusion, and what the encoder reads of it.
    numbers = sum(
        encoder.max_tokens * (3 * config.hidden_dim + encoder.past_size(config))
        for encoder in _skeleton(config).encoders.values()
    )
    return FLOAT_BYTES * RING_ROOM * numbers


def weight_count(config: ModelConfig) -> int:
    """Return how many weights the network has."""
    return sum(parameter.numel() for parameter in _skeleton(config).parameters())


def _keys_and_values(config: ModelConfig, modality: Modality, *, tokens: int = 1) -> Work:
    return Work(
        products=PER_MULTIPLY_ADD * tokens * 2 * config.hidden_dim**2,
        weight_bytes=_weights(config, f'cross_attention.modalities.{modality}.key_value'),
    )


def _key_value_bytes(config: ModelConfig) -> int:
    return _weights(config, f'cross_attention.modalities.{config.modalities[0]}.key_value')


@cache
def _skeleton(config: ModelConfig) -> ActivityRecognitionSystem:
    """Return the network without memory for its weights."""
    with torch.device('meta'):
        return ActivityRecognitionSystem(config)


def _weights(config: ModelConfig, part: str) -> int:
    """Return the bytes of a part's weights."""
    return bytes_of(_skeleton(config).get_submodule(part))
