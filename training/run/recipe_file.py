"""The settings of a run as a recipe: what was trained with, to be read and to be trained again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from activity_recognition.config_io import dotted_overrides, nested
from activity_recognition.scratch import writing
from activity_recognition.training.config import TrainConfig

RECIPE = 'recipe.yaml'
"""File of a run."""


def write_recipe(path: Path, config: TrainConfig) -> None:
    """Write the settings that differ from the defaults.

    Args:
        path: of the file.
        config: of the run, with what was filled in.

    Raises:
        OutputError: it cannot be written.
    """
    values = nested(dotted_overrides(config))
    for stages in values.get('stages', ()):
        for name in [name for name, value in stages.items() if value is None]:
            del stages[name]
    text = '# What this run was trained with.\n' + yaml.safe_dump(_plain(values), sort_keys=False)
    with writing(path, 'the recipe of the run'):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding='utf-8')


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Return a mapping in which YAML finds no value twice, for which it would write an alias."""
    return {k: list(v) if isinstance(v, (list, tuple)) else v for k, v in values.items()}
