"""What do backends and lower precision bring on this machine, and what do they change?

Each way runs the whole engine. Times are of steps with frames of 640×480; the difference is the
largest in any probability of any decision over a simulated recording, to PyTorch in float32.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from harness import Case, Report, Rounds, arguments, publish, stopwatch, take_turns
from numpy.typing import NDArray
from record import Table, provenance
from workload import UnavailableError, make_engine, steady

from activity_recognition.checkpoint_folder import shipped_checkpoint
from activity_recognition.config import SyncConfig
from activity_recognition.inference import StreamingEngine
from activity_recognition.inference.artificial import untrained_checkpoint
from activity_recognition.models.checkpoint import Checkpoint, load_checkpoint
from activity_recognition.simulation import SimulationConfig, simulate
from activity_recognition.streams import windows
from activity_recognition.types import Window

RATE_HZ = 15.0
STEPS = 15
"""Steps of a case in one round; a multiple of those between two ablations."""
COMPARED_S = 20.0
FIRST_SEED = 960_000
"""Neither training nor the other measures use the seeds from here on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """One way to run the network."""

    name: str
    backend: str
    precision: str = 'fp32'


FLOAT = Way(name='torch fp32', backend='torch')
WAYS = (
    FLOAT,
    Way(name='torch bf16', backend='torch', precision='bf16'),
    Way(name='auto', backend='auto'),
    Way(name='onnxruntime', backend='onnxruntime'),
    Way(name='onnxruntime int8', backend='onnxruntime-int8'),
    Way(name='compile', backend='compile'),
)


def main(argv: list[str] | None = None) -> int:
    """Measure and report."""
    parser = arguments(__doc__, seconds=25.0, rounds=8, threads=1)
    parser.add_argument(
        '--ways', nargs='+', choices=[way.name for way in WAYS], help='besides torch fp32'
    )
    parser.add_argument('--compared', type=float, default=COMPARED_S, help='seconds of input')
    chosen = parser.parse_args(argv)
    began = provenance()
    torch.set_num_threads(chosen.threads)
    checkpoints = {
        'shipped': load_checkpoint(shipped_checkpoint('nano')),
        'small': untrained_checkpoint('small', seed=chosen.seed),
    }
    ways = [way for way in WAYS if way is FLOAT or not chosen.ways or way.name in chosen.ways]
    cases: dict[str, Case] = {}
    differences: dict[str, float] = {}
    notes: list[str] = []
    for network, checkpoint in checkpoints.items():
        trace = _trace(chosen.compared, chosen.seed)
        reference: NDArray[np.floating] | None = None
        for way in ways:
            try:
                engine = _engine(checkpoint, way, chosen.threads)
                answers = _probabilities(engine, trace)
            except UnavailableError as reason:
                notes.append(f'{network}, {way.name} was skipped: {reason}.')
                print(notes[-1], file=sys.stderr)
                continue
            reference = answers if reference is None else reference
            differences[f'{network}, {way.name}'] = float(np.abs(answers - reference).max())
            cases[f'{network}, {way.name}'] = _case(engine, chosen.seed)
    rounds = take_turns(cases, chosen)
    settings = {'threads': chosen.threads, 'seed': chosen.seed, 'compared, s': chosen.compared}
    return publish(_report(rounds, differences, notes, settings), chosen, began=began)


def _engine(checkpoint: Checkpoint, way: Way, threads: int) -> StreamingEngine:
    return make_engine(checkpoint, threads=threads, backend=way.backend, precision=way.precision)


def _trace(seconds: float, seed: int) -> Sequence[Window]:
    scene = SimulationConfig(seed=FIRST_SEED + seed, duration_s=seconds, frame_rate_hz=RATE_HZ)
    return list(windows(simulate(scene).samples(), SyncConfig()))


def _probabilities(engine: StreamingEngine, trace: Sequence[Window]) -> NDArray[np.floating]:
    """Return the probabilities of every decision before smoothing, (decisions, C)."""
    engine.reset()
    decisions = [decision for window in trace if (decision := engine.apply(window)) is not None]
    logits = np.stack([decision.logits for decision in decisions]).astype(np.float64)
    scaled = logits / engine.checkpoint.temperature
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    probabilities: NDArray[np.floating] = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities


def _case(engine: StreamingEngine, seed: int) -> Case:
    engine.reset()
    return partial(stopwatch, steady(engine, frame_rate_hz=RATE_HZ, seed=seed), STEPS)


def _report(
    rounds: Rounds, differences: dict[str, float], notes: list[str], settings: dict[str, object]
) -> Report:
    rows = []
    for name, difference in differences.items():
        base = f'{name.split(",", maxsplit=1)[0]}, {FLOAT.name}'
        rows.append(
            (
                name,
                str(rounds.wall_s(name).scaled(1e3)),
                str(rounds.wall_ratio(name, base)),
                f'{difference:.1e}',
            )
        )
    columns = ('network and way', 'wall ms (quartiles)', '÷ torch fp32 (quartiles)', 'largest |Δp|')
    return Report(
        theme='precision',
        title='Backends and precision',
        settings=settings,
        tables=[Table('One step', columns, rows)],
        notes=[
            f'{rounds.describe()}; {STEPS} steps of each case per round.',
            '`shipped` is the checkpoint that comes with the package, `small` a preset with random '
            'weights, whose probabilities differ less between activities.',
            *notes,
        ],
    )


if __name__ == '__main__':
    sys.exit(main())
