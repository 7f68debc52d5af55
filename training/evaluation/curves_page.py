"""How the curves of a run are shown: as a section of a report, and as a page of their own."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from activity_recognition.reporting.blocks import card, heading, page, percent, table
from activity_recognition.reporting.curves import Epochs, Panel, Point, curves
from activity_recognition.training.evaluation.curves import TrainingCurves, Values, read_curves

TITLE = 'Training and validation'

_EXPLANATION = (
    '<p class="soft">Balanced accuracy after each epoch that was validated, and the loss: on '
    'recordings held out for validation, and on as many that are trained on, without augmentation. '
    'Each modality by its own head, where it is present. Where training goes on rising and '
    'validation does not, a modality overfits.</p>'
)
_NONE = (
    'The checkpoint holds no curves: its run had no recordings to validate with, or an older '
    'version made it.'
)


def curves_content(found: TrainingCurves | None) -> str:
    """Return the section that shows the curves of the run that made a checkpoint.

    Args:
        found: the curves; None where the checkpoint has none.
    """
    if found is None:
        return f'<p class="soft">{_NONE}</p>'
    return f'{curves_figure(found)}{_kept(found)}{_EXPLANATION}'


def curves_page(name: str, metrics: Mapping[str, Any]) -> str:
    """Return a page that shows the curves of one run; it needs nothing else to be shown.

    Args:
        name: of the run.
        metrics: what its checkpoint's ``metrics.json`` holds.
    """
    training, validation = metrics['training'], metrics['validation']
    summary = (
        f'Run {name}: {training["recordings"]} recordings for training, '
        f'{validation["recordings"]} for validation, {training["steps"]} steps.'
    )
    findings = ''.join(
        f'<p><strong>{escape(finding)}.</strong></p>' for finding in metrics['findings']
    )
    sections = (
        heading(TITLE, summary),
        findings,
        card('Over the epochs', curves_content(read_curves(metrics))),
    )
    return page(TITLE, sections)


def curves_figure(found: TrainingCurves, *, alone: bool = False) -> str:
    """Draw how right a run was after each epoch: together, each modality alone, and the loss.

    Args:
        found: of the run.
        alone: bring the style along, for a file of its own.
    """
    joined = [
        Point(
            epoch=point.epoch,
            value=point.balanced_accuracy,
            tip=f'best weights of each modality put together, after epoch {point.epoch}: '
            f'{point.balanced_accuracy * 100:.1f} %',
        )
        for point in found.joined
        if point.balanced_accuracy is not None
    ]
    together = Panel(
        title='all together',
        training=found.fused.training,
        validation=found.fused.validation,
        points=joined,
    )
    alone_panels = [
        Panel(title=f'{head.modality} alone', training=head.training, validation=head.validation)
        for head in found.own_heads
    ]
    loss = Panel(
        title='loss of all together, nats',
        training=found.loss.training,
        validation=found.loss.validation,
        is_share=False,
    )
    epochs = Epochs(
        numbers=found.epochs,
        starts=[(stage.first_epoch, stage.name) for stage in found.stages],
        kept=found.kept_epoch,
    )
    return curves([together, *alone_panels, loss], epochs, alone=alone)


def _kept(found: TrainingCurves) -> str:
    """Say in numbers what the weights that were kept reach: those of an epoch, or put together."""
    if found.kept_joined:
        reached = {point.epoch: point.balanced_accuracy for point in found.joined}
        return (
            '<p class="soft">Kept were the best weights of each modality, put together after epoch '
            f'{found.kept_epoch} (the circle): {percent(reached.get(found.kept_epoch))} in '
            'validation.</p>'
        )
    place = found.epochs.index(found.kept_epoch) if found.kept_epoch in found.epochs else -1
    title = f'epoch {found.epochs[place]}' + (' (kept)' if found.kept_epoch else '')
    named: list[tuple[str, Values, Values]] = [
        ('all together', found.fused.training, found.fused.validation),
        *((f'{head.modality} alone', head.training, head.validation) for head in found.own_heads),
    ]
    rows = [
        (escape(name), percent(training[place]), percent(validation[place]))
        for name, training, validation in named
    ]
    return table((title, 'training', 'validation'), rows)
