"""The report holds what it must, stands alone, and survives odd runs."""

import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest

from activity_recognition.errors import RecordingError
from activity_recognition.reporting.charts import frame_bar, histogram
from activity_recognition.reporting.drawing import NO_LABEL_COLOUR, label_colours
from activity_recognition.reporting.metrics import read_metrics, write_metrics
from activity_recognition.reporting.page import milliseconds, percent, render_report, write_report
from activity_recognition.reporting.scores import (
    NO_DATA,
    UNKNOWN,
    Truth,
    distribution,
    score,
)
from activity_recognition.reporting.timeline import STRIP_S, answer_runs, timeline

VOID = {'meta', 'br', 'hr', 'img', 'link', 'input', 'rect', 'line', 'polygon'}


class Balance(HTMLParser):
    """Fails on a tag that is closed in the wrong place, and collects text and attributes."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.attributes = [], [], []

    def handle_starttag(self, tag, attrs):
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def parse(page):
    parser = Balance()
    parser.feed(page)
    assert parser.open == []
    return parser


def test_the_page_shows_all_parts_of_the_run(make_metrics):
    text = ' '.join(parse(render_report(make_metrics())).text)
    for word in ('walking', 'knocking', 'truth', 'decision', 'confidence', 'video', 'audio'):
        assert word in text
    for word in ('291', 'dropped, counted: overload', 'lost in transport', '2 / 300', 'c0ffee'):
        assert word in text
    for word in ('passed', 'failed', 'at least 85 %', 'p95', 'Confusion', UNKNOWN):
        assert word in text


def test_the_page_asks_nothing_of_the_network(make_metrics):
    page = render_report(make_metrics())
    assert re.findall(r'https?://[^"\s]+', page.replace('http://www.w3.org/2000/svg', '')) == []
    names = {name for name, _ in parse(page).attributes}
    assert not names & {'src', 'href', 'onclick', 'onload'}
    assert '@import' not in page
    assert 'url(' not in page
    assert '<script' not in page


def test_a_run_without_truth_shows_its_answers_in_the_place_of_scores(make_metrics):
    metrics = make_metrics()
    metrics.update(truth=[], scores=score(Truth(()), []), latency=distribution([]), checks=[])
    metrics['answers'] = [
        {'t_s': 0.1 * n, 'answer': 'walking' if 10 <= n < 40 else UNKNOWN, 'confidence': n / 100}
        for n in range(50)
    ]
    page = render_report(metrics)
    plain = re.sub('<style>.*?</style>', '', page, flags=re.DOTALL)
    text = ' '.join(' '.join(parse(plain).text).split())
    for word in ('truth', 'wrong', 'balanced accuracy', 'Confusion', 'recall', 'Latency'):
        assert word not in text, word
    assert '50 decisions' in text
    assert f'walking 3.0 s 1 24.5 % {UNKNOWN} 2.0 s 2 24.5 %' in text
    assert '9 / 300 frames dropped or lost' in text  # 7 for overload, 2 on their way
    assert 'aria-label="Timeline of decisions"' in page
    # With the truth known, nothing of that changes.
    assert 'Activities' not in render_report(make_metrics())


def test_texts_are_escaped(make_metrics):
    page = render_report(make_metrics(title='<script>alert(1)</script>'))
    assert '<script' not in page
    assert '&lt;script&gt;' in page
    assert '&lt;seed&gt; 7 &amp; more' in page


def test_both_colour_schemes_are_served(make_metrics):
    assert 'prefers-color-scheme: dark' in render_report(make_metrics())


def test_a_picture_of_its_own_is_xml_with_its_style(make_metrics):
    root = ET.fromstring(timeline(make_metrics(), alone=True))
    style = root.find('{http://www.w3.org/2000/svg}style')
    assert style is not None
    assert '--ink' in style.text
    titles = [node.text for node in root.iter('{http://www.w3.org/2000/svg}title')]
    assert 'walking: 0.0 to 6.0 s' in titles


def test_wrong_decisions_are_marked_and_right_ones_are_not(make_metrics):
    late = ET.fromstring(timeline(make_metrics(delay_s=0.4)))
    exact = ET.fromstring(timeline(make_metrics(delay_s=0.0)))
    assert len([node for node in late.iter() if node.get('class') == 'wrong']) == 3
    assert [node for node in exact.iter() if node.get('class') == 'wrong'] == []


def test_a_long_run_continues_in_further_strips(make_metrics):
    metrics = make_metrics()
    metrics['duration_s'] = 2.5 * STRIP_S
    root = ET.fromstring(timeline(metrics))
    captions = [node.text for node in root.iter('{http://www.w3.org/2000/svg}text')]
    assert captions.count('truth') == 3


def test_a_run_without_answers_or_frames_still_has_a_page(make_metrics):
    metrics = make_metrics(count=0)
    metrics['frames'] = None
    metrics['duration_s'] = 0.0
    text = ' '.join(parse(render_report(metrics)).text)
    assert 'nothing measured' in text
    assert 'Every frame' not in text


def test_equal_answers_join_and_holes_stay_open():
    answers = [{'t_s': t, 'answer': 'a', 'confidence': 1.0} for t in (0.0, 0.1, 0.2, 1.0, 1.1)]
    answers.append({'t_s': 1.2, 'answer': 'b', 'confidence': 1.0})
    joined = answer_runs(answers)
    assert [item.label for item in joined] == ['a', 'a', 'b']
    assert (joined[0].start_s, joined[0].end_s) == pytest.approx((0.0, 0.3))
    assert (joined[1].start_s, joined[1].end_s) == pytest.approx((1.0, 1.2))
    assert answer_runs([]) == []


@pytest.mark.parametrize(
    ('low_s', 'high_s', 'shown'),
    [
        (0.0, 0.0199, ['0 ms', '5 ms', '10 ms', '15 ms']),
        (-0.003, 0.0101, ['0 ms', '5 ms', '10 ms']),
        (0.1234, 0.1236, ['123.4 ms', '123.45 ms', '123.5 ms', '123.55 ms', '123.6 ms']),
        (0.2, 1.2, ['200 ms', '400 ms', '600 ms', '800 ms', '1000 ms', '1200 ms']),
    ],
)
def test_a_histogram_has_round_ticks(make_metrics, low_s, high_s, shown):
    values = {**make_metrics()['latency'], 'edges_s': [low_s, high_s], 'counts': [7]}
    root = ET.fromstring(histogram(values, label='latency'))
    texts = [node.text for node in root.iter() if node.tag.endswith('text')]
    assert [text for text in texts if text.endswith(' ms')] == shown


def test_charts_are_xml_that_shows_every_count(make_metrics):
    metrics = make_metrics()
    bars = ET.fromstring(histogram(metrics['latency'], label='latency'))
    assert bars.get('aria-label') == 'latency'
    tips = [node.text for node in bars.iter('{http://www.w3.org/2000/svg}title')]
    assert sum(int(tip.rsplit(' ', 1)[1]) for tip in tips) == 200
    shares = ET.fromstring(frame_bar(metrics['frames']))
    widths = [float(node.get('width')) for node in shares.iter('{http://www.w3.org/2000/svg}rect')]
    assert sum(widths) == pytest.approx(520, abs=0.1)
    assert len(widths) == 3


def test_labels_keep_apart_in_colour():
    colours = label_colours(['none', *(f'label {n}' for n in range(16)), UNKNOWN, NO_DATA])
    assert colours['none'] == colours[UNKNOWN] == colours[NO_DATA] == NO_LABEL_COLOUR
    assert len({colours[f'label {n}'] for n in range(16)}) == 16


def test_numbers_in_words():
    assert percent(0.8765) == '87.6 %'
    assert milliseconds(0.0123) == '12.3 ms'
    assert percent(None) == milliseconds(None) == '–'


def test_metrics_survive_the_disk(make_metrics, tmp_path):
    path = tmp_path / 'deep' / 'metrics.json'
    write_metrics(path, make_metrics())
    assert read_metrics(path) == json.loads(json.dumps(make_metrics()))
    write_report(tmp_path / 'report.html', read_metrics(path))
    assert (tmp_path / 'report.html').read_text(encoding='utf-8') == render_report(make_metrics())


@pytest.mark.parametrize('content', ['{}', '[]', 'no json', '{"title": "x"}'])
def test_a_file_that_holds_no_metrics_is_refused(content, tmp_path):
    path = tmp_path / 'metrics.json'
    path.write_text(content)
    with pytest.raises(RecordingError, match=re.escape(str(path))):
        read_metrics(path)
    with pytest.raises(RecordingError, match='absent'):
        read_metrics(tmp_path / 'absent.json')
