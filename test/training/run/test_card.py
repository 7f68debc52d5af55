"""The model card shows labels as they are, whatever Markdown and HTML would make of them."""

from __future__ import annotations

import dataclasses
import re

import pytest

from activity_recognition.config import ModelConfig
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.run.card import write_card
from activity_recognition.weights import identity
from factories.networks import HEARING, TINY


def card(
    labels: tuple[str, ...] = ('none', 'waving'),
    origin: str = '3 recordings',
    findings: tuple[str, ...] = (),
    model: ModelConfig = TINY,
) -> str:
    summary = {'balanced_accuracy': 0.5}
    return write_card(
        dataclasses.replace(model, labels=labels), TrainConfig(), origin=origin, temperature=1.0,
        weights=1000, measures={'video': {**summary, 'smoothed': summary}},
        measured_on='2 recordings', findings=findings,
    )  # fmt: skip


def test_plain_labels_stay_as_they_are():
    assert 'Recognises none, asking_robot, 手を振る from video' in card(
        ('none', 'asking_robot', '手を振る')
    )


@pytest.mark.parametrize(
    ('label', 'shown'),
    [
        ('<script>alert(1)</script>', r'\<script\>alert(1)\</script\>'),
        ('[here](javascript:x)', r'\[here\](javascript:x)'),
        ('a | b', r'a \| b'),
        ('`rm`', r'\`rm\`'),
        ('**bold** _it_', r'\*\*bold\*\* \_it\_'),
        ('&lt;', r'\&lt;'),
    ],
)
def test_labels_are_escaped(label: str, shown: str):
    assert f'Recognises none, {shown} from video' in card(('none', label))
    assert f'- Trained on: {shown}\n' in card(origin=label)


def test_an_origin_stays_on_its_line():
    assert '- Trained on: one \\# two\n' in card(origin='one\n# two')


def test_what_has_to_be_known_first_comes_first():
    lines = card(findings=('audio without video is better', 'video has overfitted')).splitlines()
    assert lines[4] == '**audio without video is better.**'
    assert lines[6] == '**video has overfitted.**'
    assert '- Network:' in lines[8]
    assert '**' not in card()


def test_a_frozen_network_in_front_is_named_with_its_licence_and_how_to_get_it():
    (line,) = (row for row in card(model=HEARING).splitlines() if row.startswith('- In front'))
    assert line.startswith('- In front of audio: YAMNet by Google')
    assert '(Apache-2.0), frozen and no part of these weights' in line
    assert '`activity-recognition weights fetch yamnet`' in line
    assert f'`{identity("yamnet")}`' in line
    assert '- In front' not in card()


@pytest.mark.parametrize(
    ('name', 'shown'), [('minilm', r'all-MiniLM.* \(Apache-2.0\)'), ('/nets/bert', '`/nets/bert`')]
)
def test_where_word_vectors_come_from_is_said(name: str, shown: str):
    text = dataclasses.replace(TINY.text, word_vectors=name)
    lines = card(model=dataclasses.replace(TINY, text=text)).splitlines()
    (line,) = (row for row in lines if row.startswith('- Words'))
    assert re.fullmatch(
        rf'- Words: 64 vectors distilled from {shown}.*, frozen; its licence holds\.', line
    )
    assert '- Words' not in card()
