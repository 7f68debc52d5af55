"""What a run leaves: its checkpoint with metrics and model card, and a page with its curves."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from activity_recognition.config_io import to_mapping
from activity_recognition.models.checkpoint import save_checkpoint
from activity_recognition.models.rehearsal import DecisionFeatures
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.models.tokenizer import TextTokenizer
from activity_recognition.scratch import replace_text
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.data.dataset import Dataset
from activity_recognition.training.evaluation.curves_page import curves_page
from activity_recognition.training.evaluation.schema import SCHEMA_VERSION
from activity_recognition.training.run.card import write_card
from activity_recognition.training.run.final_fit import FinalFit
from activity_recognition.training.run.history import curves_of
from activity_recognition.training.run.state import Progress
from activity_recognition.types import Modality

CURVES = 'curves.html'
"""Page of a run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """A run that has come to its end."""

    config: TrainConfig
    dataset: Dataset
    progress: Progress
    reached: FinalFit

    def metrics(self, modalities: Sequence[Modality]) -> dict[str, Any]:
        """Return what the checkpoint's ``metrics.json`` holds.

        Args:
            modalities: of the network.
        """
        curves = curves_of(self.progress.history, modalities)
        settings = dataclasses.replace(self.config, recorded=self.dataset.recorded)
        return {
            'schema_version': SCHEMA_VERSION,
            'training': {
                'settings': to_mapping(settings),
                'recordings': len(self.dataset.training),
                'steps': self.progress.step,
                'curves': None if curves is None else to_mapping(curves),
                'keys': {
                    'train': [recording.key for recording in self.dataset.training],
                    'validation': [recording.key for recording in self.dataset.validation],
                },
            },
            'calibration': dataclasses.asdict(self.reached.calibration),
            'fusion': self.reached.fusion_for_json(modalities),
            'validation': {
                'recordings': len(self.dataset.validation),
                'combinations': self.reached.combinations,
                'own_heads': self.reached.own_heads,
            },
            'findings': self.reached.findings(len(self.dataset.labels)),
        }

    def card(self, system: ActivityRecognitionSystem, origin: str) -> str:
        """Return the model card.

        Args:
            system: the network.
            origin: what the recordings are, a sentence.
        """
        return write_card(
            system.config,
            self.config,
            origin=origin,
            temperature=self.reached.calibration.temperature,
            weights=sum(p.numel() for p in system.parameters()),
            measures=self.reached.combinations,
            measured_on=f'{len(self.dataset.validation)} recordings held out for validation',
            findings=self.reached.findings(len(self.dataset.labels)),
        )

    def write(
        self,
        path: Path,
        system: ActivityRecognitionSystem,
        tokenizer: TextTokenizer,
        *,
        origin: str,
        rehearsal: DecisionFeatures | None = None,
    ) -> None:
        """Write the checkpoint.

        Args:
            path: its folder.
            system: the network.
            tokenizer: of its transcripts.
            origin: what the recordings are, a sentence.
            rehearsal: features to be taught more with; None keeps none.

        Raises:
            OutputError: it cannot be written.
        """
        save_checkpoint(
            path,
            system,
            tokenizer,
            temperature=self.reached.calibration.temperature,
            metrics=self.metrics(system.modalities),
            card=self.card(system, origin),
            rehearsal=rehearsal,
        )

    def write_curves(self, run: Path, modalities: Sequence[Modality]) -> None:
        """Write the page with the curves, where there are any; the run of before may have left one.

        Args:
            run: folder of the run.
            modalities: of the network.

        Raises:
            OutputError: it cannot be written.
        """
        page = run / CURVES
        if curves_of(self.progress.history, modalities) is None:
            page.unlink(missing_ok=True)
            return
        drawn = curves_page(run.resolve().name, self.metrics(modalities))
        replace_text(page, drawn, 'the curves')
