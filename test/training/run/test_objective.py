"""Each stage moves what it trains and nothing else; parts of a batch add up to the whole."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from activity_recognition.config import EngineConfig
from activity_recognition.inference.precision import choose_precision
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.data.crops import plan_epoch
from activity_recognition.training.run.batches import load_batch, shard_batch
from activity_recognition.training.run.losses import IGNORE
from activity_recognition.training.run.objective import TrainingLoss, TrainingModel
from activity_recognition.types import MODALITIES
from factories.batches import random_batch
from factories.networks import TINY, make_system
from factories.segments import make_segment

PRECISION = choose_precision(EngineConfig(device='cpu', precision='fp32'))
CONFIG = TrainConfig(
    crop_s=4.0, frame_rate_hz=4.0, batch_size=4, modality_dropout=0.0, device='cpu'
)
ENCODERS = ('system.video_encoder', 'system.audio_encoder', 'system.text_encoder')
FUSION = ('system.classifier', 'system.cross_attention.modalities')


def make_model(config: TrainConfig) -> TrainingModel:
    system = make_system(dataclasses.replace(TINY, dropout=0.0)).train()
    return TrainingModel(system, TrainingLoss(torch.ones(4), config, width=TINY.hidden_dim))


def make_batch(config: TrainConfig = CONFIG) -> dict[str, torch.Tensor]:
    segments = [make_segment(seed=seed) for seed in range(2)]
    return load_batch(segments, plan_epoch(segments, config, 0)[0], config, TINY, PRECISION)


def moved(model: TrainingModel) -> set[str]:
    """Names of the parameters that a gradient reaches."""
    return {
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is not None and parameter.grad.abs().max() > 0
    }


def test_the_encoders_alone():
    config = dataclasses.replace(CONFIG, fused_weight=0.0, unimodal_weight=1.0)
    model = make_model(config)
    model(make_batch())['total'].backward()
    names = moved(model)
    for encoder in (*ENCODERS, 'system.unimodal_heads'):
        assert any(name.startswith(encoder) for name in names), encoder
    ages = {name for name in names if name.startswith('system.cross_attention')}
    assert ages == {f'system.cross_attention.modalities.{m.value}.age.table' for m in MODALITIES}
    assert not any(name.startswith('system.classifier') for name in names)
    untouched = dict(model.named_parameters())['system.classifier.weight']
    assert untouched.grad is None, 'a gradient of zeros would let the weights decay'


@pytest.mark.parametrize('modality', MODALITIES)
def test_an_encoder_alone_learns_from_its_own_head(modality):
    model = make_model(CONFIG)
    batch = make_batch()
    output = model.system.forward_detailed(batch)
    own = model.loss.dense(output.logits, output.unimodal, output.present, batch['targets'])
    own[modality.value].backward()
    reached = {encoder for encoder in ENCODERS if any(n.startswith(encoder) for n in moved(model))}
    assert reached == {f'system.{modality.value}_encoder'}


def test_everything_with_the_cross_modal_objectives():
    config = dataclasses.replace(CONFIG, contrast_weight=0.5, agreement_weight=0.5)
    model = make_model(config)
    found = model(make_batch())
    found['total'].backward()
    names = moved(model)
    for part in (*ENCODERS, *FUSION, 'system.unimodal_heads', 'loss.alignment.maps'):
        assert any(name.startswith(part) for name in names), part
    own = sum(found[m.value] for m in MODALITIES)
    expected = (
        found['fused']
        + config.unimodal_weight * own
        + 0.5 * found['contrast']
        + 0.5 * found['agreement']
    )
    torch.testing.assert_close(found['total'].detach(), expected)
    assert found['contrast'] > 0
    assert found['agreement'] > 0


def test_without_contrast_there_is_nothing_more_to_train():
    names = {name for name, _ in make_model(CONFIG).named_parameters()}
    assert all(name.startswith('system.') for name in names)


def test_presence_is_that_of_the_network():
    system = make_system()
    for seed in range(3):
        batch = random_batch(TINY, seed=seed, rows=2)
        batch['spectrogram_mask'][:, 7:] = False
        batch['frame_mask'][1] = False
        output = system.forward_detailed(batch)
        for modality, present in system.presence(batch).items():
            assert torch.equal(present, output.present[modality]), modality


@pytest.mark.parametrize('parts', [2, 3, 5])
def test_parts_of_a_batch_add_up_to_the_whole(parts: int):
    config = dataclasses.replace(CONFIG, agreement_weight=0.5)
    segments = [make_segment(seed=seed) for seed in range(2)]
    plans = plan_epoch(segments, config, 0)[0]
    whole = make_model(config)
    expected = whole(load_batch(segments, plans, config, TINY, PRECISION))
    expected['total'].backward()

    model = make_model(config)
    shares = shard_batch(plans, process=0, processes=1, parts=parts)
    batches = [load_batch(segments, part, config, TINY, PRECISION) for part in shares]
    found = [model.counts(batch) for batch in batches]
    counts = {name: sum(count[name] for count in found) for name in found[0]}
    losses = [model(batch, counts) for batch in batches]
    sum(loss['total'] for loss in losses).backward()
    total = sum(loss['total'].item() for loss in losses)
    assert total == pytest.approx(expected['total'].item(), abs=1e-5)
    for (name, one), other in zip(whole.named_parameters(), model.parameters(), strict=True):
        if one.grad is not None:
            torch.testing.assert_close(one.grad, other.grad, atol=1e-5, rtol=1e-4, msg=name)


@pytest.mark.parametrize(('crops', 'processes', 'parts'), [(7, 2, 2), (1, 3, 2), (12, 1, 1)])
def test_every_crop_is_dealt_once_and_nobody_goes_empty(crops: int, processes: int, parts: int):
    segments = [make_segment(duration_s=4.0 * crops)]
    config = dataclasses.replace(CONFIG, batch_size=100)
    plans = plan_epoch(segments, config, 0)[0]
    assert len(plans) == crops
    shares = [
        part
        for process in range(processes)
        for part in shard_batch(plans, process=process, processes=processes, parts=parts)
    ]
    assert len(shares) == processes * parts
    assert all(shares)
    counted = [plan for part in shares for plan in part if plan.counts]
    assert sorted(plan.key for plan in counted) == sorted(plan.key for plan in plans)
    [stand_in, *_] = [plan for part in shares for plan in part if not plan.counts] or [None]
    if stand_in is not None:
        batch = load_batch(segments, [stand_in], config, TINY, PRECISION)
        assert (batch['targets'] == IGNORE).all()


def test_where_the_fused_logits_teach_nothing_they_are_not_computed():
    model = make_model(dataclasses.replace(CONFIG, fused_weight=0.0, unimodal_weight=1.0))
    calls: list[object] = []
    for part in (model.system.cross_attention, model.system.classifier):
        part.register_forward_hook(lambda *call: calls.append(call))
    losses = model(make_batch())
    assert 'fused' not in losses
    assert not calls
    own = sum(losses[m.value] for m in MODALITIES)
    torch.testing.assert_close(losses['total'].detach(), own)


def test_what_joins_the_modalities_alone():
    config = dataclasses.replace(CONFIG, unimodal_weight=0.0, fused_gradient=0.0)
    model, batch = make_model(config), make_batch()
    model(batch)['total'].backward()
    names = moved(model)
    assert any(name.startswith('system.cross_attention') for name in names)
    frozen = (*ENCODERS, 'system.unimodal_heads')
    assert not any(name.startswith(frozen) for name in names)


@pytest.mark.parametrize(
    ('settings', 'expected'),
    [
        ({}, True),
        ({'unimodal_weight': 0.0}, True),
        ({'unimodal_weight': 0.0, 'fused_gradient': 0.0}, False),
        ({'unimodal_weight': 0.0, 'fused_gradient': 0.0, 'contrast_weight': 0.1}, True),
        ({'unimodal_weight': 0.0, 'fused_gradient': 0.0, 'agreement_weight': 0.1}, True),
    ],
)
def test_which_settings_train_the_encoders(settings: dict[str, float], expected: bool):
    model, batch = make_model(dataclasses.replace(CONFIG, **settings)), make_batch()
    assert model.loss.trains_encoders == expected
    model(batch)['total'].backward()
    assert any(name.startswith(ENCODERS) for name in moved(model)) == expected
