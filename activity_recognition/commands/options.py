"""Options that several commands have: those of the launch files, and how recordings are read."""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from activity_recognition.arguments import Argument, Value
from activity_recognition.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from activity_recognition.recorded import Setting


CACHE_OF_SHARDS = 'of shards in a folder beside them, SHARDS.cache'
"""What help says of where recordings are kept by default."""


def add_options(parser: argparse.ArgumentParser, arguments: Iterable[Argument]) -> None:
    """Declare one option per argument; an argument without a default is positional.

    Args:
        parser: of the command.
        arguments: of its launch file.
    """
    for item in arguments:
        flag = '--' + item.name.replace('_', '-')
        if item.required:
            parser.add_argument(item.name, metavar=item.name.upper(), help=item.description)
        elif item.value_type is bool:
            parser.add_argument(
                flag,
                action=argparse.BooleanOptionalAction,
                default=item.default,
                help=_help(item, 'yes' if item.default else 'no'),
            )
        else:
            parser.add_argument(
                flag,
                default=item.default,
                type=_reader(item),
                choices=item.choices or None,
                metavar=None if item.choices else item.name.upper().rsplit('_', maxsplit=1)[-1],
                help=_help(item, item.text or 'empty'),
            )


def values_of(namespace: argparse.Namespace, arguments: Iterable[Argument]) -> dict[str, Value]:
    """Return the values of the arguments by name, as launch files have them.

    An argument that is neither given nor has a default is left out.

    Args:
        namespace: what the parser found.
        arguments: those that :func:`add_options` declared.
    """
    values = {item.name: getattr(namespace, item.name) for item in arguments}
    return {name: value for name, value in values.items() if value is not None}


def add_recorded_options(parser: argparse.ArgumentParser, *, before: str = 'the recipe') -> None:
    """Declare one option per setting of how the topics of recordings are read.

    Args:
        parser: of a command.
        before: what an option goes before, in words.
    """
    from activity_recognition.recorded import DEFAULTS, ROLES, SETTINGS, RecordedConfig
    from activity_recognition.settings import field_docstrings

    group = parser.add_argument_group(
        'recordings',
        f'which topics are used and what they mean; an option goes before {before},\n'
        'and what splits.csv says of a recording goes before an option',
    )
    texts = field_docstrings(RecordedConfig)
    for name in SETTINGS:
        shown = getattr(DEFAULTS, name)
        if isinstance(shown, bool):
            flag = '--' + name.replace('_', '-')
            group.add_argument(
                flag, action=argparse.BooleanOptionalAction, help=texts.get(name, '')
            )
            continue
        group.add_argument(
            '--' + name.replace('_', '-'),
            type=_recorded_reader(name),
            metavar='TOPIC' if name in ROLES else name.upper().rsplit('_', maxsplit=1)[-1],
            help=f'{texts.get(name, "")}' + (f' (default: {shown})' if shown else ''),
        )


def recorded_overrides(namespace: argparse.Namespace) -> dict[str, Any]:
    """Return the settings of how recordings are read that were given as options."""
    from activity_recognition.recorded import SETTINGS

    given = {name: getattr(namespace, name) for name in SETTINGS}
    return {name: value for name, value in given.items() if value is not None}


def _recorded_reader(name: str) -> Callable[[str], Setting]:
    def read(text: str) -> Setting:
        from activity_recognition.recorded import read_setting

        try:
            return read_setting(name, text)
        except ConfigError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return read


def _help(item: Argument, default: str) -> str:
    shown = '' if item.default is None else f' (default: {default})'
    return f'{item.description}{shown}'.replace('%', '%%')


def _reader(item: Argument) -> Callable[[str], Value | None]:
    def read(text: str) -> Value | None:
        try:
            return item.read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return read


def ros_missing() -> str:
    """Return the first module that nodes need and that is not here; empty when all are."""
    for module in ('rclpy', 'activity_recognition.ros', 'activity_recognition.msg'):
        if importlib.util.find_spec(module) is None:
            return module
    return ''


def need_ros() -> None:
    """Make sure that ROS 2 and this package's messages are here.

    Raises:
        MissingExtraError: when they are not, with what to do.
    """
    missing = ros_missing()
    if missing:
        raise MissingExtraError(
            f'this command needs ROS 2, and {missing} is not here; run `make setup` in the '
            'repository and use .venv/bin/activity-recognition, or build the package in a '
            'sourced ROS 2 workspace'
        )
