"""From encoders that were trained alone to a network: the best of each, and a fusion that fits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from accelerate import Accelerator
from safetensors.torch import load_file
from torch import Tensor

from activity_recognition.inference.precision import Precision
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.training.data.segments import LabelledSegment
from activity_recognition.training.run.fit_fusion import FusionFit
from activity_recognition.training.run.fusion_data import fit_fusion_on
from activity_recognition.training.run.modality_progress import HeadScore, ModalityProgress
from activity_recognition.training.run.objective import TrainingModel
from activity_recognition.training.run.state import save_weights
from activity_recognition.types import Modality

FUSION = 'fusion.safetensors'
"""File of a run by which processes share what one of them has fitted."""


class Joining:
    """Keeps each modality's best weights beside a run, and puts them together.

    Averaged weights are kept; both the average and the network that is trained go on from them.
    """

    def __init__(
        self,
        run: Path,
        model: TrainingModel,
        average: ActivityRecognitionSystem,
        accelerator: Accelerator,
    ) -> None:
        """Join within the run in the folder ``run``.

        Args:
            run: folder of the run.
            model: that is trained.
            average: its averaged weights.
            accelerator: joins the processes, of which the main one writes files.
        """
        self._run = run
        self._model = model
        self._average = average
        self._accelerator = accelerator

    def keep(self, progress: Sequence[ModalityProgress], heads: Sequence[HeadScore | None]) -> None:
        """Write the weights of each modality that a validation found better than ever.

        What is frozen is left out: it is the same in the whole run.

        Args:
            progress: of each modality before it.
            heads: what it found.

        Raises:
            OutputError: they cannot be written.
        """
        if not self._accelerator.is_main_process:
            return
        named = self._model.system.named_parameters()
        frozen = {name for name, parameter in named if not parameter.requires_grad}
        for modality, one, found in zip(self._average.modalities, progress, heads, strict=True):
            if one.improves(found):
                own = own_weights(self._average, modality)
                kept = {name: tensor for name, tensor in own.items() if name not in frozen}
                save_weights(self._own_path(modality), kept, 'weights of the run')

    def take_the_best(self, progress: Sequence[ModalityProgress]) -> Iterator[str]:
        """Go on with each modality's best weights; yields a sentence for each.

        Args:
            progress: of each modality in the stage that has ended.
        """
        self._accelerator.wait_for_everyone()
        for modality, one in zip(self._average.modalities, progress, strict=False):
            if one.is_judged:
                kept = load_file(self._own_path(modality))
                self._load(kept)
                yield (
                    f'{modality} goes on from its lowest loss in validation, {one.best_loss:.3f} '
                    f'once calibrated; balanced accuracy {one.reached:.3f}'
                )

    def fit_fusion(
        self, validation: Sequence[LabelledSegment], precision: Precision
    ) -> FusionFit | None:
        """Fit the fusion of the averaged weights in the main process; the others take it over.

        Args:
            validation: what to fit to.
            precision: where and how to compute.

        Returns:
            What was fitted; None in the other processes, or where nothing was.
        """
        fitted = None
        if self._accelerator.is_main_process:
            of_classes = self._model.loss.dense.weight
            fitted = fit_fusion_on(self._average, validation, precision, of_classes)
            weights = _fusion_weights(self._average)
            save_weights(self._run / FUSION, weights, 'weights of the run')
        self._accelerator.wait_for_everyone()
        self._load(load_file(self._run / FUSION))
        self._accelerator.wait_for_everyone()
        return fitted

    @torch.no_grad()
    def _load(self, kept: dict[str, Tensor]) -> None:
        for system in (self._average, self._model.system):
            tensors = system.state_dict()
            for name, tensor in kept.items():
                tensors[name].copy_(tensor)

    def _own_path(self, modality: Modality) -> Path:
        return self._run / f'best_{modality}.safetensors'


def own_weights(system: ActivityRecognitionSystem, modality: Modality) -> dict[str, Tensor]:
    """Return the tensors that belong to one modality by their names: they are not copied.

    Its encoder, its head, and its part of the cross-modal attention, which gives its state the age.

    Args:
        system: the network.
        modality: one that it has.
    """
    return _below(
        system,
        f'{modality}_encoder.',
        f'unimodal_heads.{modality}.',
        f'cross_attention.modalities.{modality}.',
    )


def _fusion_weights(system: ActivityRecognitionSystem) -> dict[str, Tensor]:
    """Return what fitting the fusion changes."""
    return _below(system, 'experts.', 'classifier.')


def _below(system: ActivityRecognitionSystem, *prefixes: str) -> dict[str, Tensor]:
    return {name: t for name, t in system.state_dict().items() if name.startswith(prefixes)}
