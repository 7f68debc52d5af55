"""The model card of a checkpoint: what it is, what it was made of, what it reaches."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from activity_recognition.config import ModelConfig
from activity_recognition.errors import printable
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.run.curriculum import Curriculum
from activity_recognition.weights import WeightsEntry, register


def write_card(
    model: ModelConfig,
    config: TrainConfig,
    *,
    origin: str,
    temperature: float,
    weights: int,
    measures: Mapping[str, Mapping[str, Any]],
    measured_on: str,
    findings: Sequence[str] = (),
) -> str:
    """Return a model card in Markdown.

    Args:
        model: the network.
        config: how it was trained.
        origin: what it was trained on, a sentence.
        temperature: its calibration.
        weights: number of its weights.
        measures: result of :func:`activity_recognition.training.evaluation.scoring.measure`.
        measured_on: what ``measures`` were measured on, a phrase.
        findings: what a reader has to know first, sentences.
    """
    rows = [
        f'| {name} | {_percent(found)} | {_percent(found["smoothed"])} |'
        for name, found in measures.items()
    ]
    return '\n'.join(
        [
            '# Activity recognition checkpoint',
            '',
            f'Recognises {", ".join(map(plain, model.labels))} from {inputs_in_words(model)}.',
            '',
            *(line for finding in findings for line in (f'**{finding}.**', '')),
            f'- Network: preset {_code(config.preset)}, {weights / 1e6:.2f} million weights, '
            f'{_frames(model)}.',
            *backbone_lines(model),
            f'- Trained on: {plain(origin)}',
            f'- Training: {Curriculum(config).epochs} epochs, seed {config.seed}; '
            f'calibrated with temperature {temperature:.3f}.',
            '- Limits: it knows the activities above, in scenes like those it was trained on. '
            'For another place or other activities, train on recordings of your own.',
            '',
            f'Balanced accuracy on {plain(measured_on)}:',
            '',
            '| modalities | per decision | smoothed |',
            '| --- | --- | --- |',
            *rows,
            '',
        ]
    )


def _frames(model: ModelConfig) -> str:
    """Say what it takes of a frame."""
    if joints := model.video.joints:
        return f'{len(joints)} key points of a body in place of images'
    return f'{model.video.input_size_px} px'


def inputs_in_words(model: ModelConfig) -> str:
    """Name the network's inputs."""
    *first, last = model.modalities
    if not first:
        return last
    return f'{", ".join(first)} and {last}; any of them may be absent'


def backbone_lines(model: ModelConfig) -> list[str]:
    """Name the pretrained networks, a list item each, with what is to be said of their licences."""
    lines = []
    for name in model.modalities:
        part = getattr(model, name)
        frozen: tuple[str, ...] = getattr(part, 'backbone_weights', ())
        lines += [_in_front(name, register()[weights]) for weights in frozen]
        elsewhere: str = getattr(part, 'backbone', '')
        if elsewhere and not frozen:
            lines.append(
                f'- Encoder of {name}: begins with {_code(elsewhere)}, '
                f'{_training(part.trained_layers)}; its licence holds.'
            )
        if words := getattr(part, 'word_vectors', ''):
            lines.append(
                f'- Words: {part.vocab_size} vectors distilled from {_known(words)}, frozen; '
                'its licence holds.'
            )
    return lines


def _known(name: str) -> str:
    """Name a network with its authors and licence, where it is registered."""
    entry = register().get(name)
    return f'{plain(entry.attribution)} ({plain(entry.licence)})' if entry else _code(name)


def _in_front(name: str, entry: WeightsEntry) -> str:
    """Name a frozen network that is no part of these weights."""
    return (
        f'- In front of {name}: {plain(entry.attribution)} ({plain(entry.licence)}), frozen and '
        f'no part of these weights: `activity-recognition weights fetch {entry.name}`, SHA-256 '
        f'{_code(entry.sha256)}.'
    )


def plain(text: str) -> str:
    """Return text that Markdown and HTML show as it is, on one line."""
    line = ' '.join(printable(text).split())
    return re.sub(r'[\\`*{}\[\]<>#|~&]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])', r'\\\g<0>', line)


def _code(text: str) -> str:
    """Return text between backticks, which no backtick in it ends."""
    line = ' '.join(printable(text).split())
    fence = '`' * (1 + max(map(len, re.findall('`+', line)), default=0))
    return f'{fence} {line} {fence}' if '`' in line else f'`{line}`'


def _training(layers: int) -> str:
    if layers < 0:
        return 'trained on'
    return f'last {layers} layers trained on' if layers else 'frozen'


def _percent(summary: Mapping[str, Any]) -> str:
    value = summary['balanced_accuracy']
    return '–' if value is None else f'{100 * value:.1f} %'
