"""List what DDS keeps in shared memory, and remove what processes that are gone have left.

A node that is killed leaves its segments in /dev/shm, 64 MiB with the shipped profile; when that is
full, images go over a transport that loses large ones. Without --clean nothing is changed. With it
only what no process holds the lock of is removed, so running nodes are safe. The exit status is 1
where something could not be removed.
    activity-recognition shared-memory --clean
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from activity_recognition.ros.shared_memory import Segment

HELP = 'list shared memory of DDS, and remove what killed processes have left'
TAKES_ROS_ARGUMENTS = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare whether to remove."""
    parser.add_argument(
        '--clean', action='store_true', help='remove the segments of processes that are gone'
    )


def run(arguments: argparse.Namespace) -> int:
    """Say what is there; with ``--clean`` remove what is stale."""
    from activity_recognition.ros.shared_memory import look

    memory = look()
    if not arguments.clean:
        for segment in memory.segments:
            state = 'stale ' if segment.is_stale else 'in use'
            print(f'{state}  {_mib(segment.size_bytes)}  {segment.name}')
        print(
            f'{len(memory.segments) - len(memory.stale)} in use, {len(memory.stale)} of processes '
            f'that are gone with {_mib(_size(memory.stale)).strip()}; '
            f'{_mib(memory.free_bytes).strip()} of {_mib(memory.total_bytes).strip()} are free'
        )
        return 0
    return _clean(memory.stale)


def _clean(stale: Iterable[Segment]) -> int:
    from activity_recognition.ros.shared_memory import remove

    removed, kept = [], []
    for segment in stale:
        try:
            if remove(segment):
                removed.append(segment)
                print(f'removed  {_mib(segment.size_bytes)}  {segment.name}')
        except OSError as error:
            kept.append(segment)
            words = f'cannot remove {segment.name}: {error.strerror}; run this as its owner'
            print(words, file=sys.stderr)
    print(f'removed {len(removed)} of processes that are gone, {_mib(_size(removed)).strip()}')
    return 1 if kept else 0


def _size(segments: Iterable[Segment]) -> int:
    return sum(segment.size_bytes for segment in segments)


def _mib(size_bytes: int) -> str:
    return f'{size_bytes / (1 << 20):6.1f} MiB'
