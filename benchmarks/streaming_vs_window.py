"""What does it save to encode every sample once instead of a whole window per decision?

Streaming: one step of the engine, everything included. Window: the same network over the samples of
its last window, already resized and as spectrograms, for one decision.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from itertools import islice

import torch
from harness import Goal, Report, Rounds, arguments, publish, stopwatch, take_turns
from record import Table, provenance
from work import count_work
from workload import make_engine, steady

from activity_recognition.inference.artificial import artificial_stream, untrained_checkpoint
from activity_recognition.inference.lanes.artificial import UTTERANCE_PERIOD_S
from activity_recognition.inference.trace import dense_recording, to_batch
from activity_recognition.models.checkpoint import Checkpoint
from activity_recognition.types import Frame, Window

PRESETS = ('nano', 'small')
RATE_HZ = 15.0
CLIP_FRAMES = 16
"""Frames that clip networks usually take from a window."""
STEPS = 15
WANTED = 10.0
WANTED_FLOPS = 16.0
COUNTED = round(RATE_HZ * UTTERANCE_PERIOD_S)
"""Steps whose FLOPs are counted: one utterance, and a multiple of those between two ablations."""


def main(argv: list[str] | None = None) -> int:
    """Measure and report."""
    parser = arguments(__doc__, seconds=40.0, rounds=12, threads=1)
    chosen = parser.parse_args(argv)
    began = provenance()
    torch.set_num_threads(chosen.threads)
    cases, gflop = {}, {}
    for preset in PRESETS:
        checkpoint = untrained_checkpoint(preset, seed=chosen.seed)
        engine = make_engine(checkpoint, threads=chosen.threads)
        step = steady(engine, frame_rate_hz=RATE_HZ, seed=chosen.seed)
        cases[f'{preset}, streaming'] = partial(stopwatch, step, STEPS)
        # The same work, by the backend whose operators can be counted.
        counted = make_engine(checkpoint, threads=chosen.threads, backend='torch')
        step = steady(counted, frame_rate_hz=RATE_HZ, seed=chosen.seed)
        gflop[f'{preset}, streaming'] = count_work(step, COUNTED).flops / 1e9
        for name, stride in _strides(checkpoint).items():
            recompute = _recompute(checkpoint, chosen.seed, stride)
            cases[f'{preset}, {name}'] = partial(stopwatch, recompute, 1)
            gflop[f'{preset}, {name}'] = count_work(recompute).flops / 1e9
    rounds = take_turns(cases, chosen)
    settings = {'threads': chosen.threads, 'seed': chosen.seed, 'frames per second': RATE_HZ}
    return publish(_report(rounds, gflop, settings), chosen, began=began)


def _strides(checkpoint: Checkpoint) -> dict[str, int]:
    """Return the recomputed windows by name, each with the distance of its frames."""
    frames = round(checkpoint.config.video.window_s * RATE_HZ)
    return {'whole window': 1, f'window of {CLIP_FRAMES} frames': max(frames // CLIP_FRAMES, 1)}


def _recompute(checkpoint: Checkpoint, seed: int, stride: int) -> Callable[[], object]:
    """Return a call that decides once from the samples of one window, from nothing."""
    frames = round(checkpoint.config.video.window_s * RATE_HZ)
    windows = artificial_stream(checkpoint.config, frame_rate_hz=RATE_HZ, seed=seed)
    taken = list(islice(windows, frames))
    thinned = []
    for index, window in enumerate(taken):
        kept = (len(taken) - 1 - index) % stride == 0
        samples = tuple(s for s in window.samples if kept or not isinstance(s, Frame))
        decision = window.decision if window is taken[-1] else None
        thinned.append(Window(samples=samples, decision=decision))
    (arrays,) = dense_recording(thinned, checkpoint.config, checkpoint.tokenizer)
    batch = to_batch(arrays)

    def forward() -> None:
        with torch.inference_mode():
            checkpoint.system(batch)

    return forward


def _report(rounds: Rounds, gflop: dict[str, float], settings: dict[str, object]) -> Report:
    rows, goals = [], []
    for name, count in gflop.items():
        preset = name.split(',', maxsplit=1)[0]
        base = f'{preset}, streaming'
        ratio = rounds.wall_ratio(name, base)
        cpu_ms = rounds.cpu_s(name).scaled(1e3)
        flops_ratio = count / gflop[base]
        rows.append(
            (
                name,
                f'{count:.3g}',
                f'{flops_ratio:.1f}',
                str(rounds.wall_s(name).scaled(1e3)),
                str(cpu_ms),
                str(ratio),
            )
        )
        if name.endswith('whole window'):
            goals.append(
                Goal(
                    name=f'window recomputed ÷ streaming, time, {preset}',
                    value=ratio.median,
                    at_least=WANTED,
                    settled=rounds.settled,
                )
            )
            goals.append(
                Goal(
                    name=f'window recomputed ÷ streaming, FLOPs, {preset}',
                    value=flops_ratio,
                    at_least=WANTED_FLOPS,
                )
            )
    columns = (
        'case',
        'GFLOP',
        'FLOPs ÷ streaming',
        'wall ms (quartiles)',
        'CPU ms (quartiles)',
        '÷ streaming (quartiles)',
    )
    return Report(
        theme='streaming_vs_window',
        title='Streaming against recomputing the window',
        settings=settings,
        goals=goals,
        tables=[Table('One decision', columns, rows)],
        notes=[
            f'{rounds.describe()}.',
            'A window recomputed from fresh is another function, with a shorter past: this '
            'compares costs, not answers.',
        ],
    )


if __name__ == '__main__':
    sys.exit(main())
