"""Commands with a network whose frozen networks are not on this machine: one sentence, at once."""

import dataclasses

import pytest

from activity_recognition.config_io import load_model_config
from activity_recognition.errors import WeightsError
from activity_recognition.models.checkpoint import save_checkpoint
from activity_recognition.weights import finding
from factories.networks import make_system, tokenizer_for

FETCH = '`activity-recognition weights fetch movenet_lightning yamnet`'
MISSING = f'movenet_lightning and yamnet are not on this machine: run {FETCH}, or give a folder'
TO_TRAIN = MISSING.replace(' and yamnet', ', yamnet and minilm').replace(
    'yamnet`', 'yamnet minilm`'
)
"""MiniLM's word vectors are kept in a checkpoint, and needed where training begins."""


@pytest.fixture
def nothing_here(tmp_path, monkeypatch):
    """Have no weights anywhere; also refuse to read recordings and to start workers or nodes."""
    monkeypatch.setattr(finding, '_in_package', lambda package, member: None)
    monkeypatch.delenv(finding.FOLDER_VARIABLE, raising=False)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))

    def refuse(*_words, **_options):
        raise AssertionError('too late')

    for place in (
        'activity_recognition.training.data.source.spread',
        'activity_recognition.training.sharding.writing.spread',
        'activity_recognition.training.data.import_clips.import_clips',
        'activity_recognition.commands.processes.Processes.start',
        'activity_recognition.commands.simulate.write_one',
        'activity_recognition.commands.verification.example',
        'activity_recognition.models.checkpoint.load_file',
        'activity_recognition.media.clip.Clip.__init__',
        'activity_recognition.inference.cost.measure',
    ):
        monkeypatch.setattr(place, refuse)


@pytest.fixture
def checkpoint(tmp_path):
    """A network of the preset people with random weights."""
    model = load_model_config('people')
    save_checkpoint(tmp_path / 'people', make_system(model), tokenizer_for(model))
    return tmp_path / 'people'


@pytest.fixture
def recordings(tmp_path):
    """Folder with what looks like a labelled recording, and is none."""
    folder = tmp_path / 'recordings'
    folder.mkdir()
    (folder / 'one.mcap').write_bytes(b'no recording')
    (folder / 'one.labels.csv').write_text('start_s,end_s,label\n0,1,walking\n')
    return folder


@pytest.mark.parametrize(
    'words',
    [
        'prepare {recordings} --config people --out {out}',
        'train people --data {recordings} --out {out}',
        'train people --data {recordings} --out {out} --overfit-one-batch',
        'show {recordings} --config people --out {out}.png',
        'evaluate --checkpoint {checkpoint} --data {recordings} --out {out}',
        'teach {recordings} --from {checkpoint} --out {out}',
        'watch {recordings}/one.mcap --checkpoint {checkpoint} --out {out}',
        'verify --checkpoint {checkpoint} --out {out} --work {out}_work',
        'bench --presets nano people',
        'bench --checkpoint {checkpoint}',
        pytest.param('run --checkpoint {checkpoint}', marks=pytest.mark.ros),
        pytest.param(
            'replay {recordings}/one.mcap --checkpoint {checkpoint}', marks=pytest.mark.ros
        ),
        pytest.param('demo --checkpoint {checkpoint} --out {out}', marks=pytest.mark.ros),
    ],
)
def test_they_are_named_before_anything_is_read_or_started(
    command, nothing_here, checkpoint, recordings, tmp_path, words
):
    given = {'checkpoint': checkpoint, 'recordings': recordings, 'out': tmp_path / 'out'}
    status, printed, said = command(*(word.format(**given) for word in words.split()))
    assert (status, printed) == (1, '')
    name = words.split()[0]
    wanted = TO_TRAIN if name == 'train' else MISSING
    assert said.startswith(f'activity-recognition {name}: {wanted}')
    assert said.count('\n') == 1
    assert not (tmp_path / 'out').exists()


def test_a_description_needs_what_it_describes(command, nothing_here, tmp_path):
    file = tmp_path / 'activities.yaml'
    file.write_text('none: {}\nknocking: {sounds: [Knock]}\ntea: {words: [kettle, a cup of tea]}')
    status, _, said = command('describe', file, '--out', tmp_path / 'out')
    assert status == 1
    assert 'weights fetch yamnet yamnet_class_map minilm`' in said
    file.write_text('none: {}\ncup: {words: [a cup, one cup]}\ntea: {words: [kettle, some tea]}')
    _, _, said = command('describe', file, '--out', tmp_path / 'out')
    assert 'weights fetch minilm`' in said


def test_a_check_does_without_and_says_what_training_needs(command, nothing_here, recordings):
    _, printed, said = command('check', recordings, '--config', 'people', '--quiet', '--jobs', 1)
    assert said == f'note: people cannot be trained here yet: {TO_TRAIN} that has them with ' + (
        'ACTIVITY_RECOGNITION_WEIGHTS\n'
    )
    assert 'one.mcap' in printed
    _, _, said = command('check', recordings, '--quiet', '--jobs', 1)
    assert said == ''


def test_prepared_recordings_need_no_frozen_network(nothing_here, tmp_path):
    from activity_recognition.training.run.train import demand_backbones

    (tmp_path / 'shards').mkdir()
    (tmp_path / 'shards' / 'manifest.json').write_text('{}')
    model = load_model_config('people')
    with pytest.raises(WeightsError, match='weights fetch minilm`'):
        demand_backbones(model, tmp_path / 'shards', tmp_path / 'cache')
    # Apart from what words begin with.
    model = dataclasses.replace(model, text=dataclasses.replace(model.text, word_vectors=''))
    found = demand_backbones(model, tmp_path / 'shards', tmp_path / 'cache')
    assert found.audio.backbone_sha256


def test_training_from_a_description_names_all_that_it_lacks(command, nothing_here, tmp_path):
    """The names of sounds with the rest, not before it."""
    file = tmp_path / 'activities.yaml'
    file.write_text('a: {sounds: [Dog]}\nb: {sounds: [Speech]}\n', encoding='utf-8')
    config = tmp_path / 'recipe.yaml'
    config.write_text('preset: sound_yamnet\n', encoding='utf-8')
    status, _, said = command(
        'train', config, '--data', tmp_path, '--out', tmp_path / 'run', '--activities', file
    )
    assert status != 0
    assert 'weights fetch yamnet yamnet_class_map`' in said
