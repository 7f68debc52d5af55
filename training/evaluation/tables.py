"""The report's tables as HTML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from activity_recognition.reporting.blocks import meter, percent, swatch, table
from activity_recognition.reporting.drawing import label_colours
from activity_recognition.training.evaluation.generalisation import KINDS, SIDES
from activity_recognition.training.evaluation.schema import fused_name

Metrics = Mapping[str, Any]


def plain(value: float | None, digits: int = 3) -> str:
    """Return a number, a dash for None.

    Args:
        value: the number.
        digits: behind the point.
    """
    return '–' if value is None else f'{value:.{digits}f}'


def seconds(value: float | None) -> str:
    """Return a duration, a dash for None."""
    return '–' if value is None else f'{value:.2f} s'


def spread(interval: Sequence[float] | None, *, share: bool = True) -> str:
    """Return a confidence interval in small, soft letters; nothing for None.

    Args:
        interval: its bounds.
        share: whether they are shares, shown in percent.
    """
    if interval is None:
        return ''
    scale, digits = (100, 1) if share else (1, 2)
    low, high = (f'{bound * scale:.{digits}f}' for bound in interval)
    return f' <span class="soft">{low} to {high}</span>'


def combinations_table(metrics: Metrics) -> str:
    """Return the missing-modality matrix."""
    intervals = metrics['confidence_intervals']['combinations']
    rows = []
    for name, found in metrics['combinations'].items():
        smoothed = found['smoothed']
        rows.append(
            (
                escape(name.replace('+', ' + ')),
                f'{meter(found["macro_f1"])}{percent(found["macro_f1"])}'
                f'{spread(intervals[name]["macro_f1"])}',
                f'{percent(found["accuracy"])}{spread(intervals[name]["accuracy"])}',
                percent(found['balanced_accuracy']),
                f'{meter(smoothed["macro_f1"])}{percent(smoothed["macro_f1"])}',
                percent(smoothed['accuracy']),
            )
        )
    head = (
        'modalities',
        'macro F1',
        'accuracy',
        'balanced',
        'smoothed macro F1',
        'smoothed accuracy',
    )
    return table(head, rows)


def clips_table(metrics: Metrics) -> str:
    """Return how many whole clips are answered rightly with each combination of modalities."""
    intervals = metrics['confidence_intervals']['combinations']
    rows = []
    for name, found in metrics['combinations'].items():
        whole = found['clips']
        between = spread(intervals[name]['clips']['balanced_accuracy'])
        rows.append(
            (
                escape(name.replace('+', ' + ')),
                f'{meter(whole["balanced_accuracy"])}{percent(whole["balanced_accuracy"])}{between}',
                percent(whole['accuracy']),
                *(percent(whole['per_class'][label]['recall']) for label in metrics['labels']),
            )
        )
    head = ('modalities', 'balanced accuracy', 'accuracy', *map(escape, metrics['labels']))
    clips = metrics['clips']
    each = clips['decisions_per_clip']
    note = (
        f'<p class="soft">{clips["clips"]} clips of {clips["groups"]} groups, with '
        f'{each["least"]:.0f} to {each["most"]:.0f} decisions each, {each["median"]:g} in the '
        f'middle. Columns of labels: share of their clips that is right.</p>'
    )
    return table(head, rows) + note


def generalisation_table(metrics: Metrics) -> str:
    """Return what each modality's own head reaches in known and in new scenes."""
    found = metrics['generalisation']
    if found is None:
        return (
            '<p class="soft">Not known: no recording of a new scene was measured, or the '
            'checkpoint does not say what it was trained on.</p>'
        )
    head = ['modality']
    head += [f'{side}, {kind}' for side in ('known', 'new') for kind in ('decisions', 'clips')]
    rows = [
        (
            escape(name),
            *(percent(one[side][kind]) for side in SIDES for kind in KINDS),
            f'{100 * one["gap"]:.1f}{spread(one["gap_interval"])}',
        )
        for name, one in found['own_heads'].items()
    ]
    groups = found['groups']
    known = (
        f'{groups["seen"]} groups of recordings that were trained on'
        if groups['seen']
        else 'recordings that were trained on, measured at the end of the run'
    )
    note = (
        '<p class="soft">Balanced accuracy of each modality by its own head, where it is present: '
        f'known are {known}; new are {groups["unseen"]} groups of which nothing was trained on. '
        'A recording in no group counts as one. The difference is that of decisions.</p>'
    )
    return table([*head, 'difference, points'], rows) + note


def labels_table(metrics: Metrics) -> str:
    """Return precision, recall and F1 of each label with everything that is there."""
    fused = metrics['combinations'][fused_name(metrics)]
    detection = metrics['detection']['per_class']
    colours = label_colours(metrics['labels'])
    rows = []
    for label, found in fused['per_class'].items():
        smoothed = fused['smoothed']['per_class'][label]
        precision = detection.get(label, {}).get('average_precision')
        rows.append(
            (
                f'{swatch(colours[label])}{escape(label)}',
                str(found['support']),
                percent(found['precision']),
                percent(found['recall']),
                f'{meter(found["f1"])}{percent(found["f1"])}',
                percent(smoothed['f1']),
                percent(precision),
            )
        )
    head = ('label', 'decisions', 'precision', 'recall', 'F1', 'smoothed F1', 'average precision')
    return table(head, rows)


def agreement_table(metrics: Metrics) -> str:
    """Return how far the modalities agree, and what is right where they do."""
    agreement = metrics['agreement']
    rows = []
    compared = {**agreement['pairs'], fused_name(metrics): agreement['all']}
    for name, found in compared.items():
        together, apart = found['where_they_agree'], found['where_they_differ']
        rows.append(
            (
                escape(name.replace('+', ' + ')),
                str(found['decisions']),
                plain(found['kappa'], 2),
                percent(found['agreement']),
                percent(together['accuracy']),
                percent(apart['accuracy']),
            )
        )
    head = (
        'heads',
        'decisions',
        'kappa',
        'agree',
        'fused right where they agree',
        'where they differ',
    )
    return table(head, rows)


def temporal_table(metrics: Metrics) -> str:
    """Return how the answers hang together, before and after smoothing."""
    temporal = metrics['temporal']
    intervals = metrics['confidence_intervals']['temporal']
    rows = []
    for key, name, as_share in _TEMPORAL:
        cells = [name]
        for kind in ('decisions', 'smoothed'):
            interval = intervals[kind].get(key)
            cells.append(f'{plain(temporal[kind][key], 2)}{spread(interval, share=as_share)}')
        rows.append(cells)
    rows.extend(_delay_rows(temporal))
    truth = temporal['truth']['changes_per_minute']
    note = (
        f'<p class="soft">The truth has {temporal["truth"]["segments"]} segments and changes '
        f'{plain(truth, 2)} times a minute.</p>'
    )
    return table(('', 'decisions', 'smoothed'), rows) + note


_TEMPORAL = (
    ('edit_score', 'edit score', False),
    ('f1_at_10', 'segmental F1@10', False),
    ('f1_at_25', 'segmental F1@25', False),
    ('f1_at_50', 'segmental F1@50', False),
    ('changes_per_minute', 'changes a minute', False),
    ('changes_ratio', 'changes for each of the truth', False),
)


def _delay_rows(temporal: Metrics) -> Iterator[list[str]]:
    for key, name in (('onset_s', 'named after'), ('offset_s', 'left after')):
        cells = [f'{name}, median and 95 %']
        for kind in ('decisions', 'smoothed'):
            found = temporal[kind][key]
            cells.append(f'{seconds(found["median"])}, {seconds(found["p95"])}')
        yield cells
    yield [
        'segments never named',
        *(str(temporal[k]['never_found']) for k in ('decisions', 'smoothed')),
    ]


def calibration_table(metrics: Metrics) -> str:
    """Return calibration error, Brier score and likelihood in numbers."""
    calibration = metrics['calibration']
    intervals = metrics['confidence_intervals']['calibration']
    kinds = {'before': 'without temperature', 'after': 'with temperature', 'smoothed': 'smoothed'}
    rows = [
        (
            name,
            *(
                f'{plain(calibration[kind][key])}{_bounds(intervals[kind][key])}'
                for key in ('ece', 'brier', 'nll')
            ),
        )
        for kind, name in kinds.items()
    ]
    return table(('', 'ECE', 'Brier score', 'negative log-likelihood'), rows)


def unknown_table(metrics: Metrics) -> str:
    """Return how unknown activities are told from known ones."""
    unknown = metrics['unknown']
    if not unknown['decisions']:
        return '<p class="soft">The recordings have no label that the checkpoint lacks.</p>'
    rows = [
        (name, percent(found['auroc']), percent(found['fpr_at_95_tpr']))
        for name, found in (('decisions', unknown), ('smoothed', unknown['smoothed']))
    ]
    smoothed, names = unknown['smoothed'], escape(', '.join(unknown['labels']))
    note = (
        f'<p class="soft">{unknown["decisions"]} decisions on {names}. Answered with UNKNOWN: '
        f'{percent(smoothed["answered_unknown_when_unknown"])} of those, '
        f'{percent(smoothed["answered_unknown_when_known"])} of the known ones.</p>'
    )
    return table(('', 'AUROC', 'FPR at 95 % TPR'), rows) + note


def recordings_table(metrics: Metrics) -> str:
    """Return the scores of each recording."""
    rows = [
        (
            escape(found['name']),
            f'{found["seconds"]:.0f} s',
            str(found['decisions']),
            f'{meter(found["accuracy"])}{percent(found["accuracy"])}',
            percent(found['macro_f1']),
            percent(found['smoothed']['accuracy']),
            *([_whole(found['clip'])] if metrics['clips'] else []),
        )
        for found in metrics['recordings']
    ]
    head = ['recording', 'length', 'decisions', 'accuracy', 'macro F1', 'smoothed accuracy']
    head += ['as a whole'] if metrics['clips'] else []
    return table(head, rows)


def _whole(clip: Metrics | None) -> str:
    """Return what a recording was answered as a whole, and its label where that is another."""
    if clip is None:
        return '–'
    answer = 'no answer' if clip['answer'] is None else escape(clip['answer'])
    return answer if clip['answer'] == clip['label'] else f'{answer}, is {escape(clip["label"])}'


def live_table(metrics: Metrics) -> str:
    """Return whether the node decided what the network decides, and what topics changed."""
    live = metrics['live']
    if live is None:
        return (
            '<p class="soft">Not played. <code>evaluate --live</code> plays the recordings '
            'through the ROS node.</p>'
        )
    offline = metrics['combinations'][fused_name(metrics)]
    rows = [
        (
            escape(found['name']),
            f'{found["compared"]} of {found["decisions"]}',
            str(found['unequal']),
            '–' if found['largest_difference'] is None else f'{found["largest_difference"]:.1e}',
            percent(found['undisturbed']['agreement']),
            percent(found['undisturbed']['agreement_smoothed']),
            *map(_lost, found['samples'].values()),
        )
        for found in ({**live, 'name': 'all'}, *live['recordings'])
    ]
    note = (
        f'<p class="soft">On {escape(live["device"])}. Unequal: further from forward on the same '
        f'admission trace than {escape(live["tolerance"])}. Same label: as on the undisturbed '
        f'recording, at {live["undisturbed"]["moments"]} moments. Macro F1 of the node '
        f'{percent(live["macro_f1"])}, smoothed {percent(live["smoothed"]["macro_f1"])}; '
        f'undisturbed {percent(offline["macro_f1"])}, smoothed '
        f'{percent(offline["smoothed"]["macro_f1"])}. Decisions skipped: '
        f'{live["decisions_skipped"]}; failed steps: {live["failed_steps"]}.</p>'
    )
    head = (
        *('recording', 'compared', 'unequal', 'largest difference of logits'),
        *('same label', 'smoothed'),
        *(f'{name} lost and dropped' for name in live['samples']),
    )
    return table(head, rows) + note


def _lost(samples: Metrics) -> str:
    return f'{samples["lost"]} and {sum(samples["dropped"].values())} of {samples["recorded"]}'


def _bounds(interval: Sequence[float] | None) -> str:
    if interval is None:
        return ''
    low, high = interval
    return f' <span class="soft">{low:.3f} to {high:.3f}</span>'
