"""How far each modality is trusted, fitted on data that was not trained on.

What a network has overfitted to it believes firmly, and training tells it to. So the few numbers
that decide how modalities are joined come from validation recordings: a temperature per head, a
reliability per modality, and how much of the correction by attention is left.

N decisions, M modalities, S subsets of them, C classes, J spans: decisions of one label in a
row, which tell little more than one of them would.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from activity_recognition.models.experts import NEUTRAL_SCORE, ProductOfExperts
from activity_recognition.training.run.fit_calibration import fit_temperature

WHOLE_SHARE = 0.5
"""Weight of all modalities together in what is minimised; their subsets share the rest."""
EXCESS_WEIGHT = 10.0
"""Weight of what all modalities together are worse than subsets of them."""
_LEAST_SCORE, _MOST_SCORE = -12.0, 4.0
"""Bounds of what the softplus makes a reliability of: 6e-6 and 4."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FusionData:
    """Decisions of validation recordings, as the network came to them."""

    heads: Tensor
    """Raw logits of the heads, float64 (N, M, C)."""
    scores: Tensor
    """What state and age add to each modality's score, float64 (N, M)."""
    present: Tensor
    """bool (N, M)."""
    subsets: Tensor
    """Which modalities are not hidden, bool (S, M); all of them first."""
    residuals: Tensor
    """What attention adds with the others hidden, float64 (S, N, C)."""
    targets: Tensor
    """int64 (N,)."""
    spans: Tensor
    """Number of each decision's span, int64 (N,), from 0."""
    class_weights: Tensor
    """As in the training loss, (C,)."""

    @property
    def num_spans(self) -> int:
        """J."""
        return int(self.spans.max()) + 1 if len(self.spans) else 0


@dataclass(frozen=True, kw_only=True, slots=True)
class FusionFit:
    """What was fitted, in the order of the modalities."""

    temperatures: tuple[float, ...]
    reliabilities: tuple[float, ...]
    """Mean over the decisions at which each is present; NaN where it never is."""
    residual_gain: float
    """Of the correction by attention, in [0, 1]."""
    uses_state: bool
    """Whether reliabilities depend on state and age."""
    nll_before: float
    """Mean over all and over subsets of the modalities, as :data:`WHOLE_SHARE` says, nats."""
    nll_after: float
    spans: int
    """That it was fitted on."""

    def sentence(self, modalities: Sequence[str]) -> str:
        """Say what was fitted.

        Args:
            modalities: their names.
        """
        trust = ', '.join(
            f'{name} {reliability:.2f} at temperature {temperature:.2f}'
            if math.isfinite(reliability)
            else f'{name} as in training, for no validation recording has it'
            for name, reliability, temperature in zip(
                modalities, self.reliabilities, self.temperatures, strict=True
            )
        )
        attention = (
            f'{100 * self.residual_gain:.0f} % of the correction by attention stays'
            if self.residual_gain
            else 'no correction by attention'
        )
        return (
            f'fusion fitted on {self.spans} labelled spans of validation recordings: '
            f'reliability {trust}; {attention}'
        )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Candidate:
    """One way to join the modalities."""

    bias: Tensor
    """(M,)."""
    gain: float
    uses_state: bool
    loss: Tensor
    """What each span adds to the mean, (J,)."""

    excess: float
    """By how much all modalities are worse than subsets of them."""

    @property
    def nll(self) -> float:
        return float(self.loss.sum())

    @property
    def objective(self) -> float:
        return self.nll + EXCESS_WEIGHT * self.excess


def fit_fusion(experts: ProductOfExperts, data: FusionData) -> FusionFit:
    """Fit temperatures and reliabilities in place; applying the gain is left to the caller.

    Temperatures come first, each head by itself. Then the biases of the reliabilities and the gain
    minimise the negative log-likelihood over all subsets of modalities. All of them together count
    half, and by how much they are worse than a subset counts ten times; a pull towards a
    reliability of 1, as strong as one span, keeps few recordings from deciding much. What
    state and age tell of reliability, and the correction by attention, are learnt on training data:
    they stay only where they lower what is minimised by more than one standard error over the
    spans. Where nothing of all this does, everything is left as it was.

    Args:
        experts: to change.
        data: what to fit on; at least one decision.
    """
    fitted = copy.deepcopy(experts).cpu()  # where the data are
    found = _fit(fitted, data)
    experts.load_state_dict(fitted.state_dict())
    return found


def _fit(experts: ProductOfExperts, data: FusionData) -> FusionFit:
    has_state, has_residual = bool(experts.weight.any()), bool(data.residuals.any())
    trained = experts.bias.detach().double()
    before = _Candidate(
        bias=trained,
        gain=1.0,
        uses_state=has_state,
        **_losses_of(experts, data, trained, gain=1.0, uses_state=has_state),
    )
    old_temperatures = experts.temperatures.clone()
    experts.temperatures.copy_(_fit_temperatures(data))
    chosen = _simplest(
        [
            _fit_candidate(experts, data, uses_state=uses_state, uses_residual=uses_residual)
            for uses_state in _options(has_state)
            for uses_residual in _options(has_residual)
        ]
    )
    if chosen.objective > before.objective:
        experts.temperatures.copy_(old_temperatures)
        chosen = before
    shown = data.present.any(0)
    with torch.no_grad():
        # Of a modality that these recordings lack, what training learnt stays.
        experts.bias.copy_(torch.where(shown, chosen.bias, trained))
        experts.temperatures.copy_(torch.where(shown, experts.temperatures, old_temperatures))
        if not chosen.uses_state:
            experts.weight.zero_()
    return FusionFit(
        temperatures=tuple(experts.temperatures.tolist()),
        reliabilities=tuple(_mean_reliabilities(data, chosen)),
        residual_gain=chosen.gain,
        uses_state=chosen.uses_state,
        nll_before=before.nll,
        nll_after=chosen.nll,
        spans=data.num_spans,
    )


def _options(learnt: bool) -> tuple[bool, ...]:
    return (False, True) if learnt else (False,)


def _fit_temperatures(data: FusionData) -> Tensor:
    found = []
    for index in range(data.heads.shape[1]):
        rows = data.present[:, index]
        ridge = 0.5 / max(1, data.num_spans)
        fitted = fit_temperature(data.heads[rows, index], data.targets[rows], ridge=ridge)
        found.append(fitted.temperature)
    return torch.tensor(found)


def _fit_candidate(
    experts: ProductOfExperts, data: FusionData, *, uses_state: bool, uses_residual: bool
) -> _Candidate:
    """Fit biases, and the gain where the residual is used."""
    evidence = _evidence(experts, data)
    start = torch.full((data.heads.shape[1],), NEUTRAL_SCORE, dtype=torch.float64)
    bias = start.clone().requires_grad_()
    openness = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [bias, openness] if uses_residual else [bias], max_iter=100, line_search_fn='strong_wolfe'
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        gain = openness.sigmoid() if uses_residual else torch.zeros((), dtype=torch.float64)
        losses = _losses(experts, data, evidence, bias, gain, uses_state=uses_state)
        pull = (functional.softplus(bias) - 1).square().sum() / max(1, data.num_spans)
        loss = _per_span(data, losses).sum() + EXCESS_WEIGHT * _excess(data, losses) + 0.5 * pull
        loss.backward()
        return loss

    with torch.enable_grad():
        optimiser.step(closure)
    fitted = bias.detach().nan_to_num(NEUTRAL_SCORE).clamp(_LEAST_SCORE, _MOST_SCORE)
    gain = float(openness.detach().sigmoid()) if uses_residual else 0.0
    return _Candidate(
        bias=fitted,
        gain=gain,
        uses_state=uses_state,
        **_losses_of(experts, data, fitted, gain=gain, uses_state=uses_state),
    )


def _simplest(candidates: Sequence[_Candidate]) -> _Candidate:
    """Return the first candidate that is no worse than the best by more than a standard error."""
    best = min(candidates, key=lambda candidate: candidate.nll)
    for candidate in candidates:
        excess = candidate.loss - best.loss
        count = len(excess)
        spread = excess - excess.mean()
        error = math.sqrt(float(spread.square().sum()) * count / max(1, count - 1))
        if float(excess.sum()) <= error:
            return candidate
    return best


def _losses_of(
    experts: ProductOfExperts, data: FusionData, bias: Tensor, *, gain: float, uses_state: bool
) -> dict[str, Any]:
    with torch.no_grad():
        factor = torch.tensor(gain, dtype=torch.float64)
        evidence = _evidence(experts, data)
        losses = _losses(experts, data, evidence, bias, factor, uses_state=uses_state)
        return {'loss': _per_span(data, losses), 'excess': float(_excess(data, losses))}


def _evidence(experts: ProductOfExperts, data: FusionData) -> Tensor:
    """Return what each head says beyond the prior, (N, M, C)."""
    temperatures = experts.temperatures.double().unsqueeze(-1)
    return (data.heads / temperatures).log_softmax(-1) - experts.log_prior.double()


def _losses(
    experts: ProductOfExperts,
    data: FusionData,
    evidence: Tensor,
    bias: Tensor,
    gain: Tensor,
    *,
    uses_state: bool,
) -> Tensor:
    """Return the loss of each decision with each subset of modalities, (S, N)."""
    reliability = functional.softplus(bias + (data.scores if uses_state else 0.0))
    weighed = (reliability * data.present).unsqueeze(-1) * evidence
    prior = experts.log_prior.double()
    return torch.stack(
        [
            functional.cross_entropy(
                (weighed * subset.unsqueeze(-1)).sum(1) + prior + gain * residual,
                data.targets,
                reduction='none',
            )
            for subset, residual in zip(data.subsets, data.residuals, strict=True)
        ]
    )


def _counts(data: FusionData) -> Tensor:
    """Return by how much each decision counts with each subset, (S, N), with a sum of 1 each."""
    sees = (data.present & data.subsets.unsqueeze(1)).any(-1)
    counts = data.class_weights[data.targets] * sees
    return counts / counts.sum(-1, keepdim=True).clamp(min=1e-9)


def _per_span(data: FusionData, losses: Tensor) -> Tensor:
    """Return what each span adds to the mean over decisions and subsets, (J,)."""
    others = len(losses) - 1
    shares = [WHOLE_SHARE if others else 1.0] + others * [(1 - WHOLE_SHARE) / max(1, others)]
    weighed = losses * _counts(data) * losses.new_tensor(shares).unsqueeze(-1)
    return losses.new_zeros(data.num_spans).index_add(0, data.spans, weighed.sum(0))


def _excess(data: FusionData, losses: Tensor) -> Tensor:
    """Return by how much all modalities are worse than subsets of them, summed over those."""
    return ((losses[:1] - losses) * _counts(data)).sum(-1).clamp(min=0).sum()


def _mean_reliabilities(data: FusionData, chosen: _Candidate) -> Iterator[float]:
    scores = chosen.bias + (data.scores if chosen.uses_state else torch.zeros_like(data.scores))
    reliability = functional.softplus(scores)
    for index in range(data.heads.shape[1]):
        yield float(reliability[data.present[:, index], index].mean())
