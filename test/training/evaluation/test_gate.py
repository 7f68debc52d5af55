"""Limits: read strictly, and compared with a report."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from activity_recognition.config_io import shipped_file
from activity_recognition.errors import ConfigError
from activity_recognition.training.evaluation.gate import (
    PATHS,
    Limit,
    check,
    left_open,
    read_acceptance,
)
from activity_recognition.training.evaluation.measuring import Evaluation
from activity_recognition.types import ALL_MODALITIES, MODALITIES

FUSED = 'video+audio+text'
ABOVE = Limit(at_least=0.85)


def write(path: Path, limits: object) -> Path:
    path.write_text(yaml.safe_dump(limits), encoding='utf-8')
    return path


def metrics_with(**found: float | None) -> dict:
    """Return metrics that hold these numbers at their places."""
    metrics: dict = {}
    for name, value in found.items():
        *folders, last = PATHS[name].format(fused=FUSED).split('/')
        inner = metrics
        for key in folders:
            inner = inner.setdefault(key, {})
        inner[last] = value
    return metrics


def test_the_shipped_limits_ask_what_a_robot_needs():
    acceptance = read_acceptance(shipped_file('acceptance.yaml'))
    assert acceptance['fused_macro_f1'].at_least >= 0.85
    assert acceptance['changes_ratio'].at_most <= 2.0
    assert acceptance['ece'].at_most <= 0.05
    assert acceptance['p95_latency_ms'].at_most <= 100


def test_each_modality_has_a_limit():
    assert [name for name in PATHS if name.split('_')[0] in set(MODALITIES)] == [
        f'{modality}_macro_f1' for modality in MODALITIES
    ]


def test_a_checkpoint_without_a_modality_is_not_asked_for_it():
    metrics = {'combinations': {'audio': {'macro_f1': 0.9}, 'audio+text': {'macro_f1': 0.8}}}
    acceptance = dict.fromkeys(('video_macro_f1', 'audio_macro_f1', 'fused_macro_f1'), ABOVE)
    assert left_open(metrics, acceptance) == ['video_macro_f1']
    found = {item['name']: (item['found'], item['passed']) for item in check(metrics, acceptance)}
    assert found == {'audio_macro_f1': ('0.9', True), 'fused_macro_f1': ('0.8', False)}


def test_every_place_is_in_a_report(evaluation: Evaluation):
    others = {f'{m}_macro_f1' for m in ALL_MODALITIES if m not in MODALITIES}
    offline = {name: path for name, path in PATHS.items() if not path.startswith('live/')}
    for path in (path for name, path in offline.items() if name not in others):
        value = evaluation.metrics
        for key in path.format(fused=FUSED).split('/'):
            assert key in value, path
            value = value[key]


@pytest.mark.parametrize(
    ('limit', 'value', 'holds'),
    [
        (Limit(at_least=0.85), 0.85, True),
        (Limit(at_least=0.85), 0.849, False),
        (Limit(at_most=2.0), 2.0, True),
        (Limit(at_most=2.0), 2.01, False),
        (Limit(at_least=0.5, at_most=2.0), 0.4, False),
        (Limit(at_least=0.5, at_most=2.0), 1.0, True),
        (Limit(at_most=2.0), None, False),
    ],
)
def test_limits_hold_their_bounds(limit: Limit, value: float | None, holds: bool):
    assert limit.holds(value) is holds


def test_each_demand_is_checked_and_no_other():
    acceptance = {'fused_macro_f1': Limit(at_least=0.85), 'ece': Limit(at_most=0.05)}
    assert check(metrics_with(fused_macro_f1=0.9, ece=0.07, changes_ratio=9.0), acceptance) == [
        {'name': 'fused_macro_f1', 'found': '0.9', 'wanted': 'at least 0.85', 'passed': True},
        {'name': 'ece', 'found': '0.07', 'wanted': 'at most 0.05', 'passed': False},
    ]


def test_what_was_not_measured_has_not_been_reached():
    acceptance = {'real_time_factor': Limit(at_most=1.0)}
    (found,) = check({'cost': None}, acceptance)
    assert not found['passed']
    assert found['found'] == 'not measured'


def test_what_only_a_run_over_topics_can_tell_is_left_open_without_one():
    acceptance = {'ece': Limit(at_most=0.05), 'live_unequal': Limit(at_most=0)}
    found = metrics_with(ece=0.01)
    for metrics in (found, {**found, 'live': None}):
        assert [item['name'] for item in check(metrics, acceptance)] == ['ece']
        assert left_open(metrics, acceptance) == ['live_unequal']


@pytest.mark.parametrize(('unequal', 'passed'), [(0, True), (1, False)])
def test_one_unequal_decision_of_the_node_fails(unequal: int, passed: bool):
    acceptance = read_acceptance(shipped_file('acceptance.yaml'))
    metrics = metrics_with(live_unequal=unequal, live_not_compared=0)
    checks = {item['name']: item['passed'] for item in check(metrics, acceptance)}
    assert (checks['live_unequal'], checks['live_not_compared']) == (passed, True)
    assert left_open(metrics, acceptance) == []


@pytest.mark.parametrize(
    ('limits', 'says'),
    [
        ({'fused_macrof1': {'at_least': 0.8}}, "did you mean 'fused_macro_f1'"),
        ({'ece': {'at_mots': 0.1}}, "did you mean 'at_most'"),
        ({'ece': {'at_most': 'low'}}, "expected float, got 'low'"),
        ({'ece': 0.05}, 'expected a mapping'),
        ({'ece': {}}, 'expected at_least or at_most'),
        ({'ece': {'at_most': float('nan')}}, 'finite'),
        ({}, 'expected limits, found none'),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, limits: object, says: str):
    with pytest.raises(ConfigError, match=says):
        read_acceptance(write(tmp_path / 'limits.yaml', limits))


def test_a_missing_file_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match='cannot read'):
        read_acceptance(tmp_path / 'none.yaml')
