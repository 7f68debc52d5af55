"""Pretraining of a frame encoder on single images of simulated people.

A recording shows one room and one person for a minute; a network learns to tell rooms apart from
that long before it learns to see people. Single images of thousands of rooms, each with the truth
about where the joints are, take a network to the people at once.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor
from torch.utils.data import DataLoader

from activity_recognition.config import EngineConfig, ModelConfig
from activity_recognition.config_io import load_model_config, to_mapping, to_stored_mapping
from activity_recognition.errors import CheckpointError, ConfigError
from activity_recognition.inference.precision import Precision, choose_precision
from activity_recognition.inference.threads import threads_restored
from activity_recognition.simulation.body import Joint
from activity_recognition.training.config import PretrainConfig
from activity_recognition.training.evaluation.classification import confusion_matrix, summarise
from activity_recognition.training.pool import init_worker, make_progress, worker_context
from activity_recognition.training.pretraining.pose import PoseModel
from activity_recognition.training.pretraining.stills import MOTION_NAMES, StillBatches
from activity_recognition.training.run.event_log import EventLog
from activity_recognition.training.run.interruption import Interruption
from activity_recognition.training.run.optimisation import Optimisation
from activity_recognition.training.run.state import (
    Progress,
    load_state,
    read_progress,
    save_state,
    save_weights,
)

WEIGHTS, STATE, LOG = 'frame_encoder.safetensors', 'state.safetensors', 'log.jsonl'
"""Files of a run: its result, where it stands, what happened."""

FIRST_SEED = 2_000_000_000
"""Scenes take the seeds from here on; those below belong to recordings."""

MEASURED_BATCHES = 32
"""Batches after the last one trained on that measure the result."""

_SAVE_EVERY_S = 120.0
_LOG_EVERY = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Pretrained:
    """A pretrained frame encoder."""

    path: Path
    """Its weights."""
    measures: dict[str, float]
    """On images of other rooms: ``balanced_accuracy`` of the motion from one image, and
    ``keypoint_error``, the mean distance along an axis as a share of the image."""


def pretrain(
    config: PretrainConfig, out: Path, *, resume: bool = True, console: Console | None = None
) -> Pretrained:
    """Pretrain a frame encoder; ends with ``out/frame_encoder.safetensors``.

    Args:
        config: how to train.
        out: folder of the run; one that was interrupted goes on where it was.
        resume: whether to go on with a run that ``out`` holds.
        console: where to show progress.

    Raises:
        CheckpointError: ``out`` holds a run with other settings.
        ConfigError: the preset's frame encoder is pretrained already, or takes no images.
        KeyboardInterrupt: on Ctrl-C, with the run saved.
    """
    workers, threads = _shares(config)
    with threads_restored():
        torch.set_num_threads(threads)
        run = _Pretraining(config, _from_scratch(config.preset), out, workers, console)
        if resume and (out / STATE).exists():
            run.resume()
        run.fit()
        measures = run.measure()
        run.write()
    return Pretrained(path=out / WEIGHTS, measures=measures)


def _from_scratch(preset: str) -> ModelConfig:
    """Read a preset; one with a backbone, or without images, has nothing to pretrain."""
    model = load_model_config(preset)
    if model.video.key_points:
        raise ConfigError(
            f'preset {preset}: expected a network that sees images, got one with '
            'video.key_points, which has no frame encoder to pretrain on them; choose another '
            'preset, or train it from scratch'
        )
    if model.video.backbone:
        raise ConfigError(
            f'preset {preset}: expected a frame encoder from scratch, got video.backbone '
            f'{model.video.backbone}, which is pretrained; choose another preset'
        )
    return model


def _shares(config: PretrainConfig) -> tuple[int, int]:
    """Share the cores between drawing and training: processes, threads."""
    cores = len(os.sched_getaffinity(0))
    workers = config.num_workers or max(1, cores // 2)
    return workers, config.num_threads or max(1, cores - workers)


class _Pretraining:
    """One run, resumable at every step."""

    def __init__(
        self,
        config: PretrainConfig,
        model: ModelConfig,
        out: Path,
        workers: int,
        console: Console | None,
    ) -> None:
        self._config = config
        self._out = out
        self._workers = workers
        self._console = console
        self._precision: Precision = choose_precision(
            EngineConfig(device=config.device, precision=config.precision)
        )
        self._side_px = model.video.input_size_px
        torch.manual_seed(config.seed)
        self._model = PoseModel(model, len(Joint), len(MOTION_NAMES)).to(self._precision.device)
        self._optimisation = Optimisation(self._model, self._model, config)
        self._progress = Progress(fingerprint=_fingerprint(config, model))
        self._log = EventLog(out / LOG)
        self._interruption = Interruption()

    def resume(self) -> None:
        """Go on from the state in the run's folder."""
        state = self._out / STATE
        if read_progress(state).fingerprint != self._progress.fingerprint:
            raise CheckpointError(
                f'{self._out} holds a pretraining with other settings; '
                'choose another folder, or remove it'
            )
        self._progress = load_state(state, self._modules(), self._optimisation.optimiser)
        self._log.write('resumed', step=self._progress.step)

    def fit(self) -> None:
        """Do what is left of the steps."""
        saved_s = time.perf_counter()
        with make_progress(self._console) as bar, self._interruption.handled():
            task = bar.add_task('pretraining', total=1.0, note='')
            try:
                for batch in self._batches(self._progress.step, self._config.steps):
                    losses = self._step(batch)
                    note = f'loss {losses["total"]:.3f}'
                    bar.update(task, completed=self._progress.step / self._config.steps, note=note)
                    if self._progress.step % _LOG_EVERY == 0:
                        self._report(losses)
                    if time.perf_counter() - saved_s > _SAVE_EVERY_S:
                        self._save()
                        saved_s = time.perf_counter()
            except KeyboardInterrupt:
                self._save()
                raise
        self._save()

    def measure(self) -> dict[str, float]:
        """Return what the averaged weights reach on rooms that were not trained on."""
        model = self._average().eval()
        confusion = np.zeros((len(MOTION_NAMES), len(MOTION_NAMES) + 1), dtype=np.int64)
        errors = []
        steps = self._config.steps
        with torch.inference_mode():
            for batch in self._batches(steps, steps + MEASURED_BATCHES):
                found = model(batch['frames'])
                decided = found.motions.argmax(-1).cpu().numpy()
                confusion += confusion_matrix(
                    batch['motions'].cpu().numpy(), decided, len(MOTION_NAMES)
                )
                errors.append((found.keypoints - batch['keypoints']).abs().mean())
        summary = summarise(confusion, MOTION_NAMES)
        measures = {
            'balanced_accuracy': float(summary['balanced_accuracy'] or 0.0),
            'keypoint_error': float(torch.stack(errors).mean()),
        }
        self._log.write('measured', step=self._progress.step, **measures)
        return measures

    def write(self) -> None:
        """Write the averaged weights of the encoder."""
        weights = self._average().frame_encoder.state_dict()
        save_weights(self._out / WEIGHTS, weights, 'the weights')

    def _average(self) -> PoseModel:
        model = self._optimisation.average.module
        assert isinstance(model, PoseModel)
        return model

    def _step(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        model = self._model.train()
        # Dropout follows from the number of the step, so that a resumed run goes on alike.
        torch.manual_seed(self._config.seed + self._progress.step)
        with self._precision.autocast():
            output = model(batch['frames'])
        losses = model.losses(output, batch)
        self._optimisation.backward(losses['total'])
        with self._interruption.held():
            self._optimisation.step((self._progress.step + 1) / self._config.steps)
            self._progress = replace(self._progress, step=self._progress.step + 1)
        return losses

    def _batches(self, first: int, last: int) -> Iterator[dict[str, Tensor]]:
        """Draw batches in other processes, in order."""
        batches = StillBatches(self._config, self._side_px, FIRST_SEED, last)
        loader = DataLoader(
            batches,
            batch_size=None,
            sampler=range(first, last),
            num_workers=self._workers,
            prefetch_factor=4,
            multiprocessing_context=worker_context(StillBatches.__module__),
            worker_init_fn=init_worker,
        )
        device = self._precision.device
        for batch in loader:
            yield {name: tensor.to(device) for name, tensor in batch.items()}

    def _report(self, losses: dict[str, Tensor]) -> None:
        values = {f'loss_{name}': float(value.detach()) for name, value in losses.items()}
        self._log.write('trained', step=self._progress.step, **values)

    def _save(self) -> None:
        save_state(self._out / STATE, self._progress, self._modules(), self._optimisation.optimiser)

    def _modules(self) -> dict[str, torch.nn.Module]:
        return {'model': self._model, 'average': self._optimisation.average}


def _fingerprint(config: PretrainConfig, model: ModelConfig) -> str:
    """Return 16 hexadecimal digits that tell one run from another."""
    free = ('device', 'num_threads', 'num_workers')
    settings = {k: v for k, v in to_mapping(config).items() if k not in free}
    content = json.dumps(
        [settings, to_stored_mapping(model.video), model.hidden_dim], sort_keys=True
    )
    return hashlib.sha256(content.encode()).hexdigest()[:16]
