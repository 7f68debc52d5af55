"""The study compares like with like, and reads its runs rightly."""

import argparse
import dataclasses
import json

import pytest
from curriculum_study import ARMS, LEVELS, STAGES, Outcome, read_outcome, report, seeing_crops
from curriculum_study import QUICK as SCALE

from activity_recognition.training.config import TrainConfig
from factories.segments import make_segment

COMBINATIONS = ('video+audio+text', 'video+audio', 'video+text', 'audio+text', 'video')
CURRICULUM = TrainConfig(crop_s=4.0, stages=STAGES)


def outcome(accuracy: float, reached: int | None) -> Outcome:
    values = {name: accuracy - 0.1 * (3 - len(name.split('+'))) for name in COMBINATIONS}
    return Outcome(steps=100, cpu_s=5.0, accuracy=values, reached=dict.fromkeys(LEVELS, reached))


def make_report(first: list[float], second: list[float]):
    outcomes = {
        ARMS[0]: [outcome(value, 40) for value in first],
        ARMS[1]: [outcome(value, None) for value in second],
    }
    arms = dict(zip(ARMS, (CURRICULUM, TrainConfig(epochs=9)), strict=True))
    return report(outcomes, arms, SCALE, argparse.Namespace(seed=0, seeds=len(first)))


def test_the_budget_counts_crops_with_video_in_every_stage():
    segments = [make_segment(seed=seed) for seed in range(4)]
    crops = sum(round(segment.duration_s / 4.0) for segment in segments)
    once = TrainConfig(crop_s=4.0, epochs=2, modality_dropout=0.0)
    assert seeing_crops(segments, once) == 2 * crops
    pairs = dataclasses.replace(once, epochs=50, modalities_at_once=2)
    assert seeing_crops(segments, pairs) == pytest.approx(50 * crops * 2 / 3, rel=0.1)
    assert seeing_crops(segments, CURRICULUM) < 20 * crops


def test_a_run_is_read_back(tmp_path):
    measured = {'combinations': {'video': {'balanced_accuracy': 0.4}}}
    kept, log = tmp_path / 'outcome.json', tmp_path / 'log.jsonl'
    kept.write_text(json.dumps({'steps': 30, 'cpu_s': None, 'measured': measured}))
    events = [
        {'event': 'trained', 'step': 5},
        {'event': 'validated', 'step': 10, 'balanced_accuracy': 0.55},
        {'event': 'validated', 'step': 20, 'balanced_accuracy': 0.75},
        {'event': 'validated', 'step': 30, 'balanced_accuracy': 0.6},
    ]
    log.write_text('\n'.join(map(json.dumps, events)))
    found = read_outcome(kept, log)
    assert found.reached == {0.5: 10, 0.7: 20, 0.9: None}
    assert found.accuracy == {'video': 0.4}


@pytest.mark.parametrize(
    ('first', 'second', 'verdict'),
    [
        ([0.8, 0.81, 0.79], [0.6, 0.61, 0.59], 'reached'),
        ([0.6, 0.61, 0.59], [0.8, 0.81, 0.79], 'missed'),
        ([0.5, 0.9, 0.7], [0.72, 0.7, 0.74], 'unsettled'),
        ([0.9], [0.5], 'unsettled'),
    ],
)
def test_a_difference_within_the_spread_settles_nothing(first, second, verdict):
    assert make_report(first, second).goals[0].verdict == verdict


def test_the_report_says_how_many_runs_reached_a_level():
    found = make_report([0.8, 0.9], [0.7, 0.7])
    steps = next(table for table in found.tables if table.title.startswith('Steps'))
    assert steps.rows[0][1:] == ['40 (40–40) [2 of 2]', '– [0 of 2]']
    accuracy = found.tables[0]
    assert accuracy.rows[0] == ('video+audio+text', '85 (80–90)', '70 (70–70)')
    assert accuracy.rows[-1][1] == '75 (70–80)'
