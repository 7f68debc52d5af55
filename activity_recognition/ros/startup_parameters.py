"""Parameters that a node reads once, when it starts."""

from __future__ import annotations

from typing import TypeVar

from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from activity_recognition.ros.parameters import ConfigParameters, config_fields

T = TypeVar('T')


def read_once(node: Node, cls: type[T]) -> T:
    """Declare the fields of a configuration as parameters of ``node`` and return their values.

    Later changes are refused.

    Args:
        node: gets the parameters.
        cls: the dataclass.

    Raises:
        ConfigError: an override has an unknown name, a wrong type or a value out of range.
    """
    config = ConfigParameters(node, cls).read()
    names = config_fields(cls)

    def refuse(parameters: list[Parameter]) -> SetParametersResult:
        fixed = [item.name for item in parameters if item.name in names]
        if not fixed:
            return SetParametersResult(successful=True)
        reason = f'{", ".join(fixed)} is read when the node starts; restart it to change it'
        return SetParametersResult(successful=False, reason=reason)

    node.add_on_set_parameters_callback(refuse)
    return config
