"""What a run remembers of its validations, and the curves that follow."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import torch

from activity_recognition.models.checkpoint import load_checkpoint
from activity_recognition.training.config import StageConfig
from activity_recognition.training.evaluation.curves import (
    JoinedPoint,
    StageStart,
    read_curves,
)
from activity_recognition.training.run.history import Reached, Validated, curves_of
from activity_recognition.training.run.outcome import CURVES
from activity_recognition.training.run.train import main_train
from activity_recognition.training.run.validation import Validation
from activity_recognition.types import MODALITIES, Modality
from factories.runs import short_run

ALONE = StageConfig(name='alone', epochs=2, fused_weight=0.0, unimodal_weight=1.0)
TOGETHER = StageConfig(name='together', epochs=1)


def validated(epoch: int, fused: float, *, stage: int = 0, **more: bool) -> Validated:
    return Validated(
        epoch=epoch,
        stage='same name',
        stage_index=stage,
        validation=Reached(fused=fused, loss=1.0, own=(fused, None, 0.3)),
        training=Reached(fused=1.0, loss=0.1, own=(1.0, None, 0.5)),
        **more,
    )


def test_curves_follow_from_the_validations():
    history = (
        validated(2, 0.3, kept=True),
        validated(4, 0.4),
        validated(4, 0.5, joined=True, kept=True),
        validated(5, 0.45, stage=1),
    )
    found = curves_of(history, MODALITIES)
    assert found.epochs == (2, 4, 5)
    assert found.stages == (
        StageStart(name='same name', first_epoch=1),
        StageStart(name='same name', first_epoch=5),
    )
    assert found.fused.validation == (0.3, 0.4, 0.45)
    assert found.joined == (JoinedPoint(epoch=4, balanced_accuracy=0.5),)
    assert (found.kept_epoch, found.kept_joined) == (4, True)
    video, audio, _ = found.own_heads
    assert (video.modality, video.training, video.validation) == (
        'video',
        (1.0, 1.0, 1.0),
        (0.3, 0.4, 0.45),
    )
    assert audio.validation == (None, None, None)


def test_a_loss_that_is_no_number_is_none():
    summary = {'balanced_accuracy': 0.5, 'own_heads': {'video': None, 'audio': math.nan}}
    for loss in (math.nan, math.inf):
        found = Reached.of({**summary, 'loss': loss})
        assert found == Reached(fused=0.5, loss=None, own=(None, None))


def test_a_head_that_has_diverged_is_not_judged():
    none = torch.empty(0)
    finite = {'own_heads': {'audio': 0.5}, 'own_losses': {'audio': 0.7}}
    for calibrated in (math.nan, math.inf, 0.6):
        measures = {**finite, 'own_calibrated_losses': {'audio': calibrated}}
        found = Validation(logits=none, targets=none, spans=none, measures=measures)
        head = found.head(Modality.AUDIO)
        assert (head is not None) == math.isfinite(calibrated)


def test_nothing_validated_is_no_curve():
    assert curves_of((), MODALITIES) is None


def test_a_run_keeps_its_curves_in_the_checkpoint_and_draws_them(
    recordings: Path, tiny_preset: str, tmp_path: Path
):
    config = short_run(tiny_preset, validate_every=1, stages=(ALONE, TOGETHER))
    result = main_train(config, recordings, tmp_path / 'run', cache=tmp_path / 'cache')
    assert result.curves == tmp_path / 'run' / CURVES
    page = result.curves.read_text(encoding='utf-8')
    assert 'aria-label="Training curves"' in page
    found = read_curves(load_checkpoint(result.checkpoint).metrics)
    assert found.epochs == (1, 2, 3)
    assert [(stage.name, stage.first_epoch) for stage in found.stages] == [
        ('alone', 1),
        ('together', 3),
    ]
    assert [head.modality for head in found.own_heads] == [m.value for m in MODALITIES]
    assert [point.epoch for point in found.joined] == [2]
    assert found.kept_epoch in (2, 3)
    assert None not in (*found.fused.training, *found.fused.validation, *found.loss.training)
    # Recordings to validate with are gone: so is the page of the run before.
    unseen = dataclasses.replace(config, validation_fraction=0.0, stages=())
    again = main_train(unseen, recordings, tmp_path / 'run', cache=tmp_path / 'cache', resume=False)
    assert again.curves is None
    assert not (tmp_path / 'run' / CURVES).exists()
    assert read_curves(again.metrics) is None
