"""CrossModalAttention: each modality asks the others what they know.

Shapes: B batch, M modalities, H heads, Q decisions, N tokens, D width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from activity_recognition.models.attention import (
    AgeBias,
    AgeEmbedding,
    FeedForward,
    age_knots,
    age_knots_of_each,
    attend,
    attend_few,
    head_places,
    split_heads,
    split_projections,
)
from activity_recognition.models.experts import scaled_gradient
from activity_recognition.types import Modality

HIDDEN = -1e9
"""Added to the score of what a query does not see; finite, because some is multiplied by zeros."""


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


@dataclass(frozen=True, slots=True, eq=False)
class AgeKnots:
    """All ages of a decision as weights of knots."""

    states: Tensor
    """(B, Q, M, K), of each modality's newest state."""
    tokens: tuple[Tensor, ...]
    """Per modality (B, Q, N, K)."""


class Fused(NamedTuple):
    """What :class:`CrossModalAttention` returns; ``...`` are (B, Q) or (B * Q,)."""

    features: Tensor
    """Of all modalities, (..., M * D)."""
    states: list[Tensor]
    """Each modality's own, (..., D)."""
    knots: list[Tensor]
    """The ages of the states as weights of knots, (..., K); anything where one is absent."""
    present: list[Tensor]
    """Whether each modality is, bool (...)."""


class ModalityQuery(nn.Module):
    """What one modality contributes to the fusion: its query, its keys, its mixing layers."""

    def __init__(self, width: int, num_heads: int, window_s: float, dropout: float) -> None:
        """Create the layers of one modality whose tokens live ``window_s`` seconds.

        Args:
            width: of a token.
            num_heads: that share the width.
            window_s: how long its tokens are seen, seconds.
            dropout: share of values that training drops.
        """
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

    def begin(self, token: Tensor, knots: Tensor, present: Tensor) -> Tensor:
        """Return the state (..., D) that this modality asks from.

        The newest token (..., D) with its age as weights of knots (..., K) where it is ``present``,
        bool (...), and what was learnt for its absence elsewhere.

        Args:
            token: the newest, (..., D).
            knots: its age as weights of the knots, (..., K).
            present: whether there is one, bool (...).
        """
        aged = token + self.age(knots)
        return torch.where(present.unsqueeze(-1), aged, self.absent.to(aged.dtype))

    def ask(self, state: Tensor) -> Tensor:
        """Turn this modality's state (B, Q, D) into its query (B, Q, D)."""
        return self.query(self.norm_query(state))

    def finish(self, state: Tensor, mixed: Tensor) -> Tensor:
        """Join the state and what the others answered, both (B, Q, D).

        Args:
            state: from :meth:`begin`, (B, Q, D).
            mixed: what the others answered, (B, Q, D).
        """
        state = state + self.out(mixed)
        return self.norm_out(state + self.mlp(self.norm_mlp(state)))


class CrossModalAttention(nn.Module):
    """One query per modality, made from its own newest state, over the other modalities' tokens.

    An absent modality has its keys masked and asks with a learned query; a null key keeps the
    softmax defined when nothing else is there. Compare cross-modal transformers (Tsai et al. 2019).
    """

    heads: Tensor

    def __init__(
        self,
        hidden_dim: int,
        num_heads: int,
        *,
        windows_s: Mapping[Modality, float],
        dropout: float = 0.0,
    ) -> None:
        """Create the fusion of modalities.

        Args:
            hidden_dim: width of their tokens.
            num_heads: of the attention.
            windows_s: how long the tokens of each modality live, seconds, in the modalities' order.
            dropout: in the layers that mix.
        """
        super().__init__()
        self.num_heads = num_heads
        self.order = tuple(windows_s)
        """Of the modalities in everything that goes in and comes out."""
        self.modalities = nn.ModuleDict(
            {
                m.value: ModalityQuery(hidden_dim, num_heads, window_s, dropout)
                for m, window_s in windows_s.items()
            }
        )
        self.null_key_value = nn.Parameter(torch.randn(2, hidden_dim) * 0.02)
        self.register_buffer('heads', head_places(num_heads, hidden_dim), persistent=False)

    def layers(self, modality: Modality) -> ModalityQuery:
        """Return the layers of one modality."""
        layers = self.modalities[modality.value]
        assert isinstance(layers, ModalityQuery)
        return layers

    def project(self, modality: Modality, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return key and value of tokens (B, N, D), each (B, H, N, D / H); done once per token.

        Args:
            modality: whose tokens they are.
            tokens: (B, N, D).
        """
        both = self.layers(modality).key_value(tokens)
        key, value = split_projections(both, 2, self.num_heads)
        return key, value

    def project_key_value(self, modality: Modality, tokens: Tensor) -> Tensor:
        """Return what a decision needs of tokens (..., D): key, value and token, (..., 3, D).

        Args:
            modality: whose tokens they are.
            tokens: (..., D).
        """
        both = self.layers(modality).key_value(tokens)
        return torch.cat((both, tokens), -1).unflatten(-1, (3, -1))

    def forward(self, memories: Mapping[Modality, Memory], *, gradient: float = 1.0) -> Fused:
        """Fuse the modalities; the result is of (B, Q).

        Args:
            memories: of each modality.
            gradient: factor, in [0, 1], on the gradients from the features to the states.
        """
        knots = self._knots(memories)
        states = [
            self.layers(m).begin(memories[m].state, knots.states[:, :, index], memories[m].present)
            for index, m in enumerate(self.order)
        ]
        passed = [scaled_gradient(state, gradient) for state in states]
        mixed = self._attend(memories, passed, knots).unflatten(1, (len(self.order), -1))
        features = self._finish(passed, mixed.unbind(1))
        present = [memories[m].present for m in self.order]
        return Fused(features, states, list(knots.states.unbind(2)), present)

    def own_states(self, memories: Mapping[Modality, Memory]) -> tuple[list[Tensor], list[Tensor]]:
        """Return the states (B, Q, D) of :meth:`forward`, and presence, without fusing.

        Args:
            memories: of each modality.
        """
        seen = [memories[m] for m in self.order]
        ages_s = torch.stack([memory.state_age_s for memory in seen], dim=-1)
        horizons_s = ages_s.new_tensor([self.horizon(m) for m in self.order])
        knots = age_knots(ages_s, horizons_s).unbind(-2)
        states = [
            self.layers(m).begin(memory.state, age, memory.present)
            for m, memory, age in zip(self.order, seen, knots, strict=True)
        ]
        return states, [memory.present for memory in seen]

    def fuse_cached(
        self,
        newest: Tensor,
        rows: Sequence[Tensor],
        ages_s: Sequence[Tensor],
        seen: Sequence[Tensor],
    ) -> Fused:
        """Fuse what few decisions of some streams see; the same as :meth:`forward`, of (B * Q,).

        Args:
            newest: int64 (B, Q, M), of each modality the newest row seen, counted over the rows of
                all streams; -1 where none is.
            rows: per modality (B, N, 3, D), from :meth:`project_key_value`.
            ages_s: per modality (B, N), seconds.
            seen: per modality bool (B, Q, N).
        """
        horizons_s = [self.horizon(m) for m in self.order]
        knots = age_knots_of_each(ages_s, horizons_s)
        # Of each modality in turn, as it lies in memory: (M, B * Q).
        at = newest.flatten(0, 1).T.contiguous()
        present, places = (at >= 0).unbind(), at.clamp(min=0).unbind()
        states, biases, ages = [], [], []
        for index, modality in enumerate(self.order):
            layers, place = self.layers(modality), places[index]
            biases.append(self._bias_of_rows(index, knots[index]))
            token = rows[index].flatten(0, 1).index_select(0, place)[:, 2]
            ages.append(knots[index].flatten(0, 1).index_select(0, place))
            states.append(layers.begin(token, ages[index], present[index]))
        count, (streams, queries, _) = len(self.order), newest.shape
        query = [self.layers(m).ask(x) for m, x in zip(self.order, states, strict=True)]
        # Of each stream the queries of the first modality, then of the second, and so on.
        asked = torch.stack(query).unflatten(1, (streams, queries)).transpose(0, 1).flatten(1, 2)
        bias = torch.cat(biases, 1).transpose(1, 2).unflatten(1, (count, 1, self.num_heads))
        hidden = ~torch.cat(list(seen), -1)[:, None, :, None]
        mixed = attend_few(
            asked,
            torch.cat([of[:, :, 0] for of in rows], 1),
            torch.cat([of[:, :, 1] for of in rows], 1),
            bias.masked_fill(hidden, HIDDEN).flatten(1, 2),
            self.heads,
            always=(self.null_key_value[0], self.null_key_value[1]),
        )
        mixed = mixed.unflatten(1, (count, -1)).transpose(0, 1).flatten(1, 2)
        return Fused(self._finish(states, mixed.unbind()), states, ages, list(present))

    def _bias_of_rows(self, index: int, knots: Tensor) -> Tensor:
        """Return what the age of a modality's rows adds to the score of each modality's heads.

        From knots (B, N, K), (B, N, M * H); its own query does not see them.
        """
        table = self.layers(self.order[index]).age_bias.table
        tables: list[Tensor] = [table] * len(self.order)
        tables[index] = torch.full_like(table, HIDDEN)
        # Ages need more bits than autocast would leave them.
        with torch.autocast(knots.device.type, enabled=False):
            return knots.to(table.dtype) @ torch.cat(tables, 1)

    def _finish(self, states: list[Tensor], mixed: Sequence[Tensor]) -> Tensor:
        fused = [
            self.layers(m).finish(state, answer)
            for m, state, answer in zip(self.order, states, mixed, strict=True)
        ]
        return torch.cat(fused, dim=-1)

    def _knots(self, memories: Mapping[Modality, Memory]) -> AgeKnots:
        """Place all ages between their knots at once: many small calls would cost more."""
        ages = [torch.stack([memories[m].state_age_s for m in self.order], dim=-1)]
        horizons = [ages[0].new_tensor([self.horizon(m) for m in self.order])]
        for modality in self.order:
            age_s = memories[modality].ages_s
            ages.append(age_s)
            horizons.append(age_s.new_full(age_s.shape[-1:], self.horizon(modality)))
        knots = age_knots(torch.cat(ages, dim=-1), torch.cat(horizons))
        tokens, start = [], len(self.order)
        for age_s in ages[1:]:
            tokens.append(knots[:, :, start : start + age_s.shape[-1]])
            start += age_s.shape[-1]
        return AgeKnots(states=knots[:, :, : len(self.order)], tokens=tuple(tokens))

    def horizon(self, modality: Modality) -> float:
        """Return the age up to which a modality's tokens are seen, seconds."""
        return self.layers(modality).age_bias.horizon_s

    def _attend(
        self, memories: Mapping[Modality, Memory], states: list[Tensor], knots: AgeKnots
    ) -> Tensor:
        """Let every modality's query see the null key and the others' tokens, (B, M * Q, D)."""
        query = torch.cat(
            [self.layers(m).ask(x) for m, x in zip(self.order, states, strict=True)], 1
        )
        query = split_heads(query, self.num_heads)
        bias = torch.cat(
            [self.layers(m).age_bias(k) for m, k in zip(self.order, knots.tokens, strict=True)], -2
        )
        bias = F.pad(bias, (0, 0, 1, 0))
        null_key, null_value = self._null(query)
        keys = [memories[m].keys.to(query.dtype) for m in self.order]
        values = [memories[m].values.to(query.dtype) for m in self.order]
        return attend(
            query,
            torch.cat((null_key, *keys), dim=2),
            torch.cat((null_value, *values), dim=2),
            bias.repeat(1, len(self.order), 1, 1),
            _others([memories[m].seen for m in self.order]),
        )

    def _null(self, query: Tensor) -> tuple[Tensor, Tensor]:
        """Return the null key and value for a batch of queries (B, H, Q, D / H)."""
        both = self.null_key_value.to(query.dtype).unflatten(-1, (self.num_heads, -1))
        both = both.unsqueeze(2).unsqueeze(1).expand(-1, query.shape[0], -1, -1, -1)
        return both[0], both[1]


def _others(seen: Sequence[Tensor]) -> Tensor:
    """Return what each modality's query may see, bool (B, M * Q, 1 + N): all but its own tokens."""
    null = seen[0].new_ones((*seen[0].shape[:-1], 1))
    none = [torch.zeros_like(part) for part in seen]
    return torch.cat(
        [
            torch.cat((null, *seen[:own], none[own], *seen[own + 1 :]), dim=-1)
            for own in range(len(seen))
        ],
        dim=1,
    )
