"""Which checkpoint is taken where none is named."""

import dataclasses
from pathlib import Path

import pytest

from activity_recognition import checkpoint_folder, default_checkpoint, frozen_networks
from activity_recognition.arguments import defaults
from activity_recognition.commands.demo import about_real_people
from activity_recognition.commands.judging import judge
from activity_recognition.default_checkpoint import choose_checkpoint
from activity_recognition.errors import CheckpointError, WeightsError
from activity_recognition.frozen_networks import missing_weights, networks_of
from activity_recognition.inference import StreamingEngine
from activity_recognition.inference.multi_stream import MultiStreamEngine
from activity_recognition.models.checkpoint import load_checkpoint, save_checkpoint
from activity_recognition.reporting.metrics import Scores
from activity_recognition.reporting.scores import account_frames
from activity_recognition.startup import DEMO_ARGUMENTS, DemoConfig, demo_values
from factories.networks import HEARING, TINY, make_system, tokenizer_for
from factories.pose import FINDING

SIMULATED = 'knows drawn (simulated) people only'


@pytest.fixture
def shipped(tmp_path, monkeypatch) -> Path:
    """Folder of shipped checkpoints, in which nano lies."""
    folder = tmp_path / 'shipped'
    monkeypatch.setattr(checkpoint_folder, 'SHIPPED', folder)
    put(folder, 'nano', TINY)
    return folder


def put(folder: Path, name: str, config) -> Path:
    save_checkpoint(folder / name, make_system(config, seed=1), tokenizer_for(config))
    return folder / name


@pytest.fixture
def found(monkeypatch) -> set[str]:
    """Names of the networks that are on this machine; to be added to."""
    names: set[str] = set()

    def find(name):
        if name not in names:
            raise WeightsError(f'{name} is not on this machine')
        return Path(name)

    monkeypatch.setattr(frozen_networks, 'find_weights', find)
    return names


def test_without_one_for_real_people_it_is_nano_and_that_is_said(shipped, found):
    choice = choose_checkpoint()
    assert choice.path == shipped / 'nano'
    assert SIMULATED in choice.remark
    assert 'train one' in choice.remark


def test_without_its_networks_the_command_that_brings_them_is_said(shipped, found):
    both = dataclasses.replace(HEARING, video=FINDING.video)
    put(shipped, 'people', both)
    found.add('movenet_lightning')
    choice = choose_checkpoint()
    assert choice.path == shipped / 'nano'
    assert SIMULATED in choice.remark
    wanted = ' '.join(both.audio.backbone_weights)
    assert f'`activity-recognition weights fetch {wanted}`' in choice.remark
    assert missing_weights(networks_of(both)) == both.audio.backbone_weights
    found.clear()
    assert missing_weights(networks_of(both)) == ('movenet_lightning', *both.audio.backbone_weights)


def test_with_its_networks_the_one_for_real_people_is_taken(shipped, found, monkeypatch):
    put(shipped, 'people', FINDING)
    found.update(FINDING.video.backbone_weights)
    monkeypatch.setattr(frozen_networks.importlib.util, 'find_spec', lambda name: name)
    assert choose_checkpoint() == default_checkpoint.CheckpointChoice(path=shipped / 'people')


def test_without_what_runs_its_networks_that_is_said(shipped, found, monkeypatch):
    put(shipped, 'people', FINDING)
    found.update(FINDING.video.backbone_weights)
    monkeypatch.setattr(frozen_networks.importlib.util, 'find_spec', lambda name: None)
    choice = choose_checkpoint()
    assert choice.path == shipped / 'nano'
    assert 'activity_recognition[litert]' in choice.remark


def test_one_that_needs_no_network_is_taken(shipped, found):
    put(shipped, 'people', TINY)
    assert choose_checkpoint().path == shipped / 'people'
    assert choose_checkpoint().remark == ''


@pytest.mark.parametrize('name', ['nano', 'people'])
def test_a_shipped_one_is_taken_by_its_name_without_a_remark(shipped, found, name):
    put(shipped, 'people', FINDING)
    assert choose_checkpoint(name) == default_checkpoint.CheckpointChoice(path=shipped / name)


def test_a_folder_of_that_name_goes_before(shipped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_checkpoint('nano').config.labels == TINY.labels
    put(tmp_path, 'nano', dataclasses.replace(TINY, labels=('none', 'a', 'b', 'c')))
    assert load_checkpoint('nano').config.labels == ('none', 'a', 'b', 'c')
    (tmp_path / 'nano').rename(tmp_path / 'run')
    (tmp_path / 'nano').mkdir()
    (tmp_path / 'run').rename(tmp_path / 'nano' / 'checkpoint')
    assert load_checkpoint('nano').config.labels == ('none', 'a', 'b', 'c')


def test_a_name_that_is_not_shipped_is_a_folder_that_is_not_there(shipped):
    with pytest.raises(CheckpointError, match=r'found none.*shipped with the package \(nano\)'):
        load_checkpoint('people')


@pytest.mark.parametrize('engine', [StreamingEngine, MultiStreamEngine])
def test_an_engine_says_what_to_know_of_the_choice(shipped, found, engine):
    assert SIMULATED in engine.load().remark
    assert engine.load('nano').remark == ''
    assert engine.load().checkpoint_id == load_checkpoint(shipped / 'nano').id


def test_the_demo_demands_nothing_of_who_knows_real_people_and_says_so(shipped, found):
    put(shipped, 'people', TINY)
    said = about_real_people('people')
    assert 'made for real people, and these are drawn' in said
    assert 'It does not know asking_robot, calling_for_help' in said
    assert 'knocking' not in said
    assert about_real_people('nano') == ''
    bad = Scores(
        decisions=10,
        unscored=0,
        accuracy=0.1,
        balanced_accuracy=0.1,
        labels=[],
        answers=[],
        confusion=[],
        per_label=[],
    )
    frames = account_frames(published=10, received=10, used=10, dropped={})
    assert [c['passed'] for c in judge(DemoConfig(), bad, frames)] == [False, True, True]
    [accuracy, *others] = judge(DemoConfig(), bad, frames, demands_accuracy=False)
    assert accuracy['passed']
    assert (accuracy['found'], accuracy['wanted']) == ('10.0 %', 'no demand on this one')
    assert len(others) == 2


def test_the_demo_says_of_any_network_that_finds_people_that_these_are_drawn(shipped, tmp_path):
    (tmp_path / 'mine').mkdir()
    mine = put(tmp_path / 'mine', 'checkpoint', FINDING)
    said = about_real_people(str(mine.parent))
    assert said.startswith('The checkpoint mine is made for real people, and these are drawn')
    assert 'It sees by movenet, which was trained on photographs' in said
    assert about_real_people(str(put(tmp_path, 'other', TINY))) == ''
    heard = dataclasses.replace(FINDING, modalities=('audio',))
    assert about_real_people(str(put(tmp_path, 'heard', heard))) == ''
    assert about_real_people(str(tmp_path / 'nothing')) == ''


def test_the_demo_shows_simulated_people_to_who_knows_them():
    given = defaults(DEMO_ARGUMENTS)
    assert demo_values(given)['checkpoint'] == 'nano'
    assert demo_values({**given, 'checkpoint': 'people'})['checkpoint'] == 'people'
    assert 'checkpoint' not in demo_values({**given, 'params_file': 'mine.yaml'})
