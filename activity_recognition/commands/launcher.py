"""Starts node specifications as processes, the way the launch files do."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from activity_recognition.commands.processes import Child, Processes
from activity_recognition.startup import NodeSpec


def start_node(
    processes: Processes,
    spec: NodeSpec,
    *,
    extra: Sequence[str] = (),
    output: Path | None = None,
) -> Child:
    """Start a node, with the transport it needs.

    Args:
        processes: what the node ends with.
        spec: the node.
        extra: ROS arguments that go before all others, from ``--ros-args`` on.
        output: file for what it prints; None prints it here.
    """
    environment: dict[str, str] = {}
    if spec.publishes_images:
        from activity_recognition.ros.transport import image_transport

        environment, warning = image_transport(name=spec.name, spare_segments=spec.spare_segments)
        if warning:
            print(warning, file=sys.stderr)
    return processes.start(spec.name, spec.command(extra), environment=environment, output=output)
