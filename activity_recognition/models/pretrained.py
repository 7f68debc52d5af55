"""Pretrained encoders, read from a folder, the register or the hub where training begins.

A trained checkpoint holds all that is read here, and never comes back to it. Weights are taken
from safetensors alone, and no code that lies beside them is run.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from torch import nn
from transformers import AutoConfig, AutoModel, AutoTokenizer
from transformers.image_processing_base import ImageProcessingMixin
from transformers.utils import logging

from activity_recognition.config import Architecture, ModelConfig, TextConfig, VideoConfig
from activity_recognition.errors import (
    ActivityRecognitionError,
    CheckpointError,
    ConfigError,
    WeightsError,
)
from activity_recognition.models.backbones import (
    Backbone,
    describe_network,
    head_options,
    network_settings,
)
from activity_recognition.models.encoders.text import WordVectors
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.models.tokenizer import TextTokenizer
from activity_recognition.models.word_vectors import distil, frequent_words
from activity_recognition.text_files import home_expanded
from activity_recognition.weights import find_weights, identity, register

_HUB_NAME = re.compile(r'[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?')
_NEEDED = (
    'expected a folder that save_pretrained wrote, with config.json and model.safetensors, or a '
    'name on the Hugging Face hub'
)


def with_backbones(model: ModelConfig) -> ModelConfig:
    """Return the configuration with all that building the network needs to know of its backbones.

    Raises:
        CheckpointError: a backbone is not there, is damaged, or is of a kind that needs other code.
        ConfigError: a backbone's name stands for nothing.
        WeightsError: a registered network is asked for, and is not on this machine.
    """
    video, audio, text = model.video, model.audio, model.text
    if audio.backbone:
        known = tuple(identity(name) for name in audio.backbone_weights)
        audio = dataclasses.replace(audio, backbone_sha256=known)
    if video.finds_key_points:
        known = tuple(identity(name) for name in video.backbone_weights)
        video = dataclasses.replace(video, backbone_sha256=known)
    elif video.backbone:
        mean, std = _read_normalisation(video)
        video = dataclasses.replace(
            video,
            architecture=_read_architecture(video.backbone, 'video.backbone', 'vision_config'),
            image_mean=mean,
            image_std=std,
        )
    if text.backbone:
        architecture = _read_architecture(text.backbone, 'text.backbone', 'text_config')
        size = architecture.as_mapping().get('vocab_size', text.vocab_size)
        text = dataclasses.replace(text, architecture=architecture, vocab_size=size)
    return dataclasses.replace(model, video=video, audio=audio, text=text)


def load_backbones(system: ActivityRecognitionSystem) -> None:
    """Replace the random weights of a network's backbones by the pretrained ones, word vectors too.

    Raises:
        CheckpointError: weights are missing, damaged or pickled, or do not fit the architecture.
        ConfigError: word vectors are to be wider than the network that they come from.
    """
    for modality, encoder in system.encoders.items():
        network, section = encoder.pretrained, getattr(system.config, modality.value)
        if isinstance(network, Backbone):
            _load_weights(network, section.backbone, section.architecture, modality.value)
        elif isinstance(network, WordVectors):
            _load_word_vectors(network, section)


def read_tokenizer(text: TextConfig) -> TextTokenizer:
    """Return the tokenizer of ``text.backbone``, or of the frequent words of ``text.word_vectors``.

    Raises:
        CheckpointError: it is missing, or is none of the tokenizers library.
        ConfigError: word vectors cannot be taken from such a network.
    """
    if text.word_vectors:
        return frequent_words(
            _read_own_tokenizer(text.word_vectors, 'text.word_vectors'),
            vocab_size=text.vocab_size,
            max_length=text.max_length,
        )
    own = _read_own_tokenizer(text.backbone, 'text.backbone')
    tokenizer = TextTokenizer(own, max_length=text.max_length)
    known = text.architecture.as_mapping().get('vocab_size', tokenizer.vocab_size)
    # Where its files are missing, transformers hands out a tokenizer that knows no words.
    if not known / 2 <= tokenizer.vocab_size <= known:
        raise CheckpointError(
            f'text.backbone {text.backbone}: expected a tokenizer of at most {known} subword '
            f'tokens, as the network has, and not far fewer, got {tokenizer.vocab_size}; take '
            'both from one model, with tokenizer.json'
        )
    return tokenizer


def _read_own_tokenizer(name: str, where: str) -> Tokenizer:
    with _refusals(name, where, 'a tokenizer, tokenizer.json'):
        found = AutoTokenizer.from_pretrained(
            **_source(name, where), trust_remote_code=False, use_fast=True
        )
        tokenizer: Tokenizer = found.backend_tokenizer
    return tokenizer


def _source(name: str, where: str) -> dict[str, Any]:
    """Return the arguments that say where to look; ``where`` is the setting that names it.

    Raises:
        ConfigError: the name is neither a folder nor a name on the hub, or is that of a registered
            file that transformers does not read.
        WeightsError: it is that of a registered network, which is not on this machine.
    """
    folder = _registered_folder(name, where) or home_expanded(name, ConfigError, where=where)
    if folder.is_dir():
        return {'pretrained_model_name_or_path': str(folder), 'local_files_only': True}
    if not _HUB_NAME.fullmatch(name):
        raise ConfigError(f'{where}: {_NEEDED}, got {name!r}, where no folder is')
    return {'pretrained_model_name_or_path': name}


def _registered_folder(name: str, where: str) -> Path | None:
    """Return the folder of a network of the register (``minilm``); None for other names."""
    entry = register().get(name)
    if entry is None:
        return None
    if not entry.is_folder:
        raise ConfigError(f'{where}: {_NEEDED}, got {name}, which is {entry.what}')
    try:
        return find_weights(name)
    except WeightsError as error:
        raise WeightsError(f'{where}: {error}') from error


@contextmanager
def _refusals(name: str, where: str, wanted: str) -> Iterator[None]:
    """Silence transformers, and turn whatever it raises into a sentence."""
    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    except ActivityRecognitionError:
        raise
    except Exception as error:  # transformers raises nearly everything
        reason = str(error).strip().partition('\n')[0]
        raise CheckpointError(
            f'{where} {name}: expected {wanted}, cannot read it ({reason}); {_NEEDED} '
            'that this machine reaches'
        ) from error
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def _read_architecture(name: str, where: str, half: str) -> Architecture:
    """Read a backbone's architecture; ``half`` names the part of a network of two."""
    with _refusals(name, where, 'a configuration of transformers, config.json'):
        settings = AutoConfig.from_pretrained(**_source(name, where), trust_remote_code=False)
    return describe_network(getattr(settings, half, settings))


def _read_normalisation(video: VideoConfig) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of the colours, 1 being white."""
    what = 'its image processor, preprocessor_config.json'
    with _refusals(video.backbone, 'video.backbone', what):
        source = _source(video.backbone, 'video.backbone')
        found, _ = ImageProcessingMixin.get_image_processor_dict(
            source.pop('pretrained_model_name_or_path'), **source
        )
        return _normalisation(found)


def _normalisation(found: Mapping[str, Any]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if not found.get('do_normalize', True):
        mean, std = [0.0] * 3, [1.0] * 3
    else:
        mean, std = found['image_mean'], found['image_std']
    # Whatever the processor multiplies levels by, ours are shares of 255.
    white = 255 * (found.get('rescale_factor', 1 / 255) if found.get('do_rescale', True) else 1.0)
    return tuple(float(m) / white for m in mean), tuple(float(s) / white for s in std)


def _load_weights(backbone: Backbone, name: str, architecture: Architecture, owner: str) -> None:
    settings = network_settings(architecture, f'{owner}.architecture')
    found = _read_network(name, f'{owner}.backbone', settings)
    backbone.network.load_state_dict(found.state_dict())


def _load_word_vectors(words: WordVectors, text: TextConfig) -> None:
    name, where = text.word_vectors, 'text.word_vectors'
    architecture = _read_architecture(name, where, 'text_config')
    network = _read_network(name, where, network_settings(architecture, where))
    own = _read_own_tokenizer(name, where)
    kept = frequent_words(own, vocab_size=text.vocab_size, max_length=text.max_length)
    vectors = distil(network, own, kept.tokens, text.width)
    words.table.load_state_dict({'weight': vectors})


def _read_network(name: str, where: str, settings: Any) -> nn.Module:
    """Return a network with all its weights, float32, in evaluation mode."""
    with _refusals(name, where, 'weights of its architecture, model.safetensors'):
        found, report = AutoModel.from_pretrained(
            **_source(name, where),
            config=settings,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            **head_options(settings),
        )
    if missing := sorted(report['missing_keys']):
        raise CheckpointError(
            f'{where} {name}: expected all weights of its architecture, {len(missing)} '
            f'are missing, for example {missing[0]}; save it whole with save_pretrained'
        )
    network: nn.Module = found.float().eval()
    return network
