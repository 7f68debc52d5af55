"""The loop over batches: forward, backward, step, average, validate, keep."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from rich.console import Console
from safetensors.torch import load_file
from torch import Tensor, nn

from activity_recognition.checkpoint_folder import RUN_STATE
from activity_recognition.errors import ConfigError, DeviceError
from activity_recognition.inference.precision import Precision
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.training.config import AUTO, TrainConfig
from activity_recognition.training.data.crops import CropPlan, plan_epoch
from activity_recognition.training.data.segments import LabelledSegment
from activity_recognition.training.pool import make_progress
from activity_recognition.training.run.batches import (
    added_up,
    load_batch,
    shard_batch,
    step_seed,
    thinned_samples,
)
from activity_recognition.training.run.curriculum import Curriculum, Stage
from activity_recognition.training.run.history import Validated
from activity_recognition.training.run.interruption import Interruption
from activity_recognition.training.run.joining import Joining
from activity_recognition.training.run.logbook import Logbook
from activity_recognition.training.run.modality_progress import (
    ModalityProgress,
    balanced_weights,
    loss_factors,
)
from activity_recognition.training.run.objective import TrainingModel
from activity_recognition.training.run.optimisation import Optimisation
from activity_recognition.training.run.out_of_memory import explain_out_of_memory
from activity_recognition.training.run.processes import Peers, join_processes
from activity_recognition.training.run.state import (
    FrozenWeights,
    Progress,
    load_state,
    save_state,
    save_weights,
)
from activity_recognition.training.run.throughput import Throughput
from activity_recognition.training.run.validation import (
    Validation,
    comparable,
    side_by_side,
    validate,
)
from activity_recognition.types import Modality, seconds_between

STATE, BEST = RUN_STATE, 'best.safetensors'
"""Files of a run: where it stands, and the best weights so far."""

LOG_EVERY = 25
"""Steps between two lines of the log."""

SAVE_EVERY_S = 300.0
"""Seconds between two saved states within an epoch."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sources:
    """What a run learns from and is validated against."""

    training: Sequence[LabelledSegment]
    validation: Sequence[LabelledSegment]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Step:
    """One step that has been taken."""

    stage: str
    losses: Mapping[str, float]
    """Means over the whole batch, of all processes."""
    gradient_norm: float
    """Before it was clipped."""
    done: float
    """Share of the run."""


class Trainer:
    """One run, resumable at every step.

    Everything random in a step follows from the seed, the epoch, the step and the place of a crop
    in its batch, so that a run that was interrupted and resumed ends with the weights of one that
    was not, and several processes do together what one does alone.
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
        settings: Mapping[str, Any] | None = None,
        accelerator: Accelerator | None = None,
        tensorboard: bool = False,
        console: Console | None = None,
    ) -> None:
        """Prepare a run that keeps its files in the folder ``run``.

        Args:
            model: network and loss.
            sources: what the run learns from.
            config: how to train.
            precision: where and how to compute.
            run: folder of the run.
            fingerprint: of the run; a state of another one is not resumed.
            settings: what the state keeps of the recipe, to say how another differs.
            accelerator: joins the processes; None is one alone.
            tensorboard: whether to write for TensorBoard, too.
            console: where to show progress.

        Raises:
            ConfigError: the stages do not fit together, or wait for validations without
                recordings for them.
            MissingExtraError: TensorBoard is asked for and not installed.
        """
        self.config = config
        self.precision = precision
        self.run = run
        self.progress = Progress(fingerprint=fingerprint)
        self._settings = settings
        self.curriculum = Curriculum(config)
        self._sources = sources
        self._check_patience()
        self._accelerator = accelerator or join_processes(precision)
        self._peers = Peers(self._accelerator)
        self._model = model.to(precision.device).train()
        if self._model.loss.alignment is not None:
            self._model.loss.alignment.gather = self._peers.gather_rows
        for encoder in model.system.encoders.values():
            encoder.keep_frozen_answers()
        self._optimisation = Optimisation(
            self._model,
            model.system,
            config,
            rates=tuple(model.rates(config)),
            scaler=precision.make_scaler(),
        )
        self._frozen = FrozenWeights.of({**self._modules(), 'best': self.average})
        self._wrapped = self._accelerator.prepare_model(self._model)
        self._joining = Joining(run, self._model, self.average, self._accelerator)
        self._log = Logbook(run, main=self._peers.is_main, tensorboard=tensorboard)
        self._console = console if self._peers.is_main else None
        self._interruption = Interruption()
        self._throughput = Throughput(time.perf_counter)
        self._saved_s = time.perf_counter()
        self.seen = comparable(sources.training, sources.validation, seed=config.seed)
        """Training segments to compare with those for validation."""

    @property
    def average(self) -> ActivityRecognitionSystem:
        """The network with averaged weights: what is validated and kept."""
        system = self._optimisation.average.module
        assert isinstance(system, ActivityRecognitionSystem)
        return system

    @property
    def class_weights(self) -> Tensor:
        """Of the loss, (C,)."""
        return self._model.loss.dense.weight

    def resume(self) -> None:
        """Go on from the state in the run's folder.

        Raises:
            CheckpointError: it is damaged or of another network.
        """
        optimisation = self._optimisation
        self.progress = load_state(
            self.run / STATE,
            self._modules(),
            optimisation.optimiser,
            optimisation.scaler,
            frozen=self._frozen,
        )
        self._write('resumed', epoch=self.progress.epoch)

    def fit(self) -> None:
        """Train until all stages are done.

        Raises:
            KeyboardInterrupt: on Ctrl-C, with the state saved.
            DeviceError: there is not enough memory, with the state saved.
        """
        with make_progress(self._console) as bar, self._interruption.handled():
            task = bar.add_task('training', total=1.0, note='')
            for step in self.steps():
                note = f'{step.stage}, epoch {self.progress.epoch + 1}'
                note += f', loss {step.losses["total"]:.3f}'
                bar.update(task, completed=step.done, note=note)

    def steps(self) -> Iterator[Step]:
        """Train; yields every step after it has been taken, see :meth:`fit`."""
        try:
            while stage := self.curriculum.stage(self.progress):
                self._model.loss.settings = stage.settings
                self._model.loss.modality_weights = self._loss_factors(stage)
                yield from self._epoch(stage)
                self._end_epoch(stage)
        except (KeyboardInterrupt, DeviceError):
            self._save()
            self._write('interrupted')
            raise
        finally:
            self._log.close()

    def load_best(self) -> None:
        """Put the weights of the best validation into :attr:`average`, where there was one."""
        self._accelerator.wait_for_everyone()
        if self.progress.best >= 0:
            best = load_file(self.run / BEST)
            self.average.load_state_dict(self._frozen.completed('best', self.average, best))

    def _check_patience(self) -> None:
        impatient = [s.name for s in self.curriculum.stages if s.settings.patience]
        if impatient and not self._sources.validation:
            raise ConfigError(
                f'patience (of the stage {", ".join(impatient)}): expected recordings to validate '
                'with, got none; set validation_fraction above 0, or take patience out of the '
                'recipe and its stages'
            )

    def _epoch(self, stage: Stage) -> Iterator[Step]:
        """Do what is left of the current epoch."""
        batches = plan_epoch(self._sources.training, stage.settings, self.progress.epoch)
        self._throughput.read()
        for index in range(self.progress.batch, len(batches)):
            done = self.curriculum.share_done(self.progress, (index + 1) / len(batches))
            with explain_out_of_memory(self.config, self._peers.number):
                losses, norm = self._step(batches[index], done)
            yield Step(stage=stage.name, losses=losses, gradient_norm=norm, done=done)
            if self._throughput.steps >= LOG_EVERY or index + 1 == len(batches):
                self._report(stage)
            if time.perf_counter() - self._saved_s > SAVE_EVERY_S:
                self._save()

    def _step(self, plans: Sequence[CropPlan], done: float) -> tuple[dict[str, float], float]:
        """Take one step with a batch; returns its losses and the norm of its gradient."""
        began_s = time.perf_counter()
        parts = self._load(plans)
        loading_s = time.perf_counter() - began_s
        losses = self._backward(parts)
        norm = self._optimisation.clip()
        with self._interruption.held():
            rate = self._optimisation.step(done)
            progress = self.progress
            self.progress = replace(progress, batch=progress.batch + 1, step=progress.step + 1)
        seen = torch.stack([thinned_samples(part) for part in parts]).sum()
        sums = self._peers.sum_up({**losses, 'frames': seen.to(norm.dtype)})
        frames = int(sums.pop('frames'))
        measures = {f'loss_{name}': value for name, value in sums.items()}
        measures |= {'gradient_norm': norm, 'learning_rate': torch.tensor(rate)}
        self._throughput.add(
            measures,
            frames=frames,
            crops=len(plans),
            recorded_s=sum(self._recorded_s(plan) for plan in plans),
            loading_s=loading_s,
        )
        return {name: float(value) for name, value in sums.items()}, float(norm)

    def _recorded_s(self, plan: CropPlan) -> float:
        """Return how much of its recording a crop spans, seconds."""
        end_ns = min(plan.end_ns, self._sources.training[plan.segment].end_ns)
        return seconds_between(end_ns, plan.start_ns)

    def _load(self, plans: Sequence[CropPlan]) -> list[dict[str, Tensor]]:
        """Return this process's parts of a batch as tensors."""
        mine = shard_batch(
            plans,
            process=self._peers.index,
            processes=self._peers.number,
            parts=self.config.accumulation,
        )
        model = self._model.system.config
        return [
            load_batch(self._sources.training, part, self.config, model, self.precision)
            for part in mine
        ]

    def _backward(self, parts: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        """Add up the gradients of all parts; returns this process's share of the losses.

        Every term is one weighted mean over the decisions of the whole batch, however many parts
        and processes there are, so what it is divided by is summed up first.
        """
        if not self._wrapped.training:
            self._wrapped.train()
        self._optimisation.begin()
        with torch.no_grad():
            counts = self._peers.sum_up(added_up([self._model.counts(part) for part in parts]))
        losses = []
        for number, part in enumerate(parts):
            place = self._peers.index * len(parts) + number
            torch.manual_seed(step_seed(self.config.seed, self.progress.step, place))
            with self.precision.autocast():
                found: dict[str, Tensor] = self._wrapped(part, counts)
            # Whatever joins the processes' gradients takes their mean.
            whole = found['total'] * self._peers.number
            self._accelerator.backward(self._optimisation.scaler.scale(whole))
            losses.append({name: value.detach() for name, value in found.items()})
        return added_up(losses)

    def _end_epoch(self, stage: Stage) -> None:
        """Validate where it is due, keep the weights if they are the best, save the state."""
        reached, before = None, self.progress
        try:
            if self.curriculum.is_validated(before) and self._sources.validation:
                reached = self._validate(stage)
        except (KeyboardInterrupt, DeviceError):
            # It is done again when the run goes on: half of it would then count twice.
            self.progress = before
            raise
        within = self.progress
        # A state between two stages, or with half of the weights joined, would be another run's.
        with self._interruption.held():
            self.progress = self.curriculum.advance(within, reached)
            ended = self.progress.stage != within.stage
            if ended and not stage.settings.fused_weight and self._sources.validation:
                self._join_the_best(within, stage)
            self._save()
        if ended:
            self._write('stage_ended', name=stage.name, epoch=self.progress.epoch)

    def _validate(self, stage: Stage) -> float:
        """Return what the stage is judged by; keep the weights where the whole network is best."""
        result = validate(self.average, self._sources.validation, self.precision, self._peers)
        seen = validate(self.average, self.seen, self.precision, self._peers)
        epoch = self.progress.epoch + 1
        measures = {**result.measures, 'training': seen.summary()}
        self._write('validated', epoch=epoch, stage=stage.name, **measures)
        self._say(f'{stage.name}, epoch {epoch}: {side_by_side(result, seen)}')
        self._judge_modalities(stage, seen, result)
        index, summaries = self.progress.stage, (result.summary(), seen.summary())
        found = Validated.of(*summaries, epoch=epoch, stage=stage.name, stage_index=index)
        if not stage.settings.fused_weight:
            self._remember(found)
            return result.own_accuracy
        self._keep_if_best(result.balanced_accuracy, found)
        return result.balanced_accuracy

    def _keep_if_best(self, balanced_accuracy: float, found: Validated) -> None:
        if balanced_accuracy > self.progress.best:
            self._keep()
            self.progress = replace(self.progress, best=balanced_accuracy)
            found = replace(found, kept=True)
        self._remember(found)

    def _remember(self, found: Validated) -> None:
        self.progress = replace(self.progress, history=(*self.progress.history, found))

    def _judge_modalities(self, stage: Stage, seen: Validation, result: Validation) -> None:
        """Note what each modality's head reaches; keep its weights where encoders train alone."""
        modalities = self._model.system.modalities
        heads = [result.head(m) for m in modalities]
        progress = list(self.progress.modalities) or [ModalityProgress()] * len(heads)
        if not stage.settings.fused_weight:
            self._joining.keep(progress, heads)
        progress = [
            one.after(found, min_gain=stage.settings.min_gain)
            for one, found in zip(progress, heads, strict=True)
        ]
        if stage.settings.modality_weights == AUTO:
            trained, classes = [seen.head(m) for m in modalities], len(self.class_weights)
            progress = balanced_weights(progress, trained, heads, num_classes=classes)
        self.progress = replace(self.progress, modalities=tuple(progress))

    def _loss_factors(self, stage: Stage) -> dict[Modality, float]:
        """Return the factor on each head's loss; where encoders train alone, each may stop."""
        settings = stage.settings
        factors = loss_factors(
            self._model.system.modalities,
            self.progress.modalities,
            patience=0 if settings.fused_weight else settings.patience,
            is_weighted=settings.modality_weights == AUTO,
        )
        if any(factor != 1 for factor in factors.values()):
            self._write('loss_factors', stage=stage.name, **factors)
        return factors

    def _join_the_best(self, before: Progress, stage: Stage) -> None:
        """Go on with each modality's best weights, and with a fusion that fits them.

        Args:
            before: the progress at the end of the stage.
            stage: that has ended.
        """
        for sentence in self._joining.take_the_best(before.modalities):
            self._say(sentence)
        if self.average.experts is None:
            return
        fitted = self._joining.fit_fusion(self._sources.validation, self.precision)
        if fitted is not None:
            self._write('fusion_fitted', **dataclasses.asdict(fitted))
            self._say(fitted.sentence(self.average.modalities))
        result = validate(self.average, self._sources.validation, self.precision, self._peers)
        self._write('joined', **result.summary())
        self._say(f'joined, balanced accuracy {result.balanced_accuracy:.3f} in validation')
        epoch = self.progress.epoch
        found = Validated.of(
            result.summary(), None, epoch=epoch, stage=stage.name, stage_index=before.stage
        )
        self._keep_if_best(result.balanced_accuracy, found)

    def _report(self, stage: Stage) -> None:
        found = self._throughput.read()
        self._write('trained', epoch=self.progress.epoch, stage=stage.name, **found)

    def _keep(self) -> None:
        if self._peers.is_main:
            weights = self._frozen.without('best', self.average.state_dict())
            save_weights(self.run / BEST, weights, 'the best weights')

    def _save(self) -> None:
        """Save the state, which is the same in every process."""
        if self._peers.is_main:
            moved = self._optimisation
            save_state(
                self.run / STATE,
                self.progress,
                self._modules(),
                moved.optimiser,
                moved.scaler,
                settings=self._settings,
                frozen=self._frozen,
            )
        self._saved_s = time.perf_counter()

    def _write(self, event: str, **values: Any) -> None:
        self._log.write(event, step=self.progress.step, **values)

    def _say(self, sentence: str) -> None:
        if self._console is not None:
            self._console.print(sentence, markup=False, highlight=False)

    def _modules(self) -> dict[str, nn.Module]:
        return {'model': self._model, 'average': self._optimisation.average}
