"""What does one stream of several cost that one engine serves in batched steps?

A step gives every stream one window: a frame, the sound and the words since the last one, and a
decision. Streams begin at different moments, so that their sound does not come in equal runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

import torch
from harness import Goal, Report, Rounds, Spent, arguments, publish, stopwatch, take_turns
from record import Table, provenance
from workload import ensure_exported, steady_streams

from activity_recognition.config import EngineConfig
from activity_recognition.inference import MultiStreamEngine
from activity_recognition.inference.artificial import untrained_checkpoint
from activity_recognition.models.checkpoint import Checkpoint

PRESETS = ('nano', 'small')
COUNTS = (1, 2, 4, 8, 16)
RATE_HZ = 15.0
STEPS = 15
"""Steps of one stream in a round, a multiple of the decisions between two ablations; of more
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
            cases[name_of(preset, count)] = partial(_per_stream, step, count)
    rounds = take_turns(cases, chosen)
    settings = {
        'threads': chosen.threads,
        'seed': chosen.seed,
        'frames per second': RATE_HZ,
        'frames': '640×480',
    }
    return publish(_report(rounds, settings), chosen, began=began)


def make_step(checkpoint: Checkpoint, count: int, *, threads: int, seed: int) -> Callable[[], None]:
    """Return a call that gives each of ``count`` streams its next window and has all decide."""
    ensure_exported(checkpoint)
    engine = MultiStreamEngine(checkpoint, engine=EngineConfig(device='cpu', num_threads=threads))
    return steady_streams(engine, count, frame_rate_hz=RATE_HZ, seed=seed)


def name_of(preset: str, count: int) -> str:
    """Return the name of a case."""
    return f'{preset}, {count} stream{"s" if count > 1 else ""}'


def _per_stream(step: Callable[[], None], count: int) -> Spent:
    return stopwatch(step, max(STEPS // count, FEWEST_STEPS)).per(count)


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
