"""Repairs of the ROS wheels after they are installed.

The exported CMake files of the wheels name two folders of the machine that built them: the headers
of Python and those of NumPy.
"""

from __future__ import annotations

import re
from pathlib import Path

_PYTHON_HEADERS = re.compile(r'/opt/python/cp\d+-cp\d+/include/python3\.\d+')
_NUMPY_HEADERS = re.compile(
    r'/opt/python/cp\d+-cp\d+/lib/python3\.\d+/site-packages/numpy/\w+/include'
)


def repair_cmake_files(venv: Path, python_headers: Path, numpy_headers: Path) -> int:
    """Write this machine's folders into the exported CMake files; return how many were changed.

    Args:
        venv: the virtual environment.
        python_headers: folder of Python's headers.
        numpy_headers: folder of NumPy's.
    """
    changed = 0
    for path in sorted(venv.glob('share/*/cmake/*.cmake')):
        text = path.read_text(encoding='utf-8')
        repaired = _NUMPY_HEADERS.sub(str(numpy_headers), text)
        repaired = _PYTHON_HEADERS.sub(str(python_headers), repaired)
        if repaired != text:
            _replace(path, repaired)
            changed += 1
    return changed


def _replace(path: Path, text: str) -> None:
    """Write a new file in place of the old one, which may be linked into the installer's cache."""
    fresh = path.with_name(path.name + '.new')
    fresh.write_text(text, encoding='utf-8')
    fresh.chmod(path.stat().st_mode)
    fresh.replace(path)
