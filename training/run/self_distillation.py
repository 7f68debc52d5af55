"""How far the probabilities of each modality's own head lie from the fused ones.

B batch, Q decisions, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from activity_recognition.training.data.targets import IGNORE
from activity_recognition.training.run.losses import mean_of
from activity_recognition.types import Modality


def self_distillation_kl(
    logits: Tensor,
    unimodal: Mapping[Modality, Tensor],
    present: Mapping[Modality, Tensor],
    targets: Tensor,
    count: Tensor | None = None,
) -> Tensor:
    """Return the mean Kullback-Leibler divergence of the unimodal heads from the fused one.

    A scalar. The fused head is the teacher: no gradient flows into it. It knows more than any
    single modality, and would otherwise be drawn to what the worst of them can know (compare
    self-distillation, Zhang et al. 2019, "Be Your Own Teacher").

    Args:
        logits: fused logits, (B, Q, C).
        unimodal: logits of each modality's own head, (B, Q, C).
        present: where each modality has something inside its window, bool (B, Q).
        targets: classes, (B, Q); decisions with IGNORE do not count.
        count: by what the sum is divided, as :func:`self_distillation_count` returns it, for
            several batches together; of this batch alone where None.
    """
    teacher = functional.log_softmax(logits.detach().float(), dim=-1)
    total = logits.new_zeros((), dtype=torch.float32)
    for modality, own in unimodal.items():
        student = functional.log_softmax(own.float(), dim=-1)
        divergence = (teacher.exp() * (teacher - student)).sum(-1)
        asked = present[modality] & (targets != IGNORE)
        total = total + divergence.where(asked, 0.0).sum()
    if count is None:
        count = self_distillation_count(present, targets)
    return mean_of(total, count)


def self_distillation_count(present: Mapping[Modality, Tensor], targets: Tensor) -> Tensor:
    """Return how many pairs of a decision and a modality are compared; a float32 scalar.

    Args:
        present: where each modality has something inside its window, bool (B, Q).
        targets: classes, (B, Q); decisions with IGNORE do not count.
    """
    asked = torch.stack([there & (targets != IGNORE) for there in present.values()])
    return asked.sum().float()
