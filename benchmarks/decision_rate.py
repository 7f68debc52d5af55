"""How many decisions a second, all three modalities arriving?

A step is what one frame costs: its resizing from 640×480 and encoding, the sound and words that
came since the last frame, and the decision, every fifth of them with the modalities' weights. Every
frame decides.
"""

from __future__ import annotations

import sys
from functools import partial

import torch
from harness import Goal, Report, Rounds, Spent, arguments, publish, stopwatch, take_turns
from record import Table, provenance
from workload import make_engine, steady

from activity_recognition.inference.artificial import untrained_checkpoint

GOALS_HZ = {'small': 30.0, 'nano': 60.0}
FRAME_RATES_HZ = (15.0, 30.0)
STEPS = 15
"""Steps of a case in one round; a multiple of the decisions between two ablations."""


def main(argv: list[str] | None = None) -> int:
    """Measure and report."""
    parser = arguments(__doc__, seconds=30.0, rounds=20, threads=1)
    chosen = parser.parse_args(argv)
    began = provenance()
    torch.set_num_threads(chosen.threads)
    cases = {
        (preset, rate_hz): _case(preset, rate_hz, chosen.threads, chosen.seed)
        for preset in GOALS_HZ
        for rate_hz in FRAME_RATES_HZ
    }
    rounds = take_turns({_name(*key): case for key, case in cases.items()}, chosen)
    settings = {'threads': chosen.threads, 'seed': chosen.seed, 'frames': '640×480'}
    return publish(_report(rounds, list(cases), settings), chosen, began=began)


def _case(preset: str, rate_hz: float, threads: int, seed: int) -> partial[Spent]:
    checkpoint = untrained_checkpoint(preset, seed=seed)
    engine = make_engine(checkpoint, threads=threads)
    return partial(stopwatch, steady(engine, frame_rate_hz=rate_hz, seed=seed), STEPS)


def _name(preset: str, rate_hz: float) -> str:
    return f'{preset} at {rate_hz:g} frames/s'


def _report(rounds: Rounds, keys: list[tuple[str, float]], settings: dict[str, object]) -> Report:
    rows, goals = [], []
    for preset, rate_hz in keys:
        name = _name(preset, rate_hz)
        wall_s, cpu_s = rounds.wall_s(name), rounds.cpu_s(name)
        per_second = 1.0 / wall_s.median
        rows.append((name, str(wall_s.scaled(1e3)), str(cpu_s.scaled(1e3)), f'{per_second:.1f}'))
        if rate_hz == max(FRAME_RATES_HZ):
            goals.append(
                Goal(
                    name=f'decisions/s, {name}',
                    value=per_second,
                    at_least=GOALS_HZ[preset],
                    settled=rounds.settled,
                )
            )
    columns = ('case', 'wall ms (quartiles)', 'CPU ms (quartiles)', 'decisions/s')
    return Report(
        theme='decision_rate',
        title='Decisions per second',
        settings=settings,
        goals=goals,
        tables=[Table('One decision with all its input', columns, rows)],
        notes=[f'{rounds.describe()}; {STEPS} steps of each case per round.'],
    )


if __name__ == '__main__':
    sys.exit(main())
