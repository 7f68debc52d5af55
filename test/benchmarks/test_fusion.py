"""The benchmark of fusions: what is trained, what answers are worth, and that it runs."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import kept_answers
import numpy as np
import pytest
from fusion import AFTER, ALONE, ARMS, BEFORE, arms_of
from fusion_report import PLAIN, Scores, differences, goals, make_report, ways_of
from fusion_sets import SETS, ClipSet, ClipTruth, Fold
from kept_answers import answers_of
from real_data import ClipAnswer, FoldRun

from activity_recognition.types import Modality

SOURCE = SETS['utd_mhad']
BOTH = SOURCE.modalities
JOINTS, IMU = (Modality.VIDEO,), (Modality.IMU,)
LABELS = ('clap', 'wave')
TRUTH = {
    'a': ClipTruth(label='clap', group='one'),
    'b': ClipTruth(label='wave', group='one'),
    'c': ClipTruth(label='wave', group='two'),
    'd': ClipTruth(label='wave', group='two'),
    'silent': ClipTruth(label='wave', group='two', counts=False),
}
CLAP, WAVE, NOTHING = (0.9, 0.1), (0.2, 0.8), (math.nan, math.nan)


@pytest.fixture
def clips(tmp_path: Path) -> ClipSet:
    rows = ''.join(f'{name},test,{clip.group}\n' for name, clip in TRUTH.items())
    (tmp_path / 'splits.csv').write_text(f'recording,split,group\n{rows}e,train,three\n')
    return ClipSet(
        name='utd_mhad',
        folds=(Fold(folder=tmp_path, usual_label='wave'),),
        clips=TRUTH,
        above_baseline=-1.0,
        note='Made up.',
    )


def answered(name: str, both, joints, imu, average) -> ClipAnswer:
    found = {BOTH: both, JOINTS: joints, IMU: imu}
    return ClipAnswer(
        name=name,
        labels=LABELS,
        probabilities={shown: np.log(values) for shown, values in found.items()},
        right=dict.fromkeys(found, (1, 2)),
        average=np.log(average),
    )


@pytest.fixture
def after() -> list[ClipAnswer]:
    """Both are right but for one wave, imu lacks a clip, the average is wrong with a clap."""
    return [
        answered('a', CLAP, CLAP, CLAP, WAVE),
        answered('b', CLAP, CLAP, NOTHING, WAVE),
        answered('c', WAVE, WAVE, WAVE, WAVE),
        answered('d', WAVE, CLAP, WAVE, WAVE),
        answered('silent', CLAP, CLAP, CLAP, CLAP),
    ]


def test_what_sees_nothing_answers_the_usual_label_and_what_does_not_count_is_left_out(
    clips, after
):
    ways, scores = ways_of(SOURCE, clips, {AFTER: [after]}), Scores(clips, seed=0)
    assert ways['after: imu'][0] == {
        'a': 'clap', 'b': 'wave', 'c': 'wave', 'd': 'wave', 'silent': 'clap'
    }  # fmt: skip
    found = {way: scores.accuracy(said[0]) for way, said in ways.items()}
    assert found['after: imu'] == 100.0
    assert found['after: fused'] == pytest.approx(100 * (1 + 2 / 3) / 2)  # of the labels' recalls
    assert found['after: video'] == pytest.approx(100 * (1 + 1 / 3) / 2)
    assert found['after: average of its own heads'] == pytest.approx(50.0)


def test_differences_are_paired_and_take_the_best_subset_of_each_seed(clips, after):
    late = dict.fromkeys(TRUTH, 'wave')
    found = {AFTER: [after, after], f'{ALONE} imu': [list(after)] * 2}
    ways = ways_of(SOURCE, clips, {AFTER: found[AFTER]})
    ways |= {f'{PLAIN}late fusion': [late, late]}
    scores = Scores(clips, seed=0)
    accuracies = {way: [scores.accuracy(said) for said in each] for way, each in ways.items()}
    compared = {one.name: one for one in differences(SOURCE, scores, ways, accuracies)}
    best = compared['after: fused − best subset']
    assert best.seeds == pytest.approx((-100 / 6, -100 / 6))
    assert best.low <= best.mean <= best.high
    assert best.low < 0
    assert best.high <= 0
    assert compared['after: fused − average of its own heads'].mean == pytest.approx(100 / 3)
    assert compared['after: fused − late fusion of plain classifiers'].mean == pytest.approx(
        100 / 3
    )
    found = goals(SOURCE, clips, accuracies, [*compared.values()])
    verdicts = {goal.name: goal.verdict for goal in found}
    assert verdicts['after: fused − best subset'] == 'missed'
    assert verdicts['after: fused − best subset, worst seed'] == 'missed'
    assert verdicts['after: fused − average of its own heads'] == 'reached'
    assert verdicts['after: fused − late fusion of plain classifiers'] == 'reached'


def test_over_frozen_networks_a_fusion_has_to_be_far_above_its_best_modality(clips, after):
    source = replace(SOURCE, is_pretrained=True)
    ways = ways_of(source, clips, {AFTER: [after]})
    ways |= {f'{PLAIN}late fusion': [dict.fromkeys(TRUTH, 'wave')]}
    scores = Scores(clips, seed=0)
    accuracies = {way: [scores.accuracy(said) for said in each] for way, each in ways.items()}
    compared = differences(source, scores, ways, accuracies)
    found = {goal.name: goal for goal in goals(source, clips, accuracies, compared)}
    # imu is the best one, and always right.
    mean, worst = (
        found[f'after: fused − best single modality{end}'] for end in ('', ', worst seed')
    )
    assert mean.value == worst.value == pytest.approx(-100 / 6)
    assert (mean.at_least, worst.at_least) == (10.0, 8.0)
    assert found['after: fused − late fusion of plain classifiers'].at_least == 0.0


def test_the_report_has_a_row_for_every_way(clips, after):
    plain = {f'{PLAIN}late fusion': dict.fromkeys(TRUTH, 'wave')}
    alone = [
        replace(a, probabilities={IMU: a.probabilities[IMU]}, right={IMU: (1, 2)}) for a in after
    ]
    found = {AFTER: [after], BEFORE: [after], f'{ALONE} imu': [alone]}
    report = make_report(SOURCE, clips, found, plain, seeds=range(1))
    rows = {row[0] for row in report.tables[0].rows}
    assert rows == {
        *(f'{arm}: {way}' for arm in (AFTER, BEFORE)
          for way in ('fused', 'video', 'imu', 'average of its own heads')),
        'a network of its own, imu',
        f'{PLAIN}late fusion',
    }  # fmt: skip
    names = {goal.name for goal in report.goals}
    assert 'imu within − a network of its own' in names
    assert not any(name.startswith('before') for name in names)
    assert report.settings['of these compared on'] == 4


@pytest.mark.parametrize('name', SETS)
def test_arms_differ_in_what_they_are_to_differ_in(name):
    source = SETS[name]
    arms = {arm.name: arm for arm in arms_of(source, ARMS, epochs=None)}
    after, before = arms[AFTER].config, arms[BEFORE].config
    assert after.model_config().fusion == 'experts'
    assert before.model_config().fusion == 'attention'
    assert replace(before, model=after.model, stages=after.stages) == after
    assert all(stage.fused_gradient != 0.0 for stage in before.stages)
    alone = [arm for arm in arms.values() if arm.name.startswith(ALONE)]
    several = len(source.modalities) > 1
    assert [arm.modalities for arm in alone] == [(m,) for m in source.modalities if several]
    for arm in alone:
        assert arm.config.model.modalities == (arm.modalities[0].value,)
        assert arm.config.model_config().modalities == arm.config.model.modalities


def test_fewer_epochs_also_where_they_follow_from_the_number_of_clips():
    (arm,) = arms_of(SETS['composed_25'], [AFTER], epochs=4)
    assert sum(stage.epochs for stage in arm.config.stages) == 4
    assert 'epochs' not in arm.config.sized_to_clips


def test_answers_are_kept_and_not_asked_again(tmp_path, after, monkeypatch):
    run = FoldRun(
        config=arms_of(SOURCE, [AFTER], epochs=1)[0].config,
        data=tmp_path,
        out=tmp_path,
        cache=tmp_path,
        combinations=(BOTH, JOINTS, IMU),
    )
    asked = []
    monkeypatch.setattr(kept_answers, 'run_fold', lambda run: asked.append(run) or after)
    first, again = answers_of(run), answers_of(run)
    assert len(asked) == 1
    assert first is after
    json.loads((tmp_path / 'answers.json').read_text())
    for one, other in zip(first, again, strict=True):
        assert other.name == one.name
        assert other.labels == one.labels
        assert other.right == one.right
        for shown in one.probabilities:
            np.testing.assert_array_equal(other.probabilities[shown], one.probabilities[shown])
        np.testing.assert_array_equal(other.average, one.average)
