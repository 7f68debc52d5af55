"""Contrastive alignment: what the modalities know at the same time is to look alike.

B crops, Q decisions, M modalities, K anchors of a crop, R crops of all processes, N = R K anchors,
D width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn import functional

from activity_recognition.modalities import DEFAULT_MODALITIES
from activity_recognition.training.data.targets import IGNORE
from activity_recognition.training.run.losses import mean_of
from activity_recognition.types import NANOSECONDS, Modality

ANCHORS = 4
"""Decisions of a crop that are compared: neighbours in time say nearly the same."""

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
    """bool (B, K, M), which modalities they see; none where a crop has fewer anchors."""
    targets: Tensor
    """(B, K), their classes."""
    stamps_ns: Tensor
    """int64 (B, K)."""

    def pairs_seen(self) -> Tensor:
        """Return how many pairs of modalities they see in all; a float32 scalar."""
        both = [one & other for one, other in combinations(self.present.unbind(-1), 2)]
        return torch.stack(both).sum().float() if both else self.targets.new_zeros(()).float()

    def joined(self, gather: GatherRows) -> FlatAnchors:
        """Return the anchors of all processes' crops, one after the other."""
        present, targets, stamps_ns = (
            gather(rows)[0] for rows in (self.present.long(), self.targets, self.stamps_ns)
        )
        crops, per_crop = targets.shape
        return FlatAnchors(
            crop=torch.arange(crops, device=targets.device).repeat_interleave(per_crop),
            present=present.flatten(0, 1).bool(),
            targets=targets.flatten(),
            stamps_ns=stamps_ns.flatten(),
        )


@dataclass(frozen=True, slots=True, eq=False)
class FlatAnchors:
    """Anchors of all crops, one after the other."""

    crop: Tensor
    """int64 (N,), number of the crop of each."""
    present: Tensor
    """bool (N, M)."""
    targets: Tensor
    """(N,)."""
    stamps_ns: Tensor
    """int64 (N,)."""

    def negatives(self, gap_s: float) -> Tensor:
        """Return which anchors are negatives of which, bool (N, N).

        Those of another class, and of the same crop only such as are ``gap_s`` away at least.
        """
        near = (self.stamps_ns[:, None] - self.stamps_ns).abs() < gap_s * NANOSECONDS
        same_crop = self.crop[:, None] == self.crop
        return (self.targets[:, None] != self.targets) & ~(same_crop & near)


class ContrastiveAlignment(nn.Module):
    """InfoNCE between the states of two modalities at the same decision (Radford et al. 2021).

    For each pair of modalities that a decision sees, the one is to find the other's state of the
    same decision among those of other decisions, and the other way round. Negatives are decisions
    of another class; of the same crop only such as are at least ``gap_s`` away, because windows
    overlap. Decisions of the same class are neither: that two people who type sound alike is
    nothing to be unlearnt. States are compared through one linear map per modality, which is
    thrown away after training.
    """

    def __init__(
        self,
        width: int,
        *,
        modalities: Sequence[Modality] = DEFAULT_MODALITIES,
        temperature: float,
        gap_s: float,
    ) -> None:
        """Create the maps.

        Args:
            width: of the states.
            modalities: those that are aligned with each other.
            temperature: divides the cosines.
            gap_s: decisions of one crop that are closer are no negatives of each other.
        """
        super().__init__()
        self.temperature = temperature
        self.gap_s = gap_s
        self.maps = nn.ModuleDict({m.value: nn.Linear(width, width) for m in modalities})
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
            count = anchors.pairs_seen()
        embedded, own = self.gather(self._embed(states, anchors.index))
        losses = self._compare(embedded, anchors.joined(self.gather))
        whole, share = losses.sum(), losses.detach()[own].sum()
        return mean_of(whole + (share - whole.detach()), count)

    def count(
        self, present: Mapping[Modality, Tensor], targets: Tensor, stamps_ns: Tensor
    ) -> Tensor:
        """Return how many pairs of states are to find each other; a float32 scalar.

        Args:
            present: where each modality has something inside its window, bool (B, Q).
            targets: classes, (B, Q).
            stamps_ns: of the decisions, int64 (B, Q).
        """
        return choose_anchors(present, targets, stamps_ns).pairs_seen()

    def _embed(self, states: Mapping[Modality, Tensor], index: Tensor) -> Tensor:
        """Map the anchors' states to unit vectors, float32 (B, K, M, D)."""
        rows = torch.arange(len(index), device=index.device).unsqueeze(-1)
        with torch.autocast(index.device.type, enabled=False):
            mapped = [
                linear(states[Modality(m)][rows, index].float()) for m, linear in self.maps.items()
            ]
        return functional.normalize(torch.stack(mapped, dim=2), dim=-1)

    def _compare(self, embedded: Tensor, anchors: FlatAnchors) -> Tensor:
        """Return the losses of each crop's anchors, summed over pairs of modalities, (R, K)."""
        present, negatives = anchors.present, anchors.negatives(self.gap_s)
        vectors = embedded.flatten(0, 1)
        total = embedded.new_zeros(len(vectors))
        for one, other in combinations(range(vectors.shape[1]), 2):
            cosines = vectors[:, one] @ vectors[:, other].T / self.temperature
            found = _cross_entropy(cosines, negatives & present[:, other])
            found = found + _cross_entropy(cosines.T, negatives & present[:, one])
            total = total + (found / 2).where(present[:, one] & present[:, other], 0.0)
        return total.reshape(embedded.shape[:2])


def choose_anchors(
    present: Mapping[Modality, Tensor], targets: Tensor, stamps_ns: Tensor
) -> Anchors:
    """Choose decisions spread evenly over those that are labelled and see two modalities.

    Args:
        present: where each of M modalities has something inside its window, bool (B, Q).
        targets: classes, (B, Q); IGNORE where a decision does not count.
        stamps_ns: of the decisions, int64 (B, Q).
    """
    seen = torch.stack(list(present.values()), dim=-1)
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


def _cross_entropy(cosines: Tensor, negatives: Tensor) -> Tensor:
    """Return for each row (N,) how badly its diagonal entry stands out against its negatives."""
    own = torch.eye(len(cosines), dtype=torch.bool, device=cosines.device)
    compared = cosines.masked_fill(~(negatives | own), -torch.inf)
    return torch.logsumexp(compared, dim=1) - cosines.diagonal()
