"""What equality is tested of: every preset that ships, by every backend, with several streams."""

from __future__ import annotations

import dataclasses

import pytest
from transformers import BertConfig, Dinov2Config

from activity_recognition.config import ModelConfig
from activity_recognition.config_io import load_model_config
from activity_recognition.models.backbones import describe_network
from activity_recognition.types import Modality
from factories.streams import Scene

LABELS = ('none', 'waving', 'knocking', 'typing')

_LONG = Scene(
    seed=3,
    duration_s=6.0,
    frame_rate_hz=6.0,
    chunks=(1000, 317),
    utterances=5,
    silences=((Modality.AUDIO, 1.6, 2.1), (Modality.VIDEO, 3.0, 3.5)),
)
"""Longer than the windows of pictures and sound."""
_SHORT = dataclasses.replace(
    _LONG, duration_s=1.2, utterances=3, silences=((Modality.AUDIO, 0.6, 0.9),)
)
"""For networks that take a tenth of a second for a picture."""

PRESETS = {
    'nano': _LONG,
    'small': _LONG,
    'small_minilm': _LONG,
    'base': _SHORT,
    'base_dinov2': _SHORT,
    'clips': _LONG,
    'clips_pose': _LONG,
    'clips_pretrained': _LONG,
    'sound': _LONG,
    'joints': _LONG,
    'joints_detailed': _LONG,
    'sound_yamnet': _LONG,
    'people': _LONG,
    'described': _LONG,
}
"""What a stream of each preset sees; a file in config/models without an entry fails a test."""
_OF_A_CROWD = {'base': 4.0, 'base_dinov2': 4.0}
"""Frame rates of each of many streams, hertz; 6 by default."""
_PATCHES_S = {'sound_yamnet': 2.5, 'described': 2.5, 'clips_pretrained': 2.5}
"""How long each of many streams lasts, seconds, where a token needs a second of sound; else 1."""
NEED_WEIGHTS = ('clips_pose', 'clips_pretrained', 'sound_yamnet', 'people', 'described')
"""Presets whose front ends need networks that do not come with the package."""

STREAMS = (1, 2, 3, 8)

EQUAL = {
    'cpu': ('torch', 'onnxruntime', 'auto', 'compile'),
    'cuda': ('torch', 'auto', 'compile', 'cudagraph'),
}
"""Backends that give the numbers of ``forward``; a name of ``engine.backend`` that is neither here
nor below fails a test."""
NEAR = {'cpu': ('onnxruntime-int8',)}
"""Backends that come near them."""
_TAKES_A_MINUTE = {'compile'}
LONG_TO_COMPILE = {
    *('small', 'small_minilm', 'base', 'sound', 'base_dinov2'),
    *('clips_pose', 'clips_pretrained', 'people'),
}
"""Presets that are compiled where it is asked for. The frame step, all that is compiled, is that of
nano, joints or joints_detailed in other sizes, or that of DINOv2, which takes longest."""


def ways(*, but_slow: bool = False) -> list:
    """Return parameters ``backend`` and ``device`` of a test of equality.

    Args:
        but_slow: leave out those that take a minute, for a test that is not slow.
    """
    return [
        pytest.param(
            backend,
            device,
            marks=[pytest.mark.gpu] if device == 'cuda' else [],
            id=f'{backend}-{device}',
        )
        for device, backends in EQUAL.items()
        for backend in backends
        if not (but_slow and backend in _TAKES_A_MINUTE)
    ]


def preset_config(preset: str) -> ModelConfig:
    """Return a preset whose pretrained encoders, if any, need no files of weights.

    They are of the architecture of the published ones, and of random weights.
    """
    config = load_model_config(preset, labels=LABELS)
    video, text = config.video, config.text
    if video.backbone and not video.finds_key_points:
        video = dataclasses.replace(
            video,
            architecture=describe_network(DINOV2_SMALL),
            image_mean=(0.485, 0.456, 0.406),
            image_std=(0.229, 0.224, 0.225),
        )
    if text.backbone:
        text = dataclasses.replace(
            text, architecture=describe_network(MINILM), vocab_size=MINILM.vocab_size
        )
    return dataclasses.replace(config, video=video, text=text)


BACKBONES = {'facebook/dinov2-small', 'minilm'}
"""Names in the presets that the architectures below are of."""
DINOV2_SMALL = Dinov2Config(
    hidden_size=384, num_hidden_layers=12, num_attention_heads=6, image_size=518, patch_size=14
)
MINILM = BertConfig(
    hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536
)


def scene_of(preset: str, config: ModelConfig) -> Scene:
    """Return what the one stream of a preset sees, with sound of its rate."""
    return dataclasses.replace(
        PRESETS[preset],
        sample_rate_hz=config.audio.sample_rate_hz,
        has_key_points=not config.video.takes_both,
    )


def crowded_scene_of(preset: str, config: ModelConfig) -> Scene:
    """Return what :func:`crowd_of` makes many short streams of a preset of."""
    return dataclasses.replace(
        scene_of(preset, config),
        duration_s=_PATCHES_S.get(preset, 1.0),
        frame_rate_hz=_OF_A_CROWD.get(preset, 6.0),
        utterances=3,
        silences=(),
    )
