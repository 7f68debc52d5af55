"""A run collected while it happens."""

import json
import math
import threading

import pytest

from activity_recognition.reporting.metrics import write_metrics
from activity_recognition.reporting.page import render_report
from activity_recognition.reporting.run_log import SHOWN, ReceivedDecision, RunLog
from activity_recognition.reporting.scores import NO_DATA, UNKNOWN
from activity_recognition.types import Modality, ModalityEvidence, Status

START_NS = 1_700_000_000_000_000_000
SECOND = 1_000_000_000


def heard(t_s, label, *, status=Status.OK, weight=math.nan, present=True, latency_s=0.02):
    evidence = ModalityEvidence(
        modality=Modality.VIDEO,
        present=present,
        age_s=0.1 if present else math.nan,
        label=label,
        confidence=0.6,
        weight=weight,
    )
    return ReceivedDecision(
        t_ns=START_NS + round(t_s * SECOND),
        status=status,
        label=label if status is Status.OK else '',
        confidence=0.7,
        evidence=(evidence,),
        latency_s=latency_s,
        processing_s=0.004,
    )


def tell(log, *changes):
    for t_s, label in changes:
        log.add_truth(START_NS + round(t_s * SECOND), label)


def metrics(log, **more):
    return log.metrics(title='a', summary='b', frames=None, conditions={}, **more)


@pytest.fixture
def log():
    """Ten seconds of truth, decisions twice a second that are half a second late."""
    made = RunLog()
    tell(made, (0, 'walking'), (5, 'none'), (10, ''))
    for n in range(-1, 22):
        label = 'walking' if n * 0.5 < 5.5 else 'none'
        made.add_decision(heard(n * 0.5 + 0.01, label, weight=0.2 if n % 4 == 0 else math.nan))
    return made


def test_time_begins_with_the_truth_and_what_lies_outside_is_not_scored(log):
    found = metrics(log)
    assert found['truth'] == [(0.0, 5.0, 'walking'), (5.0, 10.0, 'none')]
    assert found['duration_s'] == 10.0
    assert found['scores']['decisions'] == 20
    assert found['scores']['unscored'] == 3
    assert found['scores']['balanced_accuracy'] == pytest.approx((1 + 0.9) / 2)
    assert len(found['answers']) == found['latency']['count'] == 20
    assert found['answers'][0]['t_s'] == pytest.approx(0.01)


def test_the_view_counts_while_it_goes(log):
    view = log.view()
    assert (view.right, view.scored, view.decisions) == (19, 20, 23)
    assert view.truth is None, 'the truth has ended before the newest decision'
    assert view.elapsed_s == pytest.approx(10.51)
    assert view.weights == {'video': 0.2}
    assert [answer for _, answer in view.changes] == ['walking', 'none']
    assert len(view.latencies_s) == 23
    assert log.truth_complete


def test_views_stay_short(log):
    for n in range(3 * SHOWN):
        log.add_decision(heard(11 + n, 'walking' if n % 2 else 'none'))
    assert len(log.view().latencies_s) == len(log.view().changes) == SHOWN


def test_nothing_received_is_an_empty_view():
    view = RunLog().view()
    assert view.newest is None
    assert (view.decisions, view.scored, view.changes) == (0, 0, ())
    assert metrics(RunLog())['answers'] == []


def test_without_truth_time_begins_with_the_first_decision():
    log = RunLog()
    for t_s in (7.0, 8.5):
        log.add_decision(heard(t_s, 'walking'))
    assert log.view().elapsed_s == pytest.approx(1.5)
    assert log.view().truth is None
    found = metrics(log)
    assert (found['truth'], found['duration_s']) == ([], pytest.approx(1.5))
    assert found['scores']['balanced_accuracy'] is None


def test_truth_without_an_end_ends_with_the_newest_decision(tmp_path):
    log = RunLog()
    tell(log, (0, 'walking'))
    log.add_decision(heard(3.0, 'walking'))
    assert metrics(log)['truth'] == [(0.0, 3.0, 'walking')]
    tell(log, (4, 'none'))
    log.add_decision(heard(6.0, 'none'))
    found = metrics(log)
    assert found['truth'] == [(0.0, 4.0, 'walking'), (4.0, 6.0, 'none')]
    write_metrics(tmp_path / 'metrics.json', found)
    assert 'walking' in render_report(json.loads((tmp_path / 'metrics.json').read_text()))


def test_truth_with_holes_leaves_them_open():
    log = RunLog()
    tell(log, (0, 'walking'), (2, ''), (3, 'none'), (4, ''))
    log.add_decision(heard(2.5, 'walking'))
    assert log.view().truth is None
    assert metrics(log)['truth'] == [(0.0, 2.0, 'walking'), (3.0, 4.0, 'none')]
    assert metrics(log)['scores']['unscored'] == 1


def test_a_recording_that_begins_anew_begins_a_new_log(log):
    tell(log, (0, 'walking'))
    assert log.view().newest is None
    log.add_decision(heard(1.0, 'walking'))
    assert (log.view().right, log.view().decisions) == (1, 1)


def test_answers_without_a_label_are_shown_as_such():
    log = RunLog()
    tell(log, (0, 'walking'), (9, ''))
    log.add_decision(heard(1.0, 'x', status=Status.UNKNOWN))
    log.add_decision(heard(2.0, 'x', status=Status.NO_DATA, present=False))
    assert [item['answer'] for item in metrics(log)['answers']] == [UNKNOWN, NO_DATA]
    points = metrics(log)['evidence']['video']
    assert [point['present'] for point in points] == [True, False]
    assert points[1]['age_s'] is None
    assert metrics(log)['scores']['accuracy'] == 0.0


def test_a_weight_is_forgotten_when_its_modality_goes():
    log = RunLog()
    log.add_decision(heard(1.0, 'walking', weight=0.5))
    assert log.view().weights == {'video': 0.5}
    log.add_decision(heard(2.0, 'walking'))
    assert log.view().weights == {'video': 0.5}
    log.add_decision(heard(3.0, 'walking', present=False))
    assert log.view().weights == {}


def test_weights_are_of_the_answer_that_is_shown():
    log = RunLog()
    log.add_decision(heard(1.0, 'walking', weight=-0.4))
    log.add_decision(heard(2.0, 'waving'))
    assert log.view().weights == {}
    log.add_decision(heard(3.0, 'waving', weight=0.8))
    assert log.view().weights == {'video': 0.8}
    log.add_decision(heard(4.0, 'walking', weight=0.1))
    assert log.view().weights == {'video': 0.1}


def test_it_is_filled_and_read_by_several_threads():
    log = RunLog()
    tell(log, (0, 'walking'))
    threads = [
        threading.Thread(target=lambda: [log.add_decision(heard(1, 'walking')) for _ in range(200)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        view = log.view()
        assert view.right == view.scored == view.decisions
    assert log.view().decisions == len(log.received()) == 800


def test_time_may_begin_where_the_source_does():
    log = RunLog(origin_ns=START_NS)
    log.add_decision(heard(1.5, 'walking'))
    assert log.view().elapsed_s == pytest.approx(1.5)
    assert [answer['t_s'] for answer in metrics(log)['answers']] == [pytest.approx(1.5)]
