"""What do lower precision and compilation bring on this machine, and what do they change?

Each way runs the whole engine. Times are of steps with frames of 640×480; the difference is the
largest in any probability of any decision over a simulated recording, to float32 without a
compiler.
"""

from __future__ import annotations

import copy
import dataclasses
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from harness import Case, Report, Rounds, arguments, publish, stopwatch, take_turns
from numpy.typing import NDArray
from record import Table, provenance
from torch import nn
from workload import steady

from activity_recognition.config import EngineConfig, SyncConfig
from activity_recognition.inference import StreamingEngine
from activity_recognition.inference.artificial import untrained_checkpoint
from activity_recognition.models.checkpoint import Checkpoint, default_checkpoint, load_checkpoint
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.simulation import SimulationConfig, simulate
from activity_recognition.streams import windows
from activity_recognition.types import Window

RATE_HZ = 15.0
STEPS = 15
"""Steps of a case in one round; a multiple of those between two weighings."""
COMPARED_S = 20.0
FIRST_SEED = 960_000
"""Neither training nor the other measures use the seeds from here on."""


class UnavailableError(Exception):
    """A way does not work here; the text says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """One way to run the network."""

    name: str
    change: Callable[[ActivityRecognitionSystem], None] = lambda _: None
    """Alters a network in place."""
    precision: str = 'fp32'


def quantise(system: ActivityRecognitionSystem) -> None:
    """Keep the encoders' and the fusion's linear layers as int8, their inputs made so each time."""
    for name in ('video_encoder', 'text_encoder', 'audio_encoder', 'cross_attention'):
        part = getattr(system, name)
        with warnings.catch_warnings():
            # The successor is a package of its own; nothing else is said.
            warnings.simplefilter('ignore', DeprecationWarning)
            torch.ao.quantization.quantize_dynamic(part, {nn.Linear}, torch.qint8, inplace=True)


def compile_frame_encoder(system: ActivityRecognitionSystem) -> None:
    """Compile the frame encoder: most of the arithmetic, and of the same shape in every step.

    What grows with the rings would be compiled again and again, for minutes.

    Raises:
        UnavailableError: there is no compiler.
    """
    size = system.config.video.input_size_px
    encoder = system.video_encoder.frame_encoder
    try:
        encoder.compile()
        with torch.inference_mode():
            encoder(torch.zeros(1, size, size, 3, dtype=torch.uint8))
    except Exception as error:
        words = str(error).strip().splitlines() or [type(error).__name__]
        raise UnavailableError(f'torch.compile does not work here ({words[0]})') from error


FLOAT = Way(name='fp32')
WAYS = (
    FLOAT,
    Way(name='bf16 autocast', precision='bf16'),
    Way(name='dynamic int8', change=quantise),
    Way(name='torch.compile', change=compile_frame_encoder),
)


def main(argv: list[str] | None = None) -> int:
    """Measure and report."""
    parser = arguments(__doc__, seconds=25.0, rounds=8, threads=1)
    parser.add_argument(
        '--ways', nargs='+', choices=[way.name for way in WAYS], help='besides fp32'
    )
    parser.add_argument('--compared', type=float, default=COMPARED_S, help='seconds of input')
    chosen = parser.parse_args(argv)
    began = provenance()
    torch.set_num_threads(chosen.threads)
    checkpoints = {
        'shipped': load_checkpoint(default_checkpoint()),
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
    system = copy.deepcopy(checkpoint.system).eval()
    way.change(system)
    engine = StreamingEngine(
        dataclasses.replace(checkpoint, system=system),
        engine=EngineConfig(device='cpu', precision=way.precision, num_threads=threads),
    )
    engine.warm_up()
    return engine


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
    columns = ('network and way', 'wall ms (quartiles)', '÷ fp32 (quartiles)', 'largest |Δp|')
    return Report(
        theme='precision',
        title='Precision and compilation',
        settings=settings,
        tables=[Table('One step', columns, rows)],
        notes=[
            f'{rounds.describe()}; {STEPS} steps of each case per round.',
            '`shipped` is the checkpoint that comes with the package, `small` a preset with random '
            'weights, whose probabilities differ less between activities. Int8 holds the linear '
            'layers of the encoders and the fusion. Compiled is the frame encoder.',
            *notes,
        ],
    )


if __name__ == '__main__':
    sys.exit(main())
