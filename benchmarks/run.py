"""Run all benchmarks, each in a process of its own, and show which goals are reached."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from record import Table

HERE = Path(__file__).resolve().parent
BENCHMARKS = (
    'decision_rate',
    'streaming_vs_window',
    'peers',
    'components',
    'roofline',
    'precision',
    'preprocessing',
    'pose',
    'synchroniser',
    'many_streams',
    'many_people',
    'node_overhead',
    'obvious_node',
    'transport_1080p',
    'latency',
    'data_loading',
    'soak',
    'gpu',
)
"""Of speed and losses, in the order in which they run; every one is a script of its own."""
STUDIES = (
    'frame_rates',
    'text_encoders',
    'backend_accuracy',
    'eight_bits',
    'curriculum_study',
    'esc10',
    'yamnet_esc10',
    'fights',
    'utd_mhad',
    'utd_mhad_cameras',
    'jhmdb',
    'node_soak',
    'large_pages',
)
"""Of what is recognised, and of hours; they run where they are named."""
SHORTER = {
    'data_loading': ('--seconds', '60'),
    'soak': ('--minutes', '20'),
    'precision': ('--ways', 'torch bf16', 'auto', 'onnxruntime', 'onnxruntime int8'),
}
"""What shortens a run that is only looked at, so that all of them take a quarter of an hour."""
COLUMNS = ('benchmark', 'goal', 'measured', 'wanted', 'verdict')


def main(argv: list[str] | None = None) -> int:
    """Run the benchmarks; the exit status is 1 when one could not be run."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    known = (*BENCHMARKS, *STUDIES)
    parser.add_argument('names', nargs='*', help=f'some of: {", ".join(known)}')
    parser.add_argument('--record', action='store_true', help='write docs/benchmarks/…')
    parser.add_argument('--seconds', type=float, help='time for measuring, per benchmark')
    parser.add_argument('--verbose', action='store_true', help='show every table')
    chosen = parser.parse_args(argv)
    if unknown := sorted(set(chosen.names) - set(known)):
        parser.error(f'unknown: {", ".join(unknown)}; there are {", ".join(known)}')
    names = [name for name in known if name in chosen.names] if chosen.names else list(BENCHMARKS)
    options = ['--record'] if chosen.record else []
    options += [] if chosen.seconds is None else ['--seconds', str(chosen.seconds)]
    rows: list[tuple[str, ...]] = []
    failed = False
    for index, name in enumerate(names):
        print(f'[{index + 1}/{len(names)}] {name} …', file=sys.stderr, flush=True)
        shorter = [] if chosen.record else list(SHORTER.get(name, ()))
        outcome = run(name, [*shorter, *options], verbose=chosen.verbose)
        failed |= outcome is None
        rows += goal_rows(name, outcome)
    print(Table('Goals', COLUMNS, rows).markdown())
    return int(failed)


def run(name: str, options: list[str], *, verbose: bool) -> dict[str, Any] | None:
    """Run one benchmark; return its outcome, None when it failed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'outcome.json'
        command = [sys.executable, str(HERE / f'{name}.py'), '--json', str(path), *options]
        done = subprocess.run(
            command, stdout=None if verbose else subprocess.PIPE, text=True, check=False
        )
        if done.returncode or not path.exists():
            print(done.stdout or '', file=sys.stderr)
            return None
        outcome: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))
        return outcome


def goal_rows(name: str, outcome: dict[str, Any] | None) -> list[tuple[str, ...]]:
    """Return a benchmark's goals as rows; one that says so where there are none."""
    if outcome is None:
        return [(name, '–', '–', '–', 'failed')]
    rows: list[tuple[str, ...]] = []
    for goal in outcome['goals']:
        least, most = goal['at_least'], goal['at_most']
        bound = f'≥ {least:g}' if least is not None else f'≤ {most:g}'
        value = '–' if goal['value'] is None else f'{goal["value"]:.4g}'
        rows.append((name, goal['name'], value, bound, goal['verdict']))
    return rows or [(name, '–', '–', '–', _without_goals(outcome))]


def _without_goals(outcome: dict[str, Any]) -> str:
    """Return whether a benchmark without goals was skipped or only has tables."""
    if outcome.get('tables'):
        return 'no goal; --verbose shows its tables'
    return 'skipped: ' + ' '.join(outcome['notes'])


if __name__ == '__main__':
    sys.exit(main())
