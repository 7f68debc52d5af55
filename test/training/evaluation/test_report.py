"""The report's folder and page."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from activity_recognition.errors import RecordingError
from activity_recognition.training.evaluation import figures
from activity_recognition.training.evaluation.gate import Limit, check
from activity_recognition.training.evaluation.measuring import Evaluation
from activity_recognition.training.evaluation.report import (
    refuse_to_replace,
    render,
    write_report,
)
from activity_recognition.training.evaluation.schema import SCHEMA_VERSION, read_metrics

VOID = {'meta', 'br', 'hr', 'img', 'link', 'input', 'rect', 'line', 'polygon'}


class Balance(HTMLParser):
    """Fails on a tag that is closed in the wrong place."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


@pytest.fixture(scope='module')
def checks(evaluation: Evaluation) -> list:
    acceptance = {'fused_macro_f1': Limit(at_least=2.0), 'ece': Limit(at_most=1.0)}
    return check(evaluation.metrics, acceptance)


def test_the_page_is_whole_and_stands_alone(evaluation: Evaluation, checks: list):
    html = render(evaluation, checks)
    balance = Balance()
    balance.feed(html)
    assert not balance.open
    loaded = re.findall(r'(?:src|href)="([^"]*)"|url\(([^)]*)\)|@import', html)
    assert not loaded
    assert 'nan' not in re.sub(r'<[^>]*>', ' ', html).lower().split()


def test_the_page_shows_every_part(evaluation: Evaluation, checks: list):
    html = render(evaluation, checks)
    metrics = evaluation.metrics
    assert f'{metrics["combinations"]["video+audio+text"]["macro_f1"] * 100:.1f} %' in html
    assert html.count('badge bad') == 1
    assert html.count('badge good') == 1
    for name in ('Confusion matrix', 'Reliability diagram', 'Timeline of truth', 'Work per'):
        assert f'aria-label="{name}' in html
    assert html.count('Timeline: recording_') == 3
    assert metrics['checkpoint']['id'] in html
    assert 'walking' in html


def test_short_stretches_are_named_below_a_timeline(evaluation: Evaluation, checks: list):
    html = render(evaluation, checks)
    for recording in evaluation.decided:
        section = html.partition(f'Timeline: {recording.name}')[2].partition('</section>')[0]
        below = section.partition('</svg>')[2]
        colours = figures.timeline_colours(recording, evaluation.metrics['labels'])
        assert {span.label for span in recording.spans} <= set(colours)
        for label, colour in colours.items():
            assert f'background:{colour}"></span>{label}<' in below


def test_the_page_says_whether_the_recordings_are_new(evaluation: Evaluation, checks: list):
    assert 'does not say which recordings it was made with' in render(evaluation, checks)
    data = {**evaluation.metrics['data'], 'num_training_recordings': 220}

    def said(**found: int) -> bool:
        metrics = {**evaluation.metrics, 'data': {**data, **found}}
        html = render(dataclasses.replace(evaluation, metrics=metrics), checks)
        return 'new to the checkpoint: none of the 220' in html

    assert said()
    assert not said(trained_on=1)
    assert not said(validated_with=1)


def test_the_page_says_first_which_modality_to_leave_out(evaluation: Evaluation, checks: list):
    combinations = {
        name: {**scores, 'balanced_accuracy': 0.7 if name == 'audio+text' else 0.6}
        for name, scores in evaluation.metrics['combinations'].items()
    }
    metrics = {**evaluation.metrics, 'combinations': combinations}
    html = render(dataclasses.replace(evaluation, metrics=metrics), checks)
    sentence = 'audio and text without video are better on these recordings than all together'
    assert html.index(sentence) < html.index('Acceptance')
    equal = {name: {**scores, 'balanced_accuracy': 0.6} for name, scores in combinations.items()}
    metrics = {**evaluation.metrics, 'combinations': equal}
    assert sentence not in render(dataclasses.replace(evaluation, metrics=metrics), checks)


def test_texts_are_escaped(evaluation: Evaluation, checks: list):
    metrics = {**evaluation.metrics, 'conditions': {'<b>machine': '<script>'}}
    metrics['data'] = {**metrics['data'], 'skipped': ['<i>reason'], 'name': '<u>here'}
    html = render(dataclasses.replace(evaluation, metrics=metrics), checks)
    for given in ('<b>machine', '<script>', '<i>reason', '<u>here'):
        assert given not in html


def test_the_folder_holds_numbers_pictures_and_page(
    evaluation: Evaluation, checks: list, tmp_path: Path
):
    page = write_report(tmp_path / 'reports' / 'one', evaluation, checks)
    folder = page.parent
    assert {path.name for path in folder.iterdir()} == {
        *('metrics.json', 'report.html', 'confusion.svg', 'confusion_smoothed.svg'),
        *('reliability.svg', 'latency.svg', 'timeline_1.svg', 'timeline_2.svg', 'timeline_3.svg'),
    }
    for picture in folder.glob('*.svg'):
        assert ET.parse(picture).getroot().tag.endswith('svg')
        assert '--ink' in picture.read_text(encoding='utf-8')
    assert read_metrics(folder)['schema_version'] == SCHEMA_VERSION
    assert [path.name for path in folder.parent.iterdir()] == ['one']


def test_a_report_is_replaced_only_when_asked(evaluation: Evaluation, checks: list, tmp_path: Path):
    folder = write_report(tmp_path / 'one', evaluation, checks).parent
    (folder / 'old.txt').touch()
    with pytest.raises(RecordingError, match='--overwrite'):
        write_report(folder, evaluation, checks)
    write_report(folder, evaluation, checks, overwrite=True)
    assert not (folder / 'old.txt').exists()
    assert [path.name for path in tmp_path.iterdir()] == ['one']


def test_what_is_no_report_is_never_replaced(tmp_path: Path):
    (tmp_path / 'thesis.txt').touch()
    for overwrite in (False, True):
        with pytest.raises(RecordingError, match='found other files'):
            refuse_to_replace(tmp_path, overwrite=overwrite)
    with pytest.raises(RecordingError, match='found other files'):
        refuse_to_replace(tmp_path / 'thesis.txt', overwrite=True)


def test_an_empty_folder_takes_a_report(evaluation: Evaluation, checks: list, tmp_path: Path):
    (tmp_path / 'empty').mkdir()
    assert write_report(tmp_path / 'empty', evaluation, checks).is_file()


def test_the_page_survives_a_report_without_cost(evaluation: Evaluation, checks: list):
    metrics = {
        **evaluation.metrics,
        'cost': None,
        'latency_ms': dict.fromkeys(evaluation.metrics['latency_ms']),
    }
    html = render(dataclasses.replace(evaluation, metrics=metrics), checks)
    assert 'Not measured.' in html


def test_the_confusion_figure_shows_shares_of_rows():
    drawn = figures.confusion_figure(('a', 'b'), [[3, 1, 0], [0, 0, 4]])
    root = ET.fromstring(drawn)
    texts = [item.text for item in root.iter() if item.tag.endswith('text')]
    assert texts.count('75') == texts.count('25') == texts.count('100') == 1
    tips = [item.text for item in root.iter() if item.tag.endswith('title')]
    assert 'b, decided no answer: 4, 100.0 %' in tips


def test_the_timeline_shows_what_is_published(evaluation: Evaluation):
    recording = evaluation.decided[0]
    found = figures.timed(recording, evaluation.metrics['labels'])
    assert len(found['answers']) == len(recording.results[0].stamps_ns)
    assert found['truth'][0] == (0.0, recording.spans[0].end_s, recording.spans[0].label)
    assert found['duration_s'] == pytest.approx(12.0, abs=0.5)
    assert found['answers'][0]['t_s'] == pytest.approx(0.0, abs=1.0)


def test_a_label_has_the_same_colour_in_every_timeline(evaluation: Evaluation):
    labels = evaluation.metrics['labels']
    colours: dict[str, set[str]] = {}
    for recording in evaluation.decided:
        drawn = figures.timeline_figure(recording, labels)
        for fill, label in re.findall(r'<rect[^>]*fill="(#[^"]*)"[^>]*><title>(\w+):', drawn):
            colours.setdefault(label, set()).add(fill)
    assert set(labels) <= set(colours)
    assert all(len(colours[label]) == 1 for label in labels)
