"""ROS parameters made from the dataclasses of :mod:`activity_recognition.config`.

One parameter per field, named by its dotted path, with the field's docstring as description and its
range as range. A parameter file holds overrides; what it gets wrong is kept as a sentence until the
node is configured, so that a node with a bad file comes up and can be put right.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import ParameterException, ParameterNotDeclaredException
from rclpy.node import Node
from rclpy.parameter import Parameter

from activity_recognition.config_io import build_config, nested, unknown_key
from activity_recognition.errors import ConfigError, quoted
from activity_recognition.settings import field_docstrings

T = TypeVar('T')

_OTHER_PREFIXES = ('qos_overrides.',)
"""Parameters that rclpy declares by itself, some of them late."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ConfigField:
    """One leaf of a configuration."""

    name: str
    """Dotted path."""
    default: Any
    description: str
    live: bool
    low: float | None
    high: float | None
    advice: str = ''
    """Advice for whoever sets a value of another type."""

    def descriptor(self) -> ParameterDescriptor:
        """Return what ``ros2 param describe`` shows."""
        result = ParameterDescriptor(description=self.description)
        # An empty list has no type of its own; what is set is checked when it is read.
        result.dynamic_typing = self.default == []
        if not self.live:
            result.additional_constraints = 'takes effect when the node is configured'
        if self.low is not None and self.high is not None:
            if isinstance(self.default, int):
                limits = IntegerRange(from_value=int(self.low), to_value=int(self.high))
                result.integer_range = [limits]
            else:
                limits = FloatingPointRange(from_value=float(self.low), to_value=float(self.high))
                result.floating_point_range = [limits]
        return result

    def widen(self, parameter: Parameter) -> Parameter:
        """Return the parameter, an integer turned into a float where one is expected."""
        if isinstance(self.default, float) and parameter.type_ == Parameter.Type.INTEGER:
            return Parameter(parameter.name, value=float(parameter.value))
        return parameter


def config_fields(cls: type, prefix: str = '') -> dict[str, ConfigField]:
    """Return the leaves of a configuration dataclass by dotted name.

    Args:
        cls: the dataclass.
        prefix: begins every name.
    """
    hints = typing.get_type_hints(cls)
    texts = field_docstrings(cls)
    result: dict[str, ConfigField] = {}
    for item in dataclasses.fields(cls):
        name = f'{prefix}{item.name}'
        if dataclasses.is_dataclass(hints[item.name]):
            result.update(config_fields(hints[item.name], f'{name}.'))
            continue
        default = list(item.default) if isinstance(item.default, tuple) else item.default
        result[name] = ConfigField(
            name=name,
            default=default,
            description=texts.get(item.name, ''),
            live=bool(item.metadata.get('live', False)),
            low=item.metadata.get('low'),
            high=item.metadata.get('high'),
            advice=item.metadata.get('advice', ''),
        )
    return result


class UnknownParameterError(ParameterNotDeclaredException):
    """Somebody sets a parameter that does not exist."""

    def __init__(self, sentence: str) -> None:
        super().__init__([])
        self._sentence = sentence

    def __str__(self) -> str:
        return self._sentence


class ConfigParameters(Generic[T]):
    """The parameters of a node that are the fields of one configuration dataclass."""

    def __init__(
        self,
        node: Node,
        cls: type[T],
        *,
        is_locked: Callable[[], bool] = lambda: False,
        on_change: Callable[[T], None] = lambda _: None,
    ) -> None:
        """Declare the parameters of ``node``.

        Args:
            node: the node; parameters declared by others on it are left alone.
            cls: the configuration's dataclass.
            is_locked: returns whether fields that are not live must stay as they are.
            on_change: called with the new configuration after parameters were set.
        """
        self._node = node
        self._cls = cls
        self._fields = config_fields(cls)
        self._is_locked = is_locked
        self._on_change = on_change
        self._problems: dict[str, str] = {}
        for item in self._fields.values():
            self._declare(item)
        node.add_pre_set_parameters_callback(self._prepare)
        node.add_on_set_parameters_callback(self._validate)
        node.add_post_set_parameters_callback(self._applied)

    def read(self) -> T:
        """Return the configuration.

        Raises:
            ConfigError: an override has an unknown name, a wrong type or a value out of range.
        """
        self._refuse_unknown()
        if self._problems:
            raise ConfigError('; '.join(self._problems.values()))
        return self._build({})

    def _declare(self, item: ConfigField) -> None:
        """Declare one parameter; an override that does not fit is kept as a problem."""
        overrides = parameter_overrides(self._node)
        if item.name in overrides:
            overrides[item.name] = item.widen(overrides[item.name])
        try:
            self._node.declare_parameter(item.name, item.default, item.descriptor())
        except ParameterException:
            self._problems[item.name] = _misfit(item, overrides[item.name].value)
            self._node.declare_parameter(
                item.name, item.default, item.descriptor(), ignore_override=True
            )

    def _refuse_unknown(self) -> None:
        for name in parameter_overrides(self._node):
            if self._node.has_parameter(name) or name.startswith(_OTHER_PREFIXES):
                continue
            raise ConfigError(unknown_key(name, self._fields, 'parameters'))

    def _build(self, changes: Mapping[str, Any]) -> T:
        values = {name: self._node.get_parameter(name).value for name in self._fields}
        return build_config(self._cls, nested({**values, **changes}), where='parameters')

    def _prepare(self, parameters: list[Parameter]) -> list[Parameter]:
        """Widen integers; refuse names that do not exist with the nearest one that does."""
        result = []
        for parameter in parameters:
            item = self._fields.get(parameter.name)
            if item is None and not self._node.has_parameter(parameter.name):
                raise UnknownParameterError(
                    unknown_key(parameter.name, self._fields, self._node.get_name())
                )
            result.append(parameter if item is None else item.widen(parameter))
        return result

    def _validate(self, parameters: list[Parameter]) -> SetParametersResult:
        ours = {p.name: p.value for p in parameters if p.name in self._fields}
        if self._is_locked():
            for name, value in ours.items():
                if not self._fields[name].live and value != self._node.get_parameter(name).value:
                    reason = (
                        f'{name} cannot change while the node is configured; '
                        'deactivate and clean up first, then set it and configure again'
                    )
                    return SetParametersResult(successful=False, reason=reason)
        try:
            if ours:
                self._build(ours)
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _applied(self, parameters: Iterable[Parameter]) -> None:
        ours = [p.name for p in parameters if p.name in self._fields]
        for name in ours:
            self._problems.pop(name, None)
        if ours:
            self._on_change(self._build({}))


def _misfit(item: ConfigField, value: object) -> str:
    """Return a sentence about an override of the wrong type or out of range."""
    kind = type(item.default).__name__
    limits = '' if item.low is None else f' in [{item.low:g}, {item.high:g}]'
    advice = f'; {item.advice}' if item.advice else ''
    return f'parameters: {item.name}: expected {kind}{limits}, got {quoted(value)}{advice}'


def parameter_overrides(node: Node) -> dict[str, Parameter]:
    """Return what the command line and parameter files set, declared or not.

    rclpy has no public access to overrides of parameters that are not declared.
    """
    return typing.cast('dict[str, Parameter]', node._parameter_overrides)
