"""Compares a checkpoint's configuration with the header of its weights, before memory is taken.

The configuration says how large the network and its memory of a stream are. The network is first
built without memory (PyTorch's meta device), and has to have the tensors that the file has; only
then is it built, so that it takes as much memory as the file is long.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from activity_recognition.config import ModelConfig, TextConfig, VideoConfig
from activity_recognition.errors import CheckpointError, ConfigError
from activity_recognition.modalities import modalities_of
from activity_recognition.models.backbones import Backbone
from activity_recognition.models.encoders import encoder_type
from activity_recognition.models.step_spec import RING_ROOM
from activity_recognition.models.system import ActivityRecognitionSystem

MAX_STREAM_BYTES = 1024**3
"""What the network may remember of one stream; the largest preset needs a thirtieth."""
MAX_ARCHITECTURE_NUMBER = 2**24
"""Largest number in the architecture of a pretrained network; large vocabularies are 2**18."""
_LAYER_WORDS = ('layer', 'depth', 'block', 'stage')
_FLOATING = ('F64', 'F32', 'F16', 'BF16')
"""Types of weights that are taken, as safetensors names them; all become float32."""
_EXACT = {torch.int64: 'I64', torch.int32: 'I32', torch.uint8: 'U8', torch.bool: 'BOOL'}
"""Types of what a network counts in."""


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor of a file, of which only the header was read."""

    dtype: str
    """As safetensors names it: F32, BF16, I64, …"""
    shape: tuple[int, ...]


def read_header(path: Path) -> dict[str, StoredTensor]:
    """Return the tensors of a safetensors file without reading them.

    Raises:
        SafetensorError, OSError: it is damaged or cannot be read.
    """
    with safe_open(path, framework='pt') as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        return {
            name: StoredTensor(part.get_dtype(), tuple(part.get_shape()))
            for name, part in slices.items()
        }


def check_sizes(config: ModelConfig, *, num_tensors: int) -> None:
    """Refuse a configuration that takes memory which no weights answer for.

    Args:
        config: of the network.
        num_tensors: of the file with its weights.

    Raises:
        ConfigError: naming the setting.
    """
    for owner, section in _with_backbone(config):
        for key, number in _numbers(section.architecture.as_mapping()):
            counts_layers = any(word in key for word in _LAYER_WORDS)
            limit = num_tensors if counts_layers else MAX_ARCHITECTURE_NUMBER
            if abs(number) > limit:
                raise ConfigError(
                    f'{owner}.architecture: expected {key[:100]} up to {limit}, got {number:.4g}'
                )
    size = stream_bytes(config)
    if size > MAX_STREAM_BYTES:
        raise ConfigError(
            f'expected settings by which a stream takes up to {MAX_STREAM_BYTES} bytes, got '
            f'{size}: hidden_dim, max_tokens of {" and ".join(config.modalities)}, temporal_depth '
            'and dilations decide about it'
        )


def stream_bytes(config: ModelConfig) -> int:
    """Return how much memory what the network remembers of one stream takes, in float32."""
    rows = past = 0
    for modality in modalities_of(config):
        rows += 3 * getattr(config, modality.value).max_tokens
        past += encoder_type(modality).state_size(config)
    return 4 * (RING_ROOM * rows * config.hidden_dim + past)


def check_network(config: ModelConfig, found: Mapping[str, StoredTensor], path: Path) -> None:
    """Refuse a network that is larger than the weights, having built it without memory.

    Args:
        config: of the network.
        found: tensors of the file.
        path: of the file.

    Raises:
        ConfigError: it describes no network.
        CheckpointError: the network is not that of the weights.
    """
    with torch.device('meta'):
        try:
            expected = ActivityRecognitionSystem(config).state_dict()
        except ConfigError:
            # Some pretrained networks look at numbers when they are tried, and here are none.
            _check_backbones(config, found, path)
            return
    check_fit(expected, found, path)


def _check_backbones(config: ModelConfig, found: Mapping[str, StoredTensor], path: Path) -> None:
    stored = sum(math.prod(tensor.shape) for tensor in found.values())
    for owner, part in _with_backbone(config):
        if part.architecture.as_mapping():
            network = Backbone(part.architecture, trained_layers=0, owner=owner)
            wanted = sum(tensor.numel() for tensor in network.state_dict().values())
            if wanted > stored:
                raise CheckpointError(
                    f'{path} does not fit config.json: {owner}.architecture has {wanted} weights, '
                    f'the file {stored}; weights and configuration must come from the same run'
                )


def check_fit(
    expected: Mapping[str, Tensor], found: Mapping[str, StoredTensor], path: Path
) -> None:
    """Refuse weights that are not those of a network.

    Args:
        expected: the network's tensors; their values are not looked at.
        found: those of the file.
        path: of the file.

    Raises:
        CheckpointError: a tensor is missing, unknown, or of another shape or type.
    """
    wrong = [k for k, v in expected.items() if k not in found or found[k].shape != tuple(v.shape)]
    extra = sorted(set(found) - set(expected))
    if wrong or extra:
        example = (wrong or extra)[0]
        raise CheckpointError(
            f'{path} does not fit config.json: {len(wrong)} tensors missing or of another shape, '
            f'{len(extra)} unknown; for example {example[:100]}: expected '
            f'{tuple(expected[example].shape) if example in expected else "nothing"}, got '
            f'{found[example].shape if example in found else "nothing"}; '
            'weights and configuration must come from the same run'
        )
    for name, tensor in expected.items():
        floating = tensor.is_floating_point()
        allowed = _FLOATING if floating else (_EXACT.get(tensor.dtype, ''),)
        if found[name].dtype not in allowed:
            raise CheckpointError(
                f'{path}: expected {name} in {", ".join(allowed)}, got {found[name].dtype}; '
                'weights of another type have to be converted before they are saved'
            )


def explain_damage(path: Path, error: SafetensorError | OSError) -> str:
    """Say that a file is no file of weights.

    Args:
        path: the file.
        error: what reading it raised.
    """
    return f'expected weights in {path}, got a damaged file ({str(error)[:200]})'


def _with_backbone(config: ModelConfig) -> Iterator[tuple[str, VideoConfig | TextConfig]]:
    """Yield the sections of the network's modalities that may name a backbone."""
    for name in config.modalities:
        section = getattr(config, name)
        if isinstance(section, (VideoConfig, TextConfig)):
            yield name, section


def _numbers(content: Any, key: str = '') -> Iterator[tuple[str, float]]:
    """Yield the numbers of a nested mapping, each with the innermost key it lies under."""
    if isinstance(content, Mapping):
        for name, value in content.items():
            yield from _numbers(value, str(name))
    elif isinstance(content, (list, tuple)):
        for value in content:
            yield from _numbers(value, key)
    elif isinstance(content, (int, float)) and not isinstance(content, bool):
        yield key, content
