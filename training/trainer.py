"""The loop over batches: forward, backward, step, average, validate, keep."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from activity_recognition.config import TrainConfig
from activity_recognition.inference.precision import Precision
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.training.batches import load_batch
from activity_recognition.training.crops import CropPlan, plan_epoch
from activity_recognition.training.interruption import Interruption
from activity_recognition.training.losses import DenseLoss
from activity_recognition.training.optimisation import Optimisation
from activity_recognition.training.pool import make_progress
from activity_recognition.training.runlog import RunLog
from activity_recognition.training.segments import Segment
from activity_recognition.training.state import Progress, load_state, save_state
from activity_recognition.training.throughput import Throughput
from activity_recognition.training.validation import validate

STATE, BEST, LOG = 'state.safetensors', 'best.safetensors', 'log.jsonl'
"""Files of a run: where it stands, the best weights so far, what happened."""

LOG_EVERY = 25
"""Steps between two lines of the log."""

SAVE_EVERY_S = 300.0
"""Seconds between two saved states within an epoch."""


class TrainingModel(nn.Module):
    """Network and loss as one module, so that whatever wraps modules can wrap both."""

    def __init__(self, system: ActivityRecognitionSystem, loss: DenseLoss) -> None:
        """Join ``system`` and ``loss``."""
        super().__init__()
        self.system = system
        self.loss = loss

    def forward(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the losses of a batch that carries ``targets``; see :class:`DenseLoss`."""
        output = self.system.forward_detailed(batch)
        losses: dict[str, Tensor] = self.loss(
            output.logits, output.unimodal, output.present, batch['targets']
        )
        return losses


@dataclass(frozen=True, kw_only=True, slots=True)
class Sources:
    """What a run learns from and is held against."""

    training: Sequence[Segment]
    validation: Sequence[Segment]


class Trainer:
    """One run, resumable at every step.

    Everything random in a step follows from the seed, the epoch and the step, so that a run that
    was interrupted and resumed ends with the weights of one that was not.
    """

    def __init__(
        self,
        model: TrainingModel,
        sources: Sources,
        config: TrainConfig,
        precision: Precision,
        *,
        run: Path,
        fingerprint: str,
        console: Console | None = None,
    ) -> None:
        """Prepare a run that keeps its files in the folder ``run``."""
        self.config = config
        self.precision = precision
        self.run = run
        self.progress = Progress(fingerprint=fingerprint)
        self._model = model.to(precision.device)
        self._sources = sources
        self._optimisation = Optimisation(
            self._model,
            model.system,
            config,
            rates=(
                (model.system.video_encoder.pretrained, config.frame_encoder_rate),
                (model.system.text_encoder.encoder, config.text_encoder_rate),
            ),
        )
        self._log = RunLog(run / LOG)
        self._console = console
        self._interruption = Interruption()
        self._throughput = Throughput(time.perf_counter)
        self._saved_s = time.perf_counter()

    @property
    def average(self) -> ActivityRecognitionSystem:
        """The network with averaged weights: what is validated and kept."""
        system = self._optimisation.average.module
        assert isinstance(system, ActivityRecognitionSystem)
        return system

    def resume(self) -> None:
        """Go on from the state in the run's folder.

        Raises:
            CheckpointError: it is damaged or of another network.
        """
        self.progress = load_state(self.run / STATE, self._modules(), self._optimisation.optimiser)
        self._log.write('resumed', epoch=self.progress.epoch, step=self.progress.step)

    def fit(self) -> None:
        """Train until all epochs are done.

        Raises:
            KeyboardInterrupt: on Ctrl-C, with the state saved.
        """
        with make_progress(self._console) as bar, self._interruption.handled():
            task = bar.add_task('training', total=1.0, note='')
            try:
                while self.progress.epoch < self.config.epochs:
                    for losses, done in self._epoch():
                        note = f'epoch {self.progress.epoch + 1}, loss {losses["total"]:.3f}'
                        bar.update(task, completed=done, note=note)
                    self._end_epoch()
            except KeyboardInterrupt:
                self._save()
                self._log.write('interrupted', step=self.progress.step)
                raise

    def load_best(self) -> None:
        """Put the weights of the best validation into :attr:`average`, where there was one."""
        if self.progress.best >= 0:
            self.average.load_state_dict(load_file(self.run / BEST))

    def _epoch(self) -> Iterator[tuple[dict[str, Tensor], float]]:
        """Do what is left of the current epoch; yields losses and the share of the run done."""
        batches = plan_epoch(self._sources.training, self.config, self.progress.epoch)
        self._throughput.read()
        for index in range(self.progress.batch, len(batches)):
            done = (self.progress.epoch + (index + 1) / len(batches)) / self.config.epochs
            losses = self._step(batches[index], done)
            yield losses, done
            if self._throughput.steps >= LOG_EVERY or index + 1 == len(batches):
                self._report()
            if time.perf_counter() - self._saved_s > SAVE_EVERY_S:
                self._save()

    def _step(self, plans: Sequence[CropPlan], done: float) -> dict[str, Tensor]:
        model, progress = self._model.train(), self.progress
        batch = load_batch(
            self._sources.training, plans, self.config, model.system.config, self.precision
        )
        torch.manual_seed(_step_seed(self.config.seed, progress.step))
        with self.precision.autocast():
            losses: dict[str, Tensor] = model(batch)
        norm = self._optimisation.backward(losses['total'])
        with self._interruption.held():
            rate = self._optimisation.step(done)
            self.progress = replace(progress, batch=progress.batch + 1, step=progress.step + 1)
        measures = {f'loss_{name}': value for name, value in losses.items()}
        measures |= {'gradient_norm': norm, 'learning_rate': torch.tensor(rate)}
        self._throughput.add(measures, batch)
        return losses

    def _end_epoch(self) -> None:
        """Validate where it is due, keep the weights if they are the best, save the state."""
        epoch = self.progress.epoch + 1
        due = epoch % self.config.validate_every == 0 or epoch == self.config.epochs
        best = self.progress.best
        if due and self._sources.validation:
            result = validate(self.average, self._sources.validation, self.precision)
            self._log.write('validated', epoch=epoch, step=self.progress.step, **result.measures)
            if result.balanced_accuracy > best:
                best = result.balanced_accuracy
                self._keep()
            self._say(
                f'epoch {epoch}: balanced accuracy {result.balanced_accuracy:.3f} in validation'
            )
        self.progress = replace(self.progress, epoch=epoch, batch=0, best=best)
        self._save()

    def _report(self) -> None:
        self._log.write(
            'trained',
            epoch=self.progress.epoch,
            step=self.progress.step,
            **self._throughput.read(),
        )

    def _keep(self) -> None:
        scratch = self.run / f'{BEST}.part'
        tensors = {k: v.cpu().clone() for k, v in self.average.state_dict().items()}
        save_file(tensors, scratch)
        scratch.replace(self.run / BEST)

    def _save(self) -> None:
        save_state(self.run / STATE, self.progress, self._modules(), self._optimisation.optimiser)
        self._saved_s = time.perf_counter()

    def _say(self, text: str) -> None:
        if self._console is not None:
            self._console.print(text)

    def _modules(self) -> dict[str, nn.Module]:
        return {'model': self._model, 'average': self._optimisation.average}


def _step_seed(seed: int, step: int) -> int:
    """Return a seed for a step's dropout that no neighbouring run or step shares."""
    return int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0]) >> 1
