"""One run: from a folder of recordings to a checkpoint folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from rich.console import Console
from safetensors import SafetensorError
from safetensors.torch import load_file

from activity_recognition.activities import Activity
from activity_recognition.checkpoint_folder import OF_RUN
from activity_recognition.config import ModelConfig, SyncConfig, TextConfig
from activity_recognition.errors import CheckpointError, RecordingError
from activity_recognition.frozen_networks import demand_networks, networks_to_begin_with
from activity_recognition.inference.precision import Precision
from activity_recognition.models.checkpoint import METRICS
from activity_recognition.models.pretrained import (
    load_backbones,
    read_tokenizer,
    with_backbones,
)
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.models.tokenizer import TextTokenizer, train_tokenizer
from activity_recognition.text_files import read_json_object
from activity_recognition.training.config import AUTO, TrainConfig
from activity_recognition.training.data.dataset import Dataset, load_dataset, open_segments
from activity_recognition.training.data.segments import LabelledSegment
from activity_recognition.training.data.source import Preparing, holds_any
from activity_recognition.training.run.clip_sizing import size_to_data
from activity_recognition.training.run.curriculum import Curriculum
from activity_recognition.training.run.descriptions import (
    begin_described,
    refuse_undescribed,
    with_described_sounds,
)
from activity_recognition.training.run.final_fit import fit_and_measure
from activity_recognition.training.run.losses import class_weights, head_masses
from activity_recognition.training.run.objective import TrainingLoss, TrainingModel
from activity_recognition.training.run.outcome import CURVES, Outcome
from activity_recognition.training.run.processes import choose_own_precision, join_processes
from activity_recognition.training.run.recipe_file import RECIPE, write_recipe
from activity_recognition.training.run.rehearsal import keep_features
from activity_recognition.training.run.resuming import (
    described_settings,
    explain_other_data,
    fingerprint,
    refuse_other_recipe,
)
from activity_recognition.training.run.state import read_progress
from activity_recognition.training.run.trainer import BEST, STATE, Sources, Trainer
from activity_recognition.training.sharding.manifest import holds_shards
from activity_recognition.training.sharding.opening import open_source, usual_cache
from activity_recognition.types import Modality


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingResult:
    """What a run ends with."""

    checkpoint: Path
    metrics: dict[str, Any]
    """What the checkpoint's ``metrics.json`` holds."""
    skipped: tuple[str, ...]
    """Why each recording that could not be used could not."""
    curves: Path | None
    """Page with the curves of the run; None where nothing was validated."""

    @property
    def findings(self) -> tuple[str, ...]:
        """What a reader has to know first, in sentences."""
        return tuple(self.metrics.get('findings', ()))


def main_train(
    config: TrainConfig,
    data: Path | str,
    out: Path,
    *,
    resume: bool = True,
    cache: Path | None = None,
    frame_encoder: Path | None = None,
    activities: Sequence[Activity] = (),
    origin: str = '',
    strict: bool = False,
    tensorboard: bool = False,
    console: Console | None = None,
) -> TrainingResult:
    """Train on labelled recordings, or on shards of them; ends with ``out/checkpoint``.

    Launched by torchrun or ``accelerate launch``, every process calls this alike; the main one
    writes all files.

    Args:
        config: how to train.
        data: folder with recordings, or folder or URL of prepared shards.
        out: folder of the run; one that was interrupted goes on where it was.
        resume: whether to go on with a run that ``out`` holds; without, it is started over.
        cache: where prepared recordings are kept; by default ``out/cache``, of shards beside them.
        frame_encoder: weights to begin with, as
            :func:`~activity_recognition.training.pretraining.pretrain.pretrain` writes them; None
            begins with random ones.
        activities: described ones; words and sounds begin from what is written of them. Without,
            they begin with random weights.
        origin: what the recordings are, a sentence for the model card.
        strict: whether a recording that cannot be used is an error; without, it is left out.
        tensorboard: whether to write a log for TensorBoard, too, which must be installed.
        console: where to show progress; None trains silently.

    Raises:
        RecordingError: no recording can be used, or ``strict`` and one cannot.
        CheckpointError: ``out`` holds a run with other settings or other recordings, a backbone
            cannot be read, or ``frame_encoder`` is damaged or of another preset.
        KeyboardInterrupt: on Ctrl-C, with the run saved.
    """
    given = described_settings(config)
    if resume:
        refuse_other_recipe(given, out, out / STATE)
    cache = cache or usual_cache(data, out / 'cache')
    model, precision, accelerator = _begin(config, data, cache)
    if activities:
        refuse_undescribed(activities, model)
    console = console if accelerator.is_main_process else None
    # One process on each machine reads the recordings, the others find what it has prepared.
    with accelerator.local_main_process_first():
        dataset = read_dataset(
            config,
            model,
            data,
            cache=cache,
            strict=strict,
            console=console,
        )
    config, model = size_to_data(config, dataset, console)
    tokenizer, model = fit_to_data(model, dataset)
    model = with_described_sounds(model, activities)
    run = _Run(
        given=given,
        config=config,
        precision=precision,
        accelerator=accelerator,
        out=out,
        dataset=dataset,
        sources=open_sources(dataset, tokenizer),
        tokenizer=tokenizer,
        frame_encoder=frame_encoder,
        activities=tuple(activities),
        tensorboard=tensorboard,
        console=console,
    )
    return run.train(model, resume=resume, origin=origin)


def _begin(
    config: TrainConfig, data: Path | str, cache: Path
) -> tuple[ModelConfig, Precision, Accelerator]:
    """Refuse a wrong preset, stage or device before any recording is read; join the processes."""
    model = demand_backbones(config.model_config(), data, cache)
    Curriculum(config)
    precision = choose_own_precision(config.device, config.precision)
    accelerator = join_processes(precision)
    if config.num_threads:
        torch.set_num_threads(config.num_threads)
    return model, precision, accelerator


def demand_backbones(model: ModelConfig, data: Path | str, cache: Path) -> ModelConfig:
    """Return a configuration with its backbones, before any recording is read.

    Args:
        model: of a preset.
        data: folder with recordings, or folder or URL of prepared shards, which need no frozen
            network any more.
        cache: where prepared recordings are kept.

    Raises:
        WeightsError, MissingExtraError: networks are not on this machine; they are all named.
        CheckpointError, ConfigError: a backbone is damaged, or its name stands for nothing.
    """
    is_prepared = holds_shards(data) or holds_any(cache)
    frozen = () if is_prepared else (model,)
    demand_networks(*frozen, others=networks_to_begin_with(model))
    return with_backbones(model)


def read_dataset(
    config: TrainConfig,
    model: ModelConfig,
    data: Path | str,
    *,
    cache: Path,
    strict: bool = False,
    console: Console | None,
) -> Dataset:
    """Read the recordings of a run, and say which cannot be used.

    Args:
        config: of the run.
        model: of the network.
        data: folder with recordings, or folder or URL of prepared shards.
        cache: where prepared recordings are kept.
        strict: whether a recording that cannot be used is an error.
        console: where to show progress, and to name what is skipped.

    Raises:
        RecordingError: none can be used, or ``strict`` and one cannot.
    """
    how = preparing(config, model, cache=cache, console=console)
    dataset = load_dataset(
        open_source(data, how),
        validation_fraction=config.validation_fraction,
        seed=config.seed,
        strict=strict,
    )
    _say_what_is_used(config, dataset, console)
    return dataset


def preparing(
    config: TrainConfig, model: ModelConfig, *, cache: Path, console: Console | None
) -> Preparing:
    """Return how a run prepares recordings.

    Args:
        config: of the run.
        model: of the network.
        cache: where arrays are kept, and found again.
        console: where to show progress.
    """
    return Preparing(
        model=model,
        sync=SyncConfig(),
        cache=cache,
        wide_px=config.wide_px(model),
        recorded=config.recorded,
        workers=config.num_workers,
        console=console,
    )


def make_model(
    config: TrainConfig,
    model: ModelConfig,
    sources: Sources,
    frame_encoder: Path | None = None,
) -> TrainingModel:
    """Build network and loss with weights that follow from the seed.

    Args:
        config: of the run.
        model: of the network.
        sources: what it is trained on; decides the classes' weights.
        frame_encoder: weights of a frame encoder to begin with; None begins with random ones.

    Raises:
        CheckpointError: a backbone cannot be read, or ``frame_encoder`` is damaged or of another
            preset.
    """
    torch.manual_seed(config.seed)
    system = ActivityRecognitionSystem(model)
    load_backbones(system)
    if frame_encoder is not None:
        _load_frame_encoder(system, frame_encoder)
    counts = _decisions_per_class(sources.training, model.num_activities)
    weights = class_weights(counts)
    if system.experts is not None:
        smoothing = config.label_smoothing
        system.experts.set_prior(head_masses(counts, weights, label_smoothing=smoothing))
    loss = TrainingLoss(weights, config, width=model.hidden_dim, modalities=system.modalities)
    return TrainingModel(system, loss)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Run:
    """What the parts of one run share."""

    given: Mapping[str, Any]
    """The recipe before it was sized to the data."""
    config: TrainConfig
    precision: Precision
    accelerator: Accelerator
    out: Path
    dataset: Dataset
    sources: Sources
    tokenizer: TextTokenizer
    frame_encoder: Path | None
    activities: tuple[Activity, ...]
    tensorboard: bool
    console: Console | None

    def train(self, model: ModelConfig, *, resume: bool, origin: str) -> TrainingResult:
        """Fit, take the weights that did best, and let the main process write the checkpoint."""
        trainer = self.make_trainer(model, resume=resume)
        trainer.fit()
        trainer.load_best()
        return self.finish(trainer, origin or f'{len(self.dataset.training)} recordings.')

    def make_trainer(self, model: ModelConfig, *, resume: bool) -> Trainer:
        """Build the network and its trainer, where wanted in the state that the folder holds.

        Raises:
            CheckpointError: the folder holds another run.
        """
        identity = fingerprint(
            self.config, self.dataset, self.frame_encoder, activities=self.activities
        )
        resume = resume and (self.out / STATE).exists()
        if resume and read_progress(self.out / STATE).fingerprint != identity:
            raise explain_other_data(self.out, self.out / STATE)
        network = make_model(self.config, model, self.sources, self.frame_encoder)
        if self.activities:
            begin_described(network.system, self.tokenizer, self.activities)
        trainer = Trainer(
            network,
            self.sources,
            self.config,
            self.precision,
            run=self.out,
            fingerprint=identity,
            settings={'given': self.given, 'sized': described_settings(self.config)},
            accelerator=self.accelerator,
            tensorboard=self.tensorboard,
            console=self.console,
        )
        if resume:
            trainer.resume()
        if self.accelerator.is_main_process:
            write_recipe(self.out / RECIPE, self.config)
        # Nobody may save before all have looked.
        self.accelerator.wait_for_everyone()
        if not resume and self.accelerator.is_main_process:
            # Or what is interrupted early would be followed by the run of before.
            for name in (STATE, BEST):
                (self.out / name).unlink(missing_ok=True)
        return trainer

    def finish(self, trainer: Trainer, origin: str) -> TrainingResult:
        """Let the main process write the checkpoint; the others wait for it."""
        path = self.out / OF_RUN
        if self.accelerator.is_main_process:
            self._write(path, trainer, origin)
        self.accelerator.wait_for_everyone()
        metrics = read_json_object(path / METRICS, CheckpointError, what='the metrics')
        return TrainingResult(
            checkpoint=path,
            metrics=metrics,
            skipped=self.dataset.skipped,
            curves=self.out / CURVES if metrics['training'].get('curves') else None,
        )

    def _write(self, path: Path, trainer: Trainer, origin: str) -> None:
        """Fit, measure every combination of modalities, and write checkpoint and curves."""
        reached = fit_and_measure(
            trainer.average,
            self.sources.validation,
            trainer.seen,
            self.precision,
            class_weights=trainer.class_weights,
            groups=self.dataset.validation_groups,
            console=self.console,
        )
        outcome = Outcome(
            config=self.config, dataset=self.dataset, progress=trainer.progress, reached=reached
        )
        kept = keep_features(
            trainer.average,
            self.sources.training,
            self.config.rehearsal_kb,
            self.precision,
            seed=self.config.seed,
        )
        outcome.write(path, trainer.average, self.tokenizer, origin=origin, rehearsal=kept)
        outcome.write_curves(self.out, trainer.average.modalities)


def _load_frame_encoder(system: ActivityRecognitionSystem, path: Path) -> None:
    if Modality.VIDEO not in system.modalities:
        raise CheckpointError(
            f'{path}: expected a network that sees, to begin with the weights of a frame encoder; '
            f'got one of {", ".join(system.modalities)} alone'
        )
    try:
        system.video_encoder.frame_encoder.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise CheckpointError(
            f'{path}: expected the weights of a frame encoder of this preset, '
            f'cannot use it ({error}); pretrain again with the same preset'
        ) from error


def _say_what_is_used(config: TrainConfig, dataset: Dataset, console: Console | None) -> None:
    if console is None:
        return
    for reason in dataset.skipped:
        console.print(f'left out: {reason}', style='yellow', markup=False, highlight=False)
    console.print(
        f'{len(dataset.training)} recordings for training, {len(dataset.validation)} for '
        f'validation, {len(dataset.labels)} labels'
    )
    weighted = [s.name for s in Curriculum(config).stages if s.settings.modality_weights == AUTO]
    if weighted and not dataset.validation:
        console.print(
            f'modality_weights: {AUTO} (of the stage {", ".join(weighted)}) does nothing: it '
            'follows validation, and there are no recordings to validate with; set '
            'validation_fraction above 0',
            style='yellow',
            markup=False,
            highlight=False,
            soft_wrap=True,
        )


def fit_to_data(model: ModelConfig, dataset: Dataset) -> tuple[TextTokenizer, ModelConfig]:
    """Train the tokenizer, and give the model its labels and no more token ids than there are.

    A text backbone brings its own tokenizer, and so do word vectors.

    Args:
        model: of the recipe.
        dataset: what it is trained on.
    """
    if len(dataset.labels) < 2:
        raise RecordingError(
            f'expected recordings with at least two labels, got {", ".join(dataset.labels)}; '
            'label also the time in which nothing happens, as none'
        )
    if model.text.backbone:
        return read_tokenizer(model.text), dataclasses.replace(model, labels=dataset.labels)
    tokenizer = (
        read_tokenizer(model.text)
        if model.text.word_vectors
        else train_tokenizer(
            dataset.texts(), vocab_size=model.text.vocab_size, max_length=model.text.max_length
        )
    )
    text: TextConfig = dataclasses.replace(model.text, vocab_size=max(16, tokenizer.vocab_size))
    return tokenizer, dataclasses.replace(model, labels=dataset.labels, text=text)


def open_sources(dataset: Dataset, tokenizer: TextTokenizer) -> Sources:
    """Open the arrays of a data set with the token ids of a tokenizer.

    Args:
        dataset: prepared recordings.
        tokenizer: of the network.
    """
    training, validation = (
        [segment.tokenised(tokenizer) for segment in open_segments(part, dataset.labels)]
        for part in (dataset.training, dataset.validation)
    )
    return Sources(training=training, validation=validation)


def _decisions_per_class(
    segments: Sequence[LabelledSegment], num_classes: int
) -> NDArray[np.int64]:
    counted = np.concatenate([t[t >= 0] for t in _targets(segments)])
    return np.bincount(counted, minlength=num_classes).astype(np.int64)


def _targets(segments: Sequence[LabelledSegment]) -> list[NDArray[np.int64]]:
    """Return the true class of every decision of each segment, negative where none is known."""
    return [segment.targets for segment in segments]
