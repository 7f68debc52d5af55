"""A trained network as a folder: weights, configuration, tokenizer, metrics, model card.

``model.safetensors``, ``config.json``, ``tokenizer.json``, ``metrics.json``, ``README.md``, and
where it can be taught further, ``rehearsal.safetensors``. Nothing in it is ever executed or
unpickled.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from activity_recognition.checkpoint_folder import CONFIG, checkpoint_folder, explain_folder
from activity_recognition.config import ModelConfig
from activity_recognition.config_io import build_stored_config, to_stored_mapping
from activity_recognition.default_checkpoint import choose_checkpoint
from activity_recognition.errors import CheckpointError, ConfigError, quoted
from activity_recognition.models.rehearsal import REHEARSAL, DecisionFeatures, save_rehearsal
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.models.tokenizer import TextTokenizer
from activity_recognition.models.weight_file import (
    check_fit,
    check_network,
    check_sizes,
    explain_damage,
    read_header,
)
from activity_recognition.scratch import scratch_folder, writing
from activity_recognition.text_files import TEXT_LIMIT, demand_mapping, read_json_object

SCHEMA_VERSION = 1
"""Version of the folder's layout; another one is refused."""

WEIGHTS, TOKENIZER = 'model.safetensors', 'tokenizer.json'
METRICS, CARD = 'metrics.json', 'README.md'
_AGAIN = 'copy the whole folder again, or train again'


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Checkpoint:
    """A loaded checkpoint folder."""

    path: Path
    id: str
    """Changes with weights, configuration or tokenizer: see :func:`fingerprint`."""
    config: ModelConfig
    system: ActivityRecognitionSystem
    """In evaluation mode, float32, on the CPU."""
    tokenizer: TextTokenizer
    temperature: float
    """Calibration: logits are divided by it (Guo et al. 2017)."""
    metrics: dict[str, Any]


def default_checkpoint() -> Path:
    """Return the folder of the checkpoint that is taken where none is named.

    See :func:`~activity_recognition.default_checkpoint.choose_checkpoint`.
    """
    return choose_checkpoint().path


def save_checkpoint(
    folder: Path,
    system: ActivityRecognitionSystem,
    tokenizer: TextTokenizer,
    *,
    temperature: float = 1.0,
    metrics: Mapping[str, Any] | None = None,
    card: str = '',
    rehearsal: DecisionFeatures | None = None,
) -> None:
    """Write a checkpoint folder; it appears whole or not at all, and replaces an older one.

    Args:
        folder: the checkpoint.
        system: the network.
        tokenizer: of its transcripts.
        temperature: by which logits are divided.
        metrics: to keep with it; None keeps none.
        card: text of its README.md.
        rehearsal: features that its encoders made, to be taught more with; None keeps none.

    Raises:
        CheckpointError: something other than a checkpoint or an empty folder is there already.
        OutputError: it cannot be written.
    """
    refuse_to_replace(folder)
    with (
        writing(folder, 'the checkpoint', SafetensorError),
        scratch_folder(folder.parent, '.checkpoint-') as temporary,
    ):
        staged = temporary / folder.name
        staged.mkdir()
        tensors = {k: v.detach().cpu().contiguous() for k, v in system.state_dict().items()}
        save_file(tensors, staged / WEIGHTS)
        (staged / WEIGHTS).chmod(0o644)  # the library writes it for its owner alone
        settings = {
            'schema_version': SCHEMA_VERSION,
            'model': to_stored_mapping(system.config),
            'calibration': {'temperature': temperature},
        }
        _write_json(staged / CONFIG, settings)
        _write_json(staged / METRICS, dict(metrics or {}))
        tokenizer.save(staged / TOKENIZER)
        if rehearsal is not None and len(rehearsal):
            save_rehearsal(staged / REHEARSAL, rehearsal, system)
        (staged / CARD).write_text(card or '# Activity recognition checkpoint\n', encoding='utf-8')
        if folder.exists():
            folder.rename(temporary / 'replaced')
        staged.rename(folder)


def load_checkpoint(folder: Path | str) -> Checkpoint:
    """Read a checkpoint folder, that of the training run which ended with it, or a shipped one.

    Args:
        folder: of a checkpoint or a run, or the name of a shipped checkpoint.

    Raises:
        CheckpointError: there is none, a file is missing or damaged, the schema is another one, or
            the weights do not fit the configuration.
    """
    folder = checkpoint_folder(folder)
    settings = _read_settings(folder)
    config, temperature = _parse_settings(settings, folder / CONFIG)
    system = _build(config, folder)
    _load_weights(system, folder)
    return Checkpoint(
        path=folder,
        id=fingerprint(folder),
        config=config,
        system=system.eval(),
        tokenizer=_load_tokenizer(config, folder),
        temperature=temperature,
        metrics=_read_metrics(folder / METRICS),
    )


def fingerprint(folder: Path) -> str:
    """Return 12 hexadecimal digits that stand for everything in a checkpoint that answers.

    They come from the SHA-256 of weights, configuration (calibration included) and tokenizer.
    Metrics, model card and kept features change no answer and are left out.
    """
    digest = hashlib.sha256()
    for name in (WEIGHTS, CONFIG, TOKENIZER):
        digest.update(hashlib.sha256((folder / name).read_bytes()).digest())
    return digest.hexdigest()[:12]


def refuse_to_replace(folder: Path) -> None:
    """Keep a mistyped path from deleting what is no checkpoint.

    Args:
        folder: that a checkpoint is to be written to.

    Raises:
        CheckpointError: it holds something else.
    """
    if not folder.exists() or (folder / CONFIG).is_file():
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise CheckpointError(
            f'expected a checkpoint, an empty folder or nothing at {folder}, found other files; '
            'choose another folder to write the checkpoint to'
        )


def _parse_settings(settings: Mapping[str, Any], path: Path) -> tuple[ModelConfig, float]:
    """Return architecture and temperature; a default never stands in for what is missing."""
    try:
        if unknown := sorted(set(settings) - {'schema_version', 'model', 'calibration'}):
            raise ConfigError(f'unknown key {quoted(unknown[0])}')
        model = settings['model']
        if not isinstance(model, dict):
            raise ConfigError(f'model: expected an object, got {quoted(model)}')
        config = build_stored_config(ModelConfig, model, where='model')
        if missing := _missing_keys(to_stored_mapping(config), model):
            raise ConfigError(f'missing {", ".join(missing)}')
        temperature = float(settings['calibration']['temperature'])
        if not (math.isfinite(temperature) and temperature > 0):
            raise ConfigError(f'calibration.temperature must be above 0, got {temperature}')
    except KeyError as error:
        raise CheckpointError(f'{path}: expected the key {error}, found none; {_AGAIN}') from error
    except (ConfigError, TypeError, ValueError) as error:
        raise CheckpointError(f'{path} does not describe a model: {error}; {_AGAIN}') from error
    return config, temperature


def _missing_keys(
    known: Mapping[str, Any], found: Mapping[str, Any], prefix: str = ''
) -> list[str]:
    """Return the dotted names of ``known`` that ``found`` lacks."""
    missing = []
    for key, value in known.items():
        if key not in found:
            missing.append(prefix + key)
        elif isinstance(value, dict):
            missing += _missing_keys(value, found[key], f'{prefix}{key}.')
    return missing


def _load_tokenizer(config: ModelConfig, folder: Path) -> TextTokenizer:
    path = folder / TOKENIZER
    tokenizer = TextTokenizer.load(
        path, max_length=config.text.max_length, own=not config.text.backbone
    )
    if tokenizer.vocab_size > config.text.vocab_size:
        raise CheckpointError(
            f'{path}: expected at most text.vocab_size={config.text.vocab_size} subword tokens, '
            f'got {tokenizer.vocab_size}; tokenizer and weights must come from the same run'
        )
    return tokenizer


def _read_settings(folder: Path) -> dict[str, Any]:
    files = (WEIGHTS, CONFIG, TOKENIZER)
    missing = [name for name in files if not (folder / name).is_file()]
    if len(missing) == len(files):
        raise explain_folder(folder)
    if missing:
        raise CheckpointError(
            f'expected a checkpoint at {folder}, found no {", no ".join(missing)}; {_AGAIN}'
        )
    _refuse_large(folder / TOKENIZER)
    settings = _read_json(folder / CONFIG)
    version = settings.get('schema_version')
    if version != SCHEMA_VERSION:
        raise CheckpointError(
            f'{folder / CONFIG}: expected schema_version {SCHEMA_VERSION}, got {quoted(version)}; '
            'use the package version that wrote it, or train again'
        )
    return settings


def _build(config: ModelConfig, folder: Path) -> ActivityRecognitionSystem:
    """Build the network of a configuration, once it is known to be that of the weights."""
    path = folder / WEIGHTS
    try:
        stored = read_header(path)
        check_sizes(config, num_tensors=len(stored))
        check_network(config, stored, path)
        system = ActivityRecognitionSystem(config)
        check_fit(system.state_dict(), stored, path)
        return system
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f'{explain_damage(path, error)}; {_AGAIN}') from error
    except ConfigError as error:  # also from a backbone's architecture
        raise CheckpointError(
            f'{folder / CONFIG} does not describe a model: {error}; {_AGAIN}'
        ) from error


def _load_weights(system: ActivityRecognitionSystem, folder: Path) -> None:
    path = folder / WEIGHTS
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f'{explain_damage(path, error)}; {_AGAIN}') from error
    _refuse_not_finite(tensors, path)
    system.load_state_dict(tensors)


def _refuse_not_finite(tensors: Mapping[str, Tensor], path: Path) -> None:
    for key, value in tensors.items():
        # As float32, to which they are loaded, and which ends earlier than float64.
        if value.is_floating_point() and not torch.isfinite(value.float()).all():
            raise CheckpointError(
                f'{path}: expected finite weights, got NaN or infinity in {key}; train again'
            )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return read_json_object(path, CheckpointError, what='it')
    except CheckpointError as error:
        raise CheckpointError(f'expected JSON in {path}, got: {error}; {_AGAIN}') from error


def _read_metrics(path: Path) -> dict[str, Any]:
    """Return what is known of the training; nothing where no file is."""
    if not path.exists():
        return {}
    metrics = _read_json(path)
    training = _mapping(metrics.get('training', {}), f'{path}: training')
    for name in ('keys', 'settings'):  # of its recordings
        _mapping(training.get(name, {}), f'{path}: training.{name}')
    return metrics


def _mapping(value: Any, where: str) -> dict[str, Any]:
    return demand_mapping(value, CheckpointError, where=where, advice=_AGAIN)


def _refuse_large(path: Path) -> None:
    if path.exists() and (size := path.stat().st_size) > TEXT_LIMIT:
        raise CheckpointError(f'{path}: expected at most {TEXT_LIMIT} bytes, got {size}; {_AGAIN}')


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + '\n', encoding='utf-8')
