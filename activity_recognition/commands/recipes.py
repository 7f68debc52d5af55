"""Training recipes by name or path, with settings given on the command line in their place."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from activity_recognition.errors import ConfigError, quoted

if TYPE_CHECKING:
    from activity_recognition.training.config import TrainConfig


def add_recipe_options(parser: argparse.ArgumentParser) -> None:
    """Declare the option that replaces settings of the recipe."""
    parser.add_argument(
        '--set',
        action='append',
        default=[],
        metavar='KEY=VALUE',
        dest='overrides',
        help='a setting in place of that of the recipe, dotted, with a YAML value; may be given '
        'several times: --set epochs=3 --set augmentation.mirror=0',
    )


def load_recipe(arguments: argparse.Namespace) -> TrainConfig:
    """Return the recipe that a command is given, with what its options put in place.

    Args:
        arguments: with ``config``, ``overrides`` and those of how recordings are read.

    Raises:
        ConfigError: when there is no such recipe, or something in it or in an option is wrong.
    """
    import dataclasses

    from activity_recognition.commands.options import recorded_overrides
    from activity_recognition.config_io import build_config, read_yaml
    from activity_recognition.training.config import TrainConfig

    path = recipe(arguments.config)
    said = read_yaml(path)
    config = build_config(TrainConfig, said, where=str(path))
    if given := read_overrides(arguments.overrides):
        config = build_config(TrainConfig, merged(said, given), where='--set')
        config = config.as_given(given)
    recorded = config.recorded.with_overrides(recorded_overrides(arguments))
    return dataclasses.replace(config, recorded=recorded)


def read_overrides(texts: Sequence[str]) -> dict[str, Any]:
    """Return the settings that ``--set`` gives, as nested mappings.

    Args:
        texts: ``KEY=VALUE`` each, the key dotted and the value YAML.

    Raises:
        ConfigError: a text is none of that, or a key is a setting and a group of settings at once.
    """
    from activity_recognition.config_io import nested
    from activity_recognition.text_files import parse_yaml

    values: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition('=')
        if not equals or not key.strip():
            raise ConfigError(f'--set: expected KEY=VALUE, got {quoted(text)}')
        values[key.strip()] = parse_yaml(value, ConfigError, where=f'--set {key.strip()[:100]}')
    return nested(values, where='--set')


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested mappings with the values of others in their place; lists are replaced whole.

    Args:
        below: what holds where ``above`` says nothing.
        above: what holds.
    """
    result = dict(below)
    for key, value in above.items():
        known = result.get(key)
        both = isinstance(known, Mapping) and isinstance(value, Mapping)
        result[key] = merged(known, value) if both else value  # type: ignore[arg-type]
    return result


def recipe(name: str) -> Path:
    """Return the file of a training recipe, by name or path.

    Raises:
        ConfigError: when a name stands for no shipped file; it lists those that there are.
    """
    path = Path(name)
    if path.suffix in ('.yaml', '.yml'):
        return path
    known = recipes()
    if name not in known:
        raise ConfigError(
            f'expected the name of a recipe or a .yaml file, got {quoted(name)}; recipes are\n'
            + recipe_list()
        )
    return known[name]


def recipes() -> dict[str, Path]:
    """Return the files of the recipes that are shipped, by name."""
    from activity_recognition.config_io import shipped_file

    folder = shipped_file('train/smoke.yaml').parent
    return {path.stem: path for path in sorted(folder.glob('*.yaml'))}


def recipe_list() -> str:
    """Return a line on each shipped recipe: its name, and what its file says first."""
    known = recipes()
    width = max(map(len, known))
    return '\n'.join(f'  {name:{width}}  {_first_line(path)}' for name, path in known.items())


def _first_line(path: Path) -> str:
    with path.open(encoding='utf-8') as file:
        return file.readline().lstrip('# ').strip()
