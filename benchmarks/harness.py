"""What every benchmark shares: fair timing, goals, and what is known of the run.

Cases are measured in rounds, every case once per round in a new random order, so that a slower or
faster spell of the machine meets all of them. Wall and CPU time are taken of each; a round in which
they part (the machine was doing something else) is left out and another one is run. Results are
medians over rounds with quartiles; a ratio is taken within rounds.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from record import Provenance, Table, folder_name, to_json, to_markdown, write_record

LEAST_BUSY, MOST_BUSY = 0.9, 1.1
"""CPU time per wall time and thread outside of which a round is left out."""
FEWEST_ROUNDS = 3
"""Rounds below which nothing is concluded."""
UNSETTLED = 'unsettled'


@dataclass(frozen=True, kw_only=True, slots=True)
class Spent:
    """Time that some steps took, seconds per step."""

    wall_s: float
    cpu_s: float
    """Of all threads of the process."""

    def per(self, count: float) -> Spent:
        """Return the time of one of ``count`` equal shares."""
        return Spent(wall_s=self.wall_s / count, cpu_s=self.cpu_s / count)

    def is_clean(self, threads: int) -> bool:
        """Return whether the CPU was busy with these steps, and nothing else, all the time."""
        busy = self.cpu_s / max(self.wall_s, 1e-9)
        return LEAST_BUSY <= busy <= threads * MOST_BUSY


Case = Callable[[], Spent]
"""Runs its share of one round."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """A median with its quartiles."""

    median: float
    low: float
    """First quartile."""
    high: float
    """Third quartile."""
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Summarise values; NaN when there are none."""
        if not values:
            return cls(median=float('nan'), low=float('nan'), high=float('nan'), count=0)
        if len(values) == 1:
            return cls(median=values[0], low=values[0], high=values[0], count=1)
        low, median, high = statistics.quantiles(values, n=4, method='inclusive')
        return cls(median=median, low=low, high=high, count=len(values))

    def scaled(self, factor: float) -> Spread:
        """Return the spread in another unit."""
        return Spread(
            median=self.median * factor,
            low=self.low * factor,
            high=self.high * factor,
            count=self.count,
        )

    def __str__(self) -> str:
        return f'{self.median:.3g} ({self.low:.3g}–{self.high:.3g})'


@dataclass(frozen=True, kw_only=True, slots=True)
class Rounds:
    """The rounds of some cases."""

    clean: tuple[Mapping[str, Spent], ...]
    """Rounds in which every case's wall and CPU time agreed."""
    all: tuple[Mapping[str, Spent], ...]

    @property
    def settled(self) -> bool:
        """Whether enough rounds were clean to conclude something."""
        return len(self.clean) >= FEWEST_ROUNDS

    def wall_s(self, case: str) -> Spread:
        """Return the wall time of a case per step."""
        return Spread.of(self.walls_s(case))

    def cpu_s(self, case: str) -> Spread:
        """Return the CPU time of a case per step."""
        return Spread.of(self.cpus_s(case))

    def walls_s(self, case: str) -> list[float]:
        """Return the wall times of a case per step, of each round."""
        return [spent[case].wall_s for spent in self._used]

    def cpus_s(self, case: str) -> list[float]:
        """Return the CPU times of a case per step, of each round."""
        return [spent[case].cpu_s for spent in self._used]

    def wall_ratio(self, case: str, to: str) -> Spread:
        """Return the wall time of one case divided by another's, within rounds."""
        return Spread.of([spent[case].wall_s / spent[to].wall_s for spent in self._used])

    def cpu_ratio(self, case: str, to: str) -> Spread:
        """Return the CPU time of one case divided by another's, within rounds."""
        return Spread.of([spent[case].cpu_s / spent[to].cpu_s for spent in self._used])

    def spread(self, value: Callable[[Mapping[str, Spent]], float]) -> Spread:
        """Return what a function makes of each round."""
        return Spread.of([value(spent) for spent in self._used])

    @property
    def _used(self) -> tuple[Mapping[str, Spent], ...]:
        """Unsettled numbers are still worth a look, and are marked where they are shown."""
        return self.clean if self.settled else self.all

    def describe(self) -> str:
        """Say how many rounds count."""
        words = f'{len(self.clean)} of {len(self.all)} rounds clean'
        return words if self.settled else f'{words}: the machine was busy, nothing is concluded'


def stopwatch(step: Callable[[], object], count: int) -> Spent:
    """Time ``count`` steps in a row."""
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    for _ in range(count):
        step()
    cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
    return Spent(wall_s=wall_s / count, cpu_s=cpu_s / count)


def interleave(
    cases: Mapping[str, Case],
    *,
    rounds: int,
    limit_s: float,
    seed: int,
    threads: int = 1,
    warm_up: int = 1,
    say: Callable[[str], None] | None = None,
) -> Rounds:
    """Run the cases round by round until ``rounds`` of them are clean or the time is over.

    Args:
        cases: what to run, by name.
        rounds: clean rounds to gather.
        limit_s: time within which rounds begin, after the first only those that end in it, too, if
            they take no longer than the longest before.
        seed: of the order within each round.
        threads: how many threads a case may keep busy.
        warm_up: rounds that are run before and not counted.
        say: called with every round, if given.
    """
    order, names = random.Random(seed), list(cases)
    for _ in range(warm_up):
        for name in names:
            cases[name]()
    taken: list[Mapping[str, Spent]] = []
    clean: list[Mapping[str, Spent]] = []
    end_s, longest_s = time.monotonic() + limit_s, 0.0
    while len(clean) < rounds and (began_s := time.monotonic()) + longest_s < end_s:
        order.shuffle(names)
        spent = {name: cases[name]() for name in names}
        taken.append(spent)
        if all(item.is_clean(threads) for item in spent.values()):
            clean.append(spent)
        longest_s = max(longest_s, time.monotonic() - began_s)
        if say is not None:
            say(f'{len(clean)} of {len(taken)} rounds clean, {rounds} wanted')
    return Rounds(clean=tuple(clean), all=tuple(taken))


@dataclass(frozen=True, kw_only=True, slots=True)
class Goal:
    """A number and what it is to be; exactly one of the bounds is given."""

    name: str
    value: float
    at_least: float | None = None
    at_most: float | None = None
    settled: bool = True
    """False where the run does not allow a conclusion."""
    skipped: str = ''
    """Why it could not be measured here, where it could not."""

    @property
    def verdict(self) -> str:
        """Say whether the goal is reached, in a word, or why it is not known."""
        if self.skipped:
            return f'skipped: {self.skipped}'
        if not self.settled or self.value != self.value:
            return UNSETTLED
        if self.at_least is not None:
            return 'reached' if self.value >= self.at_least else 'missed'
        assert self.at_most is not None
        return 'reached' if self.value <= self.at_most else 'missed'

    def row(self) -> tuple[str, ...]:
        """Return name, value, bound and verdict as words."""
        bound = f'≥ {self.at_least:g}' if self.at_least is not None else f'≤ {self.at_most:g}'
        value = '–' if self.skipped else f'{self.value:.4g}'
        return (self.name, value, bound, self.verdict)


def skipped(
    name: str, reason: str, *, at_least: float | None = None, at_most: float | None = None
) -> Goal:
    """Return a goal that cannot be measured here, and say so at once."""
    print(f'skipped: {name}: {reason}', file=sys.stderr)
    return Goal(name=name, value=float('nan'), at_least=at_least, at_most=at_most, skipped=reason)


GOAL_COLUMNS = ('goal', 'measured', 'wanted', 'verdict')


@dataclass(kw_only=True, slots=True)
class Report:
    """One benchmark's outcome."""

    theme: str
    """Begins the name of its files."""
    title: str
    settings: dict[str, object]
    goals: list[Goal] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def goal_table(self) -> Table:
        """Return the goals as a table."""
        return Table('Goals', GOAL_COLUMNS, [goal.row() for goal in self.goals])


class Budget:
    """The time of a whole run, half of it for preparing; progress is reported as it goes."""

    def __init__(self, seconds: float) -> None:
        """Begin now."""
        self._began_s = time.monotonic()
        self._seconds = seconds

    def say(self, text: str) -> None:
        """Print what happens, and when."""
        print(f'{self.spent_s:6.1f} s  {text}', file=sys.stderr, flush=True)

    @property
    def spent_s(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began_s

    @property
    def left_s(self) -> float:
        """Seconds until the end."""
        return max(0.0, self._seconds - self.spent_s)

    def may_prepare(self) -> bool:
        """Return whether there is still time for preparing."""
        return self.spent_s < self._seconds / 2


def take_turns(cases: Mapping[str, Case], chosen: argparse.Namespace) -> Rounds:
    """Run the cases round by round as the command line says; one thread where it does not say."""
    return interleave(
        cases,
        rounds=chosen.rounds,
        limit_s=chosen.seconds,
        seed=chosen.seed,
        threads=getattr(chosen, 'threads', 1),
    )


def arguments(
    description: str | None,
    *,
    seconds: float,
    rounds: int | None = None,
    threads: int | None = None,
    seconds_help: str = 'time for measuring',
) -> argparse.ArgumentParser:
    """Return a parser with what every benchmark takes.

    Args:
        description: docstring of the benchmark; its first line is shown.
        seconds: how long the measuring itself may take by default.
        rounds: clean rounds to gather by default; None for a benchmark without rounds.
        threads: of torch by default; None for a benchmark that has no choice of them.
        seconds_help: what the time is of.
    """
    parser = argparse.ArgumentParser(description=(description or '').splitlines()[0])
    parser.add_argument('--seconds', type=float, default=seconds, help=seconds_help)
    parser.add_argument('--seed', type=int, default=0)
    if rounds is not None:
        parser.add_argument('--rounds', type=int, default=rounds, help='clean rounds to gather')
    if threads is not None:
        words = "torch's intra-op threads"
        parser.add_argument('--threads', type=int, default=threads, help=words)
    parser.add_argument('--record', action='store_true', help='write docs/benchmarks/…')
    parser.add_argument('--json', type=Path, help='write the outcome to this file, too')
    return parser


def seeds_of(chosen: argparse.Namespace) -> range:
    """Return the seeds that a command line asks for: ``--seeds`` of them, from ``--seed`` on."""
    return range(chosen.seed, chosen.seed + chosen.seeds)


def publish(report: Report, chosen: argparse.Namespace, *, began: Provenance) -> int:
    """Print a report, and write it where that was asked for; return the exit status, 0."""
    tables = [report.goal_table(), *report.tables] if report.goals else report.tables
    if began.load > began.cores:
        # Shared caches and memory slow a process down that never waits for a core.
        report.notes.append(
            'Other processes kept the machine busy before this run: what it measured is too slow.'
        )
    text = to_markdown(report.title, tables, report.notes, began, report.settings)
    outcome = {
        'theme': report.theme,
        'goals': [
            {
                'name': goal.name,
                'value': goal.value,
                'at_least': goal.at_least,
                'at_most': goal.at_most,
                'verdict': goal.verdict,
            }
            for goal in report.goals
        ],
        'tables': [table.as_dict() for table in report.tables],
        'notes': report.notes,
        'settings': report.settings,
        'provenance': began.as_dict(),
    }
    if chosen.json:
        chosen.json.write_text(to_json(outcome), encoding='utf-8')
    if chosen.record:
        path = write_record(report.theme, text, to_json(outcome), began)
        print(f'recorded in {folder_name(path)}', file=sys.stderr)
    print(text)
    return 0
