"""What does one stream of several cost that one engine serves in batched steps?

A step gives every stream one window: a frame, the sound and the words since the last one, and a
decision. Streams begin at different moments, so that their sound does not come in equal runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial

import torch
from harness import Goal, Report, Rounds, Spent, arguments, publish, stopwatch, take_turns
from record import Table, provenance
from workload import FILL_S, ensure_exported

from activity_recognition.config import EngineConfig
from activity_recognition.inference import MultiStreamEngine
from activity_recognition.inference.artificial import (
    START_NS,
    artificial_stream,
    untrained_checkpoint,
)
from activity_recognition.models.checkpoint import Checkpoint
from activity_recognition.types import Window, to_ns

PRESETS = ('nano', 'small')
COUNTS = (1, 2, 4, 8, 16)
RATE_HZ = 15.0
OFFSET_S = 0.017
"""Between the beginnings of two streams."""
STEPS = 15
"""Steps of one stream in a round, a multiple of the decisions between two weighings; of more
streams fewer, but no fewer than ``FEWEST_STEPS``."""
FEWEST_STEPS = 5
JUDGED, WANTED = 8, 0.6


def main(argv: list[str] | None = None) -> int:
    """Measure and report."""
    parser = arguments(__doc__, seconds=60.0, rounds=12, threads=1)
    chosen = parser.parse_args(argv)
    began = provenance()
    torch.set_num_threads(chosen.threads)
    cases = {}
    for preset in PRESETS:
        checkpoint = untrained_checkpoint(preset, seed=chosen.seed)
        for count in COUNTS:
            step = make_step(checkpoint, count, threads=chosen.threads, seed=chosen.seed)
            for _ in range(round(FILL_S * RATE_HZ)):
                step()
            cases[name_of(preset, count)] = partial(_per_stream, step, count)
    rounds = take_turns(cases, chosen)
    settings = {
        'threads': chosen.threads,
        'seed': chosen.seed,
        'frames per second': RATE_HZ,
        'frames': '640×480',
    }
    return publish(_report(rounds, settings), chosen, began=began)


def make_step(
    checkpoint: Checkpoint, count: int, *, threads: int, seed: int
) -> Callable[[], object]:
    """Return a call that gives each of ``count`` streams its next window and has all decide."""
    ensure_exported(checkpoint)
    engine = MultiStreamEngine(checkpoint, engine=EngineConfig(device='cpu', num_threads=threads))
    sources: dict[str, Iterator[Window]] = {}
    for index in range(count):
        name = f'stream_{index}'
        engine.join(name)
        sources[name] = artificial_stream(
            checkpoint.config,
            frame_rate_hz=RATE_HZ,
            seed=seed + index,
            start_ns=START_NS + to_ns(index * OFFSET_S),
        )
    engine.warm_up()

    def step() -> None:
        decisions = engine.apply({name: next(source) for name, source in sources.items()})
        if len(decisions) != count:
            raise RuntimeError(f'expected {count} decisions, got {len(decisions)}')

    return step


def name_of(preset: str, count: int) -> str:
    """Return the name of a case."""
    return f'{preset}, {count} stream{"s" if count > 1 else ""}'


def _per_stream(step: Callable[[], object], count: int) -> Spent:
    spent = stopwatch(step, max(STEPS // count, FEWEST_STEPS))
    return Spent(wall_s=spent.wall_s / count, cpu_s=spent.cpu_s / count)


def _report(rounds: Rounds, settings: dict[str, object]) -> Report:
    rows, goals = [], []
    for preset in PRESETS:
        alone = name_of(preset, 1)
        for count in COUNTS:
            name = name_of(preset, count)
            wall_s, ratio = rounds.wall_s(name), rounds.wall_ratio(name, alone)
            cpu_ms = rounds.cpu_s(name).scaled(1e3)
            rows.append((name, str(wall_s.scaled(1e3)), str(cpu_ms), str(ratio)))
            if count == JUDGED:
                goals.append(
                    Goal(
                        name=f'time per stream of {count} ÷ one alone, {preset}',
                        value=ratio.median,
                        at_most=WANTED,
                        settled=rounds.settled,
                    )
                )
    columns = ('case', 'wall ms (quartiles)', 'CPU ms (quartiles)', '÷ one alone (quartiles)')
    return Report(
        theme='many_streams',
        title='Many streams in one engine',
        settings=settings,
        goals=goals,
        tables=[Table('One decision of one stream', columns, rows)],
        notes=[f'{rounds.describe()}; times are those of a step divided by its streams.'],
    )


if __name__ == '__main__':
    sys.exit(main())
