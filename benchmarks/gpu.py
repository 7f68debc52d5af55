"""How fast is the engine on a GPU, in which precision, and for how many streams?

Every precision runs the whole engine for one stream, and then for several streams that take turns
through one network. Before anything is timed, each is compared with float32 on the CPU.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import dataclasses
import sys
from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
import torch
from harness import (
    Case,
    Goal,
    Report,
    Rounds,
    Spent,
    arguments,
    publish,
    skipped,
    stopwatch,
    take_turns,
)
from record import Table, provenance
from workload import steady

from activity_recognition.config import EngineConfig
from activity_recognition.inference import StreamingEngine
from activity_recognition.inference.artificial import artificial_stream, untrained_checkpoint
from activity_recognition.models.checkpoint import Checkpoint

RATE_HZ = 15.0
STEPS = 15
STREAMS = (1, 4, 16, 64)
LARGEST_DIFFERENCE = {'fp32': 1e-4, 'tf32': 2e-2, 'bf16': 2e-2}
"""Of a probability, to float32 on the CPU."""
COMPARED = 30
"""Decisions that are compared."""


def main(argv: list[str] | None = None) -> int:
    """Measure and report, or say why not."""
    parser = arguments(__doc__, seconds=40.0, rounds=10)
    parser.add_argument('--preset', default='small')
    parser.add_argument('--device', default='cuda')
    parser.add_argument('--precisions', nargs='+', default=list(LARGEST_DIFFERENCE))
    parser.add_argument('--streams', type=int, nargs='+', default=list(STREAMS))
    chosen = parser.parse_args(argv)
    began = provenance()
    if chosen.device.startswith('cuda') and not torch.cuda.is_available():
        report = _empty(chosen, 'no CUDA device')
    else:
        report = _measure(chosen)
    return publish(report, chosen, began=began)


def _empty(chosen: argparse.Namespace, reason: str) -> Report:
    goals = [
        skipped(_goal_name(name), reason, at_most=LARGEST_DIFFERENCE[name])
        for name in chosen.precisions
    ]
    return Report(
        theme='gpu',
        title='On a GPU',
        settings={'preset': chosen.preset},
        goals=goals,
        notes=[f'Skipped: {reason}.'],
    )


def _goal_name(precision: str) -> str:
    return f'largest difference of a probability to float32 on the CPU, {precision}'


@contextlib.contextmanager
def arithmetic(precision: str) -> Iterator[None]:
    """Allow TF32 in the block for ``tf32`` alone."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    allowed = precision == 'tf32'
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def _measure(chosen: argparse.Namespace) -> Report:
    checkpoint = untrained_checkpoint(chosen.preset, seed=chosen.seed)
    expected = _probabilities(_engine(checkpoint, 'cpu', 'fp32'), chosen.seed)
    cases: dict[str, Case] = {}
    goals, notes = [], []
    for precision in chosen.precisions:
        engine = _engine(checkpoint, chosen.device, precision)
        with arithmetic(precision):
            found = _probabilities(engine, chosen.seed)
        goals.append(
            Goal(
                name=_goal_name(precision),
                value=float(np.abs(found - expected).max()),
                at_most=LARGEST_DIFFERENCE[precision],
            )
        )
        notes.append(f'{precision}: {engine.device_name}.')
        for count in chosen.streams:
            cases[_case_name(precision, count)] = _streams(engine, precision, count, chosen.seed)
    rounds = take_turns(cases, chosen)
    settings = {'preset': chosen.preset, 'device': chosen.device, 'seed': chosen.seed}
    return Report(
        theme='gpu',
        title='On a GPU',
        settings=settings,
        goals=goals,
        tables=[_table(chosen, rounds)],
        notes=[f'{rounds.describe()}; {STEPS} steps of each stream per round.', *notes],
    )


def _engine(checkpoint: Checkpoint, device: str, precision: str) -> StreamingEngine:
    """Return an engine with weights of its own."""
    engine = StreamingEngine(
        dataclasses.replace(checkpoint, system=copy.deepcopy(checkpoint.system)),
        engine=EngineConfig(
            device=device, precision='fp32' if precision == 'tf32' else precision, num_threads=1
        ),
    )
    engine.warm_up()
    return engine


def _probabilities(engine: StreamingEngine, seed: int) -> np.ndarray:
    """Return the probabilities of the first decisions of a stream, (decisions, C)."""
    engine.reset()
    logits = []
    windows = artificial_stream(engine.config, frame_rate_hz=RATE_HZ, seed=seed)
    for window in islice(windows, COMPARED):
        decision = engine.apply(window)
        assert decision is not None
        logits.append(decision.logits.astype(np.float64))
    powers = np.exp(np.stack(logits) - np.max(logits, axis=-1, keepdims=True))
    result: np.ndarray = powers / powers.sum(axis=-1, keepdims=True)
    return result


def _streams(first: StreamingEngine, precision: str, count: int, seed: int) -> Case:
    """Return a step of each of ``count`` streams through the network of ``first``."""
    steps: list[Callable[[], None]] = []
    with arithmetic(precision):
        for number in range(count):
            engine = StreamingEngine(
                first.checkpoint,
                engine=EngineConfig(
                    device=str(first.precision.device),
                    precision='bf16' if precision == 'bf16' else 'fp32',
                    num_threads=1,
                ),
            )
            steps.append(steady(engine, frame_rate_hz=RATE_HZ, seed=seed + number))

    def step() -> None:
        for one in steps:
            one()

    def run() -> Spent:
        with arithmetic(precision):
            return stopwatch(step, STEPS)

    return run


def _case_name(precision: str, count: int) -> str:
    return f'{precision}, {count}'


def _table(chosen: argparse.Namespace, rounds: Rounds) -> Table:
    base = _case_name(chosen.precisions[0], chosen.streams[0])
    rows = []
    for precision in chosen.precisions:
        for count in chosen.streams:
            name = _case_name(precision, count)
            each = rounds.wall_s(name).scaled(1e3 / count)
            rows.append(
                (
                    precision,
                    str(count),
                    str(each),
                    f'{1e3 / each.median:.0f}',
                    str(rounds.wall_ratio(name, base).scaled(1 / count)),
                )
            )
    columns = (
        'precision',
        'streams',
        'ms per decision (quartiles)',
        'decisions/s',
        '÷ first row',
    )
    return Table('One decision of one stream', columns, rows)


if __name__ == '__main__':
    sys.exit(main())
