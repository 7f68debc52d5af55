"""The transport of processes that publish images: shared memory in which images have room."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

from activity_recognition.config_io import shipped_file
from activity_recognition.ros.shared_memory import SHARED_MEMORY, look

PROFILE_VARIABLE = 'FASTRTPS_DEFAULT_PROFILES_FILE'
_NAMESPACE = '{http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles}'


def segment_bytes(profile: Path) -> int:
    """Return the size of the shared-memory segment that a profile file asks for; 0 for none."""
    sizes = ET.parse(profile).getroot().iter(f'{_NAMESPACE}segment_size')  # noqa: S314 - our file
    return max((int(size.text or 0) for size in sizes), default=0)


def image_transport(
    environ: Mapping[str, str] = os.environ,
    shared_memory: Path = SHARED_MEMORY,
    *,
    name: str = 'cameras',
    spare_segments: int = 0,
) -> tuple[dict[str, str], str]:
    """Return what to add to the environment of a process that publishes images.

    A profile that the user has named stays. Where there is no room for the segment nothing is
    added, because Fast DDS would end with an error.

    Args:
        environ: the environment the process will inherit.
        shared_memory: where segments are kept.
        name: what to call the process in a warning.
        spare_segments: segments to leave room for, of processes whose images matter more.

    Returns:
        The variables to add, and a warning in words or nothing.
    """
    if environ.get(PROFILE_VARIABLE):
        return {}, ''
    profile = shipped_file('fastdds.xml')
    needed = segment_bytes(profile) * (1 + spare_segments)
    try:
        free = shutil.disk_usage(shared_memory).free
    except OSError:
        free = 0
    if free >= needed:
        return {PROFILE_VARIABLE: str(profile)}, ''
    try:
        advice = look(shared_memory).advice
    except OSError:
        advice = ''
    return {}, (
        f'images of {name} go over the default transport, which loses large ones: '
        f'{needed >> 20} MiB of {shared_memory} are needed and {free >> 20} MiB are free; '
        + (advice or 'give the container more (docker run --shm-size=256m)')
    )
