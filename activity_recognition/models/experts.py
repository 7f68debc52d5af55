"""A product of experts: each modality's own head decides, and a learned reliability weighs it.

Hinton 1999, "Products of Experts"; with the prior counted once, as for independent evidence:
log p(c | x_1 … x_M) = sum of log p(c | x_i) - (M - 1) log p(c), up to a constant.

Shapes: M modalities, C activities, D width, K knots of age; ``...`` are batch and decisions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from activity_recognition.models.attention import NUM_KNOTS

NEUTRAL_SCORE = math.log(math.e - 1)
"""Score whose reliability is 1."""


class ProductOfExperts(nn.Module):
    """Joins the heads of the modalities that are present.

    logits = sum of r_i log p_i - (sum of r_i - 1) log prior + residual, where p_i is what the head
    of modality i believes at its temperature, and r_i = softplus(bias_i + weight_i · x_i) >= 0 its
    reliability; x_i is its state without mean and scale, and the knots of its age. An absent
    modality adds nothing; with none the logits are the prior and the residual.

    The prior is that of the heads: the classes' share of what they were trained towards.
    """

    temperatures: Tensor
    log_prior: Tensor

    def __init__(self, num_modalities: int, width: int, num_activities: int) -> None:
        """Trust every modality alike, with a reliability of 1, whatever its state and age.

        Args:
            num_modalities: M.
            width: of a modality's state, D.
            num_activities: C.
        """
        super().__init__()
        self.bias = nn.Parameter(torch.full((num_modalities,), NEUTRAL_SCORE))
        self.weight = nn.Parameter(torch.zeros(num_modalities, width + NUM_KNOTS))
        self.register_buffer('temperatures', torch.ones(num_modalities))
        uniform = torch.full((num_activities,), -math.log(num_activities))
        self.register_buffer('log_prior', uniform)

    def forward(
        self,
        heads: Tensor,
        states: Sequence[Tensor],
        knots: Sequence[Tensor],
        present: Sequence[Tensor],
        residual: Tensor,
    ) -> Tensor:
        """Return fused logits (..., C), up to what is the same for all classes of a decision.

        Args:
            heads: logits of each modality's own head at its temperature, (M, ..., C).
            states: of each modality, (..., D); finite also where it is absent.
            knots: the age of each modality's newest token as weights of knots, (..., K).
            present: whether each modality is, bool (...).
            residual: what is added, (..., C).
        """
        reliability = F.softplus(self.scores(states, knots)) * torch.stack(list(present))
        # By how much log p differs from the logits is the same for all classes: no softmax sees it.
        evidence = heads - self.log_prior
        return (reliability.unsqueeze(-1) * evidence).sum(0) + (residual + self.log_prior)

    def at_temperatures(self, heads: Tensor) -> Tensor:
        """Divide raw logits of the heads, float32 or wider, (M, ..., C), by their temperatures."""
        return heads / self.temperatures.view(-1, *(1,) * (heads.dim() - 1))

    def scores(self, states: Sequence[Tensor], knots: Sequence[Tensor]) -> Tensor:
        """Return what the softplus makes reliabilities of, (M, ...), in the weights' precision.

        Args:
            states: of each modality, (..., D).
            knots: of the age of its newest token, (..., K).
        """
        features = self.features(states, knots)
        shape = (-1, *(1,) * (features.dim() - 2))
        return (features * self.weight.view(*shape, self.weight.shape[-1])).sum(-1) + (
            self.bias.view(shape)
        )

    def features(self, states: Sequence[Tensor], knots: Sequence[Tensor]) -> Tensor:
        """Return what reliabilities depend on, (M, ..., D + K).

        Args:
            states: of each modality, (..., D).
            knots: of the age of its newest token, (..., K).
        """
        state = torch.stack(list(states)).to(self.weight.dtype)
        # Sums over many numbers need more bits than autocast would leave them.
        with torch.autocast(state.device.type, enabled=False):
            plain = F.layer_norm(state, state.shape[-1:])
            return torch.cat((plain, torch.stack(list(knots)).to(plain.dtype)), -1)

    @torch.no_grad()
    def set_prior(self, mass: Tensor) -> None:
        """Take the prior from how much each class weighs in what the heads are trained towards.

        A class without any is counted like the rarest of the others: nothing taught the heads how
        improbable it is, and each head beyond the first would have it the more often, the smaller
        its prior.

        Args:
            mass: of each class, (C,), from 0 up, in decisions.
        """
        counted = mass.double() + 1.0
        if bool((mass > 0).any()):
            counted = torch.where(mass > 0, counted, counted[mass > 0].min())
        self.log_prior.copy_((counted / counted.sum()).log())


def scaled_gradient(value: Tensor, factor: float) -> Tensor:
    """Return a value through which gradients flow multiplied by a factor.

    Args:
        value: of any shape.
        factor: in [0, 1]; at 1 the value itself is returned.
    """
    if factor == 1.0:
        return value
    still = value.detach()
    return still if factor == 0.0 else still + factor * (value - still)
