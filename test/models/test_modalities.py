"""Networks with some of the modalities: valid models, which need nothing of the others."""

import dataclasses
import itertools
import json

import pytest
import torch

from activity_recognition.checkpoint_folder import shipped_checkpoint
from activity_recognition.config import ModelConfig
from activity_recognition.config_io import to_stored_mapping
from activity_recognition.errors import CheckpointError, ConfigError, ShapeError
from activity_recognition.modalities import DEFAULT_MODALITIES, SPEC, SPECS, modalities_of
from activity_recognition.models.checkpoint import (
    load_checkpoint,
    save_checkpoint,
)
from activity_recognition.models.encoders import encoder_type
from activity_recognition.models.operations import decision_work, weight_count
from activity_recognition.models.steps import Steps, step_specs
from activity_recognition.models.system import ActivityRecognitionSystem, batch_keys
from activity_recognition.types import ALL_MODALITIES, Modality
from factories.batches import random_batch, remove
from factories.networks import SOME_MODALITIES, TINY, make_system, tokenizer_for, with_modalities

some = pytest.mark.parametrize('names', SOME_MODALITIES, ids='+'.join)


def own_batch(config, **sizes):
    """Return a batch with the keys of a network's modalities alone."""
    batch = random_batch(config, **sizes)
    return {key: batch[key] for key in batch_keys(modalities_of(config))}


def test_each_modality_has_a_section_an_encoder_and_a_place_in_the_order():
    sections = [item.name for item in dataclasses.fields(ModelConfig)]
    places = [sections.index(modality.value) for modality in ALL_MODALITIES]
    assert places == sorted(places)
    assert tuple(spec.modality for spec in SPECS) == ALL_MODALITIES
    for modality in ALL_MODALITIES:
        assert encoder_type(modality).modality is modality
    names = [spec.name for spec in step_specs(ALL_MODALITIES)]
    assert len(set(names)) == len(names)


def test_by_default_a_network_has_those_that_checkpoints_do_not_name():
    assert modalities_of(ModelConfig()) == DEFAULT_MODALITIES
    assert 'modalities' not in to_stored_mapping(TINY)


@some
def test_a_network_has_the_parts_of_its_modalities_and_no_others(names):
    system = make_system(with_modalities(*names))
    whole = make_system(TINY).state_dict()
    found = system.state_dict()
    assert set(found) <= set(whole), 'the names of weights stay'
    for modality in TINY.modalities:
        own = [key for key in found if key.startswith(f'{modality}_encoder.')]
        heads = [key for key in found if f'.{modality}.' in key or f'heads.{modality}' in key]
        assert bool(own) == bool(heads) == (modality in names)
    assert system.classifier.in_features == TINY.hidden_dim * len(names)
    assert [m.value for m in system.modalities] == list(names)
    assert weight_count(system.config) == sum(p.numel() for p in system.parameters())


@some
def test_keys_of_other_modalities_are_neither_needed_nor_harmful(names):
    config = with_modalities(*names)
    system = make_system(config, dtype=torch.float64)
    batch = random_batch(config, rows=2)
    own = own_batch(config, rows=2)
    others = set(batch) - set(own)
    assert others
    with torch.no_grad():
        expected = system.forward_detailed(own)
        assert torch.equal(system(batch), expected.logits)
        spoilt = {key: torch.zeros(1) if key in others else batch[key] for key in batch}
        assert torch.equal(system(spoilt), expected.logits)
    assert list(expected.unimodal) == list(expected.present) == list(system.modalities)
    assert expected.logits.shape == (2, 5, config.num_activities)
    assert set(system.presence(own)) == set(system.modalities)


@some
def test_a_key_of_its_own_that_is_missing_is_said(names):
    config = with_modalities(*names)
    system, batch = make_system(config), own_batch(config)
    for key in batch:
        lacking = {name: value for name, value in batch.items() if name != key}
        with pytest.raises(ShapeError, match=f"expected the key '{key}'"):
            system(lacking)


@some
def test_a_gradient_reaches_every_parameter(names):
    config = with_modalities(*names)
    system = make_system(config, dtype=torch.float64).train()
    # Of a modality that one decision lacks, so that what is learnt for its absence is asked, too.
    batch = own_batch(config)
    batch['decision_stamps'][:, 0] -= 10**12
    output = system.forward_detailed(batch)
    loss = output.logits.pow(3).sum()
    for modality in system.modalities:
        loss = loss + output.unimodal[modality][output.present[modality]].pow(3).sum()
    loss.backward()
    without = {n for n, p in system.named_parameters() if p.grad is None or not p.grad.any()}
    # A constant that a softmax does not see; and one modality alone asks nobody, so that the null
    # key is all there is, whatever the query.
    cancels = {'text_encoder.encoder.encoder.layer.0.attention.self.key.bias'}
    if len(names) == 1:
        part = f'cross_attention.modalities.{names[0]}.'
        unasked = ('norm_query', 'query', 'key_value', 'age_bias')
        cancels |= {n for n in without if n.startswith(tuple(part + name for name in unasked))}
    assert without <= cancels


@some
def test_an_absent_modality_cannot_change_the_decision(names):
    config = with_modalities(*names)
    system, batch = make_system(config, dtype=torch.float64), own_batch(config)
    with torch.no_grad():
        for modality in system.modalities:
            output = system.forward_detailed(remove(batch, modality))
            assert not output.present[modality].any()
            assert output.logits.isfinite().all()


@some
def test_its_steps_are_those_of_its_modalities(names):
    system = make_system(with_modalities(*names))
    expected = [s.name for m in system.modalities for s in encoder_type(m).steps()]
    steps = Steps(system)
    assert [spec.name for spec in steps.specs] == [*expected, 'decision']
    assert [name for name, _ in steps.named_children()] == [*expected, 'decision']
    inputs = [entry.name for entry in steps.specs[-1].inputs]
    assert inputs[1::3] == [f'{name}_rows' for name in names]
    known = {id(parameter) for parameter in system.parameters()}
    assert {id(parameter) for parameter in steps.parameters()} == known


@some
def test_a_checkpoint_says_which_it_has(tmp_path, names):
    config = with_modalities(*names)
    system = make_system(config)
    save_checkpoint(tmp_path / 'one', system, tokenizer_for(config))
    stored = json.loads((tmp_path / 'one' / 'config.json').read_text(encoding='utf-8'))
    assert stored['model']['modalities'] == list(names)
    loaded = load_checkpoint(tmp_path / 'one')
    assert loaded.config == config
    assert loaded.system.modalities == system.modalities
    batch = own_batch(config)
    with torch.no_grad():
        assert torch.equal(loaded.system(batch), system(batch))


def test_weights_of_other_modalities_are_refused(tmp_path):
    save_checkpoint(tmp_path / 'one', make_system(TINY), tokenizer_for(TINY))
    path = tmp_path / 'one' / 'config.json'
    stored = json.loads(path.read_text(encoding='utf-8'))
    stored['model']['modalities'] = ['video', 'audio']
    path.write_text(json.dumps(stored), encoding='utf-8')
    with pytest.raises(CheckpointError, match=r'does not fit config\.json: .* unknown'):
        load_checkpoint(tmp_path / 'one')


def test_the_shipped_checkpoint_does_not_name_them_and_has_all():
    path = shipped_checkpoint('nano') / 'config.json'
    assert 'modalities' not in json.loads(path.read_text(encoding='utf-8'))['model']
    assert load_checkpoint(shipped_checkpoint('nano')).system.modalities == DEFAULT_MODALITIES


@pytest.mark.parametrize(
    'names',
    [
        (),
        ('audio', 'video'),
        ('video', 'video'),
        ('video', 'smell'),
        ('hidden_dim',),
        ('video', 'audio', 'text', 'text'),
    ],
)
def test_other_names_and_orders_are_refused(names):
    with pytest.raises(ConfigError, match='modalities: expected some of video, audio, text'):
        ModelConfig(modalities=names)


def test_the_work_of_a_decision_is_of_its_modalities():
    whole = decision_work(TINY)['fusion'].operations
    parts = {names: decision_work(with_modalities(*names))['fusion'] for names in SOME_MODALITIES}
    assert all(part.operations < whole for part in parts.values())
    for one, more in itertools.permutations(parts, 2):
        if set(one) < set(more):
            assert parts[one].operations < parts[more].operations


def test_a_modality_without_samples_encodes_nothing():
    """As one whose recording has none of it."""
    config = with_modalities('audio', 'text')
    system = ActivityRecognitionSystem(config).eval()
    batch = remove(own_batch(config), Modality.TEXT)
    assert batch[SPEC[Modality.TEXT].stamps_key].shape[1] == 0
    assert system(batch).isfinite().all()
