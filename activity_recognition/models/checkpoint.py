"""A trained network as a folder: weights, configuration, tokenizer, metrics, model card.

``model.safetensors``, ``config.json``, ``tokenizer.json``, ``metrics.json``, ``README.md``. Nothing
in it is ever executed or unpickled.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from activity_recognition.config import ModelConfig
from activity_recognition.config_io import build_config, to_mapping
from activity_recognition.errors import CheckpointError, ConfigError
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.models.tokenizer import TextTokenizer

SCHEMA_VERSION = 1
"""Version of the folder's layout; another one is refused."""

WEIGHTS, CONFIG, TOKENIZER = 'model.safetensors', 'config.json', 'tokenizer.json'
METRICS, CARD = 'metrics.json', 'README.md'


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Checkpoint:
    """A loaded checkpoint folder."""

    path: Path
    id: str
    """First 12 hexadecimal digits of the weights' SHA-256."""
    config: ModelConfig
    system: ActivityRecognitionSystem
    """In evaluation mode, float32, on the CPU."""
    tokenizer: TextTokenizer
    temperature: float
    """Calibration: logits are divided by it (Guo et al. 2017)."""
    metrics: dict[str, Any]


def default_checkpoint() -> Path:
    """Return the folder of the checkpoint shipped with the package."""
    return Path(__file__).parent.parent / 'checkpoints' / 'nano'


def save_checkpoint(
    folder: Path,
    system: ActivityRecognitionSystem,
    tokenizer: TextTokenizer,
    *,
    temperature: float = 1.0,
    metrics: Mapping[str, Any] | None = None,
    card: str = '',
) -> None:
    """Write a checkpoint folder; it appears whole or not at all, and replaces an older one."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix='.checkpoint-') as temporary:
        staged = Path(temporary) / folder.name
        staged.mkdir()
        tensors = {k: v.detach().cpu().contiguous() for k, v in system.state_dict().items()}
        save_file(tensors, staged / WEIGHTS)
        settings = {
            'schema_version': SCHEMA_VERSION,
            'model': to_mapping(system.config),
            'calibration': {'temperature': temperature},
        }
        _write_json(staged / CONFIG, settings)
        _write_json(staged / METRICS, dict(metrics or {}))
        tokenizer.save(staged / TOKENIZER)
        (staged / CARD).write_text(card or '# Activity recognition checkpoint\n', encoding='utf-8')
        if folder.exists():
            shutil.rmtree(folder)
        staged.rename(folder)


def load_checkpoint(folder: Path | str) -> Checkpoint:
    """Read a checkpoint folder.

    Raises:
        CheckpointError: a file is missing or damaged, the schema is another one, or the weights do
            not fit the configuration.
    """
    folder = Path(folder)
    settings = _read_settings(folder)
    try:
        config = build_config(ModelConfig, settings['model'], where=f'{folder / CONFIG}: model')
        temperature = float(settings['calibration']['temperature'])
    except (ConfigError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f'{folder / CONFIG} does not describe a model: {error}') from error
    system = ActivityRecognitionSystem(config)
    _load_weights(system, folder)
    return Checkpoint(
        path=folder,
        id=hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()[:12],
        config=config,
        system=system.eval(),
        tokenizer=TextTokenizer.load(folder / TOKENIZER, max_length=config.text.max_length),
        temperature=temperature,
        metrics=_read_json(folder / METRICS) if (folder / METRICS).exists() else {},
    )


def _read_settings(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise CheckpointError(
            f'expected a checkpoint folder at {folder}, found none; '
            f'train one or leave the checkpoint empty for the one shipped with the package'
        )
    missing = [name for name in (WEIGHTS, CONFIG, TOKENIZER) if not (folder / name).is_file()]
    if missing:
        raise CheckpointError(
            f'{folder} is not a checkpoint: {", ".join(missing)} missing; '
            'copy the whole folder again'
        )
    settings = _read_json(folder / CONFIG)
    version = settings.get('schema_version')
    if version != SCHEMA_VERSION:
        raise CheckpointError(
            f'{folder / CONFIG}: expected schema_version {SCHEMA_VERSION}, got {version!r}; '
            'use the package version that wrote it, or train again'
        )
    return settings


def _load_weights(system: ActivityRecognitionSystem, folder: Path) -> None:
    path = folder / WEIGHTS
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f'expected weights in {path}, got a damaged file ({error}); copy the folder again'
        ) from error
    expected = {key: value.shape for key, value in system.state_dict().items()}
    wrong = [key for key in expected if key not in tensors or tensors[key].shape != expected[key]]
    extra = sorted(set(tensors) - set(expected))
    if wrong or extra:
        example = (wrong or extra)[0]
        found = tuple(tensors[example].shape) if example in tensors else 'nothing'
        raise CheckpointError(
            f'{path} does not fit {CONFIG}: {len(wrong)} tensors missing or of another shape, '
            f'{len(extra)} unknown; for example {example}: expected '
            f'{tuple(expected[example]) if example in expected else "nothing"}, got {found}; '
            'weights and configuration must come from the same run'
        )
    _refuse_not_finite(tensors, path)
    system.load_state_dict(tensors)


def _refuse_not_finite(tensors: Mapping[str, Tensor], path: Path) -> None:
    for key, value in tensors.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise CheckpointError(
                f'{path}: expected finite weights, got NaN or infinity in {key}; train again'
            )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise CheckpointError(f'expected JSON in {path}, got: {error}') from error
    if not isinstance(value, dict):
        raise CheckpointError(f'expected a JSON object in {path}, got {type(value).__name__}')
    return value


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + '\n', encoding='utf-8')
