"""What a frozen network's own classifier says of each label's sounds.

Shapes: B batch, A blocks, E numbers of an embedding and one behind them, K kinds of sound, C
activities, D width.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from activity_recognition.config import ModelConfig
from activity_recognition.encoder_config import SOUND_FEATURES, SOUND_LEAST


class SoundScores(nn.Module):
    """The probability that any sound of a label is heard, as a logarithm, for every label.

    The sounds of a label count as if they were heard independently of each other. A label without
    sounds has 0. All logarithms together are brought to vectors of one length: a last number is the
    root of what is missing, so that a LayerNorm behind them changes none of them.
    """

    weight: Tensor
    bias: Tensor
    members: Tensor

    def __init__(self, config: ModelConfig) -> None:
        """Create it for a network of ``config``, with no sound of any label yet.

        Args:
            config: of the network; ``audio.sounds`` are the K kinds of sound.
        """
        super().__init__()
        kinds, labels = len(config.audio.sounds), config.num_activities
        # Rows of the frozen network's classifier.
        self.register_buffer('weight', torch.zeros(kinds, SOUND_FEATURES))
        self.register_buffer('bias', torch.zeros(kinds))
        self.register_buffer('members', torch.zeros(labels, kinds))
        self.project = nn.Linear(labels + 1, config.hidden_dim, bias=False)

    @property
    def length(self) -> float:
        """Length of the vectors that are projected."""
        return self.length_of(len(self.members))

    @staticmethod
    def length_of(labels: int) -> float:
        """Return the length of the vectors of a number of labels, and one above it."""
        return -math.log(SOUND_LEAST) * math.sqrt(labels + 1)

    def log_scores(self, embeddings: Tensor) -> Tensor:
        """Return log-probabilities (..., C) of embeddings (..., E), in [log ``SOUND_LEAST``, 0]."""
        logits = F.linear(embeddings[..., :SOUND_FEATURES], self.weight, self.bias)
        none_of_them = F.softplus(logits) @ self.members.T
        # 1 - exp(-x), which not every backend computes well where it is small.
        half = torch.tanh(none_of_them / 2)
        # Where there is no embedding yet, nothing is known.
        there = (embeddings[..., SOUND_FEATURES:] > 0) & (self.members.sum(1) > 0)
        return (2 * half / (1 + half)).clamp(min=SOUND_LEAST).log() * there

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return vectors (B, A, D) of embeddings (B, A, E)."""
        # Sums over many numbers, and logarithms, need more bits than autocast would leave them.
        with torch.autocast(embeddings.device.type, enabled=False):
            scores = self.log_scores(embeddings.to(self.weight.dtype))
            rest = (self.length**2 - scores.square().sum(-1, keepdim=True)).sqrt()
            vectors: Tensor = self.project(torch.cat((scores, rest), -1))
        return vectors
