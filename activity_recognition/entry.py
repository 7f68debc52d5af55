"""How the installed programs begin: threads wait asleep, a missing module is one sentence.

Imports nothing but the standard library, so that it works where everything else is missing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

PIP_LINE = 'python3 -m pip install --no-deps -r requirements/jazzy-run.lock'
"""What brings the Python modules that no ROS distribution has; README explains where."""


_PASSIVE = {'OMP_WAIT_POLICY': 'PASSIVE', 'KMP_BLOCKTIME': '0'}
"""For GNU's and LLVM's or Intel's OpenMP."""


def wait_passively() -> None:
    """Have threads of PyTorch sleep while they wait for each other, here and in what is started.

    They spin otherwise, and on a busy machine spin away the time that the others need: a training
    step on two threads then takes ten times the processor time and the wall time of one. Has to
    come before torch is imported; what the user's environment says stays.
    """
    for name, value in _PASSIVE.items():
        os.environ.setdefault(name, value)


@contextmanager
def missing_modules_named(program: str) -> Iterator[None]:
    """Turn a module that cannot be found in the block into one sentence and exit status 1.

    Threads that the block starts wait passively.

    Args:
        program: its name.

    Raises:
        SystemExit: with the sentence, when a module is missing.
    """
    wait_passively()
    try:
        yield
    except ModuleNotFoundError as error:
        raise SystemExit(f'{program}: {remedy(error.name or str(error))}') from None


def remedy(module: str) -> str:
    """Return what is missing and what to do, given the module's dotted name."""
    package = module.partition('.')[0]
    if package == 'activity_recognition':
        return (
            f'{module} is not here: build the package with ROS 2 sourced (colcon build), then '
            'source the install/setup.sh of its workspace'
        )
    if package == 'rclpy' or package.endswith(('_msgs', '_srvs', '_interfaces')):
        return (
            f'the ROS package {package} is not here: source ROS 2 (. /opt/ros/jazzy/setup.sh) and '
            'let rosdep install what package.xml names'
        )
    return (
        f'the Python package {package} is not installed for {sys.executable}: with the virtual '
        f'environment of the workspace active, run in the checkout: {PIP_LINE}'
    )
