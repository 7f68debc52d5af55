"""Tiny networks with lively random weights."""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path

import torch

from activity_recognition.config import AudioConfig, ModelConfig, TextConfig, VideoConfig
from activity_recognition.modalities import modalities_of
from activity_recognition.models.checkpoint import Checkpoint
from activity_recognition.models.experts import ProductOfExperts
from activity_recognition.models.steps import step_specs
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.models.tokenizer import TextTokenizer, train_tokenizer

TEXTS = ('hello robot', 'help me please', 'what a day', 'who is there', 'the kettle is on again')
"""What is ever said."""

TINY = ModelConfig(
    labels=('none', 'waving', 'knocking', 'typing'),
    video=VideoConfig(
        input_size_px=32,
        stem_channels=(8, 8),
        width=16,
        spatial_depth=1,
        spatial_heads=2,
        temporal_depth=2,
        window_s=1.0,
        max_tokens=24,
    ),
    audio=AudioConfig(
        sample_rate_hz=8000,
        num_mels=16,
        channels=(4, 4),
        dilations=(1, 2),
        window_s=1.0,
        max_tokens=26,
    ),
    text=TextConfig(
        vocab_size=64, width=16, depth=1, num_heads=2, max_length=8, window_s=5.0, max_tokens=4
    ),
    hidden_dim=16,
    num_heads=2,
)
"""Runs in milliseconds; the windows bind, not the numbers of tokens."""

STEPS = tuple(spec.name for spec in step_specs(modalities_of(TINY)))
"""Names of the steps of its network, and of any with the same modalities."""

WRAPPING = dataclasses.replace(
    TINY,
    video=dataclasses.replace(TINY.video, max_tokens=5),
    audio=dataclasses.replace(TINY.audio, max_tokens=7),
    text=dataclasses.replace(TINY.text, max_tokens=2),
)
"""The numbers of tokens bind: rings wrap all the time."""

MOVING = dataclasses.replace(
    TINY, video=dataclasses.replace(TINY.video, motion_channels=(4, 4), motion_span_s=0.2)
)
"""Frames are also compared with earlier ones."""

MOVING_ALONE = dataclasses.replace(
    TINY,
    video=dataclasses.replace(TINY.video, appearance=False, motion_memory_s=0.5, motion_span_s=0.1),
)
"""Only what has moved of late is seen, not the pictures."""

ATTENDING = dataclasses.replace(TINY, fusion='attention')
"""Cross-modal attention and the classifier decide alone."""

KEYED = dataclasses.replace(
    TINY, video=dataclasses.replace(TINY.video, key_points=('coco17',), motion_span_s=0.2)
)
"""Frames are key points."""

DETAILED = dataclasses.replace(
    KEYED,
    video=dataclasses.replace(KEYED.video, joint_distances=True, slow_motion=True, body_size=True),
)
"""Of key points, all is seen that can be."""

HEARING = dataclasses.replace(
    TINY,
    audio=dataclasses.replace(
        TINY.audio, sample_rate_hz=16_000, backbone='yamnet', window_s=2.0, max_tokens=52
    ),
)
"""Every token of sound also has the embedding of a frozen network."""

HEARING_ALONE = dataclasses.replace(
    HEARING, audio=dataclasses.replace(HEARING.audio, channels=(), max_tokens=6)
)
"""Tokens of sound are embeddings alone."""


SOME_MODALITIES = (('video', 'audio'), ('audio', 'text'), ('video',), ('audio',), ('text',))
"""Choices of fewer than all."""


def with_modalities(*names: str) -> ModelConfig:
    """Return the tiny network with these modalities alone."""
    return dataclasses.replace(TINY, modalities=names)


@cache
def tokenizer_for(config: ModelConfig) -> TextTokenizer:
    """Return a tokenizer trained on :data:`TEXTS`."""
    return train_tokenizer(
        TEXTS, vocab_size=config.text.vocab_size, max_length=config.text.max_length
    )


def make_system(
    config: ModelConfig = TINY, *, seed: int = 0, dtype: torch.dtype = torch.float32
) -> ActivityRecognitionSystem:
    """Return a network in evaluation mode in which nothing is the initial zeros or ones."""
    torch.manual_seed(seed)
    system = ActivityRecognitionSystem(config)
    with torch.no_grad():
        for name, parameter in system.named_parameters():
            if name.endswith('table'):
                parameter.normal_(0.0, 1.0)
        if system.experts is not None:
            _enliven(system, system.experts)
    return system.to(dtype).eval()


def _enliven(system: ActivityRecognitionSystem, experts: ProductOfExperts) -> None:
    """Draw what a product of experts begins without: as if it had been trained and fitted."""
    system.classifier.reset_parameters()
    experts.bias.normal_(0.5, 0.5)
    # So that scores are spread alike, however wide the network is.
    experts.weight.normal_(0.0, 1.2 / experts.weight.shape[1] ** 0.5)
    experts.temperatures.uniform_(0.7, 2.0)
    experts.set_prior(100 * torch.rand(len(experts.log_prior)))


def make_checkpoint(
    config: ModelConfig = TINY, *, seed: int = 0, dtype: torch.dtype = torch.float32
) -> Checkpoint:
    """Return a checkpoint that lies in no folder."""
    return Checkpoint(
        path=Path('made-up'),
        id='made-up',
        config=config,
        system=make_system(config, seed=seed, dtype=dtype),
        tokenizer=tokenizer_for(config),
        temperature=1.3,
        metrics={},
    )
