"""A tiny network and made-up streams for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch

from activity_recognition.config import AudioConfig, ModelConfig, TextConfig, VideoConfig
from activity_recognition.models.checkpoint import Checkpoint
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.models.tokenizer import train_tokenizer

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
        max_tokens=25,
    ),
    text=TextConfig(
        vocab_size=64, width=16, depth=1, num_heads=2, max_length=8, window_s=5.0, max_tokens=3
    ),
    hidden_dim=16,
    num_heads=2,
)


@pytest.fixture
def tiny_config() -> ModelConfig:
    """Return a configuration that runs in well under a millisecond per step."""
    return TINY


@pytest.fixture
def make_checkpoint() -> Callable[..., Checkpoint]:
    """Return a factory of tiny checkpoints with lively random weights."""

    def make(
        config: ModelConfig = TINY, *, seed: int = 0, dtype: torch.dtype = torch.float32
    ) -> Checkpoint:
        torch.manual_seed(seed)
        tokenizer = train_tokenizer(
            ['hello robot', 'help me please', 'what a day'], vocab_size=64, max_length=8
        )
        system = ActivityRecognitionSystem(config).to(dtype).eval()
        with torch.no_grad():
            for name, parameter in system.named_parameters():
                if name.endswith('table'):
                    parameter.normal_(0.0, 1.0)
        return Checkpoint(
            path=None,  # type: ignore[arg-type]
            id='tiny',
            config=config,
            system=system,
            tokenizer=tokenizer,
            temperature=1.3,
            metrics={},
        )

    return make


@pytest.fixture
def replace() -> Callable[..., ModelConfig]:
    """Return ``dataclasses.replace``."""
    return dataclasses.replace


@pytest.fixture
def rng() -> np.random.Generator:
    """Return a seeded generator."""
    return np.random.default_rng(0)
