"""Stages follow each other by schedule or when nothing is gained any more."""

from __future__ import annotations

import dataclasses

import pytest

from activity_recognition.config_io import build_config, to_mapping
from activity_recognition.errors import ConfigError
from activity_recognition.training.config import StageConfig, TrainConfig
from activity_recognition.training.data.crops import plan_epoch
from activity_recognition.training.run.curriculum import Curriculum
from activity_recognition.training.run.state import Progress
from activity_recognition.types import MODALITIES
from factories.segments import make_segment

STAGES = (
    StageConfig(name='alone', epochs=2, fused_weight=0.0, unimodal_weight=1.0),
    StageConfig(name='pairs', epochs=3, modalities_at_once=2, patience=2),
    StageConfig(name='all', epochs=5, contrast_weight=0.1, agreement_weight=0.2),
)
CONFIG = TrainConfig(stages=STAGES, validate_every=1)
START = Progress(fingerprint='x')


def test_a_run_without_stages_is_one_stage():
    curriculum = Curriculum(TrainConfig(epochs=7))
    [stage] = curriculum.stages
    assert stage.settings == TrainConfig(epochs=7)
    assert curriculum.epochs == 7
    progress = dataclasses.replace(START, epoch=3, stage_epoch=3)
    assert curriculum.share_done(progress, 0.5) == pytest.approx(0.5)


def test_stages_replace_settings_and_keep_the_others():
    alone, pairs, everything = Curriculum(CONFIG).stages
    assert (alone.settings.fused_weight, alone.settings.unimodal_weight) == (0.0, 1.0)
    assert pairs.settings.modalities_at_once == 2
    assert everything.settings.unimodal_weight == CONFIG.unimodal_weight
    assert [stage.epochs_before for stage in (alone, pairs, everything)] == [0, 2, 5]


def test_by_schedule():
    curriculum, progress, names, shares = Curriculum(CONFIG), START, [], []
    while stage := curriculum.stage(progress):
        names.append(stage.name)
        shares.append(curriculum.share_done(progress, 1.0))
        progress = curriculum.advance(progress, 0.1 * progress.epoch)
    assert names == ['alone'] * 2 + ['pairs'] * 3 + ['all'] * 5
    assert shares == pytest.approx([0.1 * n for n in range(1, 11)])
    assert (progress.stage, progress.epoch) == (3, 10)


def test_by_plateau_the_schedule_goes_on_where_the_next_stage_begins():
    curriculum = Curriculum(CONFIG)
    progress = dataclasses.replace(START, stage=1, epoch=2)
    reached = iter([0.5, 0.5, 0.4])
    progress = curriculum.advance(progress, next(reached))
    assert (progress.stage, progress.stale, progress.stage_best) == (1, 0, 0.5)
    progress = curriculum.advance(progress, next(reached))
    assert (progress.stage, progress.stale) == (1, 1)
    progress = curriculum.advance(progress, next(reached))
    assert (progress.stage, progress.stage_epoch, progress.stale) == (2, 0, 0)
    assert curriculum.share_done(progress, 0.0) == pytest.approx(0.5)


def test_early_stopping_is_the_plateau_of_the_last_stage():
    curriculum = Curriculum(TrainConfig(epochs=50, patience=2, min_gain=0.05))
    progress = START
    for reached in [0.5, 0.56, 0.58, 0.60, 0.9]:
        progress = curriculum.advance(progress, reached)
        if curriculum.stage(progress) is None:
            break
    assert progress.epoch == 4, 'two validations in a row gained less than min_gain over 0.56'


def test_epochs_without_validation_do_not_wear_out_patience():
    curriculum = Curriculum(TrainConfig(epochs=50, patience=1))
    progress = curriculum.advance(START, 0.5)
    for _ in range(5):
        progress = curriculum.advance(progress, None)
    assert curriculum.stage(progress) is not None


def test_a_validation_is_due_at_the_end_of_every_stage():
    curriculum = Curriculum(dataclasses.replace(CONFIG, validate_every=4))
    due, progress = [], START
    while curriculum.stage(progress):
        due.append(curriculum.is_validated(progress))
        progress = curriculum.advance(progress, None)
    assert [number for number, is_due in enumerate(due, start=1) if is_due] == [2, 5, 9, 10]


def test_pairs_show_two_modalities_and_dropout_may_hide_one_more():
    segments = [make_segment(seed=seed) for seed in range(8)]
    pairs = Curriculum(dataclasses.replace(CONFIG, crop_s=4.0, modality_dropout=0.0)).stages[1]
    plans = [plan for batch in plan_epoch(segments, pairs.settings, 0) for plan in batch]
    assert {len(plan.hidden) for plan in plans} == {1}
    assert {modality for plan in plans for modality in plan.hidden} == set(MODALITIES)
    dropping = dataclasses.replace(pairs.settings, modality_dropout=0.5)
    plans = [plan for batch in plan_epoch(segments, dropping, 0) for plan in batch]
    assert {len(plan.hidden) for plan in plans} == {1, 2}


def test_stages_are_read_from_yaml_and_written_back():
    assert build_config(TrainConfig, to_mapping(CONFIG)) == CONFIG


@pytest.mark.parametrize(
    ('overrides', 'message'),
    [
        ({'stages': [{}, {'epohcs': 2}]}, r"stages\[1\]: unknown key 'epohcs'; did you mean"),
        ({'stages': [{'patience': 0.5}]}, r'stages\[0\]: patience: expected int, got 0.5'),
        ({'stages': [{'modalities_at_once': 5}]}, r'modalities_at_once must lie in \[1, 4\]'),
        ({'stages': [{'fused_weight': 0, 'unimodal_weight': 0}]}, 'nothing would be learnt'),
        ({'fused_weight': 0, 'unimodal_weight': 0}, 'nothing would be learnt'),
    ],
)
def test_stages_that_make_no_sense_are_refused(overrides: dict[str, object], message: str):
    with pytest.raises(ConfigError, match=message):
        build_config(TrainConfig, overrides)


def test_the_last_stage_must_train_what_is_kept():
    with pytest.raises(ConfigError, match='fused_weight above 0 in the last stage'):
        Curriculum(dataclasses.replace(CONFIG, stages=STAGES[:1]))
