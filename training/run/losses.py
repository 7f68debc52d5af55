"""Dense cross-entropy over all decisions of a batch.

B batch, Q decisions, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from activity_recognition.training.data.targets import IGNORE
from activity_recognition.types import Modality


def class_weights(counts: Sequence[int] | NDArray[np.int64]) -> Tensor:
    """Return float32 weights (C,) by the square root of the inverse frequency.

    Their mean over the counted decisions is 1; a class that never occurs has no weight.
    """
    number = torch.as_tensor(np.asarray(counts), dtype=torch.float64)
    weight = torch.where(number > 0, number.clamp(min=1).rsqrt(), 0.0)
    total = number.sum()
    if total == 0:
        return torch.ones(len(number))
    return (weight * total / (weight * number).sum()).float()


def head_masses(
    counts: Sequence[int] | NDArray[np.int64], weight: Tensor, *, label_smoothing: float
) -> Tensor:
    """Return how much each class weighs in what a head is trained towards, (C,), in decisions.

    A head that sees nothing, and so always says the same, has the smallest loss where its
    probabilities have these proportions: they are the prior of what heads learn, which is neither
    that of the recordings, as classes weigh differently, nor quite without the label smoothing.

    Args:
        counts: decisions of each class, (C,).
        weight: of the classes, (C,).
        label_smoothing: in [0, 1).
    """
    number = torch.as_tensor(np.asarray(counts), dtype=torch.float64)
    spread = number.sum() / len(number)
    smoothed = (1 - label_smoothing) * number + label_smoothing * spread
    return weight.double() * smoothed


def mean_of(total: Tensor, count: Tensor) -> Tensor:
    """Divide a sum by how much it is made of; 0, with a gradient, where that is nothing.

    Args:
        total: the sum, a scalar.
        count: what it is made of, a scalar.
    """
    return total / count.clamp(min=1e-6)


class DenseLoss(nn.Module):
    """Cross-entropy of the fused logits, and of each modality's own head.

    A unimodal head is asked only where its modality has something inside its window; the fused
    classifier only where at least one has. Every term is a mean over decisions, weighted by class.
    """

    weight: Tensor

    def __init__(self, weight: Tensor, *, label_smoothing: float) -> None:
        """Take the classes' weights (C,) and the label smoothing.

        Args:
            weight: of the classes, (C,).
            label_smoothing: in [0, 1).
        """
        super().__init__()
        self.register_buffer('weight', weight)
        self.label_smoothing = label_smoothing

    def forward(
        self,
        logits: Tensor | None,
        unimodal: Mapping[Modality, Tensor],
        present: Mapping[Modality, Tensor],
        targets: Tensor,
        counts: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Return the term ``fused`` and one for each modality, by its name; scalars.

        Args:
            logits: fused logits, (B, Q, C); None leaves their term out.
            unimodal: logits of each modality's own head, (B, Q, C).
            present: where each modality has something inside its window, bool (B, Q).
            targets: classes, (B, Q); IGNORE where a decision does not count.
            counts: by what the terms' sums are divided, as :meth:`counts` returns it, for several
                batches together; of this batch alone where None.
        """
        counts = counts or self.counts(present, targets)
        answers = {m.value: own for m, own in unimodal.items()}
        if logits is not None:
            answers = {'fused': logits, **answers}
        asked = _asked(present, targets)
        return {
            name: mean_of(self._sum(answer, asked[name]), counts[name])
            for name, answer in answers.items()
        }

    def counts(self, present: Mapping[Modality, Tensor], targets: Tensor) -> dict[str, Tensor]:
        """Return the weight of all decisions that each term is asked of; scalars.

        Args:
            present: where each modality has something inside its window, bool (B, Q).
            targets: classes, (B, Q); IGNORE where a decision does not count.
        """
        return {
            name: (self.weight[asked.clamp(min=0)] * (asked != IGNORE)).sum()
            for name, asked in _asked(present, targets).items()
        }

    def _sum(self, logits: Tensor, targets: Tensor) -> Tensor:
        return functional.cross_entropy(
            logits.flatten(0, 1).float(),
            targets.flatten(),
            weight=self.weight,
            ignore_index=IGNORE,
            label_smoothing=self.label_smoothing,
            reduction='sum',
        )


def _asked(present: Mapping[Modality, Tensor], targets: Tensor) -> dict[str, Tensor]:
    """Return the targets (B, Q) of each term, IGNORE where it is not asked."""
    anything = torch.stack(list(present.values())).any(dim=0)
    asked = {'fused': targets.where(anything, IGNORE)}
    asked.update({m.value: targets.where(there, IGNORE) for m, there in present.items()})
    return asked
