"""A run's folder stands for its checkpoint, wherever one is taken; what is neither is explained."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from activity_recognition.arguments import defaults
from activity_recognition.checkpoint_folder import checkpoint_folder
from activity_recognition.config_io import stored_modalities
from activity_recognition.errors import CheckpointError
from activity_recognition.inference import StreamingEngine
from activity_recognition.models.checkpoint import load_checkpoint, save_checkpoint
from activity_recognition.startup import REPLAY_ARGUMENTS, player_spec
from activity_recognition.training.run.trainer import STATE
from factories.networks import make_system, tokenizer_for, with_modalities

SOUND = with_modalities('audio')


@pytest.fixture(scope='module')
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has ended, with a network that hears only; never to be changed."""
    run = tmp_path_factory.mktemp('runs') / 'first'
    save_checkpoint(run / 'checkpoint', make_system(SOUND), tokenizer_for(SOUND))
    (run / STATE).write_bytes(b'')
    return run


def test_a_run_stands_for_its_checkpoint(run_folder: Path):
    inside = run_folder / 'checkpoint'
    assert checkpoint_folder(run_folder) == checkpoint_folder(inside) == inside
    loaded = load_checkpoint(run_folder)
    assert (loaded.path, loaded.id) == (inside, load_checkpoint(inside).id)


def test_an_engine_takes_a_run(run_folder: Path):
    assert StreamingEngine.load(run_folder).checkpoint_id == load_checkpoint(run_folder).id


def test_the_player_beside_a_run_plays_what_its_checkpoint_takes(run_folder: Path):
    """With the usual modalities it would wait for a camera's subscriber for ever."""
    assert stored_modalities(run_folder) == ('audio',)
    values = defaults(REPLAY_ARGUMENTS) | {'bag': 'somewhere'}
    specs = [
        player_spec({**values, 'checkpoint': str(path)})
        for path in (run_folder, run_folder / 'checkpoint')
    ]
    assert specs[0] == specs[1]
    assert specs[0].parameters['recorded.image'] == 'none'


def test_what_is_neither_is_explained(run_folder: Path, tmp_path: Path):
    def said(path: Path) -> str:
        with pytest.raises(CheckpointError) as caught:
            load_checkpoint(path)
        return str(caught.value)

    begun, empty, other = (tmp_path / name for name in ('begun', 'empty', 'other'))
    for folder in (begun, empty, other):
        folder.mkdir()
    (begun / STATE).write_bytes(b'')
    for number in range(9):
        (other / f'photo_{number}.jpg').touch()
    assert f'expected a checkpoint folder at {begun}' in said(begun)
    assert 'found a run that has not ended' in said(begun)
    assert 'by the same train command' in said(begun)
    assert 'found an empty folder' in said(empty)
    assert "found a folder with 'photo_0.jpg', " in said(other)
    assert len(said(other)) < 400
    assert 'found none; train one' in said(tmp_path / 'nowhere')
    weights = run_folder / 'checkpoint' / 'model.safetensors'
    assert 'found a file; name the folder that it lies in' in said(weights)
    assert f'name one of {run_folder}' in said(run_folder.parent)


def test_part_of_a_checkpoint_is_not_taken_for_something_else(run_folder: Path, tmp_path: Path):
    copied = shutil.copytree(run_folder / 'checkpoint', tmp_path / 'copied')
    (copied / 'config.json').unlink()
    with pytest.raises(CheckpointError, match=r'found no config\.json; copy the whole folder'):
        load_checkpoint(copied)
