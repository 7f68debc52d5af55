"""ImuCNN: causal convolutions over acceleration and angular velocity, 12.5 tokens a second.

Shapes: B batch, A blocks (= tokens), K samples per block, C channels, T samples, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from activity_recognition.model_config import ImuConfig, ModelConfig
from activity_recognition.models.encoders.convolutions import (
    KERNEL,
    STRIDE,
    BlockStep,
    ConvolutionalEncoder,
)
from activity_recognition.models.step_spec import Draw, Sizes, StepInput, StepSpec
from activity_recognition.types import Modality

if TYPE_CHECKING:
    from activity_recognition.models.system import ActivityRecognitionSystem

QUANTITIES = 6
"""Acceleration and angular velocity about three axes."""
STANDARD_GRAVITY = 9.80665
HALF_TURN = 3.141592653589793
"""What acceleration, m/s², and angular velocity, rad/s, are divided by."""
LARGEST = 6.0
"""Scaled values beyond are cut off: a blow is a blow, however hard."""
SAMPLE_KERNEL = 5
"""Taps along time of a convolution over samples."""


class SampleConv(nn.Module):
    """Convolution of stride 2 over samples; looks three samples further back.

    Normalises each sample by itself over the channels.
    """

    history = SAMPLE_KERNEL - STRIDE

    def __init__(self, inputs: int, outputs: int) -> None:
        """Create the convolution from ``inputs`` to ``outputs`` channels.

        Args:
            inputs: channels.
            outputs: channels.
        """
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, SAMPLE_KERNEL, stride=STRIDE)
        self.norm = nn.LayerNorm(outputs)

    def forward(self, x: Tensor, past: Tensor) -> Tensor:
        """Convolve samples.

        Args:
            x: (B, C, T), T even.
            past: the samples before them, (B, C, 3).
        """
        x = self.conv(torch.cat((past, x), dim=2))
        return F.gelu(self.norm(x.transpose(1, 2))).transpose(1, 2)


class ImuCNN(ConvolutionalEncoder):
    """Blocks of samples to tokens; a masked block (a hole) leaves no trace in its neighbours."""

    modality = Modality.IMU
    scale: Tensor

    def __init__(self, config: ModelConfig) -> None:
        """Create the encoder described by ``config.imu``."""
        super().__init__(config)
        imu: ImuConfig = config.imu
        channels = (QUANTITIES, *imu.channels)
        self.convs = nn.ModuleList(
            SampleConv(inputs, outputs) for inputs, outputs in pairwise(channels)
        )
        self.embed = nn.Linear(channels[-1], config.hidden_dim)
        columns = [(inputs, SampleConv.history) for inputs in channels[:-1]]
        self.add_blocks(config, imu.dilations, columns, imu.samples_per_token)
        scale = torch.tensor([1 / STANDARD_GRAVITY] * 3 + [1 / HALF_TURN] * 3)
        self.register_buffer('scale', scale.unsqueeze(1), persistent=False)

    @property
    def receptive_field_s(self) -> float:
        """How far before its end a token has felt, seconds."""
        imu = self.config.imu
        samples = 2 * sum(imu.dilations) * imu.samples_per_token + imu.samples_before_token
        return (samples + imu.samples_per_token) / imu.sample_rate_hz

    def encode(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the tokens (B, A, D) of a batch's blocks."""
        blocks = batch['inertial_blocks'].to(self.norm.weight.dtype)
        tokens: Tensor = self(blocks, batch['inertial_mask'])
        return tokens

    @classmethod
    def steps(cls) -> tuple[StepSpec, ...]:
        """Return the step of the next blocks of samples."""
        return (_MOVEMENT,)

    @classmethod
    def state_size(cls, config: ModelConfig) -> int:
        """Return the size of what the convolutions still need."""
        imu = config.imu
        tokens = (KERNEL - 1) * sum(imu.dilations) * config.hidden_dim
        return tokens + SampleConv.history * sum((QUANTITIES, *imu.channels[:-1]))

    def columns_of(self, blocks: Tensor) -> Tensor:
        """Return blocks (B, A, K, 6) as scaled samples (B, 6, T)."""
        x = blocks.flatten(1, 2).transpose(1, 2) * self.scale.to(blocks.dtype)
        return x.clamp(-LARGEST, LARGEST)


def _example(system: ActivityRecognitionSystem, sizes: Sizes, draw: Draw) -> tuple[Tensor, ...]:
    imu, encoder = system.config.imu, system.encoders[Modality.IMU]
    assert isinstance(encoder, ImuCNN)
    drawn = draw.normal(sizes.streams, sizes.length, imu.samples_per_token, QUANTITIES)
    return (
        drawn / encoder.scale.squeeze(1).to(drawn.dtype),
        draw.normal(*encoder.new_past(sizes.streams).shape),
    )


def _step_of(system: ActivityRecognitionSystem) -> BlockStep:
    encoder = system.encoders[Modality.IMU]
    assert isinstance(encoder, ImuCNN)
    return BlockStep(encoder, system.cross_attention)


_MOVEMENT = StepSpec(
    name='movement',
    module=_step_of,
    inputs=(StepInput('blocks', 2), StepInput('past', 1)),
    outputs=('rows', 'after'),
    length=1,
    example=_example,
)
ENCODER = ImuCNN
