"""A report's folder: numbers, figures, and one HTML page that needs nothing else to be shown."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from activity_recognition.errors import RecordingError
from activity_recognition.reporting.blocks import (
    card,
    checks_table,
    definitions,
    heading,
    key,
    milliseconds,
    page,
    percent,
    tiles,
)
from activity_recognition.reporting.metrics import Check
from activity_recognition.scratch import scratch_folder, writing
from activity_recognition.training.evaluation import figures, tables
from activity_recognition.training.evaluation.cautions import (
    assurance,
    cautions,
    findings,
    smoothing_advice,
)
from activity_recognition.training.evaluation.curves import parse_curves
from activity_recognition.training.evaluation.curves_page import (
    TITLE as CURVES,
)
from activity_recognition.training.evaluation.curves_page import (
    curves_content,
    curves_figure,
)
from activity_recognition.training.evaluation.measuring import Decided, Evaluation
from activity_recognition.training.evaluation.schema import (
    METRICS,
    REPORT,
    Metrics,
    fused_name,
    write_metrics,
)

SHOWN_RECORDINGS = 3
"""Recordings whose timelines are drawn."""


def refuse_to_replace(folder: Path, *, overwrite: bool) -> None:
    """Keep a mistyped path from deleting what is no report, and a report from being lost.

    Args:
        folder: of the report.
        overwrite: whether a report there may be replaced.

    Raises:
        RecordingError: something else is there, or a report and ``overwrite`` is not set.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not (folder / METRICS).is_file() or not (folder / REPORT).is_file():
        raise RecordingError(
            f'expected a report, an empty folder or nothing at {folder}, found other files; '
            'choose another folder to write the report to'
        )
    if not overwrite:
        raise RecordingError(
            f'{folder} holds a report already; choose another folder, or replace it with '
            '--overwrite'
        )


def write_report(
    folder: Path, evaluation: Evaluation, checks: Sequence[Check], *, overwrite: bool = False
) -> Path:
    """Write a report's folder and return its page; it appears whole or not at all.

    Args:
        folder: of the report.
        evaluation: what was measured.
        checks: how it compares with the limits.
        overwrite: whether a report there is replaced.

    Raises:
        RecordingError: as :func:`refuse_to_replace`.
    """
    refuse_to_replace(folder, overwrite=overwrite)
    with (
        writing(folder, 'the report'),
        scratch_folder(folder.parent, '.report-') as temporary,
    ):
        staged = temporary / 'report'
        staged.mkdir()
        write_metrics(staged / METRICS, evaluation.metrics)
        for name, drawn in _files(evaluation):
            (staged / name).write_text(drawn, encoding='utf-8')
        (staged / REPORT).write_text(render(evaluation, checks), encoding='utf-8')
        if folder.exists():
            shutil.move(folder, temporary / 'replaced')
        staged.rename(folder)
    return folder / REPORT


def render(evaluation: Evaluation, checks: Sequence[Check]) -> str:
    """Return the report's page.

    Args:
        evaluation: what was measured.
        checks: how it compares with the limits.
    """
    title = 'Activity recognition: evaluation'
    return page(title, _sections(title, evaluation.metrics, evaluation.decided, checks))


def _files(evaluation: Evaluation) -> Iterator[tuple[str, str]]:
    metrics, labels = evaluation.metrics, evaluation.metrics['labels']
    fused = metrics['combinations'][fused_name(metrics)]
    yield 'confusion.svg', figures.confusion_figure(labels, fused['confusion'], alone=True)
    yield (
        'confusion_smoothed.svg',
        figures.confusion_figure(labels, fused['smoothed']['confusion'], alone=True),
    )
    yield 'reliability.svg', figures.reliability_figure(metrics['calibration'], alone=True)
    yield 'latency.svg', figures.latency_figure(metrics, alone=True)
    if curves := parse_curves(metrics['curves']):
        yield 'curves.svg', curves_figure(curves, alone=True)
    for place, recording in enumerate(evaluation.decided[:SHOWN_RECORDINGS], start=1):
        drawn = figures.timeline_figure(recording, labels, alone=True)
        yield f'timeline_{place}.svg', drawn


def _sections(
    title: str, metrics: Metrics, decided: Sequence[Decided], checks: Sequence[Check]
) -> Iterator[str]:
    yield f'<style>{figures.WANTED}\n{_LAYOUT}</style>'
    yield heading(title, _summary(metrics))
    for finding in findings(metrics):
        yield f'<p><strong>{escape(finding)}.</strong></p>'
    yield tiles(_headline(metrics))
    yield card('Acceptance', checks_table(checks) + _cautions(metrics))
    yield card('With and without each modality', tables.combinations_table(metrics) + _INTERVALS)
    if metrics['clips']:
        yield card('Whole clips', tables.clips_table(metrics) + _CLIPS)
    yield card(CURVES, curves_content(parse_curves(metrics['curves'])), wide=True)
    yield card('Known and new scenes', tables.generalisation_table(metrics))
    yield card('Confusion with all modalities', _confusions(metrics), wide=True)
    yield card('Per label, all modalities', tables.labels_table(metrics))
    yield card('Do the modalities agree?', tables.agreement_table(metrics) + _AGREEMENT)
    yield card('Over time', tables.temporal_table(metrics) + _TEMPORAL)
    yield card(
        'Calibration',
        f'<div class="figure">{figures.reliability_figure(metrics["calibration"])}</div>'
        + tables.calibration_table(metrics)
        + _RELIABILITY,
    )
    yield card('Unknown activities', tables.unknown_table(metrics))
    yield card('Work per decision', _cost(metrics))
    yield card('Through the ROS node', tables.live_table(metrics))
    for recording in decided[:SHOWN_RECORDINGS]:
        yield card(f'Timeline: {recording.name}', _timeline(recording, metrics['labels']))
    yield card('Recordings', tables.recordings_table(metrics) + _skipped(metrics))
    yield card('Conditions', definitions(_provenance(metrics)))


_LAYOUT = '.figure { max-width: 760px; margin: 0 auto; } ul { margin: 4px 0; }'

_INTERVALS = (
    '<p class="soft">Grey numbers: 95 % confidence interval, bootstrap over recordings or their '
    'groups. A hidden modality is masked; the questions stay the same. Macro F1 is the mean over '
    'the labels that occur or were decided: one that never occurs counts as 0 as soon as it is '
    'decided once.</p>'
)
_CLIPS = (
    '<p class="soft">Recordings with one label, each answered once: by the mean log-probability of '
    'its decisions at which something is visible. Where nothing is, there is no answer, and it '
    'counts as a miss.</p>'
)
_AGREEMENT = (
    '<p class="soft">Each modality by its own head, where the modalities named are present. '
    "Kappa is Cohen's for pairs and Fleiss' for more: 1 is full agreement, 0 is chance.</p>"
)
_TEMPORAL = (
    '<p class="soft">Edit score and segmental F1 from 0 to 100. Grey numbers: 95 % confidence '
    'interval, bootstrap over recordings.</p>'
)
_RELIABILITY = (
    '<p class="soft">Bars: share of decisions that were right. Orange: what they claimed on '
    'average. Below: how many decisions claimed that much.</p>'
)


def _summary(metrics: Metrics) -> str:
    data, checkpoint = metrics['data'], metrics['checkpoint']
    minutes = data['seconds'] / 60
    split = f', split {data["split"]}' if data['split'] else ''
    return (
        f'Checkpoint {checkpoint["id"]} on {data["recordings"]} recordings, {minutes:.1f} minutes, '
        f'from {data["name"]}{split}.'
    )


def _headline(metrics: Metrics) -> Iterator[tuple[str, str]]:
    fused = metrics['combinations'][fused_name(metrics)]
    intervals = metrics['confidence_intervals']['combinations'][fused_name(metrics)]
    if metrics['clips']:
        between = _between(intervals['clips']['balanced_accuracy'])
        yield percent(fused['clips']['balanced_accuracy']), f'of whole clips, balanced{between}'
    yield percent(fused['macro_f1']), f'macro F1{_between(intervals["macro_f1"])}'
    yield percent(fused['smoothed']['macro_f1']), 'macro F1, smoothed'
    yield percent(metrics['detection']['map']), 'mean average precision'
    yield tables.plain(metrics['calibration']['after']['ece']), 'calibration error'
    ratio = metrics['temporal']['smoothed']['changes_ratio']
    if ratio is not None:  # where every recording has one label there is no change to compare with
        yield tables.plain(ratio, 2), 'changes for each of the truth'
    yield _ms(metrics['latency_ms']['p95']), '95 % of decisions take less'


def _between(interval: Sequence[float] | None) -> str:
    return '' if interval is None else f', {interval[0] * 100:.1f} to {interval[1] * 100:.1f}'


def _confusions(metrics: Metrics) -> str:
    fused = metrics['combinations'][fused_name(metrics)]
    drawn = figures.confusion_figure(metrics['labels'], fused['confusion'])
    return f'{drawn}<p class="soft">{fused["decisions"]} decisions, each for itself.</p>'


def _cost(metrics: Metrics) -> str:
    cost, latency = metrics['cost'], metrics['latency_ms']
    if cost is None:
        return '<p class="soft">Not measured.</p>'
    numbers = {
        'p50, p95, p99': ', '.join(_ms(latency[name]) for name in ('p50', 'p95', 'p99')),
        'mean, largest': f'{_ms(latency["mean"])}, {_ms(latency["max"])}',
        'decisions a second': f'{cost["decisions_per_s"]:.1f}',
        'real-time factor': f'{tables.plain(cost["real_time_factor"])} '
        f'({cost["busy_s"]:.1f} s of work for {cost["stream_s"]:.1f} s of recording)',
        'peak memory': f'{cost["peak_memory_mib"]:.0f} MiB',
        'device': cost['device'],
        'measured': f'{cost["decisions"]} decisions, streamed one by one',
    }
    if cost['peak_device_memory_mib'] is not None:
        numbers['peak memory of the device'] = f'{cost["peak_device_memory_mib"]:.0f} MiB'
    return (
        f'<div class="columns"><div>{figures.latency_figure(metrics)}</div>'
        f'<div>{definitions(numbers)}</div></div>'
    )


def _timeline(recording: Decided, labels: Sequence[str]) -> str:
    """Draw a recording, with the names of its colours: short spans have no room for theirs."""
    drawn = figures.timeline_figure(recording, labels)
    return drawn + key(figures.timeline_colours(recording, labels))


def _skipped(metrics: Metrics) -> str:
    reasons = metrics['data']['skipped']
    if not reasons:
        return ''
    items = ''.join(f'<li>{escape(reason)}</li>' for reason in reasons)
    return f'<p class="soft">Left out:</p><ul class="soft">{items}</ul>'


def _cautions(metrics: Metrics) -> str:
    data = metrics['data']
    sentences = [*filter(None, [assurance(data)]), *cautions(data)]
    sentences += filter(None, [smoothing_advice(metrics)])
    return ''.join(f'<p class="soft">{escape(sentence)}.</p>' for sentence in sentences)


def _provenance(metrics: Metrics) -> dict[str, str]:
    checkpoint, data, settings = metrics['checkpoint'], metrics['data'], metrics['settings']
    return {
        'checkpoint': f'{checkpoint["id"]}, {checkpoint["name"]}, '
        f'{checkpoint["weights"] / 1e6:.2f} million weights',
        'data': f'{data["name"]}, {data["recordings"]} recordings, {data["seconds"]:.0f} s',
        'bootstrap': f'{settings["resamples"]} resamples, seed {settings["seed"]}',
        'decisions': _listed(settings['sync']),
        'smoothing': _listed(settings['smoothing']),
        'engine': _listed(settings['engine']),
        **metrics['conditions'],
    }


def _listed(settings: Mapping[str, Any]) -> str:
    return ', '.join(f'{name} {value}' for name, value in settings.items())


def _ms(value: float | None) -> str:
    return milliseconds(None if value is None else value / 1e3)
