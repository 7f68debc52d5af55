"""Strict YAML for dataclasses whose fields are declared by :mod:`activity_recognition.settings`.

A file holds overrides only. An unknown key is refused with the nearest known one, a wrong type with
what was expected.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from activity_recognition import text_files
from activity_recognition.checkpoint_folder import CONFIG, checkpoint_folder
from activity_recognition.config import Architecture, ModelConfig
from activity_recognition.errors import QUOTE_LIMIT, ConfigError, quoted

T = TypeVar('T')
_EXPONENT = re.compile(r'[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+', re.ASCII)

MODEL_PRESETS = ('nano', 'small', 'base', 'sound', 'clips', 'joints', 'joints_detailed')
"""Names of the model presets shipped with the package that begin from scratch."""

PRETRAINED_PRESETS = (
    *('small_minilm', 'base_dinov2', 'sound_yamnet', 'clips_pose', 'clips_pretrained', 'people'),
    'described',
)
"""Names of those that begin with pretrained encoders, or have frozen networks in front."""


def shipped_file(relative: str) -> Path:
    """Return the path of a file under the package's ``config/``, installed or in the source tree.

    Raises:
        ConfigError: when there is no such file.
    """
    # A symlinked install resolves into the source tree, hence the unresolved path first.
    candidates = (
        Path(__file__).parent / '_config' / relative,
        Path(__file__).resolve().parent.parent / 'config' / relative,
    )
    for candidate in candidates:
        if text_files.exists(candidate) and candidate.is_file():
            return candidate
    raise ConfigError(f'expected the shipped file config/{relative}, found none at {candidates[0]}')


def read_yaml(path: Path | str) -> dict[str, Any]:
    """Read a YAML mapping with the safe loader.

    Raises:
        ConfigError: when the file is missing, is not YAML, or is not a mapping.
    """
    return text_files.read_yaml(path, ConfigError, what='the configuration')


def load_config(cls: type[T], path: Path | str) -> T:
    """Read a YAML file of overrides into the dataclass ``cls``.

    Args:
        cls: a configuration.
        path: the YAML file.
    """
    return build_config(cls, read_yaml(path), where=str(path))


def build_config(
    cls: type[T], overrides: Mapping[str, Any], *, where: str = 'config', stored: bool = False
) -> T:
    """Build ``cls`` from nested overrides.

    Args:
        cls: a dataclass, for example :class:`activity_recognition.config.ModelConfig`.
        overrides: nested mapping of field names to values.
        where: what to call the source in errors.
        stored: whether a checkpoint holds them; see :func:`build_stored_config`.

    Raises:
        ConfigError: unknown or missing key, wrong type, or value out of range.
    """
    hints = typing.get_type_hints(cls)
    fields = {item.name: item for item in dataclasses.fields(cls)}  # type: ignore[arg-type]
    values: dict[str, Any] = _unnamed_settings(fields.values(), hints) if stored else {}
    for key, value in overrides.items():
        if key not in fields:
            raise ConfigError(unknown_key(str(key), fields, where))
        try:
            values[key] = _convert(hints[key], value, f'{where}: {key}', stored=stored)
        except ConfigError as error:
            advice = fields[key].metadata.get('advice')
            if not advice:
                raise
            raise ConfigError(f'{error}; {advice}') from None
    for name, item in fields.items():
        if name not in values and _is_required(item):
            raise ConfigError(f'{where}: expected the key {name!r}, which has no default')
    return cls(**values)


def _is_required(item: dataclasses.Field[Any]) -> bool:
    return (
        item.init
        and item.default is dataclasses.MISSING
        and item.default_factory is dataclasses.MISSING
    )


def unknown_key(key: str, known: typing.Iterable[str], where: str) -> str:
    """Return the sentence that refuses ``key`` and names the nearest known one.

    Args:
        key: the one that is refused.
        known: those that there are.
        where: what holds them, as a user names it.
    """
    names = sorted(known)
    near = difflib.get_close_matches(key[:QUOTE_LIMIT], names, n=1, cutoff=0.4)
    hint = f'did you mean {near[0]!r}?' if near else f'known keys: {", ".join(names)}'
    return f'{where}: unknown key {quoted(key)}; {hint}'


def _convert(expected: Any, value: Any, where: str, *, stored: bool = False) -> Any:
    """Return ``value`` as the annotated type, or refuse it; only integers widen to floats."""
    if expected is Architecture:
        if not isinstance(value, Mapping):
            raise ConfigError(f'{where}: expected a mapping, got {quoted(value)}')
        return Architecture.of(value)
    if dataclasses.is_dataclass(expected):
        if not isinstance(value, Mapping):
            raise ConfigError(f'{where}: expected a mapping, got {quoted(value)}')
        return build_config(typing.cast(type[Any], expected), value, where=where, stored=stored)
    origin = typing.get_origin(expected)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f'{where}: expected a list, got {quoted(value)}')
        inner = typing.get_args(expected)[0]
        # Only its number says which of several mappings is wrong.
        numbered = dataclasses.is_dataclass(inner)
        return tuple(
            _convert(inner, item, f'{where}[{number}]' if numbered else where, stored=stored)
            for number, item in enumerate(value)
        )
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        expected = next(a for a in typing.get_args(expected) if a is not type(None))
    if expected in (int, float) and isinstance(value, str) and not stored:
        value = _with_exponent(value, expected)
    return _scalar(expected, value, where)


def _scalar(expected: Any, value: Any, where: str) -> Any:
    if expected is float and isinstance(value, int) and not isinstance(value, bool):
        return _float(value, where)
    if isinstance(value, bool) != (expected is bool) or not isinstance(value, expected):
        raise ConfigError(f'{where}: expected {expected.__name__}, got {quoted(value)}')
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f'{where}: expected a finite number, got {value}')
    return value


def _with_exponent(text: str, expected: type[int] | type[float]) -> Any:
    """Return the number that a text is with an exponent; else the text.

    YAML 1.1 reads ``1e-3`` and ``1e1`` as texts: it wants a point and a sign.
    """
    if len(text) > QUOTE_LIMIT or not _EXPONENT.fullmatch(text):
        return text
    number = float(text)
    return int(number) if expected is int and number.is_integer() else number


def _float(value: int, where: str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise ConfigError(f'{where}: expected a finite number, got {quoted(value)}') from None


def to_mapping(config: Any) -> dict[str, Any]:
    """Return a dataclass as a nested mapping that YAML and JSON can hold; tuples become lists."""
    return {item.name: _plain(getattr(config, item.name)) for item in dataclasses.fields(config)}


class Difference(NamedTuple):
    """A setting whose value differs; None stands for one that is not there."""

    name: str
    """Dotted."""
    found: Any
    wanted: Any


def differences(
    found: Mapping[str, Any], wanted: Mapping[str, Any], prefix: str = ''
) -> Iterator[Difference]:
    """Yield the settings that differ between two nested mappings, by name.

    Args:
        found: one of them.
        wanted: the other.
        prefix: begins every name.
    """
    for name in sorted({*found, *wanted}):
        values = found.get(name), wanted.get(name)
        inner = [value if isinstance(value, Mapping) else {} for value in values if value]
        if inner and all(inner):
            yield from differences(values[0] or {}, values[1] or {}, f'{prefix}{name}.')
        elif values[0] != values[1]:
            yield Difference(f'{prefix}{name}', *values)


def nested(values: Mapping[str, Any], *, where: str = 'parameters') -> dict[str, Any]:
    """Turn dotted names, as parameters have them, into nested mappings.

    Args:
        values: values by name; a name may hold dots, a value may be a mapping already.
        where: what to call the source in errors.

    Raises:
        ConfigError: a name is no text, or is a value and a group of values at once.
    """
    result: dict[str, Any] = {}
    for name, value in values.items():
        if not isinstance(name, str):
            raise ConfigError(f'{where}: expected the name of a parameter, got {quoted(name)}')
        *path, leaf = name.split('.')
        inner = result
        for part in path:
            inner = inner.setdefault(part, {})
            if not isinstance(inner, dict):
                raise ConfigError(
                    f'{where}: {quoted(name)} lies below {quoted(part)}, which has a value itself'
                )
        inner[leaf] = value
    return result


def dotted_overrides(config: Any, prefix: str = '') -> dict[str, Any]:
    """Return what differs from the defaults, by dotted name; the inverse of :func:`nested`.

    Args:
        config: a configuration.
        prefix: begins every name.
    """
    result: dict[str, Any] = {}
    for item in dataclasses.fields(config):
        value, name = getattr(config, item.name), f'{prefix}{item.name}'
        if dataclasses.is_dataclass(value) and not isinstance(value, Architecture):
            result.update(dotted_overrides(value, f'{name}.'))
        elif value != item.default:
            result[name] = _plain(value)
    return result


def to_stored_mapping(config: Any) -> dict[str, Any]:
    """Return what a checkpoint holds of a dataclass: optional settings where they say something.

    So a network that does not use them is written as before they existed.
    """
    stored = {}
    for item in dataclasses.fields(config):
        value = getattr(config, item.name)
        if item.metadata.get('optional_in_checkpoint') and value == _unnamed(item):
            continue
        nested = dataclasses.is_dataclass(value) and not isinstance(value, Architecture)
        stored[item.name] = to_stored_mapping(value) if nested else _plain(value)
    return stored


def build_stored_config(cls: type[T], stored: Mapping[str, Any], *, where: str) -> T:
    """Build what :func:`to_stored_mapping` wrote, now or in an older version.

    Args:
        cls: a configuration.
        stored: what a checkpoint holds of it.
        where: what to call the source in errors.

    Raises:
        ConfigError: unknown key, wrong type, or value out of range.
    """
    return build_config(cls, stored, where=where, stored=True)


def _unnamed_settings(
    fields: typing.Iterable[dataclasses.Field[Any]], hints: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what a checkpoint has of the settings that it does not name."""
    values: dict[str, Any] = {}
    for item in fields:
        if dataclasses.is_dataclass(hints[item.name]):
            if hints[item.name] is not Architecture:
                values[item.name] = build_config(hints[item.name], {}, stored=True)
        elif item.metadata.get('optional_in_checkpoint'):
            values[item.name] = _unnamed(item)
    return values


def _unnamed(item: dataclasses.Field[Any]) -> Any:
    """Return what a checkpoint has that does not name an optional setting."""
    return item.metadata.get('unnamed_in_checkpoint', item.default)


def stored_modalities(checkpoint: Path) -> tuple[str, ...]:
    """Return the names of the modalities that a checkpoint takes, without loading it.

    Of a folder that cannot be read these are the usual ones: whoever loads it says what is wrong.
    """
    try:
        return stored_model_config(checkpoint).modalities
    except ConfigError:
        return ModelConfig().modalities


def stored_model_config(checkpoint: Path) -> ModelConfig:
    """Return the settings of a checkpoint's network, without loading it.

    Args:
        checkpoint: as :func:`~activity_recognition.checkpoint_folder.checkpoint_folder` takes it.

    Raises:
        ConfigError: there is none, or it cannot be read.
    """
    path = checkpoint_folder(checkpoint) / CONFIG
    stored = text_files.read_json_object(path, ConfigError, what='it')
    model = text_files.demand_mapping(stored.get('model'), ConfigError, where='model')
    return build_stored_config(ModelConfig, model, where='model')


def _plain(value: Any) -> Any:
    if isinstance(value, Architecture):
        return value.as_mapping()
    if dataclasses.is_dataclass(value):
        return to_mapping(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def load_model_config(preset: str, *, labels: tuple[str, ...] | None = None) -> ModelConfig:
    """Read a model preset by name (``nano``, ``small_minilm``, …) or path, for ``labels``.

    Args:
        preset: name of a file in config/models, or path of a YAML file.
        labels: activities in class order; None keeps those of the preset.

    Raises:
        ConfigError: no such preset, or a key or value of it is wrong.
    """
    names = (*MODEL_PRESETS, *PRETRAINED_PRESETS)
    if preset in names:
        path = shipped_file(f'models/{preset}.yaml')
    elif Path(preset).suffix in ('.yaml', '.yml'):
        path = Path(preset)
    else:
        raise ConfigError(
            f'model preset must be one of {", ".join(names)} or a .yaml file, got {quoted(preset)}'
        )
    config = load_config(ModelConfig, path)
    return config if labels is None else dataclasses.replace(config, labels=labels)
