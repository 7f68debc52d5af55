"""On what a benchmark ran, and its outcome as Markdown and JSON."""

from __future__ import annotations

import datetime as dt
import json
import math
import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / 'docs' / 'benchmarks'
PACKAGES = ('torch', 'numpy', 'opencv-python-headless', 'transformers', 'ros-rclpy')
"""Packages whose versions matter."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of words under a heading."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """Return a Markdown table, aligned to be read as it is."""
        cells = [list(self.columns), *(list(row) for row in self.rows)]
        widths = [max(len(row[index]) for row in cells) for index in range(len(self.columns))]
        lines = [_line(row, widths) for row in cells]
        lines.insert(1, '|' + '|'.join('-' * (width + 2) for width in widths) + '|')
        return '\n'.join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON holds of it."""
        return {
            'title': self.title,
            'columns': list(self.columns),
            'rows': [list(row) for row in self.rows],
        }


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
    return '| ' + ' | '.join(padded) + ' |'


@dataclass(frozen=True, kw_only=True, slots=True)
class Provenance:
    """Where a number comes from."""

    date: str
    """UTC, ISO 8601."""
    command: str
    commit: str
    """Empty outside of a checkout."""
    dirty: bool
    """Whether the checkout had changes apart from recorded benchmarks."""
    cpu: str
    cores: int
    """That this process may use."""
    memory_gib: float
    accelerator: str
    """The GPU that was measured; empty where none was."""
    load: float
    """Mean number of busy processes in the minute before."""
    system: str
    python: str
    packages: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON holds of it."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Return it as Markdown list items."""
        state = ' with uncommitted changes' if self.dirty else ''
        packages = ', '.join(f'{name} {version}' for name, version in self.packages.items())
        accelerator = f'{self.accelerator}, ' if self.accelerator else ''
        return [
            f'- command: `{self.command}`',
            f'- commit: {self.commit or "unknown"}{state}, {self.date}',
            f'- machine: {accelerator}{self.cpu}, {self.cores} cores, {self.memory_gib:.0f} GiB, '
            f'{self.system}; load before the run {self.load:.1f}',
            f'- Python {self.python}, {packages}',
        ]


def provenance(device: str = 'cpu') -> Provenance:
    """Look at the machine, the checkout and the command line; call it before measuring.

    Args:
        device: what will be measured; a GPU is named.
    """
    pages, page = os.sysconf('SC_PHYS_PAGES'), os.sysconf('SC_PAGE_SIZE')
    arguments = [Path(sys.argv[0]).name, *_without_output(sys.argv[1:])]
    changes = _git('status', '--porcelain', '--', '.', ':!docs/benchmarks')
    return Provenance(
        date=dt.datetime.now(dt.timezone.utc).isoformat(timespec='seconds'),
        command=f'{_tunables()}python benchmarks/{shlex.join(arguments)}',
        commit=_git('rev-parse', 'HEAD')[:12],
        dirty=bool(changes),
        cpu=_cpu_model(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=pages * page / 2**30,
        accelerator=_gpu_name(device),
        load=os.getloadavg()[0],
        system=_system(),
        python=platform.python_version(),
        packages={name: version for name in PACKAGES if (version := _version(name))},
    )


def _tunables() -> str:
    """Return how memory was asked for to be had, where it is not as usual."""
    given = os.environ.get('GLIBC_TUNABLES')
    return f'GLIBC_TUNABLES={given} ' if given else ''


def _git(*arguments: str) -> str:
    command = ['git', '-C', str(ROOT), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ''
    return done.stdout.strip() if done.returncode == 0 else ''


def _gpu_name(device: str) -> str:
    import torch

    if not device.startswith('cuda') or not torch.cuda.is_available():
        return ''
    return f'{torch.cuda.get_device_name(device)}, CUDA {torch.version.cuda}'


def _cpu_model() -> str:
    try:
        text = Path('/proc/cpuinfo').read_text(encoding='utf-8')
    except OSError:
        text = ''
    found = re.search(r'^model name\s*:\s*(.+)$', text, re.MULTILINE)
    return found.group(1).strip() if found else platform.processor() or platform.machine()


def _system() -> str:
    try:
        name = platform.freedesktop_os_release()['PRETTY_NAME']
    except (OSError, KeyError):
        name = platform.system()
    return f'{name}, Linux {platform.release()}'


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ''


def to_markdown(
    title: str,
    tables: Sequence[Table],
    notes: Sequence[str],
    began: Provenance,
    settings: Mapping[str, object],
) -> str:
    """Return a whole page."""
    parts = [f'# {title}', '\n'.join(began.lines())]
    if settings:
        parts.append(
            'Settings: ' + ', '.join(f'{name} {value}' for name, value in settings.items())
        )
    parts += [f'## {table.title}\n\n{table.markdown()}' for table in tables]
    parts += notes
    return '\n\n'.join(parts) + '\n'


def to_json(outcome: Mapping[str, Any]) -> str:
    """Return the outcome as JSON; what is not a number becomes null."""
    return json.dumps(_finite(outcome), indent=2, ensure_ascii=False) + '\n'


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def hardware_name(began: Provenance) -> str:
    """Return the machine, or the GPU that was measured, as part of a file name."""
    if began.accelerator:
        return _slug(began.accelerator.partition(',')[0])
    words = re.sub(r'\((R|TM)\)|@.*$|\bCPU\b|\bProcessor\b', ' ', began.cpu, flags=re.IGNORECASE)
    return f'{_slug(words)}-{began.cores}-cores'


def _slug(words: str) -> str:
    return re.sub(r'[^a-z0-9]+', '-', words.lower()).strip('-')


def _without_output(arguments: Sequence[str]) -> list[str]:
    """Leave out where a copy of the outcome goes, which changes nothing in it."""
    kept = list(arguments)
    if '--json' in kept:
        place = kept.index('--json')
        del kept[place : place + 2]
    return kept


def write_record(
    theme: str, markdown: str, json_text: str, began: Provenance, folder: Path = FOLDER
) -> Path:
    """Write ``<theme>_<hardware>_<date>.md`` and ``.json``; return the path of the first."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f'{theme}_{hardware_name(began)}_{began.date[:10]}'
    path = folder / f'{stem}.md'
    path.write_text(markdown, encoding='utf-8')
    (folder / f'{stem}.json').write_text(json_text, encoding='utf-8')
    return path


def folder_name(path: Path) -> str:
    """Return a path as seen from the repository's root, where it lies in it."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
