"""A run's state in one safetensors file, replaced whole or not at all; never pickle."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler

from activity_recognition.config_io import build_config, to_mapping
from activity_recognition.errors import CheckpointError, ConfigError, printable, quoted
from activity_recognition.models.encoders.text import WordVectors
from activity_recognition.scratch import writing
from activity_recognition.text_files import parse_json
from activity_recognition.training.run.history import Validated
from activity_recognition.training.run.modality_progress import ModalityProgress

_SCHEMA = 2
_AGAIN = 'remove it to start over (train --restart does), or choose another folder (--out)'


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far a run has come, with what is needed to know that it is the same run."""

    fingerprint: str
    """Of the configuration and the data; a state of another one is not resumed."""
    epoch: int = 0
    """Epochs already done."""
    batch: int = 0
    """Batches of the current epoch already done."""
    step: int = 0
    """Optimiser steps already done."""
    best: float = -1.0
    """Best validation measure so far, of the weights that were kept."""
    stage: int = 0
    """Stages of the curriculum already done."""
    stage_epoch: int = 0
    """Epochs of the current stage already done."""
    stage_best: float = -1.0
    """What the current stage has reached in validation."""
    stale: int = 0
    """Validations in a row that gained nothing over it."""
    modalities: tuple[ModalityProgress, ...] = ()
    """Of each modality, in the network's order; empty before the first validation."""
    history: tuple[Validated, ...] = ()
    """All validations; of a run that an older version began, those since it went on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FrozenWeights:
    """Weights that a run never changes: each start has them from where they come from.

    So they are in no file of a run but its checkpoint. Word vectors are kept in all of them: each
    start computes them, and their last bits depend on the number of threads.
    """

    keys: frozenset[str] = frozenset()
    """Of the state of all modules, each after the module's name."""
    digest: str = ''
    """Of their values; empty without any."""

    @classmethod
    def of(cls, modules: Mapping[str, nn.Module]) -> FrozenWeights:
        """Find the weights without gradients; before anything is trained.

        Args:
            modules: by name.
        """
        digest = hashlib.sha256()
        keys = set()
        for name, module in modules.items():
            computed = _computed(module)
            for key, parameter in module.named_parameters():
                if not parameter.requires_grad and id(parameter) not in computed:
                    keys.add(f'{name}/{key}')
                    digest.update(f'{name}/{key}'.encode())
                    digest.update(
                        parameter.detach().cpu().reshape(-1).view(torch.uint8).numpy().data
                    )
        return cls(keys=frozenset(keys), digest=digest.hexdigest() if keys else '')

    def without(self, name: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return a module's state without them.

        Args:
            name: of the module.
            state: its ``state_dict``.
        """
        return {key: value for key, value in state.items() if f'{name}/{key}' not in self.keys}

    def completed(
        self, name: str, module: nn.Module, state: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Return a state that was written without them with those of a module.

        Args:
            name: of the module.
            module: which has them.
            state: what was written, now or by an older version, which left out nothing.
        """
        own = module.state_dict()
        frozen = {key: value for key, value in own.items() if f'{name}/{key}' in self.keys}
        return {**frozen, **state}


_NONE = FrozenWeights()


def _computed(module: nn.Module) -> set[int]:
    """Return the identities of frozen weights that are computed, not read."""
    parts = (part for part in module.modules() if isinstance(part, WordVectors))
    return {id(parameter) for part in parts for parameter in part.parameters()}


def save_weights(path: Path, tensors: Mapping[str, Tensor], what: str) -> None:
    """Write tensors to ``path``; the old file stays until that is done.

    Args:
        path: of the file.
        tensors: by name, on any device.
        what: they are, in words.

    Raises:
        OutputError: they cannot be written.
    """
    copies = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    scratch = path.with_name(f'{path.name}.part')
    with writing(path, what, SafetensorError):
        save_file(copies, scratch)
        scratch.replace(path)


def save_state(
    path: Path,
    progress: Progress,
    modules: Mapping[str, nn.Module],
    optimiser: torch.optim.Optimizer,
    scaler: GradScaler | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    frozen: FrozenWeights = _NONE,
) -> None:
    """Write modules, optimiser and progress to ``path``; the old file stays until that is done.

    ``scaler`` is that of the gradients in fp16, where there is one.

    Args:
        path: of the file.
        progress: how far the run has come.
        modules: by name.
        optimiser: of their weights.
        scaler: of the gradients in fp16, where there is one.
        settings: of the run, for :func:`read_settings`.
        frozen: weights that are left out.
    """
    tensors: dict[str, Tensor] = {}
    for name, module in modules.items():
        for key, value in frozen.without(name, module.state_dict()).items():
            tensors[f'{name}/{key}'] = value.detach().cpu().clone().contiguous()
    for index, entries in optimiser.state_dict()['state'].items():
        for key, value in entries.items():
            tensors[f'optimiser/{index}/{key}'] = torch.as_tensor(value).detach().cpu().clone()
    scale = scaler.state_dict() if scaler is not None else {}
    header = {
        'schema': _SCHEMA,
        'progress': to_mapping(progress),
        'scaler': scale,
        'settings': settings,
    }
    header['frozen'] = frozen.digest
    scratch = path.with_suffix(f'.{os.getpid()}.part')
    with writing(path, 'the state of the run', SafetensorError):
        path.parent.mkdir(parents=True, exist_ok=True)
        # One process writes a run's state: these are of one that was killed while it did.
        for left in path.parent.glob(f'{path.stem}.*.part'):
            left.unlink(missing_ok=True)
        try:
            save_file(tensors, scratch, metadata={'run': json.dumps(header)})
            with scratch.open('rb') as file:
                os.fsync(file.fileno())
            scratch.replace(path)
        finally:
            scratch.unlink(missing_ok=True)


def read_progress(path: Path) -> Progress:
    """Read how far the run at ``path`` has come.

    Raises:
        CheckpointError: the file is damaged or of another schema.
    """
    return _read_header(path).progress


def read_settings(path: Path) -> dict[str, Any] | None:
    """Read the settings of the run at ``path``; None where an older version wrote it.

    Raises:
        CheckpointError: the file is damaged or of another schema.
    """
    return _read_header(path).settings


class _Header(NamedTuple):
    progress: Progress
    scaler: dict[str, Any]
    settings: dict[str, Any] | None
    frozen: str | None
    """Digest of the weights that were left out; None where an older version wrote it."""


def _read_header(path: Path) -> _Header:
    try:
        with safe_open(path, 'pt') as file:
            text = (file.metadata() or {})['run']
        header = parse_json(text, CheckpointError, where='run')
        schema = header['schema']
        if schema == _SCHEMA:
            settings = header.get('settings')
            return _Header(
                progress=_progress(header['progress']),
                scaler=dict(header['scaler']),
                settings=None if settings is None else dict(settings),
                frozen=header.get('frozen'),
            )
    except (
        *(SafetensorError, OSError, KeyError, TypeError, ValueError),
        *(CheckpointError, ConfigError),
    ) as error:
        raise _unreadable(path, error) from error
    raise CheckpointError(
        f'{path}: expected a training state of schema {_SCHEMA}, got {quoted(schema)}; {_AGAIN}'
    )


def _progress(content: Mapping[str, Any]) -> Progress:
    progress = build_config(Progress, content, where='progress')
    counts = (progress.epoch, progress.batch, progress.step, progress.stage)
    if min(*counts, progress.stage_epoch, progress.stale) < 0:
        raise ValueError('expected numbers from 0 up')
    return progress


def _unreadable(path: Path, reason: object) -> CheckpointError:
    return CheckpointError(
        f'{path}: expected the state of a training run, cannot read it '
        f'({printable(str(reason), 300)}); {_AGAIN}'
    )


def load_state(
    path: Path,
    modules: Mapping[str, nn.Module],
    optimiser: torch.optim.Optimizer,
    scaler: GradScaler | None = None,
    *,
    frozen: FrozenWeights = _NONE,
) -> Progress:
    """Load what :func:`save_state` wrote into modules and optimiser of the same shape.

    Args:
        path: of the file.
        modules: by name; are loaded into.
        optimiser: of their weights; is loaded into.
        scaler: of the gradients in fp16, where there is one; is loaded into.
        frozen: weights that were left out, and that the modules have.

    Raises:
        CheckpointError: the file is damaged, of another schema, of another network, or of one with
            other frozen weights.
    """
    header = _read_header(path)
    if header.frozen is not None and header.frozen != frozen.digest:
        raise CheckpointError(
            f'{path}: expected the frozen weights that the run began with, those of a pretrained '
            f'network, got others; name the same network; or {_AGAIN}'
        )
    with safe_open(path, 'pt') as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    try:
        for name, module in modules.items():
            module.load_state_dict(frozen.completed(name, module, _below(tensors, name)))
    except RuntimeError as error:
        raise CheckpointError(
            f'{path}: the state is of another network, as of another version of this package: '
            f'{printable(" ".join(str(error).split()), 300)}; it cannot be gone on with: {_AGAIN}'
        ) from error
    try:
        entries = _optimiser_entries(_below(tensors, 'optimiser'), optimiser)
        groups = optimiser.state_dict()['param_groups']
        optimiser.load_state_dict({'state': entries, 'param_groups': groups})
        if scaler is not None and header.scaler:
            scaler.load_state_dict(header.scaler)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise _unreadable(path, error) from error
    return header.progress


def _optimiser_entries(
    tensors: Mapping[str, Tensor], optimiser: torch.optim.Optimizer
) -> dict[int, dict[str, Tensor]]:
    """Return an optimiser's state by the number of the parameter; it takes anything itself.

    Raises:
        ValueError: the state is not of these parameters.
    """
    parameters = [p for group in optimiser.param_groups for p in group['params']]
    entries: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, _, field = key.partition('/')
        number = int(index)
        if not 0 <= number < len(parameters):
            raise ValueError(f'expected {len(parameters)} parameters, got number {number}')
        if value.dim() and value.shape != parameters[number].shape:
            raise ValueError(f'{quoted(key)} has another shape than its parameter')
        entries.setdefault(number, {})[field] = value
    if len({frozenset(entry) for entry in entries.values()}) > 1:
        raise ValueError('the optimiser knows more of one parameter than of another')
    return entries


def _below(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Return the entries whose key starts with ``name/``, without that start."""
    start = f'{name}/'
    return {key[len(start) :]: value for key, value in tensors.items() if key.startswith(start)}
