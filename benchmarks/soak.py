"""Does an hour of input leave memory flat and decisions finite?

A simulated minute is rendered once and comes again and again with fresh stamps, through the window
synchroniser into the engine, as fast as that goes. Resident memory after the first hundredth is
compared with that at the end and with the largest in between.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from harness import Goal, Report, arguments, publish
from record import Table, provenance
from workload import make_engine

from activity_recognition.config import SyncConfig
from activity_recognition.inference import StreamingEngine
from activity_recognition.inference.artificial import untrained_checkpoint
from activity_recognition.simulation import SimulationConfig, simulate
from activity_recognition.streams import windows
from activity_recognition.types import Sample, Window, seconds_between, to_ns

MINUTE_S = 60.0
LIMIT = 1.01
LOOKS = 100
"""How often memory is looked at."""


@dataclass(kw_only=True, slots=True)
class Outcome:
    """What happened on the way."""

    memory: list[int] = field(default_factory=list)
    """Resident bytes after every hundredth of the input, and at the end."""
    decisions: int = 0
    broken: int = 0
    """Decisions that are not finite."""
    covered_s: float = 0.0
    """Simulated time that was processed."""
    took_s: float = 0.0


def main(argv: list[str] | None = None) -> int:
    """Measure and report."""
    parser = arguments(__doc__, seconds=240.0)
    parser.add_argument('--preset', default='nano')
    parser.add_argument('--minutes', type=float, default=60.0, help='of simulated input')
    parser.add_argument('--frame-rate', type=float, default=4.0, help='frames per second')
    parser.add_argument('--chunk', type=float, default=0.256, help='seconds of sound per message')
    chosen = parser.parse_args(argv)
    began = provenance()
    torch.set_num_threads(1)
    engine = make_engine(untrained_checkpoint(chosen.preset, seed=chosen.seed), threads=1)
    simulation = SimulationConfig(
        seed=chosen.seed,
        duration_s=MINUTE_S,
        frame_rate_hz=chosen.frame_rate,
        audio_chunk_s=chosen.chunk,
    )
    minute = list(simulate(simulation).samples())
    duration_s = chosen.minutes * MINUTE_S
    trace = windows(repeat(minute, duration_s), SyncConfig(decision_rate_hz=chosen.frame_rate))
    outcome = drive(
        engine,
        trace,
        start_ns=simulation.start_ns,
        look_every_s=duration_s / LOOKS,
        limit_s=chosen.seconds,
    )
    return publish(_report(outcome, chosen, duration_s), chosen, began=began)


def drive(
    engine: StreamingEngine,
    trace: Iterator[Window],
    *,
    start_ns: int,
    look_every_s: float,
    limit_s: float,
) -> Outcome:
    """Apply windows until they or the time end, looking at the memory now and then."""
    outcome, start_s = Outcome(), time.monotonic()
    for window in trace:
        decision = engine.apply(window)
        if decision is None:
            continue
        outcome.decisions += 1
        outcome.broken += not np.isfinite(decision.logits).all()
        outcome.covered_s = seconds_between(decision.arrival_ns, start_ns)
        if outcome.covered_s >= (len(outcome.memory) + 1) * look_every_s:
            outcome.memory.append(resident_bytes())
        if time.monotonic() - start_s > limit_s:
            break
    outcome.memory.append(resident_bytes())
    outcome.took_s = time.monotonic() - start_s
    return outcome


def repeat(minute: Sequence[Sample], duration_s: float) -> Iterator[Sample]:
    """Yield a minute's samples again and again for ``duration_s``, each time a minute later."""
    for index in range(math.ceil(duration_s / MINUTE_S)):
        shift_ns = index * to_ns(MINUTE_S)
        for sample in minute:
            yield dataclasses.replace(
                sample,
                stamp_ns=sample.stamp_ns + shift_ns,
                arrival_ns=sample.arrival_ns + shift_ns,
            )


def resident_bytes(process: int | str = 'self') -> int:
    """Return the memory of a process, this one or that of an id, that is in RAM."""
    pages = int(Path(f'/proc/{process}/statm').read_text(encoding='ascii').split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE')


def _report(outcome: Outcome, chosen: argparse.Namespace, duration_s: float) -> Report:
    memory, whole = outcome.memory, outcome.covered_s >= 0.99 * duration_s
    report = Report(
        theme='soak',
        title=f'{chosen.minutes:g} minutes of simulated input',
        settings={
            'preset': chosen.preset,
            'seed': chosen.seed,
            'frames per second': chosen.frame_rate,
            'seconds of sound per message': chosen.chunk,
        },
        goals=[
            Goal(
                name='memory at the end ÷ after 1 %',
                value=memory[-1] / memory[0],
                at_most=LIMIT,
                settled=whole,
            ),
            Goal(
                name='decisions that are not finite',
                value=outcome.broken,
                at_most=0,
                settled=whole,
            ),
        ],
        tables=[_table(outcome)],
    )
    if not whole:
        report.notes.append(
            f'Time was over after {outcome.covered_s / 60:.1f} simulated minutes: nothing is '
            'concluded; give it more with --seconds.'
        )
    return report


def _table(outcome: Outcome) -> Table:
    mib = [value / 2**20 for value in outcome.memory]
    rows = [
        ('simulated minutes', f'{outcome.covered_s / 60:.1f}'),
        ('decisions', str(outcome.decisions)),
        ('memory after 1 %, MiB', f'{mib[0]:.1f}'),
        ('memory at the end, MiB', f'{mib[-1]:.1f}'),
        ('largest in between, MiB', f'{max(mib):.1f}'),
        ('times faster than the clock', f'{outcome.covered_s / outcome.took_s:.1f}'),
    ]
    return Table('What happened', ('what', 'value'), rows)


if __name__ == '__main__':
    sys.exit(main())
