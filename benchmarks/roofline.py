"""How far is a step of the engine from what the machine can do at all?

The roofline of a step is the longer of two times: its FLOPs at the rate of a large matrix product,
and the bytes that it must read, weights and caches once, at the rate of the memory. Both rates are
measured between the steps. Where a goal is missed, the tables show what stops it: each part's own
roofline beside its time, and the operators with their calls.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from harness import Case, Goal, Report, Rounds, Spent, arguments, publish, stopwatch, take_turns
from parts import PARTS, Probe, Share, probed
from record import Table, provenance
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile
from work import Work, count_work, make_counter
from workload import make_engine, steady

from activity_recognition.inference.artificial import untrained_checkpoint
from activity_recognition.inference.lanes.artificial import UTTERANCE_PERIOD_S

RATE_HZ = 15.0
WANTED = {'small': 1.5, 'nano': 2.5}
STEPS = round(RATE_HZ * UTTERANCE_PERIOD_S)
"""Steps of a case in one round: one utterance, and a multiple of those between two ablations."""
GEMM_SIDES = (256, 512, 1024)
"""Of square matrices; the fastest of them counts."""
STREAM_BYTES = 256 * 2**20
"""More than any cache holds."""
PROFILED = 20
"""Steps under the profiler."""
OPERATORS = 10
"""Rows of the table of operators."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """A preset's engine in its steady state, what a step needs, and what its parts spend."""

    work: Work
    step: Callable[[], None]
    flops: Mapping[str, Share]
    times: Mapping[str, Share]
    """Seconds."""
    operators: Table
    backend: str


def main(argv: list[str] | None = None) -> int:
    """Measure and report."""
    parser = arguments(__doc__, seconds=30.0, rounds=10, threads=1)
    chosen = parser.parse_args(argv)
    began = provenance()
    torch.set_num_threads(chosen.threads)
    subjects = {p: _subject(p, threads=chosen.threads, seed=chosen.seed) for p in WANTED}
    cases: dict[str, Case] = {f'gemm {side}': _gemm(side) for side in GEMM_SIDES}
    cases['memory'] = _memory()
    for preset, subject in subjects.items():
        cases[preset] = partial(stopwatch, subject.step, STEPS)
    rounds = take_turns(cases, chosen)
    settings = {'threads': chosen.threads, 'seed': chosen.seed, 'frames per second': RATE_HZ}
    return publish(_report(rounds, subjects, settings), chosen, began=began)


def _subject(preset: str, *, threads: int, seed: int) -> Subject:
    checkpoint = untrained_checkpoint(preset, seed=seed)
    engine = make_engine(checkpoint, threads=threads)
    counted = make_engine(checkpoint, threads=threads, backend='torch')
    step, counted_step = (
        steady(one, frame_rate_hz=RATE_HZ, seed=seed) for one in (engine, counted)
    )
    counter, times = make_counter(), Probe(time.perf_counter)
    flops = Probe(lambda: float(counter.get_total_flops()))
    with probed(counted, flops):
        work = count_work(counted_step, STEPS, counter=counter)
    with probed(engine, times):
        _repeat(step, STEPS)
    return Subject(
        work=work,
        step=step,
        flops=flops.shares,
        times=times.shares,
        operators=_operators(preset, step),
        backend=engine.backend.name,
    )


def _repeat(step: Callable[[], None], count: int) -> None:
    for _ in range(count):
        step()


def _gemm(side: int) -> Case:
    """Return the product of square matrices, timed per FLOP."""
    left, right, out = (torch.rand(side, side) for _ in range(3))
    count = max(1, round(2e9 / (2 * side**3)))

    def run() -> Spent:
        spent = stopwatch(lambda: torch.mm(left, right, out=out), count)
        return spent.per(2 * side**3)

    return run


def _memory() -> Case:
    """Return reading more than any cache holds, timed per byte."""
    values = torch.rand(STREAM_BYTES // 4)

    def run() -> Spent:
        return stopwatch(values.sum, 4).per(STREAM_BYTES)

    return run


def flops_per_s(spent: Mapping[str, Spent]) -> float:
    """Return the rate of the fastest matrix product of a round."""
    return 1 / min(spent[f'gemm {side}'].wall_s for side in GEMM_SIDES)


def least_s(work: Work, spent: Mapping[str, Spent]) -> float:
    """Return the roofline of a step by the rates of a round."""
    return work.least_s(flops_per_s=flops_per_s(spent), bytes_per_s=1 / spent['memory'].wall_s)


def _operators(preset: str, step: Callable[[], None]) -> Table:
    """Return which operators a step's time goes to, by torch's profiler."""
    with profile(activities=[ProfilerActivity.CPU], acc_events=True) as profiler:
        _repeat(step, PROFILED)
    found = [e for e in profiler.key_averages() if e.device_type == DeviceType.CPU]
    found.sort(key=lambda e: -e.self_cpu_time_total)
    whole_us = sum(e.self_cpu_time_total for e in found)
    rows = [_operator_row(e.key, e.count, e.self_cpu_time_total, whole_us) for e in found]
    rest = found[OPERATORS:]
    rest_us = sum(e.self_cpu_time_total for e in rest)
    sums = [
        _operator_row(f'{len(rest)} others', sum(e.count for e in rest), rest_us, whole_us),
        _operator_row('all', sum(e.count for e in found), whole_us, whole_us),
    ]
    columns = ('operator', 'calls per step', 'µs per call', 'ms per step', '% of operators')
    return Table(f'{preset}: operators', columns, [*rows[:OPERATORS], *sums])


def _operator_row(name: str, calls: int, spent_us: float, whole_us: float) -> tuple[str, ...]:
    return (
        name,
        f'{calls / PROFILED:.4g}',
        f'{spent_us / max(calls, 1):.3g}',
        f'{spent_us / PROFILED / 1e3:.3g}',
        f'{100 * spent_us / whole_us:.1f}',
    )


def _report(rounds: Rounds, subjects: Mapping[str, Subject], settings: dict[str, object]) -> Report:
    rows, goals = [], []
    for preset, subject in subjects.items():
        ratio = rounds.spread(
            lambda spent, p=preset, w=subject.work: spent[p].wall_s / least_s(w, spent)
        )
        least = rounds.spread(lambda spent, w=subject.work: least_s(w, spent) * 1e3)
        rows.append(
            (
                preset,
                f'{subject.work.flops / 1e6:.1f}',
                f'{subject.work.bytes / 2**20:.1f}',
                str(least),
                str(rounds.wall_s(preset).scaled(1e3)),
                str(ratio),
            )
        )
        goals.append(
            Goal(
                name=f'{preset} ÷ roofline',
                value=ratio.median,
                at_most=WANTED[preset],
                settled=rounds.settled,
            )
        )
    columns = ('preset', 'MFLOP', 'MiB read', 'roofline ms', 'step ms', 'step ÷ roofline')
    rate = rounds.spread(flops_per_s)
    tables = [Table('One step', columns, rows), _machine(rounds)]
    for preset, subject in subjects.items():
        tables += [_parts(preset, subject, rate.median), subject.operators]
    return Report(
        theme='roofline',
        title='Steps against the roofline',
        settings=settings,
        goals=goals,
        tables=tables,
        notes=[
            f'{rounds.describe()}; {STEPS} steps of each preset per round. Spreads are quartiles.',
            'FLOPs are those of matrix products, convolutions and attention. The operators were '
            'timed by the profiler, which makes small ones slower than they are; it knows those of '
            'PyTorch alone. FLOPs were counted with the backend torch, times taken with auto: '
            + '; '.join(f'{p}: {s.backend}' for p, s in subjects.items())
            + '.',
        ],
    )


def _machine(rounds: Rounds) -> Table:
    rows = [
        (
            f'product of {side} × {side} matrices, float32',
            str(rounds.spread(lambda spent, s=side: 1e-9 / spent[f'gemm {s}'].wall_s)),
            'GFLOP/s',
        )
        for side in GEMM_SIDES
    ]
    read = rounds.spread(lambda spent: 1e-9 / spent['memory'].wall_s)
    rows.append((f'reading {STREAM_BYTES >> 20} MiB', str(read), 'GB/s'))
    return Table('The machine', ('what', 'rate', 'unit'), rows)


def _parts(preset: str, subject: Subject, rate: float) -> Table:
    """Say how far each part is from its arithmetic, and what that adds to the step."""
    rows = []
    for part in PARTS:
        flops = subject.flops.get(part, Share()).spent / STEPS
        took_ms = subject.times.get(part, Share()).spent / STEPS * 1e3
        least_ms = flops / rate * 1e3
        rows.append(
            (
                part,
                f'{flops / 1e6:.2f}',
                f'{least_ms:.3f}',
                f'{took_ms:.3f}',
                f'{flops / took_ms / 1e6:.1f}' if took_ms else '–',
                f'{took_ms - least_ms:.3f}',
            )
        )
    rows.sort(key=lambda row: -float(row[-1]))
    columns = ('part', 'MFLOP', 'ms at the rate', 'ms taken', 'GFLOP/s', 'ms lost')
    return Table(f'{preset}: what keeps it from the roofline', columns, rows)


if __name__ == '__main__':
    sys.exit(main())
