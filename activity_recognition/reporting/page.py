"""A run's report: one HTML file that needs nothing else to be shown."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path

from activity_recognition.reporting.blocks import (
    card,
    checks_table,
    definitions,
    heading,
    meter,
    milliseconds,
    page,
    percent,
    swatch,
    table,
    tiles,
)
from activity_recognition.reporting.charts import frame_bar, histogram
from activity_recognition.reporting.drawing import label_colours
from activity_recognition.reporting.metrics import Distribution, FrameAccount, RunMetrics, Scores
from activity_recognition.reporting.timeline import answer_runs, timeline

__all__ = ['milliseconds', 'percent', 'render_report', 'write_report']


def write_report(path: Path, metrics: RunMetrics) -> None:
    """Write the report of a run as one self-contained HTML file.

    Args:
        path: of the file; its folder is made.
        metrics: of the run.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render_report(metrics), encoding='utf-8')


def render_report(metrics: RunMetrics) -> str:
    """Return the report of a run as HTML; all texts of ``metrics`` are escaped."""
    return page(metrics['title'], _sections(metrics))


def _sections(metrics: RunMetrics) -> Iterator[str]:
    yield heading(metrics['title'], metrics['summary'])
    yield _tiles(metrics)
    yield f'<h2>Timeline</h2><div class="card">{timeline(metrics)}{_timeline_key()}</div>'
    yield '<div class="columns">'
    if metrics['truth']:
        many = len(metrics['scores']['answers']) > 9
        yield card('Confusion', _confusion(metrics['scores']), wide=many)
        yield card('Per label', _per_label(metrics))
    elif metrics['answers']:
        yield card('Activities', _activities(metrics))
    if metrics['latency']['count'] or metrics['truth']:
        yield _latency('Latency, sensor stamp to decision', metrics['latency'])
    yield _latency('Work per decision', metrics['processing'])
    if metrics['frames'] is not None:
        yield _frames(metrics['frames'])
    if metrics['checks']:
        yield card('Checks', checks_table(metrics['checks']))
    yield '</div>'
    yield f'<h2>Conditions</h2><div class="card">{definitions(metrics["conditions"])}</div>'


def _tiles(metrics: RunMetrics) -> str:
    scores, latency, frames = metrics['scores'], metrics['latency'], metrics['frames']
    if metrics['truth']:
        items = [
            (percent(scores['balanced_accuracy']), 'balanced accuracy'),
            (str(scores['decisions']), 'decisions scored'),
        ]
    else:
        items = [
            (f'{metrics["duration_s"]:.1f} s', 'watched'),
            (str(len(metrics['answers'])), 'decisions'),
        ]
    if latency['count'] or metrics['truth']:
        items += [
            (milliseconds(latency['p50_s']), 'median latency'),
            (milliseconds(latency['p95_s']), '95 % of latencies below'),
        ]
    if frames is not None and metrics['truth']:
        items.append((f'{frames["lost"]} / {frames["published"]}', 'frames lost in transport'))
    elif frames is not None:
        gone = sum(frames['dropped'].values()) + frames['lost']
        items.append((f'{gone} / {frames["published"]}', 'frames dropped or lost'))
    return tiles(items)


def _timeline_key() -> str:
    return (
        '<p class="soft">Modalities: grey where a sample lay inside the window; blue, the stronger '
        'the more the modality supported the decision when its weight was measured; orange where '
        'it spoke against it.</p>'
    )


def _confusion(scores: Scores) -> str:
    head = ''.join(f'<th>{escape(answer)}</th>' for answer in scores['answers'])
    rows = []
    for label, counts in zip(scores['labels'], scores['confusion'], strict=True):
        total = max(sum(counts), 1)
        cells = ''.join(
            _cell(count / total, count, right=answer == label)
            for answer, count in zip(scores['answers'], counts, strict=True)
        )
        rows.append(f'<tr><th>{escape(label)}</th>{cells}</tr>')
    return (
        f'<table class="matrix"><thead><tr><th>truth \\ decision</th>{head}</tr></thead>'
        f'<tbody>{"".join(rows)}</tbody></table>'
    )


def _cell(share: float, count: int, *, right: bool) -> str:
    """Return one cell, the stronger coloured the larger its share of the row."""
    if not count:
        return '<td class="none">·</td>'
    colour = 'var(--good)' if right else 'var(--bad)'
    back = f'color-mix(in srgb, {colour} {15 + 55 * share:.0f}%, transparent)'
    return f'<td style="background:{back}" title="{share * 100:.1f} % of the row">{count}</td>'


def _per_label(metrics: RunMetrics) -> str:
    truth = [label for _, _, label in metrics['truth']]
    answers = [answer['answer'] for answer in metrics['answers']]
    colours = label_colours(dict.fromkeys(truth + answers))
    rows = []
    for entry in metrics['scores']['per_label']:
        colour = colours.get(entry['label'], 'transparent')
        recall = entry['recall']
        rows.append(
            (
                f'{swatch(colour)}{escape(entry["label"])}',
                str(entry['support']),
                f'{meter(recall)}{percent(recall)}',
                percent(entry['precision']),
            )
        )
    return table(('label', 'decisions', 'recall', 'precision'), rows)


def _activities(metrics: RunMetrics) -> str:
    """Return what was answered, for how long, in how many stretches and how surely."""
    runs = answer_runs(metrics['answers'])
    colours = label_colours(dict.fromkeys(answer['answer'] for answer in metrics['answers']))
    lengths = {name: sum(r.end_s - r.start_s for r in runs if r.label == name) for name in colours}
    whole = sum(lengths.values()) or 1.0
    rows = []
    for name in sorted(colours, key=lambda name: -lengths[name]):
        sure = [a['confidence'] for a in metrics['answers'] if a['answer'] == name]
        share = lengths[name] / whole
        rows.append(
            (
                f'{swatch(colours[name])}{escape(name)}',
                f'{meter(share)}{lengths[name]:.1f} s',
                str(sum(run.label == name for run in runs)),
                percent(sum(sure) / len(sure)),
            )
        )
    return table(('answer', 'time', 'stretches', 'mean confidence'), rows)


def _latency(title: str, values: Distribution) -> str:
    numbers = ', '.join(
        f'{name} {milliseconds(value)}'
        for name, value in (
            ('p50', values['p50_s']),
            ('p95', values['p95_s']),
            ('p99', values['p99_s']),
            ('largest', values['max_s']),
        )
    )
    chart = histogram(values, label=title)
    return card(title, f'{chart}<p class="soft">{numbers}, {values["count"]} measured</p>')


def _frames(account: FrameAccount) -> str:
    rows = [('published', account['published']), ('used by the network', account['used'])]
    rows += [(f'dropped, counted: {reason}', n) for reason, n in account['dropped'].items()]
    rows += [('lost in transport', account['lost']), ('unaccounted', account['unaccounted'])]
    body = ''.join(f'<tr><td>{escape(name)}</td><td>{count}</td></tr>' for name, count in rows)
    return card('Every frame', f'{frame_bar(account)}<table><tbody>{body}</tbody></table>')
