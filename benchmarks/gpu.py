"""How fast is the engine on a GPU, in which precision, by what backend, for how many streams?

Every way runs the whole engine, front end and decisions included, for one stream and for several in
one batched step. Before anything is timed, its probabilities are compared with those of float32 on
the CPU. Beside the times stands the least that the network's operations and bytes allow at the
rates of a large matrix product and a large copy on the same device.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import dataclasses
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice

import numpy as np
import torch
from harness import (
    Budget,
    Case,
    Goal,
    Report,
    Rounds,
    Spent,
    arguments,
    interleave,
    publish,
    skipped,
    stopwatch,
)
from record import Table, provenance
from workload import NO_TIME, UnavailableError, steady_streams

from activity_recognition.config import EngineConfig
from activity_recognition.inference import MultiStreamEngine
from activity_recognition.inference.artificial import artificial_stream, untrained_checkpoint
from activity_recognition.models.checkpoint import Checkpoint
from activity_recognition.models.operations import decision_work, sample_work
from activity_recognition.models.work import total
from activity_recognition.types import Modality

RATE_HZ = 30.0
STEPS = 15
STREAMS = (1, 8, 64)
LARGEST_DIFFERENCE = {'fp32': 1e-4, 'tf32': 2e-2, 'bf16': 2e-2}
"""Of a probability, to float32 on the CPU."""
PIXEL_DIFFERENCE = 2e-2
"""More of it where pixels may differ by a level."""
COMPARED = 30
"""Decisions that are compared."""
WANTED_GRAPH = 3.0
"""How many times as fast one stream is by graphs as by operators."""
GEMM_SIDE = 4096
COPY_BYTES = 256 * 2**20


@dataclasses.dataclass(frozen=True, slots=True)
class Way:
    """One way to run the engine."""

    precision: str
    backend: str
    resize: str = 'host'

    @property
    def name(self) -> str:
        """In words."""
        resized = ', resized there' if self.resize == 'device' else ''
        return f'{self.precision} by {self.backend}{resized}'

    @classmethod
    def of(cls, text: str) -> Way:
        """Read ``precision/backend`` or ``precision/backend/resize``."""
        return cls(*text.split('/'))


WAYS = (
    'fp32/torch',
    'fp32/cudagraph',
    'tf32/cudagraph',
    'bf16/torch',
    'bf16/cudagraph',
    'bf16/cudagraph/device',
)


def main(argv: list[str] | None = None) -> int:
    """Measure and report, or say why not."""
    parser = arguments(
        __doc__,
        seconds=300.0,
        rounds=10,
        seconds_help='time of the whole run; what cannot be prepared in half of it is skipped',
    )
    parser.add_argument('--preset', default='small')
    parser.add_argument('--device', default='cuda')
    parser.add_argument('--ways', nargs='+', default=list(WAYS), metavar='PRECISION/BACKEND')
    parser.add_argument('--streams', type=int, nargs='+', default=list(STREAMS))
    parser.add_argument('--width', type=int, default=640, help='of the images, pixels')
    parser.add_argument('--height', type=int, default=480, help='of the images, pixels')
    chosen = parser.parse_args(argv)
    ways = [Way.of(text) for text in chosen.ways]
    began = provenance(chosen.device)
    if chosen.device.startswith('cuda') and not torch.cuda.is_available():
        report = _empty(chosen, ways, 'no CUDA device')
    else:
        report = _measure(chosen, ways)
    return publish(report, chosen, began=began)


def _empty(chosen: argparse.Namespace, ways: list[Way], reason: str) -> Report:
    goals = [skipped(_goal_name(way), reason, at_most=_allowed(way)) for way in ways]
    goals += [skipped(_ratio_name(p), reason, at_least=WANTED_GRAPH) for p in _both(ways)]
    return Report(
        theme='gpu',
        title='On a GPU',
        settings={'preset': chosen.preset},
        goals=goals,
        notes=[f'Skipped: {reason}.'],
    )


def _goal_name(way: Way) -> str:
    return f'largest difference of a probability to float32 on the CPU, {way.name}'


def _ratio_name(precision: str) -> str:
    return f'operators ÷ graphs, one stream, {precision}'


def _allowed(way: Way) -> float:
    return LARGEST_DIFFERENCE[way.precision] + PIXEL_DIFFERENCE * (way.resize == 'device')


def _both(ways: list[Way]) -> list[str]:
    """Return the precisions that run by operators and by graphs, on the same pixels."""
    of = {
        backend: [w.precision for w in ways if w.backend == backend and w.resize == 'host']
        for backend in ('torch', 'cudagraph')
    }
    return [precision for precision in of['torch'] if precision in of['cudagraph']]


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


def _measure(chosen: argparse.Namespace, ways: list[Way]) -> Report:
    budget = Budget(chosen.seconds)
    checkpoint = untrained_checkpoint(chosen.preset, seed=chosen.seed)
    prepared = _prepare(checkpoint, chosen, ways, budget)
    rounds = interleave(
        prepared.cases,
        rounds=chosen.rounds,
        limit_s=budget.left_s,
        seed=chosen.seed,
        warm_up=0,  # each ran once when it was prepared
        say=budget.say,
    )
    goals = [*prepared.goals]
    for precision in _both(ways) if 1 in chosen.streams else ():
        operators, graphs = (
            _case_name(Way(precision, backend), 1) for backend in ('torch', 'cudagraph')
        )
        if not {operators, graphs} <= set(prepared.cases):
            goals.append(
                skipped(_ratio_name(precision), 'not both were timed', at_least=WANTED_GRAPH)
            )
            continue
        ratio = rounds.wall_ratio(operators, graphs).median
        goals.append(
            Goal(
                name=_ratio_name(precision),
                value=ratio,
                at_least=WANTED_GRAPH,
                settled=rounds.settled,
            )
        )
    settings = {
        'preset': chosen.preset,
        'device': chosen.device,
        'seed': chosen.seed,
        'frames per second': RATE_HZ,
        'images': f'{chosen.width}×{chosen.height}',
    }
    tables = [_floor(checkpoint, rounds)]
    if prepared.streams:
        tables.insert(0, _table(prepared.streams, rounds))
    return Report(
        theme='gpu',
        title='On a GPU',
        settings=settings,
        goals=goals,
        tables=tables,
        notes=[f'{rounds.describe()}; {STEPS} steps of all streams per round.', *prepared.notes],
    )


@dataclasses.dataclass(slots=True)
class _Prepared:
    """What is to be timed, each case run once, and what was found before."""

    cases: dict[str, Case] = dataclasses.field(default_factory=dict)
    streams: list[tuple[Way, int]] = dataclasses.field(default_factory=list)
    """Ways and numbers of streams among the cases."""
    goals: list[Goal] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)


def _prepare(
    checkpoint: Checkpoint, chosen: argparse.Namespace, ways: list[Way], budget: Budget
) -> _Prepared:
    """Compare every way, then prepare its cases, those of few streams first, as time allows."""
    prepared = _Prepared()

    def add(name: str, case: Case) -> None:
        prepared.cases[name] = case
        budget.say(f'{name}: {case().wall_s:.3g} s')

    for name, dtype in (('fp32', torch.float32), ('bf16', torch.bfloat16)):
        add(f'product, {name}', _product(chosen.device, dtype))
    add('copy', _copy(chosen.device))
    budget.say(f'{chosen.preset} in float32 on the CPU, to compare with')
    expected = _probabilities(_engine(checkpoint, 'cpu', Way('fp32', 'torch')), chosen.seed)
    usable = []
    for way in ways:
        try:
            if not budget.may_prepare():
                raise UnavailableError(NO_TIME)
            difference, device_name = _compare(checkpoint, chosen, way, expected)
        except UnavailableError as reason:
            prepared.goals.append(skipped(_goal_name(way), str(reason), at_most=_allowed(way)))
            continue
        usable.append(way)
        prepared.goals.append(Goal(name=_goal_name(way), value=difference, at_most=_allowed(way)))
        prepared.notes.append(f'{way.name}: {device_name}.')
        budget.say(f'{way.name}: differs by {difference:.2g}')
    for count in sorted(chosen.streams):
        for way in usable:
            name = _case_name(way, count)
            try:
                add(name, _streams(checkpoint, chosen, way, count, budget))
                prepared.streams.append((way, count))
            except UnavailableError as reason:
                prepared.notes.append(f'{name} was skipped: {reason}.')
                budget.say(prepared.notes[-1])
    return prepared


def _compare(
    checkpoint: Checkpoint, chosen: argparse.Namespace, way: Way, expected: np.ndarray
) -> tuple[float, str]:
    """Return by how much a way differs from float32 on the CPU, and what ran it."""
    with arithmetic(way.precision):
        engine = _engine(checkpoint, chosen.device, way)
        found = _probabilities(engine, chosen.seed)
    return float(np.abs(found - expected).max()), engine.device_name


def _engine(checkpoint: Checkpoint, device: str, way: Way) -> MultiStreamEngine:
    """Return an engine with weights of its own.

    Raises:
        UnavailableError: the backend does not work here: what would be timed is another.
    """
    engine = MultiStreamEngine(
        dataclasses.replace(checkpoint, system=copy.deepcopy(checkpoint.system)),
        engine=EngineConfig(
            device=device,
            precision='fp32' if way.precision == 'tf32' else way.precision,
            backend=way.backend,
            resize=way.resize,
            num_threads=1,
        ),
    )
    if engine.choice.problem:
        raise UnavailableError(engine.choice.problem)
    return engine


def _probabilities(engine: MultiStreamEngine, seed: int) -> np.ndarray:
    """Return the probabilities of the first decisions of a stream, (decisions, C)."""
    engine.join('compared')
    logits = []
    windows = artificial_stream(engine.config, frame_rate_hz=RATE_HZ, seed=seed)
    for window in islice(windows, COMPARED):
        decision = engine.apply({'compared': window})['compared']
        logits.append(decision.logits.astype(np.float64))
    engine.leave('compared')
    powers = np.exp(np.stack(logits) - np.max(logits, axis=-1, keepdims=True))
    result: np.ndarray = powers / powers.sum(axis=-1, keepdims=True)
    return result


def _streams(
    checkpoint: Checkpoint, chosen: argparse.Namespace, way: Way, count: int, budget: Budget
) -> Case:
    """Return the steps of ``count`` streams in one engine, timed per stream.

    Raises:
        UnavailableError: the time for preparing is over.
    """
    if not budget.may_prepare():
        raise UnavailableError(NO_TIME)
    with arithmetic(way.precision):
        step = steady_streams(
            _engine(checkpoint, chosen.device, way),
            count,
            frame_rate_hz=RATE_HZ,
            seed=chosen.seed,
            width_px=chosen.width,
            height_px=chosen.height,
            may_go_on=budget.may_prepare,
        )

    def run() -> Spent:
        with arithmetic(way.precision):
            return stopwatch(step, STEPS).per(count)

    return run


def _product(device: str, dtype: torch.dtype) -> Case:
    """Return the product of large square matrices, timed per operation."""
    left, right = (torch.rand(GEMM_SIDE, GEMM_SIDE, device=device).to(dtype) for _ in range(2))
    return partial(_timed, partial(torch.mm, left, right), device, 2 * GEMM_SIDE**3)


def _copy(device: str) -> Case:
    """Return reading and writing more than a cache holds, timed per byte."""
    source = torch.rand(COPY_BYTES // 4, device=device)
    into = torch.empty_like(source)
    return partial(_timed, partial(into.copy_, source), device, 2 * COPY_BYTES)


def _timed(call: Callable[[], object], device: str, divisor: float) -> Spent:
    def finished() -> None:
        call()
        if device.startswith('cuda'):
            torch.cuda.synchronize(device)

    return stopwatch(finished, 3).per(divisor)


def _case_name(way: Way, count: int) -> str:
    return f'{way.name}, {count}'


def _table(streams: list[tuple[Way, int]], rounds: Rounds) -> Table:
    base = _case_name(*streams[0])
    rows = []
    for way, count in sorted(streams, key=lambda entry: entry[0].name):
        name = _case_name(way, count)
        each = rounds.wall_s(name).scaled(1e3)
        rows.append(
            (
                way.name,
                str(count),
                str(each),
                f'{rounds.cpu_s(name).median * 1e3:.3g}',
                f'{1e3 / each.median / RATE_HZ:.1f}',
                str(rounds.wall_ratio(name, base)),
            )
        )
    columns = (
        'way',
        'streams',
        'ms per decision (quartiles)',
        'ms of CPU',
        f'streams sustained at {RATE_HZ:g} Hz',
        f'÷ {base}',
    )
    return Table('One decision of one stream, with all its input', columns, rows)


def _floor(checkpoint: Checkpoint, rounds: Rounds) -> Table:
    """Say the least that operations and bytes of one stream's step take on this device."""
    config = checkpoint.config
    tokens = config.audio.token_rate_hz / RATE_HZ
    frame, decision = total(sample_work(config, Modality.VIDEO)), total(decision_work(config))
    sound = total(sample_work(config, Modality.AUDIO))
    operations = frame.operations + decision.operations + tokens * sound.operations
    read = frame.read_bytes + decision.read_bytes + min(tokens, 1.0) * sound.read_bytes
    copied_s = rounds.wall_s('copy').median
    rows = []
    for precision in ('fp32', 'bf16'):
        product_s = rounds.wall_s(f'product, {precision}').median
        rows.append(
            (
                precision,
                f'{operations / 1e6:.1f}',
                f'{1e-12 / product_s:.3g}',
                f'{operations * product_s * 1e3:.3g}',
                f'{read / 2**20:.1f}',
                f'{1e-9 / copied_s:.3g}',
                f'{read * copied_s * 1e3:.3g}',
            )
        )
    columns = (
        'products in',
        '10⁶ operations',
        '10¹² operations/s',
        'ms for operations',
        'MiB read, float32',
        'GB/s',
        'ms for bytes',
    )
    return Table('The floor of one stream', columns, rows)


if __name__ == '__main__':
    sys.exit(main())
