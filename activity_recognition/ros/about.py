"""Which ROS this is."""

from __future__ import annotations

import importlib.metadata
import os

from rclpy.utilities import get_rmw_implementation_identifier

WHEELS_OF = {'7': 'jazzy', '9': 'kilted'}
"""Major version of rclpy -> distribution."""


def distribution() -> str:
    """Return the ROS distribution and where it comes from."""
    sourced = os.environ.get('ROS_DISTRO', '')
    try:
        version = importlib.metadata.version('ros-rclpy')
    except importlib.metadata.PackageNotFoundError:
        return sourced or 'unknown'
    name = WHEELS_OF.get(version.partition('.')[0], 'unknown')
    return f'{name}, rclpy {version} from wheels'


def middleware_name() -> str:
    """Return the name of the RMW implementation in use."""
    return str(get_rmw_implementation_identifier())
