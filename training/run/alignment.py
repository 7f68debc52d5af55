"""Contrastive alignment: what the modalities know at the same time is to look alike.

B crops, Q decisions, K anchors of a crop, R crops of all processes, N = R K anchors, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn import functional

from activity_recognition.training.data.targets import IGNORE
from activity_recognition.training.run.losses import mean_of
from activity_recognition.types import MODALITIES, NANOSECONDS, Modality

ANCHORS = 4
"""Decisions of a crop that are compared: neighbours in time say nearly the same."""

PAIRS = tuple(combinations(range(len(MODALITIES)), 2))
"""Indices of modalities that are aligned with each other."""

GatherRows = Callable[[Tensor], tuple[Tensor, slice]]
"""Returns the rows of all processes, one's own with their gradient, and where one's own are."""


def own_rows(rows: Tensor) -> tuple[Tensor, slice]:
    """Be the only process."""
    return rows, slice(0, len(rows))


@dataclass(frozen=True, slots=True, eq=False)
class Anchors:
    """Decisions that are compared, of some crops."""

    index: Tensor
    """int64 (B, K), which of the decisions."""
    present: Tensor
    """bool (B, K, 3), which modalities they see; none where a crop has fewer anchors."""
    targets: Tensor
    """(B, K), their classes."""
    stamps_ns: Tensor
    """int64 (B, K)."""


class ContrastiveAlignment(nn.Module):
    """InfoNCE between the states of two modalities at the same decision (Radford et al. 2021).

    For each pair of modalities that a decision sees, the one is to find the other's state of the
    same decision among those of other decisions, and the other way round. Negatives are decisions
    of another class; of the same crop only such as are at least ``gap_s`` away, because windows
    overlap. Decisions of the same class are neither: that two people who type sound alike is
    nothing to be unlearnt. States are compared through one linear map per modality, which is
    thrown away after training.
    """

    def __init__(self, width: int, *, temperature: float, gap_s: float) -> None:
        """Create the maps for states of ``width``."""
        super().__init__()
        self.temperature = temperature
        self.gap_s = gap_s
        self.maps = nn.ModuleDict({m.value: nn.Linear(width, width) for m in MODALITIES})
        self.gather: GatherRows = own_rows

    def forward(
        self,
        states: Mapping[Modality, Tensor],
        present: Mapping[Modality, Tensor],
        targets: Tensor,
        stamps_ns: Tensor,
        count: Tensor | None = None,
    ) -> Tensor:
        """Return the mean loss, a scalar.

        With several processes its value is this one's share of the sum, its gradient that of the
        whole sum: negatives of others count, too, and their gradient is what these others compute.

        Args:
            states: of each modality, (B, Q, D).
            present: where each modality has something inside its window, bool (B, Q).
            targets: classes, (B, Q); IGNORE where a decision does not count.
            stamps_ns: of the decisions, int64 (B, Q).
            count: by what the sum is divided, as :meth:`count` returns it, for several batches
                together; of this batch alone where None.
        """
        anchors = choose_anchors(present, targets, stamps_ns)
        if count is None:
            count = _pairs_seen(anchors.present)
        embedded, own = self.gather(self._embed(states, anchors.index))
        facts = torch.cat(
            [anchors.present.long(), anchors.targets[..., None], anchors.stamps_ns[..., None]], -1
        )
        facts, _ = self.gather(facts)
        losses = self._compare(embedded, facts)
        whole, share = losses.sum(), losses.detach()[own].sum()
        return mean_of(whole + (share - whole.detach()), count)

    def count(
        self, present: Mapping[Modality, Tensor], targets: Tensor, stamps_ns: Tensor
    ) -> Tensor:
        """Return how many pairs of states are to find each other; a float32 scalar."""
        return _pairs_seen(choose_anchors(present, targets, stamps_ns).present)

    def _embed(self, states: Mapping[Modality, Tensor], index: Tensor) -> Tensor:
        """Map the anchors' states to unit vectors, float32 (B, K, 3, D)."""
        rows = torch.arange(len(index), device=index.device).unsqueeze(-1)
        with torch.autocast(index.device.type, enabled=False):
            mapped = [self.maps[m.value](states[m][rows, index].float()) for m in MODALITIES]
        return functional.normalize(torch.stack(mapped, dim=2), dim=-1)

    def _compare(self, embedded: Tensor, facts: Tensor) -> Tensor:
        """Return the losses of each crop's anchors, summed over pairs of modalities, (R, K)."""
        crops, per_crop = facts.shape[:2]
        present = facts[..., :3].flatten(0, 1).bool()
        apart = self._apart(facts)
        vectors = embedded.flatten(0, 1)
        total = embedded.new_zeros(len(vectors))
        for one, other in PAIRS:
            cosines = vectors[:, one] @ vectors[:, other].T / self.temperature
            found = _cross_entropy(cosines, apart & present[:, other])
            found = found + _cross_entropy(cosines.T, apart & present[:, one])
            total = total + (found / 2).where(present[:, one] & present[:, other], 0.0)
        return total.reshape(crops, per_crop)

    def _apart(self, facts: Tensor) -> Tensor:
        """Tell which anchors are negatives of which, bool (N, N)."""
        crops, per_crop = facts.shape[:2]
        targets, stamps = facts[..., 3].flatten(), facts[..., 4].flatten()
        crop = torch.arange(crops, device=facts.device).repeat_interleave(per_crop)
        near = (stamps[:, None] - stamps).abs() < self.gap_s * NANOSECONDS
        return (targets[:, None] != targets) & ~((crop[:, None] == crop) & near)


def choose_anchors(
    present: Mapping[Modality, Tensor], targets: Tensor, stamps_ns: Tensor
) -> Anchors:
    """Choose decisions spread evenly over those that are labelled and see two modalities."""
    seen = torch.stack([present[m] for m in MODALITIES], dim=-1)
    useful = (targets != IGNORE) & (seen.sum(-1) >= 2)
    number = useful.sum(1, keepdim=True)
    place = torch.arange(ANCHORS, device=targets.device)
    wanted = (2 * place + 1) * number // (2 * ANCHORS)
    order = torch.where(useful, useful.cumsum(1) - 1, -1)
    index = (order.unsqueeze(1) == wanted.unsqueeze(2)).int().argmax(-1)
    fresh = torch.ones_like(wanted, dtype=torch.bool)
    fresh[:, 1:] = wanted[:, 1:] != wanted[:, :-1]
    there = fresh & (number > 0)
    rows = torch.arange(len(index), device=index.device).unsqueeze(-1)
    return Anchors(
        index=index,
        present=seen[rows, index] & there.unsqueeze(-1),
        targets=targets[rows, index],
        stamps_ns=stamps_ns[rows, index],
    )


def _pairs_seen(present: Tensor) -> Tensor:
    return torch.stack([present[..., a] & present[..., b] for a, b in PAIRS]).sum().float()


def _cross_entropy(cosines: Tensor, negatives: Tensor) -> Tensor:
    """Return for each row (N,) how badly its diagonal entry stands out against its negatives."""
    own = torch.eye(len(cosines), dtype=torch.bool, device=cosines.device)
    compared = cosines.masked_fill(~(negatives | own), -torch.inf)
    return torch.logsumexp(compared, dim=1) - cosines.diagonal()
