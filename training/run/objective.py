"""What a step minimises: the terms of the loss with their weights, joined with the network.

B batch, Q decisions, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import torch
from torch import Tensor, nn

from activity_recognition.modalities import DEFAULT_MODALITIES
from activity_recognition.models.system import (
    ActivityRecognitionSystem,
    HeadOutput,
    ModelOutput,
)
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.run.alignment import ContrastiveAlignment
from activity_recognition.training.run.losses import DenseLoss
from activity_recognition.training.run.self_distillation import (
    self_distillation_count,
    self_distillation_kl,
)
from activity_recognition.types import Modality

Output = TypeVar('Output', bound=HeadOutput)


class TrainingLoss(nn.Module):
    """The weighted sum of all terms; one whose weight is 0 sends no gradient anywhere.

    What is asked of the fused logits is left out where nothing is to learn from it.
    """

    def __init__(
        self,
        weight: Tensor,
        config: TrainConfig,
        *,
        width: int,
        modalities: Sequence[Modality] = DEFAULT_MODALITIES,
    ) -> None:
        """Create the terms that any stage of a run needs.

        Args:
            weight: of the classes, (C,).
            config: of the run.
            width: of the modalities' states.
            modalities: of the network.
        """
        super().__init__()
        self.dense = DenseLoss(weight, label_smoothing=config.label_smoothing)
        stages = [config.of_stage(stage) for stage in config.stages]
        self.alignment: ContrastiveAlignment | None = None
        if any(settings.contrast_weight for settings in (config, *stages)):
            self.alignment = ContrastiveAlignment(
                width,
                modalities=modalities,
                temperature=config.contrast_temperature,
                gap_s=config.contrast_gap_s,
            )
        self.settings = config
        self.modality_weights: dict[Modality, float] = {}
        """Factors on the losses of the modalities' own heads, 1 where one is not named; one whose
        factor is 0 is not trained by its loss."""

    @property
    def needs_fused(self) -> bool:
        """Whether any term with a weight is asked of the fused logits."""
        return bool(self.settings.fused_weight or self.settings.agreement_weight)

    @property
    def trains_encoders(self) -> bool:
        """Whether any term with a weight sends its gradient into the encoders."""
        settings = self.settings
        own = settings.unimodal_weight, settings.contrast_weight, settings.agreement_weight
        return any(own) or bool(settings.fused_weight and settings.fused_gradient)

    def forward(
        self,
        output: HeadOutput,
        batch: Mapping[str, Tensor],
        counts: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Return ``total``, and its terms without their gradient; scalars.

        Args:
            output: of the network; with the fused logits where :attr:`needs_fused` says so.
            batch: with ``targets`` and ``decision_stamps``, (B, Q).
            counts: by what the terms' sums are divided, as :meth:`counts` returns it, for several
                batches together; of this batch alone where None.
        """
        counts = counts or self.counts(output.present, batch)
        settings, targets = self.settings, batch['targets']
        logits = output.logits if isinstance(output, ModelOutput) else None
        heads = output.unimodal, output.present, targets
        terms: dict[str, Tensor] = self.dense(logits, *heads, counts)
        parts = [(settings.fused_weight, terms['fused'])] if logits is not None else []
        for modality in output.unimodal:
            factor = self.modality_weights.get(modality, 1.0)
            parts.append((settings.unimodal_weight * factor, terms[modality.value]))
        if 'contrast' in counts:
            assert self.alignment is not None
            terms['contrast'] = self.alignment(
                output.states, output.present, targets, batch['decision_stamps'], counts['contrast']
            )
            parts.append((settings.contrast_weight, terms['contrast']))
        if 'agreement' in counts:
            assert logits is not None
            terms['agreement'] = self_distillation_kl(logits, *heads, counts['agreement'])
            parts.append((settings.agreement_weight, terms['agreement']))
        weighted = [weight * term for weight, term in parts if weight]
        # Whatever wraps modules looks for the parameters behind everything that comes out.
        return {
            **{name: term.detach() for name, term in terms.items()},
            'total': torch.stack(weighted).sum(),
        }

    def counts(
        self, present: Mapping[Modality, Tensor], batch: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Return by what each term's sum is divided, so that batches can be added up; scalars.

        Args:
            present: where each modality has something inside its window, bool (B, Q).
            batch: with ``targets`` and ``decision_stamps``, (B, Q).
        """
        targets = batch['targets']
        counts = self.dense.counts(present, targets)
        if self.settings.contrast_weight:
            assert self.alignment is not None
            counts['contrast'] = self.alignment.count(present, targets, batch['decision_stamps'])
        if self.settings.agreement_weight:
            counts['agreement'] = self_distillation_count(present, targets)
        return counts


class TrainingModel(nn.Module):
    """Network and loss as one module, so that whatever wraps modules can wrap both."""

    def __init__(self, system: ActivityRecognitionSystem, loss: TrainingLoss) -> None:
        """Join ``system`` and ``loss``.

        Args:
            system: the network.
            loss: what it is trained with.
        """
        super().__init__()
        self.system = system
        self.loss = loss

    def forward(
        self, batch: Mapping[str, Tensor], counts: Mapping[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        """Return the losses of a batch that carries ``targets``; see :class:`TrainingLoss`.

        Args:
            batch: the network's keys and ``targets``, (B, Q).
            counts: of all batches that the loss is to be the mean over, as :meth:`counts` gives
                them for each; of this one alone where None.
        """
        self.system.fused_gradient = self.loss.settings.fused_gradient
        losses: dict[str, Tensor] = self.loss(
            self._with_raw_heads(self._answers(batch)), batch, counts
        )
        return losses

    def _answers(self, batch: Mapping[str, Tensor]) -> HeadOutput:
        """Run as much of the network as the loss needs."""
        if not self.loss.needs_fused:
            return self.system.forward_heads(batch)
        return self.system.forward_detailed(batch, encoders_learn=self.loss.trains_encoders)

    def _with_raw_heads(self, output: Output) -> Output:
        """Undo the heads' temperatures, which training would learn away."""
        experts = self.system.experts
        if experts is None:
            return output
        raw = {
            m: logits * temperature
            for (m, logits), temperature in zip(
                output.unimodal.items(), experts.temperatures, strict=True
            )
        }
        return replace(output, unimodal=raw)

    def rates(self, config: TrainConfig) -> Iterator[tuple[nn.Module, float]]:
        """Yield the parts of the network that have a factor on the learning rate.

        Args:
            config: of the run, with the factors.
        """
        for encoder in self.system.encoders.values():
            if encoder.pretrained is not None and encoder.pretrained_rate:
                yield encoder.pretrained, getattr(config, encoder.pretrained_rate)

    def counts(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return how much of each term a batch asks for, without running the network."""
        return self.loss.counts(self.system.presence(batch), batch)
