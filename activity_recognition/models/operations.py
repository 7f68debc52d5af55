"""How much work a network is, by arithmetic on its configuration alone.

One multiplication with its addition counts as two operations, as in torch's ``FlopCounterMode``,
which leaves out attention on a CPU; here it is counted apart. Normalisation, activation functions,
softmax and copies are not counted. Bytes are those that a step has to read at least: every weight
of the part once, and the cached keys and values. Shapes: S image side, P patches, N tokens, D
width, K knots of a function of age.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import torch
from torch import nn

from activity_recognition.config import ModelConfig
from activity_recognition.errors import ConfigError
from activity_recognition.modalities import modalities_of
from activity_recognition.models.attention import NUM_KNOTS
from activity_recognition.models.directions import CELLS, DIRECTIONS, NUMBERS
from activity_recognition.models.encoders.convolutions import KERNEL
from activity_recognition.models.steps import viewed_rows
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.types import Modality

FLOAT_BYTES = 4
"""Of a weight and of a cached number on a CPU."""
PER_MULTIPLY_ADD = 2
_BLOCK_WEIGHTS = 12
"""Weights of a transformer block in squares of its width: 3 + 1 attention, 4 + 4 feed-forward."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """Operations and bytes of one step of one part."""

    products: int = 0
    """Operations in matrix products and convolutions."""
    attention: int = 0
    """Operations in scaled dot-product attention."""
    fourier: int = 0
    """Operations in Fourier transforms, 2.5 n log2 n each (Frigo & Johnson 2005)."""
    weight_bytes: int = 0
    """Weights read, float32."""
    cache_bytes: int = 0
    """Keys and values read, float32."""

    @property
    def operations(self) -> int:
        """All operations counted."""
        return self.products + self.attention + self.fourier

    @property
    def read_bytes(self) -> int:
        """All bytes counted."""
        return self.weight_bytes + self.cache_bytes

    def __add__(self, other: Work) -> Work:
        return Work(
            products=self.products + other.products,
            attention=self.attention + other.attention,
            fourier=self.fourier + other.fourier,
            weight_bytes=self.weight_bytes + other.weight_bytes,
            cache_bytes=self.cache_bytes + other.cache_bytes,
        )


def total(parts: Mapping[str, Work]) -> Work:
    """Return the work of all parts together."""
    return sum(parts.values(), Work())


def frame_work(config: ModelConfig, *, held: int | None = None) -> dict[str, Work]:
    """Return the work of one frame, part by part.

    Args:
        config: the network.
        held: frames in the window, this one included; by default as many as are ever kept. The
            temporal blocks compute with this one and a view of those before it, whose width is
            rounded up (:func:`viewed_rows`), and mask what it holds beside them.

    Raises:
        ConfigError: the frames go through a pretrained backbone, whose work is not known here.
    """
    if config.video.backbone:
        raise ConfigError(
            'expected a frame encoder of this package to count the operations of, got the '
            f'backbone {config.video.backbone!r}; measure it instead'
        )
    held = config.video.max_tokens if held is None else held
    parts = {'frame encoder': _frame_encoder(config)} if config.video.appearance else {}
    if config.video.motion_channels:
        parts['motion'] = _motion(config)
    if config.video.motion_memory_s:
        parts['directions'] = _directions(config)
    parts['temporal blocks'] = _temporal_blocks(config, held)
    return {**parts, 'keys and values': _keys_and_values(config, Modality.VIDEO)}


def sound_work(config: ModelConfig, *, tokens: int = 1) -> dict[str, Work]:
    """Return the work of one chunk of sound that completes ``tokens`` tokens, part by part.

    Args:
        config: of the network.
        tokens: that the chunk completes.
    """
    audio = config.audio
    bins = audio.fft_samples // 2 + 1
    columns = audio.columns_per_token * tokens
    spectrogram = Work(
        products=PER_MULTIPLY_ADD * columns * bins * audio.num_mels,
        fourier=columns * round(2.5 * audio.fft_samples * math.log2(audio.fft_samples)),
        weight_bytes=FLOAT_BYTES * (bins * audio.num_mels + audio.frame_samples),
    )
    return {
        'spectrogram': spectrogram,
        'sound encoder': _sound_encoder(config, tokens),
        'keys and values': _keys_and_values(config, Modality.AUDIO, tokens=tokens),
    }


def utterance_work(config: ModelConfig, *, pieces: int) -> dict[str, Work]:
    """Return the work of one utterance of ``pieces`` word pieces, part by part.

    Args:
        config: of the network.
        pieces: number of word pieces.

    Raises:
        ConfigError: the words go through a pretrained backbone, whose work is not known here.
    """
    text = config.text
    if text.backbone:
        raise ConfigError(
            'expected a text encoder of this package to count the operations of, got the '
            f'backbone {text.backbone!r}; measure it instead'
        )
    per_block = PER_MULTIPLY_ADD * _BLOCK_WEIGHTS * text.width**2 * pieces
    unread = (text.vocab_size - pieces) * text.width + (text.max_length - pieces) * text.width
    encoder = Work(
        products=text.depth * per_block + PER_MULTIPLY_ADD * text.width * config.hidden_dim,
        attention=text.depth * _attention(pieces, pieces, text.width),
        weight_bytes=_weights(config, 'text_encoder') - FLOAT_BYTES * unread,
    )
    return {'text encoder': encoder, 'keys and values': _keys_and_values(config, Modality.TEXT)}


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
    full = _max_tokens(config)
    inside = full if held is None else held
    tokens = sum(viewed_rows(inside[m], most) for m, most in full.items())
    rows, askers = (1 + len(full) if ablated else 1), len(full)
    width, classes = config.hidden_dim, config.num_activities
    ages = rows * askers * NUM_KNOTS * width + NUM_KNOTS * askers * config.num_heads * tokens
    layers = rows * askers * (2 + 8) * width**2  # query, output and the feed-forward
    heads = askers * width * classes
    fusion = Work(
        products=PER_MULTIPLY_ADD * (ages + layers),
        attention=_attention(rows * askers * config.num_heads, tokens, width),
        weight_bytes=_weights(config, 'cross_attention') - _key_value_bytes(config) * askers,
        cache_bytes=FLOAT_BYTES * 2 * tokens * width,
    )
    classifiers = Work(
        products=PER_MULTIPLY_ADD * rows * 2 * heads,
        weight_bytes=_weights(config, 'unimodal_heads') + _weights(config, 'classifier'),
    )
    return {'fusion': fusion, 'classifiers': classifiers}


def ring_bytes(config: ModelConfig) -> int:
    """Return the memory that a stream's cached tokens take, float32, however long it runs."""
    sizes = _max_tokens(config)
    # Keys and values of every temporal block; keys, values and the token itself for the fusion.
    temporal = 2 * config.video.temporal_depth * sizes.get(Modality.VIDEO, 0)
    # Room for twice as many: rows are appended, and move to the beginning when it is full.
    return 2 * FLOAT_BYTES * config.hidden_dim * (temporal + 3 * sum(sizes.values()))


def _max_tokens(config: ModelConfig) -> dict[Modality, int]:
    """Return how many tokens of each modality are kept."""
    return {m: getattr(config, m.value).max_tokens for m in modalities_of(config)}


def weight_count(config: ModelConfig) -> int:
    """Return how many weights the network has."""
    return sum(parameter.numel() for parameter in _skeleton(config).parameters())


def _frame_encoder(config: ModelConfig) -> Work:
    video = config.video
    patches, width, reads = video.num_patches, video.width, video.readout_channels
    side, inputs, products = video.input_size_px, 3, 0
    for outputs in video.stem_channels:
        side //= 2
        products += side**2 * inputs * outputs * KERNEL**2
        inputs = outputs
    products += patches * inputs * width * 2**2
    products += video.spatial_depth * (patches + 1) * _BLOCK_WEIGHTS * width**2
    products += patches * width * reads + (width + patches * reads) * config.hidden_dim
    return Work(
        products=PER_MULTIPLY_ADD * products,
        attention=video.spatial_depth * _attention(patches + 1, patches + 1, width),
        weight_bytes=_weights(config, 'video_encoder.frame_encoder'),
    )


def _motion(config: ModelConfig) -> Work:
    side, inputs, products = config.video.input_size_px, 2, 0
    for outputs in config.video.motion_channels:
        side = (side + 1) // 2
        products += side**2 * inputs * outputs * KERNEL**2
        inputs = outputs
    products += 2 * inputs * config.hidden_dim
    return Work(
        products=PER_MULTIPLY_ADD * products, weight_bytes=_weights(config, 'video_encoder.motion')
    )


def _directions(config: ModelConfig) -> Work:
    votes = CELLS**2 * 2 * DIRECTIONS
    return Work(
        products=PER_MULTIPLY_ADD * (votes + NUMBERS * config.hidden_dim),
        weight_bytes=_weights(config, 'video_encoder.directions'),
    )


def _temporal_blocks(config: ModelConfig, held: int) -> Work:
    depth, width = config.video.temporal_depth, config.hidden_dim
    viewed = viewed_rows(held - 1, config.video.max_tokens)
    per_block = _BLOCK_WEIGHTS * width**2 + NUM_KNOTS * config.num_heads * viewed
    return Work(
        products=PER_MULTIPLY_ADD * depth * per_block,
        attention=depth * _attention(config.num_heads, viewed, width),
        weight_bytes=_weights(config, 'video_encoder.blocks')
        + _weights(config, 'video_encoder.norm'),
        cache_bytes=FLOAT_BYTES * 2 * depth * viewed * width,
    )


def _sound_encoder(config: ModelConfig, tokens: int) -> Work:
    audio, width = config.audio, config.hidden_dim
    columns, frequencies, inputs, products = audio.columns_per_token, audio.num_mels, 1, 0
    for outputs in audio.channels:
        columns, frequencies = columns // 2, (frequencies + 1) // 2
        products += columns * frequencies * inputs * outputs * KERNEL**2
        inputs = outputs
    products += inputs * frequencies * width + len(audio.dilations) * (KERNEL + 1) * width**2
    return Work(
        products=PER_MULTIPLY_ADD * tokens * products,
        weight_bytes=_weights(config, 'audio_encoder'),
    )


def _keys_and_values(config: ModelConfig, modality: Modality, *, tokens: int = 1) -> Work:
    return Work(
        products=PER_MULTIPLY_ADD * tokens * 2 * config.hidden_dim**2,
        weight_bytes=_weights(config, f'cross_attention.modalities.{modality}.key_value'),
    )


def _key_value_bytes(config: ModelConfig) -> int:
    return _weights(config, f'cross_attention.modalities.{config.modalities[0]}.key_value')


def _attention(queries: int, keys: int, width: int) -> int:
    """Return the operations of scores and of the sum over values.

    All heads of a query count as one query where each reads its own part of a key, and as one each
    where it reads whole keys (:func:`attend_few`).
    """
    return 2 * PER_MULTIPLY_ADD * queries * keys * width


@cache
def _skeleton(config: ModelConfig) -> nn.Module:
    """Return the network without memory for its weights."""
    with torch.device('meta'):
        return ActivityRecognitionSystem(config)


def _weights(config: ModelConfig, part: str) -> int:
    """Return the bytes of a part's weights."""
    parameters = _skeleton(config).get_submodule(part).parameters()
    return FLOAT_BYTES * sum(parameter.numel() for parameter in parameters)
