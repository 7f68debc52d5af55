"""Starts node specifications as processes, the way the launch files do."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from activity_recognition.commands.processes import Child, Processes
from activity_recognition.large_pages import large_pages
from activity_recognition.startup import NodeSpec


def start_node(
    processes: Processes,
    spec: NodeSpec,
    *,
    extra: Sequence[str] = (),
    output: Path | None = None,
) -> Child:
    """Start a node, with the transport and the memory it needs.

    Args:
        processes: what the node ends with.
        spec: the node.
        extra: ROS arguments that go before all others, from ``--ros-args`` on.
        output: file for what it prints; None prints it here.
    """
    environment = large_pages(os.environ) if spec.large_pages else {}
    if spec.publishes_images:
        from activity_recognition.ros.transport import image_transport

        transport, warning = image_transport(name=spec.name, spare_segments=spec.spare_segments)
        environment |= transport
        if warning:
            print(warning, file=sys.stderr)
    return processes.start(spec.name, spec.command(extra), environment=environment, output=output)
