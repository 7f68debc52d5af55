"""Measured costs and what follows from them, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from activity_recognition.inference.cost import SampleCost, Timing
from activity_recognition.inference.findings import (
    Findings,
    caution,
    events,
    parts_of,
    sentences,
    sustained_by,
)
from activity_recognition.inference.sizing import STREAM_RATES_HZ, best_rate, slower
from activity_recognition.modalities import SPECS
from activity_recognition.models.operations import ring_bytes, weight_count
from activity_recognition.models.work import Work

FACTORS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Times as slow as the cores measured, for which rates are computed."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of words under a title."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """Return it as GitHub shows it; the title is bold."""
        lines = [self.columns, ['---', *['---:'] * (len(self.columns) - 1)], *self.rows]
        table = '\n'.join(f'| {" | ".join(line)} |' for line in lines)
        return f'**{self.title}**\n\n{table}'


def tables(found: Findings) -> list[Table]:
    """Return all tables, the measured ones first."""
    return [
        _times(found),
        _counted(found),
        _parts_table(found),
        _sustained(found),
        _elsewhere(found),
    ]


def as_markdown(found: Findings) -> str:
    """Return tables and proposal as Markdown."""
    said = [*sentences(found), *filter(None, [caution(found)])]
    return '\n\n'.join([*(table.markdown() for table in tables(found)), *said])


def _times(found: Findings) -> Table:
    timed = {item.modality for cost in found.costs for item in cost.samples}
    specs = [spec for spec in SPECS if spec.name in timed]
    rows = [
        (
            cost.network,
            str(cost.threads),
            *(_sample_ms(cost.of(spec.modality)) for spec in specs),
            _ms(cost.decision.wall_s),
            _ms(cost.ablated_decision.wall_s),
            f'{100 * max(_spread(timing) for timing in cost.timings):.0f}',
            str(cost.decision.rounds) if cost.settled else f'{cost.decision.rounds}, busy',
        )
        for cost in found.costs
    ]
    samples = (f'1 s {spec.name}' if spec.has_holes else spec.sample_noun for spec in specs)
    title = (
        f'Measured, ms: medians, frames of {found.measured.width_px}×{found.measured.height_px}; '
        'ablated: a decision with the modality ablation; ±: half the widest quartile range'
    )
    columns = ('network', 'threads', *samples, 'decision', 'ablated', '± %', 'rounds')
    return Table(title, columns, rows)


def _sample_ms(item: SampleCost | None) -> str:
    if item is None:
        return '–'
    return _ms(item.per_second_s if item.duration_s else item.timing.wall_s)


def _ms(seconds: float) -> str:
    return f'{seconds * 1e3:.2f}'


def _spread(timing: Timing) -> float:
    """Return half the range between the quartiles, as a share of the median."""
    return (timing.high_s - timing.low_s) / 2 / timing.wall_s


def _counted(found: Findings) -> Table:
    """Return time beside work, for the fewest threads."""
    fewest = min(cost.threads for cost in found.costs)
    rows = []
    for cost in (cost for cost in found.costs if cost.threads == fewest):
        model = found.models[cost.network]
        for name, wall_s, work in events(cost, model):
            if work is None:
                rows.append((cost.network, name, _ms(wall_s), '–', '–', '–'))
                continue
            speed = f'{work.operations / wall_s / 1e9:.1f}'
            million, read = f'{work.operations / 1e6:.2f}', _kib(work.read_bytes)
            rows.append((cost.network, name, _ms(wall_s), million, read, speed))
    columns = ('network', 'what', 'ms', '10⁶ operations', 'KiB read', '10⁹ operations/s')
    return Table(f'Measured with {fewest} thread(s), and counted with full rings', columns, rows)


def _parts_table(found: Findings) -> Table:
    """Return the operations and bytes of every part, one column per network."""
    parts = {name: parts_of(model, found) for name, model in found.models.items()}
    order = list(dict.fromkeys(part for of_one in parts.values() for part in of_one))
    rows = [(part, *(_cell(of_one.get(part)) for of_one in parts.values())) for part in order]
    models = found.models.values()
    rows.append(('weights, KiB', *(_kib(4 * weight_count(model)) for model in models)))
    rows.append(('memory per stream, KiB', *(_kib(ring_bytes(model)) for model in models)))
    return Table(
        'Counted by part, rings full: 10⁶ operations / KiB of weights and cache read',
        ('part', *parts),
        rows,
    )


def _cell(work: Work | None) -> str:
    return '–' if work is None else f'{work.operations / 1e6:.2f} / {_kib(work.read_bytes)}'


def _kib(count: int) -> str:
    return f'{count / 1024:,.0f}'


def _sustained(found: Findings) -> Table:
    sizing = found.sizing
    rows = []
    for cost in found.costs:
        values = sustained_by(cost, found)
        rows.append(
            (
                cost.network,
                str(cost.threads),
                f'{values["frames_hz"]:.1f}',
                f'{values["decisions_hz"]:.1f}',
                *(str(values['streams'][f'{rate:g}']) for rate in STREAM_RATES_HZ),
            )
        )
    columns = ('network', 'threads', 'frames/s', 'decisions/s')
    title = (
        f'Computed: sustained on {found.cores} core(s) with a headroom of {sizing.headroom:.0%}, '
        f'{sizing.decision_rate_hz:g} decisions/s'
    )
    rates = (f'streams, {rate:g} Hz' for rate in STREAM_RATES_HZ)
    return Table(title, (*columns, *rates), rows)


def _elsewhere(found: Findings) -> Table:
    """Return the rates for machines of the same kind, but faster or slower."""
    fewest = min(cost.threads for cost in found.costs)
    single = [cost for cost in found.costs if cost.threads == fewest]
    rows = [
        (
            f'{factor:g}',
            *(
                'too slow' if not rate else f'{rate:g}'
                for rate in (best_rate(slower(cost, factor), found.sizing) for cost in single)
            ),
        )
        for factor in FACTORS
    ]
    columns = ('times as slow', *(f'{cost.network}, frames/s' for cost in single))
    title = (
        f'Computed, not measured: highest rate of one stream with {fewest} thread(s) where all '
        'takes this many times as long'
    )
    return Table(title, columns, rows)
