"""Attention over time: a learned bias on age, and which token a query may see.

Shapes: B batch, H heads, Q queries, N tokens, D width, K knots.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from activity_recognition.types import NANOSECONDS, to_ns

NUM_KNOTS = 12
"""Knots of every function of age."""
AGE_RESOLUTION_S = 0.05
"""Age around which the knots turn from evenly to logarithmically spaced, seconds."""
FIRST_AGE_S, AGE_RATIO = 0.05, 1.6
"""Age about which the second head begins to look where each has its own, and how much later each
next one does."""
NEARNESS = 2.0
"""How much less such a head attends for each knot farther from its age: by this power of e."""
QUERY_CHUNK = 256
"""Queries handled at once by a dense pass, so that memory grows with time and not its square."""


class AgeBias(nn.Module):
    """Additive attention bias that depends on a token's age in seconds alone.

    A piecewise-linear function of ``log(1 + age / resolution)`` per head. Because it knows seconds
    and not positions, a lost frame or another frame rate moves no token (compare T5's relative
    bias, Raffel et al. 2020, which counts positions).
    """

    def __init__(self, num_heads: int, horizon_s: float) -> None:
        """Create the bias for ages in [0, ``horizon_s``] seconds, initially zero everywhere.

        Args:
            num_heads: of the attention.
            horizon_s: greatest age that it distinguishes, seconds.
        """
        super().__init__()
        self.horizon_s = horizon_s
        self.table = nn.Parameter(torch.zeros(NUM_KNOTS, num_heads))

    def part_ages(self) -> None:
        """Let each head look about an age of its own to begin with, the last one at all alike."""
        num_heads = self.table.shape[1]
        ages = [0.0, *(FIRST_AGE_S * AGE_RATIO**head for head in range(num_heads - 2))]
        with torch.no_grad():
            for head, age_s in enumerate(ages[: num_heads - 1]):
                place = _position(torch.tensor(age_s), self.horizon_s)
                self.table[:, head] = -NEARNESS * (torch.arange(NUM_KNOTS) - place).abs()

    def forward(self, knots: Tensor) -> Tensor:
        """Return the bias (..., N, H) for ages given as weights of knots (..., N, K)."""
        return knots.to(self.table.dtype) @ self.table


class AgeEmbedding(nn.Module):
    """A vector that says how old a modality's newest token is; see :class:`AgeBias`."""

    def __init__(self, width: int, horizon_s: float) -> None:
        """Create the embedding for ages in [0, ``horizon_s``] seconds, initially zero.

        Args:
            width: of the vector.
            horizon_s: greatest age that it distinguishes, seconds.
        """
        super().__init__()
        self.horizon_s = horizon_s
        self.table = nn.Parameter(torch.zeros(NUM_KNOTS, width))

    def forward(self, knots: Tensor) -> Tensor:
        """Embed ages given as weights of knots (..., K) as (..., D)."""
        return knots.to(self.table.dtype) @ self.table


def age_knots(age_s: Tensor, horizon_s: float | Tensor) -> Tensor:
    """Return the weights (..., K) of linear interpolation between logarithmic knots of age.

    Args:
        age_s: ages (...) in seconds.
        horizon_s: age of the last knot, seconds; a tensor that broadcasts to ``age_s`` where ages
            of several modalities are treated at once.
    """
    # Ages need more bits than autocast would leave them.
    with torch.autocast(age_s.device.type, enabled=False):
        return _knots_at(_position(age_s, horizon_s))


def age_knots_of_each(ages_s: Sequence[Tensor], horizons_s: Sequence[float]) -> list[Tensor]:
    """Return :func:`age_knots` of several modalities' ages, with fewer operators.

    Args:
        ages_s: per modality (..., N), seconds.
        horizons_s: per modality, seconds.
    """
    with torch.autocast(ages_s[0].device.type, enabled=False):
        positions = [_position(*pair) for pair in zip(ages_s, horizons_s, strict=True)]
        knots = _knots_at(torch.cat(positions, -1))
        return list(knots.split([age_s.shape[-1] for age_s in ages_s], -2))


def _position(age_s: Tensor, horizon_s: float | Tensor) -> Tensor:
    """Return where ages (...) lie among the knots, counted from 0."""
    scale: float | Tensor
    if isinstance(horizon_s, Tensor):
        scale = (NUM_KNOTS - 1) / torch.log1p(horizon_s.to(age_s) / AGE_RESOLUTION_S)
    else:
        scale = (NUM_KNOTS - 1) / math.log1p(horizon_s / AGE_RESOLUTION_S)
    return age_s.clamp(min=0).div_(AGE_RESOLUTION_S).log1p_().mul_(scale)


def _knots_at(position: Tensor) -> Tensor:
    """Return the weights (..., K) of the knots beside positions (...), which are overwritten."""
    knots = torch.arange(NUM_KNOTS, device=position.device, dtype=position.dtype)
    distance = position.clamp_(max=NUM_KNOTS - 1).unsqueeze(-1).sub(knots).abs_()
    return distance.neg_().add_(1).clamp_(min=0)


def ages_s(query_ns: Tensor, token_ns: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the ages (..., Q, N) in seconds of tokens (..., N) at query times (..., Q).

    Subtracts as int64 first: an fp32 epoch second resolves to 128 s.

    Args:
        query_ns: times of the queries, int64 (..., Q).
        token_ns: stamps of the tokens, int64 (..., N).
        dtype: of the result.
    """
    difference_ns = query_ns.unsqueeze(-1) - token_ns.unsqueeze(-2)
    return (difference_ns.double() / NANOSECONDS).to(dtype)


def visible(
    query_ns: Tensor,
    query_arrival_ns: Tensor,
    token_ns: Tensor,
    token_arrival_ns: Tensor,
    token_mask: Tensor,
    *,
    window_s: float,
    max_tokens: int,
) -> Tensor:
    """Tell which tokens (..., N) a query (..., Q) sees, as bool (..., Q, N).

    A token is seen when it had arrived, is not from the query's future, is not older than the
    window, and is among the newest ``max_tokens`` that had arrived. Tokens lie in order of arrival.

    Args:
        query_ns: times of the queries, int64 (..., Q).
        query_arrival_ns: when the queries are asked, int64 (..., Q).
        token_ns: stamps of the tokens, int64 (..., N).
        token_arrival_ns: when the tokens could be known, int64 (..., N).
        token_mask: False where there is no token, bool (..., N).
        window_s: oldest age that is seen, seconds.
        max_tokens: most tokens that are seen.
    """
    age_ns = query_ns.unsqueeze(-1) - token_ns.unsqueeze(-2)
    arrived = token_arrival_ns.unsqueeze(-2) <= query_arrival_ns.unsqueeze(-1)
    arrived = arrived & token_mask.unsqueeze(-2)
    rank_from_newest = arrived.flip(-1).cumsum(-1).flip(-1)
    recent = rank_from_newest <= max_tokens
    return arrived & recent & (age_ns >= 0) & (age_ns <= to_ns(window_s))


def newest(visible_QN: Tensor, token_ns: Tensor) -> Tensor:
    """Return the index (..., Q) of the visible token with the latest stamp, the later of equals.

    Rows without a visible token give 0; mask them by ``visible_QN.any(-1)``.

    Args:
        visible_QN: which tokens each query sees, bool (..., Q, N).
        token_ns: stamps of the tokens, int64 (..., N).
    """
    stamps = token_ns.unsqueeze(-2).expand_as(visible_QN)
    lowest = torch.iinfo(torch.int64).min
    latest = stamps.masked_fill(~visible_QN, lowest).amax(-1, keepdim=True)
    order = torch.arange(visible_QN.shape[-1], device=visible_QN.device)
    chosen = (visible_QN & (stamps == latest)) * order
    return chosen.amax(-1)


def attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor, visible_QN: Tensor) -> Tensor:
    """Softmax attention with an additive bias and a mask.

    Args:
        query: (B, H, Q, D).
        key: (B, H, N, D).
        value: (B, H, N, D).
        bias: (B, Q, N, H), as :class:`AgeBias` returns it.
        visible_QN: bool (B, Q, N); every query must see at least one token.

    Returns:
        (B, Q, H * D).
    """
    mask = bias.permute(0, 3, 1, 2).to(query.dtype)
    mask = mask.masked_fill(~visible_QN.unsqueeze(1), float('-inf'))
    mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    # Copied: where it lies in memory depends on the kernel, of which an exporter guesses another.
    return mixed.transpose(1, 2).clone(memory_format=torch.contiguous_format).flatten(2)


def head_places(num_heads: int, width: int) -> Tensor:
    """Return which numbers of a token each head has, (H, D), 1 where its own and 0 elsewhere.

    Args:
        num_heads: H.
        width: D.
    """
    return torch.eye(num_heads).repeat_interleave(width // num_heads, dim=1)


def attend_few(
    query: Tensor,
    keys: Tensor,
    values: Tensor,
    bias: Tensor,
    heads: Tensor,
    *,
    always: tuple[Tensor, Tensor],
) -> Tensor:
    """Softmax attention of few queries, which reads keys and values where they lie.

    Each head is a query of its own that is zero elsewhere: a few more FLOPs for a few queries, and
    no rearranging of many keys. The same numbers as :func:`attend`.

    Args:
        query: (B, Q, D).
        keys: (B, N, D).
        values: (B, N, D).
        bias: additive, (B, Q or 1, H, N); what is not seen has a large negative one.
        heads: (H, D), from :func:`head_places`.
        always: a key and a value that every query sees without a bias, (D,) or (B, 1, D) each.

    Returns:
        (B, Q, D).
    """
    num_heads, width = heads.shape
    places = heads.to(query.dtype)
    apart = ((query * (width // num_heads) ** -0.5).unsqueeze(2) * places).flatten(1, 2)
    key, value = (part.to(query.dtype) for part in always)
    own = (apart * key).sum(-1, keepdim=True)
    scores = (apart @ keys.to(query.dtype).transpose(1, 2)).unflatten(1, (-1, num_heads)) + bias
    weights = torch.cat((own, scores.flatten(1, 2).to(own.dtype)), -1).softmax(-1).to(query.dtype)
    mixed = weights[..., 1:] @ values.to(query.dtype) + weights[..., :1] * value
    return (mixed.unflatten(1, (-1, num_heads)) * places).sum(2)


def attend_once(
    query: Tensor,
    keys: Tensor,
    values: Tensor,
    bias: Tensor,
    heads: Tensor,
    *,
    always: tuple[Tensor, Tensor],
) -> Tensor:
    """Do as :func:`attend_few` for a single query of each stream, with fewer operators.

    Args:
        query: (B, D).
        keys: (B, N, D).
        values: (B, N, D).
        bias: additive, (B, H, N); of what is not seen minus infinity.
        heads: (H, D), from :func:`head_places`.
        always: a key and a value that the query sees without a bias, (B, D) each.

    Returns:
        (B, D).
    """
    num_heads, width = heads.shape
    places = heads.to(query.dtype)
    apart = query.unsqueeze(1) * (places * (width // num_heads) ** -0.5)
    key, value = (part.to(query.dtype) for part in always)
    scores = apart @ keys.to(query.dtype).transpose(1, 2) + bias
    own = (apart * key.unsqueeze(1)).sum(-1, keepdim=True).to(scores.dtype)
    weights = torch.cat((own, scores), -1).softmax(-1).to(query.dtype)
    mixed = weights[..., 1:] @ values.to(query.dtype) + weights[..., :1] * value.unsqueeze(1)
    return (mixed * places).sum(1)


def split_heads(x: Tensor, num_heads: int) -> Tensor:
    """Reshape (B, N, H * D) to (B, H, N, D).

    Args:
        x: (B, N, H * D).
        num_heads: H.
    """
    return x.unflatten(-1, (num_heads, -1)).transpose(1, 2)


def split_projections(x: Tensor, count: int, num_heads: int) -> tuple[Tensor, ...]:
    """Split (B, N, count * H * D), such as keys and values, into ``count`` of (B, H, N, D).

    Args:
        x: (B, N, count * H * D).
        count: number of projections that lie beside each other.
        num_heads: H.
    """
    return x.unflatten(-1, (count, num_heads, -1)).permute(2, 0, 3, 1, 4).unbind()


class FeedForward(nn.Sequential):
    """Two linear layers with GELU between them, four times as wide inside."""

    def __init__(self, width: int, dropout: float) -> None:
        """Create the layers for tokens of ``width``.

        Args:
            width: of a token.
            dropout: share of values that training drops.
        """
        super().__init__(
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Linear(4 * width, width),
            nn.Dropout(dropout),
        )
