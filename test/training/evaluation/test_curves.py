"""The curves of a run as its checkpoint keeps them, and as they are drawn."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from activity_recognition.config_io import to_mapping
from activity_recognition.models.checkpoint import load_checkpoint
from activity_recognition.training.evaluation.curves import (
    Curve,
    HeadCurve,
    JoinedPoint,
    StageStart,
    TrainingCurves,
    read_curves,
)
from activity_recognition.training.evaluation.curves_page import curves_content, curves_figure
from activity_recognition.training.evaluation.measuring import (
    Evaluation,
    EvaluationConfig,
    evaluate_checkpoint,
)
from activity_recognition.training.evaluation.report import render, write_report

NO_CURVES = 'The checkpoint holds no curves'
CURVES = TrainingCurves(
    epochs=(2, 4, 5),
    stages=(StageStart(name='<alone>', first_epoch=1), StageStart(name='all', first_epoch=5)),
    fused=Curve(training=(0.5, 0.8, 0.99), validation=(0.4, 0.45, 0.4)),
    loss=Curve(training=(1.2, 0.6, 0.1), validation=(1.3, 1.5, 2.4)),
    own_heads=(
        HeadCurve(modality='video', training=(0.6, 0.9, 1.0), validation=(0.3, 0.2, 0.25)),
        HeadCurve(modality='audio', training=(0.4, None, 0.5), validation=(0.4, None, 0.5)),
    ),
    joined=(JoinedPoint(epoch=4, balanced_accuracy=0.47),),
    kept_epoch=4,
    kept_joined=True,
)


def elements(drawn: str, kind: str, style: str) -> list[ET.Element]:
    root = ET.fromstring(drawn)
    return [e for e in root.iter() if e.tag.endswith(kind) and e.get('class') == style]


def test_they_survive_the_file():
    stored = json.loads(json.dumps(to_mapping(CURVES)))
    assert read_curves({'training': {'curves': stored}}) == CURVES


@pytest.mark.parametrize(
    'damage',
    [
        {'epochs': [1, 2]},
        {'epochs': [2, 2, 3]},
        {'epochs': [0, 1, 2]},
        {'epochs': ['a', 'b', 'c']},
        {'epochs': []},
        {'fused': {'training': [0.1], 'validation': [0.1]}},
        {'loss': 3},
        {'stages': None},
        {'new_key': 1},
    ],
)
def test_what_is_damaged_is_none(damage: dict[str, object]):
    assert read_curves({'training': {'curves': {**to_mapping(CURVES), **damage}}}) is None
    for metrics in ({}, {'training': None}, {'training': {'curves': [1]}}, {'training': {}}):
        assert read_curves(metrics) is None


def test_each_measure_has_a_panel_with_both_lines():
    drawn = curves_figure(CURVES, alone=True)
    texts = [e.text for e in ET.fromstring(drawn).iter() if e.tag.endswith('text')]
    for title in ('all together', 'video alone', 'audio alone', 'loss of all together, nats'):
        assert texts.count(title) == 1
    # Audio has a gap, and so two lines of one point each.
    assert len(elements(drawn, 'polyline', 'line')) == 5
    assert len(elements(drawn, 'polyline', 'line seen')) == 5
    tips = [e.text for e in ET.fromstring(drawn).iter() if e.tag.endswith('title')]
    assert 'training, epoch 5: 100.0 %' in tips
    assert 'validation, epoch 4: 20.0 %' in tips
    assert 'validation, epoch 5: 2.400' in tips


def test_higher_is_drawn_higher_and_later_further_right():
    fused = elements(curves_figure(CURVES), 'polyline', 'line seen')[0]
    points = [tuple(map(float, pair.split(','))) for pair in fused.get('points', '').split()]
    across, down = zip(*points, strict=True)
    assert list(across) == sorted(across)
    assert list(down) == sorted(down, reverse=True)
    assert (across[1] - across[0]) == pytest.approx(2 * (across[2] - across[1]), abs=0.02)


def test_stages_and_what_was_kept_are_marked():
    drawn = curves_figure(CURVES)
    panels = 4
    assert len(elements(drawn, 'line', 'mark')) == panels + 1, 'one in each, and one in the key'
    assert len(elements(drawn, 'line', 'kept')) == panels + 1
    assert len(elements(drawn, 'circle', 'joined')) == 1
    assert '&lt;alone&gt;' in drawn
    assert 'all: from epoch 5' in drawn
    assert 'put together after epoch 4 (the circle): 47.0 % in validation' in curves_content(CURVES)
    content = curves_content(dataclasses.replace(CURVES, kept_joined=False))
    assert 'epoch 4 (kept)' in content
    assert '<td>90.0 %</td><td>20.0 %</td>' in content


def test_one_stage_and_the_last_weights_are_not_marked():
    plain = dataclasses.replace(
        CURVES, stages=CURVES.stages[:1], joined=(), kept_epoch=0, kept_joined=False
    )
    drawn = curves_figure(plain)
    assert not elements(drawn, 'line', 'mark')
    assert not elements(drawn, 'line', 'kept')
    assert 'kept' not in curves_content(plain)


@pytest.mark.parametrize('count', [1, 2, 61, 1000])
def test_any_number_of_epochs_can_be_drawn(count: int):
    epochs = tuple(range(1, count + 1))
    line = tuple(epoch / count for epoch in epochs)
    found = TrainingCurves(
        epochs=epochs,
        stages=CURVES.stages[:1],
        fused=Curve(training=line, validation=(None,) * count),
        loss=Curve(training=line, validation=line),
        own_heads=(),
    )
    drawn = curves_figure(found)
    places = [float(value) for value in re.findall(r' [cx]?[x]?x[12]?="([^"]*)"', drawn)]
    assert places
    assert all(0 <= place <= 900 for place in places)
    assert (count <= 60) == bool(elements(drawn, 'circle', 'line dot') or drawn.count('<circle'))


def test_a_report_shows_the_curves_of_the_checkpoint(evaluation: Evaluation, tmp_path: Path):
    metrics = {**evaluation.metrics, 'curves': to_mapping(CURVES)}
    shown = dataclasses.replace(evaluation, metrics=metrics)
    page = write_report(tmp_path / 'report', shown, [])
    html = page.read_text(encoding='utf-8')
    assert 'aria-label="Training curves"' in html
    assert NO_CURVES not in html
    assert (page.parent / 'curves.svg').read_text(encoding='utf-8').startswith('<svg')


def test_a_report_says_so_where_there_are_none(evaluation: Evaluation):
    assert evaluation.metrics['curves'] is None
    html = render(evaluation, [])
    assert 'aria-label="Training curves"' not in html
    assert html.count(NO_CURVES) == 1


def test_evaluating_takes_them_from_the_checkpoint(
    checkpoint_path: Path, recordings: Path, quick: EvaluationConfig, tmp_path: Path
):
    checkpoint = load_checkpoint(checkpoint_path)
    told = {**checkpoint.metrics, 'training': {'curves': to_mapping(CURVES), 'keys': {}}}
    found = evaluate_checkpoint(
        dataclasses.replace(checkpoint, metrics=told), recordings, cache=tmp_path, config=quick
    )
    assert found.metrics['curves'] == to_mapping(CURVES)
