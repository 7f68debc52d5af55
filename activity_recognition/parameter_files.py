"""Parameter files of ROS, read and written without ROS, through the node's own dataclasses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import yaml

from activity_recognition.config import RecognizerConfig
from activity_recognition.config_io import build_config, dotted_overrides, nested, read_yaml
from activity_recognition.errors import ConfigError, quoted
from activity_recognition.text_files import exists

T = TypeVar('T')

PARAMETERS = 'ros__parameters'
RECOGNIZER = '/**/recognizer'
"""The recogniser in every namespace."""

_DEEPEST_NAMESPACE = 16
"""So many parts of a node's name are looked for."""


def write_parameter_file(
    path: Path, config: RecognizerConfig, *, comments: Iterable[str] = ()
) -> None:
    """Write the recogniser's settings that are not the defaults; the file is read back first.

    Args:
        path: the file to write.
        config: the recogniser's.
        comments: lines to put before the parameters.

    Raises:
        ConfigError: the file cannot be written.
    """
    text = ''.join(f'# {line}\n' for line in comments) + parameter_text(config)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding='utf-8')
    except OSError as error:
        raise ConfigError(f'cannot write the parameter file {path}: {error.strerror}') from error


def parameter_text(config: RecognizerConfig) -> str:
    """Return the recogniser's settings that are not the defaults, as a parameter file holds them.

    Raises:
        ConfigError: the settings do not survive being written.
    """
    content = {RECOGNIZER: {PARAMETERS: dotted_overrides(config)}}
    text = yaml.safe_dump(content, sort_keys=False)
    read = parameters_of(yaml.safe_load(text), RecognizerConfig, where='what was to be written')
    if read != config:
        raise ConfigError(f'expected {config} to be read back, got {read}')
    return text


def parameters_of(
    content: Mapping[str, Any], cls: type[T], *, where: str, node: str = RECOGNIZER
) -> T:
    """Read the parameters of a node from what a parameter file holds.

    Args:
        content: of the file.
        cls: the configuration that the parameters are fields of.
        where: the file, for messages.
        node: name of the node.

    Raises:
        ConfigError: it names another node, or has a parameter that does not exist or does not
            fit.
    """
    below = content.get(node)
    if list(content) != [node] or not isinstance(below, Mapping) or list(below) != [PARAMETERS]:
        raise ConfigError(
            f'{where}: expected {node!r} with {PARAMETERS!r} below it and nothing else, '
            f'got {quoted(sorted(map(str, content)))}'
        )
    values = below[PARAMETERS]
    if values is not None and not isinstance(values, Mapping):
        raise ConfigError(
            f'{where}: expected parameters and their values below {PARAMETERS!r}, '
            f'got {quoted(values)}'
        )
    return build_config(cls, nested(values or {}, where=where), where=where)


def check_names_node(path: Path, node: str) -> None:
    """Make sure that a parameter file has a section for a node; ROS would ignore it silently.

    Args:
        path: the file.
        node: full name of the node.

    Raises:
        ConfigError: the file is not there, is not YAML, or has nothing for the node.
    """
    if not (exists(path) and path.is_file()):
        raise ConfigError(f'expected a file of ROS parameters at {path}, found none')
    names = list(islice(_node_names(read_yaml(path)), 100))
    if not any(_name_pattern(name).fullmatch(node) for name in names):
        found = ', '.join(name[:100] for name in names[:3]) or f'no node with {PARAMETERS}'
        raise ConfigError(
            f'expected {PARAMETERS} below /**/{node.rsplit("/", 1)[1]} or {node} '
            f'in {path}, found {found}'
        )


def _node_names(content: Mapping[str, Any], space: str = '') -> Iterator[str]:
    """Yield the names of the nodes that a parameter file speaks of; namespaces may be nested."""
    for key, value in content.items():
        if isinstance(key, str) and isinstance(value, Mapping):
            name = f'{space}/{key.strip("/")}'
            if PARAMETERS in value:
                yield name
            elif name.count('/') < _DEEPEST_NAMESPACE:
                yield from _node_names(value, name)


def _name_pattern(name: str) -> re.Pattern[str]:
    """Return what a node's name in a parameter file stands for: * is one part, ** any number."""
    parts = ['(/[^/]+)*' if part == '**' else f'/{_one_part(part)}' for part in name.split('/')[1:]]
    return re.compile(''.join(parts))


def _one_part(part: str) -> str:
    return '[^/]+' if part == '*' else re.escape(part)
