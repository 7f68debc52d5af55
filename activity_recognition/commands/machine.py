"""What a result depends on: versions, machine, middleware."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
from pathlib import Path

PACKAGES = (
    'torch',
    'torchaudio',
    'transformers',
    'tokenizers',
    'safetensors',
    'numpy',
    'opencv-python-headless',
    'av',
    'rosbags',
    'PyYAML',
)
"""Distributions whose versions can change a result."""


def conditions() -> dict[str, str]:
    """Return versions, machine and middleware, in words, for a report."""
    from activity_recognition import __version__

    found = {
        'activity_recognition': __version__,
        'python': platform.python_version(),
        'system': operating_system(),
        'processor': processor(),
        'accelerator': accelerator(),
        'memory': f'{memory_bytes() / 2**30:.1f} GiB',
        **middleware(),
    }
    versions = ', '.join(f'{name} {version}' for name, version in package_versions().items())
    return {**found, 'packages': versions}


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that are installed, by name."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def operating_system() -> str:
    """Return distribution, kernel and architecture."""
    try:
        name = platform.freedesktop_os_release().get('PRETTY_NAME', platform.system())
    except OSError:
        name = platform.system()
    return f'{name}, {platform.release()}, {platform.machine()}'


def processor() -> str:
    """Return the processor's name and how many cores this process may use."""
    name = platform.processor() or platform.machine()
    try:
        for line in Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines():
            key, _, value = line.partition(':')
            if key.strip() in ('model name', 'Model'):
                name = value.strip()
                break
    except OSError:
        pass
    return f'{name}, {len(os.sched_getaffinity(0))} cores'


def accelerator() -> str:
    """Return the name of the first GPU, or that there is none."""
    if importlib.util.find_spec('torch') is None:
        return 'unknown: torch is not installed'
    import torch

    if not torch.cuda.is_available():
        return 'none'
    return f'{torch.cuda.get_device_name(0)}, CUDA {torch.version.cuda}'


def memory_bytes() -> int:
    """Return the machine's memory."""
    return os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')


def middleware() -> dict[str, str]:
    """Return the ROS distribution and its middleware, or that there is none."""
    from activity_recognition.commands.options import ros_missing

    missing = ros_missing()
    if missing:
        return {'ros': f'none: {missing} is not here'}
    from activity_recognition.ros.about import distribution, middleware_name

    return {'ros': distribution(), 'rmw': middleware_name()}
