"""What would it bring to have the memory of the recogniser in large pages?

Of every preset two processes wait for their turns, one started with them and one without, and take
the same steps.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import torch
from harness import Report, Rounds, Spent, arguments, publish, stopwatch, take_turns
from record import Table, provenance
from workload import make_engine, steady

from activity_recognition.inference.artificial import untrained_checkpoint

VARIABLE, LARGE = 'GLIBC_TUNABLES', 'glibc.malloc.hugetlb=1'
"""Has glibc ask for pages of 2 MiB: its manual, "Memory Allocation Tunables"."""
PRESETS = ('nano', 'small')
RATE_HZ = 15.0
STEPS = 60
"""Steps of a case in one round: as long as an utterance lasts."""


def main(argv: list[str] | None = None) -> int:
    """Measure and report; as a process of its own for a preset, serve."""
    parser = arguments(__doc__, seconds=60.0, rounds=15, threads=1)
    parser.add_argument(
        '--serve', choices=PRESETS, help='take steps on commands from standard input'
    )
    chosen = parser.parse_args(argv)
    if chosen.serve:
        _serve(chosen.serve, threads=chosen.threads, seed=chosen.seed)
        return 0
    began = provenance()
    with contextlib.ExitStack() as stack:
        cases = {
            _name(preset, large): stack.enter_context(
                Waiting(preset, large=large, threads=chosen.threads, seed=chosen.seed)
            ).run
            for preset in PRESETS
            for large in (False, True)
        }
        rounds = take_turns(cases, chosen)
    settings = {'threads': chosen.threads, 'seed': chosen.seed, 'frames per second': RATE_HZ}
    return publish(_report(rounds, settings), chosen, began=began)


class Waiting:
    """A process with a warm engine, which takes steps on command."""

    def __init__(self, preset: str, *, large: bool, threads: int, seed: int) -> None:
        bare = {name: value for name, value in os.environ.items() if name != VARIABLE}
        self._process = subprocess.Popen(
            [
                *(sys.executable, str(Path(__file__).resolve()), '--serve', preset),
                *('--threads', str(threads), '--seed', str(seed)),
            ],
            env={**bare, VARIABLE: LARGE} if large else bare,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Waiting:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate('')

    def run(self) -> Spent:
        """Take the steps of one round."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print('go', file=self._process.stdin, flush=True)
        return Spent(**json.loads(self._process.stdout.readline()))


def _serve(preset: str, *, threads: int, seed: int) -> None:
    torch.set_num_threads(threads)
    engine = make_engine(untrained_checkpoint(preset, seed=seed), threads=threads)
    step = steady(engine, frame_rate_hz=RATE_HZ, seed=seed)
    for _ in sys.stdin:
        print(json.dumps(asdict(stopwatch(step, STEPS))), flush=True)


def _name(preset: str, large: bool) -> str:
    return f'{preset}, {"large" if large else "usual"} pages'


def _report(rounds: Rounds, settings: dict[str, object]) -> Report:
    rows = []
    for preset in PRESETS:
        usual, large = _name(preset, False), _name(preset, True)
        rows.append(
            (
                preset,
                str(rounds.wall_s(usual).scaled(1e3)),
                str(rounds.wall_s(large).scaled(1e3)),
                str(rounds.wall_ratio(large, usual)),
            )
        )
    columns = ('preset', 'usual pages, ms', 'large pages, ms', 'large ÷ usual')
    return Report(
        theme='large_pages',
        title='Memory in large pages',
        settings=settings,
        tables=[Table('One step', columns, rows)],
        notes=[
            f'{rounds.describe()}; {STEPS} steps of each case per round. Spreads are quartiles.',
            f'Large pages are asked for by `{VARIABLE}={LARGE}`.',
        ],
    )


if __name__ == '__main__':
    sys.exit(main())
