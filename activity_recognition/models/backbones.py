"""Networks of transformers as encoders: built from their architecture alone, partly frozen.

No weights, no hub, no code of others: those are read where training begins
(:mod:`activity_recognition.models.pretrained`). Shapes: B batch, S image side, N tokens, P patches
among them, W backbone's width, R readout channels, D width.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers import MODEL_MAPPING, AutoConfig, AutoModel

from activity_recognition.config import Architecture, ModelConfig, TextConfig, VideoConfig
from activity_recognition.errors import ConfigError
from activity_recognition.models.exposure import expose

_NOT_ARCHITECTURE = frozenset(
    (
        *('architectures', 'auto_map', 'attn_implementation', 'dtype', 'torch_dtype'),
        *('id2label', 'label2id', 'problem_type', 'quantization_config', 'transformers_version'),
        *('use_kernels', 'adapter_kwargs', 'custom_pipelines'),
    )
)
"""Entries about code, kernels, files or heads; beside all that begin with ``_``."""


def describe_network(settings: Any) -> Architecture:
    """Return the architecture of the encoder in a configuration of transformers.

    Of a network that reads images and words (SigLIP, CLIP) the caller passes one half.
    """
    content = _architecture_only(settings.to_dict())
    if 'vision_use_head' in content:
        content['vision_use_head'] = False  # a pooling head of SigLIP, which nothing would read
    return Architecture.of(content)


def network_settings(architecture: Architecture, name: str) -> Any:
    """Return the configuration of transformers for an architecture.

    Args:
        architecture: what :func:`describe_network` returned, perhaps long ago.
        name: what to call it in errors, for example ``video.architecture``.

    Raises:
        ConfigError: it is empty, or none that this version of transformers knows.
    """
    content = _architecture_only(architecture.as_mapping())
    kind = content.pop('model_type', None)
    if kind is None:
        raise ConfigError(
            f'{name}: expected the architecture of the backbone, found none; read it with '
            'models.pretrained.with_backbones before the network is built'
        )
    try:
        return AutoConfig.for_model(kind, **content)
    except Exception as error:  # every model checks its settings in its own way
        raise ConfigError(
            f'{name}: expected a network that the installed transformers can build, '
            f'got {kind!r} ({_first_line(error)}); install the version it was made with'
        ) from error


def head_options(settings: Any) -> dict[str, bool]:
    """Return the arguments that build a network without a pooling head, which nothing reads."""
    kind = MODEL_MAPPING.get(type(settings), None)
    known = inspect.signature(kind.__init__).parameters if inspect.isclass(kind) else {}
    return {'add_pooling_layer': False} if 'add_pooling_layer' in known else {}


class Backbone(nn.Module):
    """A network of transformers with its first layers, or all of them, frozen.

    What is frozen stays in evaluation mode: without dropout, and with the statistics it came with.
    """

    def __init__(self, architecture: Architecture, *, trained_layers: int, owner: str) -> None:
        """Build it with random weights.

        Args:
            architecture: what to build.
            trained_layers: last layers to train; 0 for none of the network, -1 for all of it.
            owner: ``video`` or ``text``, for errors.

        Raises:
            ConfigError: transformers cannot build it, or it has fewer layers.
        """
        super().__init__()
        settings = network_settings(architecture, f'{owner}.architecture')
        try:
            self.network = AutoModel.from_config(
                settings, trust_remote_code=False, **head_options(settings)
            )
        except Exception as error:  # every model checks its settings in its own way
            raise ConfigError(
                f'{owner}.architecture: expected an encoder, cannot build '
                f'{settings.model_type!r}: {_first_line(error)}'
            ) from error
        _freeze_but_last(self.network, trained_layers, owner)

    def forward(self, **inputs: Any) -> Any:
        """Call the network; returns its output, an object with ``last_hidden_state``."""
        return self.network(**inputs)

    def train(self, mode: bool = True) -> Backbone:
        """Set the mode of what is trained; the rest stays in evaluation mode."""
        super().train(mode)
        if mode:
            _rest(self.network)
        return self


class TextBackbone(Backbone):
    """A pretrained network over subword tokens."""

    def __init__(self, text: TextConfig) -> None:
        """Build the network of ``text.architecture``.

        Raises:
            ConfigError: it is no text encoder, or takes fewer tokens than ``text.max_length``.
        """
        super().__init__(text.architecture, trained_layers=text.trained_layers, owner='text')
        ids = torch.ones(1, text.max_length, dtype=torch.int64)
        try:
            with torch.no_grad():
                states = self(input_ids=ids, attention_mask=ids).last_hidden_state
        except Exception as error:  # every model fails in its own way
            limit = getattr(self.network.config, 'max_position_embeddings', None)
            raise ConfigError(
                f'text.backbone: expected an encoder that takes {text.max_length} subword tokens, '
                f'{text.backbone} does not ({_first_line(error)}); it may take {limit}: lower '
                'text.max_length, or choose another backbone'
            ) from error
        self.width = int(states.shape[-1])
        """W, of its states."""


class PretrainedFrameEncoder(nn.Module):
    """One image to one token, through a pretrained image network.

    As in the encoder from scratch, the token is read from a summary, the network's class token or
    else the mean of its patches, and from a few channels of every patch in its place.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, config: ModelConfig) -> None:
        """Build the network of ``config.video.architecture``.

        Raises:
            ConfigError: it is no image encoder, or takes no images of ``video.input_size_px``.
        """
        super().__init__()
        video = config.video
        if len(video.image_mean) != 3 or len(video.image_std) != 3:
            raise ConfigError(
                'video.image_mean and video.image_std: expected three numbers each, '
                f'got {video.image_mean} and {video.image_std}'
            )
        self.backbone = Backbone(
            video.architecture, trained_layers=video.trained_layers, owner='video'
        )
        settings = self.backbone.network.config
        _check_size(settings, video)
        self._exposes = video.exposes
        self._options = _position_options(self.backbone.network, video)
        mean, std = (torch.tensor(v).view(3, 1, 1) for v in (video.image_mean, video.image_std))
        # Rebuilt from the configuration, so no weights.
        self.register_buffer('mean', 255 * mean, persistent=False)
        self.register_buffer('scale', 1 / (255 * std), persistent=False)
        count, width = self._probe(video)
        patch = getattr(settings, 'patch_size', None)
        patches = (video.input_size_px // patch) ** 2 if isinstance(patch, int) else count
        # Hierarchical networks give fewer tokens than they have patches, and none before them.
        self._first_patch = max(0, count - patches)
        self.norm = nn.LayerNorm(width)
        self.squeeze = nn.Linear(width, video.readout_channels)
        read = width + (count - self._first_patch) * video.readout_channels
        self.project = nn.Linear(read, config.hidden_dim)

    def forward(self, frames: Tensor) -> Tensor:
        """Encode uint8 images (B, S, S, 3) to tokens (B, D)."""
        levels = expose(frames, self.mean.dtype) if self._exposes else frames.to(self.mean.dtype)
        x = levels.permute(0, 3, 1, 2)
        encoded = self.norm(self._states((x - self.mean) * self.scale))
        patches = encoded[:, self._first_patch :]
        summary = encoded[:, 0] if self._first_patch else patches.mean(1)
        places = self.squeeze(patches).flatten(1)
        token: Tensor = self.project(torch.cat((summary, places), dim=-1))
        return token

    def _states(self, images: Tensor) -> Tensor:
        """Return the network's states (B, N, W) of normalised images (B, 3, S, S)."""
        states: Tensor = self.backbone(pixel_values=images, **self._options).last_hidden_state
        return states.flatten(2).transpose(1, 2) if states.dim() == 4 else states

    def _probe(self, video: VideoConfig) -> tuple[int, int]:
        """Return N and W."""
        training = self.training
        self.eval()
        try:
            with torch.no_grad():
                states = self._states(torch.zeros(1, 3, video.input_size_px, video.input_size_px))
        except Exception as error:  # every model fails in its own way
            native = getattr(self.backbone.network.config, 'image_size', 'another size')
            raise ConfigError(
                f'video.input_size_px: {video.backbone} cannot take images of '
                f'{video.input_size_px} px ({_first_line(error)}); it was made for {native}: set '
                f'video.input_size_px to {native}'
            ) from error
        self.train(training)
        return int(states.shape[1]), int(states.shape[2])


def _architecture_only(content: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out of a configuration, and of those inside it, what builds nothing."""
    return {
        key: _architecture_only(value) if isinstance(value, Mapping) else value
        for key, value in content.items()
        if key not in _NOT_ARCHITECTURE and not key.startswith('_')
    }


def _check_size(settings: Any, video: VideoConfig) -> None:
    """Refuse an image that patches do not tile: its border would not be seen."""
    patch, size = getattr(settings, 'patch_size', None), video.input_size_px
    if isinstance(patch, int) and (patch < 1 or size % patch):
        fitting = max(patch, size - size % patch) if patch > 0 else size
        raise ConfigError(
            f'video.input_size_px must be a multiple of {patch}, the patches of {video.backbone}, '
            f'got {size}; set it to {fitting}'
        )


def _position_options(network: nn.Module, video: VideoConfig) -> dict[str, bool]:
    """Return what makes a network interpolate its positions where images are not its size."""
    native = getattr(network.config, 'image_size', video.input_size_px)
    sides = set(native) if isinstance(native, (list, tuple)) else {native}
    known = inspect.signature(type(network).forward).parameters
    if sides == {video.input_size_px} or 'interpolate_pos_encoding' not in known:
        return {}
    return {'interpolate_pos_encoding': True}


def _freeze_but_last(network: nn.Module, trained_layers: int, owner: str) -> None:
    """Leave gradients to the last layers and what is registered, and computed, after them."""
    if trained_layers < 0:
        return
    kept: set[int] = set()
    if trained_layers:
        layers = _layers(network)
        if not 0 < trained_layers <= len(layers):
            raise ConfigError(
                f'{owner}.trained_layers must lie in [-1, {len(layers)}], the layers of its '
                f'backbone, got {trained_layers}'
            )
        first = next(layers[len(layers) - trained_layers].parameters())
        parameters = list(network.parameters())
        start = next(i for i, parameter in enumerate(parameters) if parameter is first)
        kept = {id(parameter) for parameter in parameters[start:]}
    for parameter in network.parameters():
        parameter.requires_grad_(id(parameter) in kept)


def _layers(network: nn.Module) -> list[nn.Module]:
    """Return a network's layers: the entries of the list that holds most of its weights."""
    lists = [module for module in network.modules() if isinstance(module, nn.ModuleList)]
    largest = max(lists, key=_num_weights, default=None)
    return [] if largest is None else list(largest)


def _num_weights(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _rest(module: nn.Module) -> None:
    """Put every part whose weights are all frozen into evaluation mode."""
    parameters = list(module.parameters())
    if parameters and not any(parameter.requires_grad for parameter in parameters):
        module.eval()
        return
    for child in module.children():
        _rest(child)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition('\n')[0] or type(error).__name__
