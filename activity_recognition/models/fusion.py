"""CrossModalAttention: each modality asks the others what they know.

Shapes: B batch, H heads, Q decisions, N tokens, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from activity_recognition.models.attention import (
    AgeBias,
    AgeEmbedding,
    FeedForward,
    attend,
    split_heads,
)
from activity_recognition.types import MODALITIES, Modality


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """One modality as a decision sees it."""

    keys: Tensor
    """(B, H, N, D / H)."""
    values: Tensor
    """(B, H, N, D / H)."""
    ages_s: Tensor
    """(B, Q, N), seconds."""
    seen: Tensor
    """bool (B, Q, N)."""
    state: Tensor
    """(B, Q, D), the newest visible token; anything where ``present`` is False."""
    state_age_s: Tensor
    """(B, Q), its age in seconds."""
    present: Tensor
    """bool (B, Q), whether any token is visible."""

    def hidden_where(self, hidden: Tensor) -> Memory:
        """Return this memory with the modality made absent in the rows of ``hidden``, bool (B,)."""
        return Memory(
            keys=self.keys,
            values=self.values,
            ages_s=self.ages_s,
            seen=self.seen & ~hidden[:, None, None],
            state=self.state,
            state_age_s=self.state_age_s,
            present=self.present & ~hidden[:, None],
        )


class ModalityQuery(nn.Module):
    """What one modality contributes to the fusion: its query, its keys, its mixing layers."""

    def __init__(self, width: int, num_heads: int, window_s: float, dropout: float) -> None:
        """Create the layers of one modality whose tokens live ``window_s`` seconds."""
        super().__init__()
        self.absent = nn.Parameter(torch.randn(width) * 0.02)
        self.age = AgeEmbedding(width, window_s)
        self.norm_query = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.age_bias = AgeBias(num_heads, window_s)
        self.out = nn.Linear(width, width)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = FeedForward(width, dropout)
        self.norm_out = nn.LayerNorm(width)


class CrossModalAttention(nn.Module):
    """One query per modality, made from its own newest state, over the other modalities' tokens.

    An absent modality has its keys masked and asks with a learned query; a null key keeps the
    softmax defined when nothing else is there. Compare cross-modal transformers (Tsai et al. 2019).
    """

    def __init__(
        self,
        hidden_dim: int,
        num_heads: int,
        *,
        windows_s: Mapping[Modality, float],
        dropout: float = 0.0,
    ) -> None:
        """Create the fusion of tokens of ``hidden_dim`` that live ``windows_s`` seconds."""
        super().__init__()
        self.num_heads = num_heads
        self.modalities = nn.ModuleDict(
            {
                m.value: ModalityQuery(hidden_dim, num_heads, windows_s[m], dropout)
                for m in MODALITIES
            }
        )
        self.null_key_value = nn.Parameter(torch.randn(2, hidden_dim) * 0.02)

    def layers(self, modality: Modality) -> ModalityQuery:
        """Return the layers of one modality."""
        layers = self.modalities[modality.value]
        assert isinstance(layers, ModalityQuery)
        return layers

    def project(self, modality: Modality, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return key and value of tokens (B, N, D), each (B, H, N, D / H); done once per token."""
        key, value = self.layers(modality).key_value(tokens).chunk(2, dim=-1)
        return split_heads(key, self.num_heads), split_heads(value, self.num_heads)

    def aged_state(self, modality: Modality, memory: Memory) -> Tensor:
        """Return the newest state with its age, or the learned one where absent, (B, Q, D)."""
        layers = self.layers(modality)
        aged = memory.state + layers.age(memory.state_age_s)
        return torch.where(memory.present.unsqueeze(-1), aged, layers.absent.to(aged.dtype))

    def forward(self, memories: Mapping[Modality, Memory]) -> Tensor:
        """Fuse the three modalities to (B, Q, 3 * D)."""
        biases = {m: self.layers(m).age_bias(memories[m].ages_s) for m in MODALITIES}
        fused = [self._ask(m, memories, biases) for m in MODALITIES]
        return torch.cat(fused, dim=-1)

    def _ask(
        self,
        modality: Modality,
        memories: Mapping[Modality, Memory],
        biases: Mapping[Modality, Tensor],
    ) -> Tensor:
        layers = self.layers(modality)
        state = self.aged_state(modality, memories[modality])
        query = split_heads(layers.query(layers.norm_query(state)), self.num_heads)
        null_key, null_value = self._null(query)
        others = [m for m in MODALITIES if m is not modality]
        seen = torch.cat([memories[m].seen for m in others], dim=-1)
        bias = torch.cat([biases[m] for m in others], dim=-2)
        mixed = attend(
            query,
            torch.cat([null_key, *(memories[m].keys.to(query.dtype) for m in others)], dim=2),
            torch.cat([null_value, *(memories[m].values.to(query.dtype) for m in others)], dim=2),
            torch.cat((torch.zeros_like(bias[..., :1, :]), bias), dim=-2)
            if bias.shape[-2]
            else bias.new_zeros(*bias.shape[:2], 1, bias.shape[-1]),
            torch.cat((torch.ones_like(state[..., :1], dtype=torch.bool), seen), dim=-1),
        )
        state = state + layers.out(mixed)
        state = state + layers.mlp(layers.norm_mlp(state))
        return layers.norm_out(state)

    def _null(self, query: Tensor) -> tuple[Tensor, Tensor]:
        """Return the null key and value for a batch of queries (B, H, Q, D / H)."""
        both = self.null_key_value.to(query.dtype).unflatten(-1, (self.num_heads, -1))
        both = both.unsqueeze(2).unsqueeze(1).expand(-1, query.shape[0], -1, -1, -1)
        return both[0], both[1]
