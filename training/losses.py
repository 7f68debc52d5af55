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

from activity_recognition.types import MODALITIES, Modality

IGNORE = -100
"""Target of a decision that does not count."""


def class_weights(counts: Sequence[int] | NDArray[np.int64]) -> Tensor:
    """Return float32 weights (C,) by the square root of the inverse frequency.

    Their mean over the counted decisions is 1; a class that never occurs weighs nothing.
    """
    number = torch.as_tensor(np.asarray(counts), dtype=torch.float64)
    weight = torch.where(number > 0, number.clamp(min=1).rsqrt(), 0.0)
    total = number.sum()
    if total == 0:
        return torch.ones(len(number))
    return (weight * total / (weight * number).sum()).float()


class DenseLoss(nn.Module):
    """Cross-entropy of the fused logits plus that of each modality's own head.

    A unimodal head is asked only where its modality has something inside its window; the fused
    classifier only where at least one has.
    """

    weight: Tensor

    def __init__(self, weight: Tensor, *, label_smoothing: float, unimodal_weight: float) -> None:
        """Take the classes' weights (C,), the label smoothing and the weight of unimodal losses."""
        super().__init__()
        self.register_buffer('weight', weight)
        self.label_smoothing = label_smoothing
        self.unimodal_weight = unimodal_weight

    def forward(
        self,
        logits: Tensor,
        unimodal: Mapping[Modality, Tensor],
        present: Mapping[Modality, Tensor],
        targets: Tensor,
    ) -> dict[str, Tensor]:
        """Return ``total`` and its parts ``fused``, ``video``, ``audio``, ``text``; scalars.

        Args:
            logits: fused logits, (B, Q, C).
            unimodal: logits of each modality's own head, (B, Q, C).
            present: where each modality has something inside its window, bool (B, Q).
            targets: classes, (B, Q); IGNORE where a decision does not count.
        """
        anything = torch.stack([present[m] for m in MODALITIES]).any(dim=0)
        losses = {'fused': self._mean(logits, targets.where(anything, IGNORE))}
        for modality in MODALITIES:
            seen = targets.where(present[modality], IGNORE)
            losses[modality.value] = self._mean(unimodal[modality], seen)
        own = torch.stack([losses[m.value] for m in MODALITIES]).sum()
        losses['total'] = losses['fused'] + self.unimodal_weight * own
        return losses

    def _mean(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Weighted mean over the decisions that count; 0, with a gradient, when none does."""
        loss = functional.cross_entropy(
            logits.flatten(0, 1).float(),
            targets.flatten(),
            weight=self.weight,
            ignore_index=IGNORE,
            label_smoothing=self.label_smoothing,
            reduction='sum',
        )
        weights = self.weight[targets.clamp(min=0)] * (targets != IGNORE)
        return loss / weights.sum().clamp(min=1e-6)
