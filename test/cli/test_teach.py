"""The command teach: what it says, and how it refuses."""

from __future__ import annotations

import os

import pytest

from activity_recognition.models.checkpoint import load_checkpoint, save_checkpoint
from activity_recognition.models.rehearsal import DecisionFeatures, subsets_of
from factories.media import Pictures, write_media
from factories.networks import KEYED, make_system, tokenizer_for, with_modalities
from factories.tracked import write_lesson


@pytest.fixture(scope='module')
def base(tmp_path_factory):
    """An untrained network that keeps made-up features."""
    import dataclasses

    import torch

    config = dataclasses.replace(KEYED, modalities=('video',), labels=('none', 'dancing'))
    draw = torch.Generator().manual_seed(0)
    kept = DecisionFeatures(
        states=torch.randn(24, 1, config.hidden_dim, generator=draw),
        present=torch.ones(24, 1, dtype=torch.bool),
        features=torch.zeros(24, len(subsets_of(1)), config.hidden_dim),
        reliability=torch.ones(24, 1),
        targets=torch.arange(24) % 2,
        clips=torch.arange(24) // 4,
    )
    folder = tmp_path_factory.mktemp('base') / 'checkpoint'
    save_checkpoint(folder, make_system(config), tokenizer_for(config), rehearsal=kept)
    return folder


@pytest.fixture(scope='module')
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp('recordings')
    return write_lesson(folder, ('waving', 'walking'), 3, first_seed=0)


def test_it_says_how_good_it_is_and_where_the_checkpoint_is(command, base, recordings, tmp_path):
    out = tmp_path / 'out'
    status, printed, said = command(
        'teach', recordings, '--from', base, '--out', out, '--jobs', 1, '--quiet'
    )
    assert status == 0, said
    assert printed == f'{out}\n'
    assert 'each recording left out once: ' in said
    assert 'of 6 taught clips right' in said
    assert 'new: walking, waving' in said
    assert 'to record: waving: 3 recordings only; record 2 more at least' in said
    assert load_checkpoint(out).config.labels == ('none', 'dancing', 'walking', 'waving')


def test_a_checkpoint_that_keeps_nothing_is_refused_with_what_to_do(command, recordings, tmp_path):
    import dataclasses

    config = dataclasses.replace(KEYED, modalities=('video',))
    save_checkpoint(tmp_path / 'bare', make_system(config), tokenizer_for(config))
    status, printed, said = command(
        *('teach', recordings, '--from', tmp_path / 'bare', '--out', tmp_path / 'out', '--quiet')
    )
    assert (status, printed) == (1, '')
    assert 'expected features of what it was trained on, it keeps none' in said
    assert '--set rehearsal_kb=2000' in said
    assert '--forget' in said
    assert not (tmp_path / 'out').exists()


def test_an_unknown_label_to_replace_is_a_wrong_argument(command, base, recordings, tmp_path):
    status, _, said = command(
        *('teach', recordings, '--from', base, '--out', tmp_path / 'out'),
        *('--replace', 'sleeping', '--quiet'),
    )
    assert status == 2
    assert "knows, none, dancing, got 'sleeping'" in said


def test_the_help_says_what_recordings_may_be(command):
    status, printed, _ = command('teach', '--help')
    assert status == 0
    assert 'folder of label folders' in ' '.join(printed.split())


def test_a_label_that_cannot_be_used_is_named_where_too_few_are_left(command, tmp_path):
    config = with_modalities('video')
    base = tmp_path / 'seeing'
    save_checkpoint(base, make_system(config), tokenizer_for(config))
    clips = tmp_path / 'clips'
    for label in (b'wav\xffing', b'walking'):
        folder = clips / os.fsdecode(label)
        folder.mkdir(parents=True)
        write_media(folder / 'one.mp4', Pictures(count=25))
    status, _, said = command(
        *('teach', clips, '--from', base, '--out', tmp_path / 'out', '--forget', '--quiet')
    )
    assert status == 1
    assert 'expected recordings with at least two labels, got walking alone' in said
    assert 'labelled none; left out: ' in said
    assert r'wav\udcffing' in said


def test_a_clip_in_the_place_of_a_folder_is_refused_with_what_to_do(command, base, tmp_path):
    clip = write_media(tmp_path / 'one.mp4', Pictures(count=25))
    status, _, said = command('teach', clip, '--from', base, '--out', tmp_path / 'out', '--quiet')
    assert status == 1
    assert 'one.mp4: expected a folder, or a table of clips (clips.csv), got a clip' in said
