"""Packages of messages that are built here, as a robot's workspace has them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

TEMPLATE = Path(__file__).resolve().parents[2] / 'interfaces' / 'audio_common_msgs'


def built(
    folder: Path, package: str, definitions: Mapping[str, str], *, needs: Sequence[str] = ()
) -> Path:
    """Build and install a package of messages; skips where it cannot be built.

    Args:
        folder: empty, for sources and results.
        package: its name.
        definitions: texts of the .msg files by name of the message.
        needs: packages that they use, beside std_msgs.

    Returns:
        The prefix that it is installed under.
    """
    if shutil.which('cmake') is None:
        pytest.skip(f'no cmake: {package} cannot be built')
    source, prefix = folder / 'source', folder / 'installed'
    (source / 'msg').mkdir(parents=True)
    for name in ('CMakeLists.txt', 'package.xml'):
        text = (TEMPLATE / name).read_text(encoding='utf-8').replace('audio_common_msgs', package)
        files = ' '.join(f'msg/{message}.msg' for message in definitions)
        text = re.sub(r'(\s+"msg/\w+\.msg")+', f' {files}', text)
        for other in needs:
            text = text.replace(
                'find_package(std_msgs REQUIRED)',
                f'find_package(std_msgs REQUIRED)\nfind_package({other} REQUIRED)',
            )
            text = text.replace('DEPENDENCIES std_msgs', f'DEPENDENCIES std_msgs {other}')
            text = text.replace('<depend>std_msgs', f'<depend>{other}</depend>\n  <depend>std_msgs')
        (source / name).write_text(text, encoding='utf-8')
    for message, definition in definitions.items():
        (source / 'msg' / f'{message}.msg').write_text(definition, encoding='utf-8')
    build = source / 'build'
    options = ['-DBUILD_TESTING=OFF', f'-DPython3_EXECUTABLE={sys.executable}']
    for arguments in (
        ['-S', source, '-B', build, f'-DCMAKE_INSTALL_PREFIX={prefix}', *options],
        ['--build', build],
        ['--install', build],
    ):
        done = subprocess.run(['cmake', *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
    return prefix


def environment_with(*prefixes: Path) -> dict[str, str]:
    """Return the environment of a process that has the packages under some prefixes."""
    paths = dict(os.environ)
    for prefix in prefixes:
        [modules] = prefix.glob('lib/python3*/site-packages')
        added = {
            'AMENT_PREFIX_PATH': prefix,
            'PYTHONPATH': modules,
            'LD_LIBRARY_PATH': prefix / 'lib',
        }
        for name, path in added.items():
            paths[name] = os.pathsep.join(filter(None, [str(path), paths.get(name, '')]))
    return paths
