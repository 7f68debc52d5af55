"""How much memory running processes took at most, as the kernel counts it (Linux, proc(5))."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

PROC = Path('/proc')
_SESSION = 3
"""Place of the session among the fields of ``stat`` that follow the program's name."""


def peak_of_session_mib(session: int) -> float:
    """Return the most memory that the running processes of a session held so far, MiB.

    Each process's own peak (``VmHWM``), added up: together they never held more. Processes that
    have ended count no more, so ask before they are stopped.

    Args:
        session: process id of the session's leader, as a process has that was started with
            ``start_new_session``.
    """
    return sum(_peak_kib(process) for process in _of_session(session)) / 1024


def _of_session(session: int) -> Iterator[Path]:
    for process in PROC.iterdir():
        if not process.name.isdecimal():
            continue
        try:
            stat = (process / 'stat').read_text(encoding='utf-8', errors='replace')
        except OSError:  # it has just ended
            continue
        # The name stands in parentheses and may hold anything, parentheses too.
        fields = stat.rpartition(')')[2].split()
        if int(fields[_SESSION]) == session:
            yield process


def _peak_kib(process: Path) -> int:
    try:
        lines = (process / 'status').read_text(encoding='utf-8', errors='replace').splitlines()
    except OSError:
        return 0
    # A process that is ending has no such line.
    return next((int(line.split()[1]) for line in lines if line.startswith('VmHWM:')), 0)
