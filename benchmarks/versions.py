"""Is the step of this version as fast as that of another one?

The other version is a checkout of its own that is set up (`git worktree add OTHER COMMIT`, then
`make setup` there). Each version times the steady step of its engine in a process of its own, with
its own libraries; the processes take turns. The interval of a ratio is a bootstrap over rounds.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from harness import Goal, Report, Rounds, Spent, arguments, publish, take_turns
from processes import Part, part
from record import ROOT, Table, provenance

PRESETS = ('nano', 'small')
BACKENDS = ('torch', 'onnxruntime')
RATE_HZ = 15.0
STEPS = 30
"""Two seconds of input."""
READY_LIMIT_S = 600.0
"""Time for loading, exporting and filling the rings, on a busy machine as well."""
ROUND_LIMIT_S = 120.0
RESAMPLES = 10_000
AT_MOST = 1.02
KEPT_VARIABLES = ('HOME', 'PATH', 'LANG', 'TMPDIR', 'XDG_CACHE_HOME')
"""Overlays of this checkout would hide the other's packages."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """A ratio of medians with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f'{self.value:.3f} ({self.low:.3f}–{self.high:.3f})'


def main(argv: list[str] | None = None) -> int:
    """Measure and report."""
    parser = arguments(__doc__, seconds=600.0, rounds=40)
    parser.add_argument('--other', type=Path, required=True, help='checkout of the other version')
    parser.add_argument('--presets', nargs='+', default=list(PRESETS))
    parser.add_argument('--backends', nargs='+', default=list(BACKENDS))
    parser.add_argument('--steps', type=int, default=STEPS, help='of a round')
    parser.add_argument('--at-most', type=float, default=AT_MOST, help='goal of the lower bound')
    chosen = parser.parse_args(argv)
    other = chosen.other.resolve()
    if not (other / 'install' / '.linked-stamp').exists():
        parser.error(f'{other}: expected a checkout that is set up; run `make setup` there')
    began = provenance()
    names = [f'{preset}, {backend}' for preset in chosen.presets for backend in chosen.backends]
    with ExitStack() as stack:
        cases = {}
        for name in names:
            for version, folder in (('this', ROOT), ('other', other)):
                worker = stack.enter_context(_worker(folder, name, chosen.seed))
                _check_origin(worker, folder)
                cases[_case(name, version)] = partial(_round, worker, chosen.steps)
        rounds = take_turns(cases, chosen)
    return publish(_report(rounds, names, chosen, _commit(other)), chosen, began=began)


def ratio_of_medians(
    numerator: Sequence[float], denominator: Sequence[float], *, seed: int
) -> Interval:
    """Return the ratio of two medians with a bootstrap interval over rounds.

    Args:
        numerator: a value per round.
        denominator: a value per round, of the same rounds.
        seed: of the resampling.
    """
    pairs = np.asarray([numerator, denominator])
    rounds = pairs.shape[1]
    drawn = np.random.default_rng(seed).integers(0, rounds, (RESAMPLES, rounds))
    medians = np.median(pairs[:, drawn], axis=-1)
    low, high = np.percentile(medians[0] / medians[1], (2.5, 97.5))
    value = np.median(pairs[0]) / np.median(pairs[1])
    return Interval(value=float(value), low=float(low), high=float(high))


def _case(name: str, version: str) -> str:
    return f'{name}, {version}'


def _worker(folder: Path, name: str, seed: int) -> AbstractContextManager[Part]:
    """Return the process that times a network by a backend in one version."""
    return part(
        str(Path(__file__).with_name('versions_worker.py')),
        [*name.split(', '), str(RATE_HZ), str(seed)],
        {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ},
        python=('tools/run', '--isolated', 'python'),
        folder=folder,
    )


def _check_origin(worker: Part, folder: Path) -> None:
    """Wait until the process is ready; it has to run the code of its own checkout."""
    package = Path(worker.answer(READY_LIMIT_S)['package'])
    if folder not in package.parents:
        raise RuntimeError(f'expected the package of {folder}, got {package}')


def _round(worker: Part, steps: int) -> Spent:
    spent = worker.ask(str(steps), ROUND_LIMIT_S)
    return Spent(wall_s=spent['wall_s'], cpu_s=spent['cpu_s'])


def _commit(folder: Path) -> str:
    command = ['git', '-C', str(folder), 'rev-parse', '--short=12', 'HEAD']
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or 'unknown'


def _report(rounds: Rounds, names: Sequence[str], chosen: argparse.Namespace, other: str) -> Report:
    rows, goals = [], []
    for name in names:
        this, that = _case(name, 'this'), _case(name, 'other')
        wall = ratio_of_medians(rounds.walls_s(this), rounds.walls_s(that), seed=chosen.seed)
        cpu = ratio_of_medians(rounds.cpus_s(this), rounds.cpus_s(that), seed=chosen.seed)
        ms = (str(rounds.wall_s(case).scaled(1e3)) for case in (this, that))
        rows.append((name, *ms, str(wall), str(cpu)))
        goals.append(
            Goal(
                name=f'this ÷ other, lower bound, {name}',
                value=wall.low,
                at_most=chosen.at_most,
                settled=rounds.settled,
            )
        )
    columns = ('case', 'this, ms (quartiles)', 'other, ms (quartiles)', 'wall, ratio of medians')
    return Report(
        theme=f'versions_{other}',
        title='The step of this version beside another',
        settings={
            'other version': other,
            'threads': 1,
            'seed': chosen.seed,
            'frames per second': RATE_HZ,
            'steps per round': chosen.steps,
        },
        goals=goals,
        tables=[Table('One step', (*columns, 'CPU, ratio of medians'), rows)],
        notes=[
            f'{rounds.describe()}.',
            f'In brackets behind a ratio: 95 % interval, {RESAMPLES} bootstrap samples of rounds.',
        ],
    )


if __name__ == '__main__':
    sys.exit(main())
