"""Benchmarks on real clips: from files to a folder that trains, and to answers."""

from __future__ import annotations

import json
import math
import struct
import wave
from pathlib import Path

import esc10
import fights
import numpy as np
import pytest
import yamnet_esc10
from clip_groups import assign_folds
from clip_scores import confusion_table, fold_table, percentages
from hypothesis import given
from hypothesis import strategies as st
from real_data import (
    ENVIRONMENT,
    ClipAnswer,
    FoldRun,
    RealClip,
    data_folder,
    fold_folder,
    recipe,
    run_fold,
    write_recordings,
)

from activity_recognition.bags import load_labels
from activity_recognition.errors import RecordingError
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.data.splits import read_splits

TINY_EAR = """
hidden_dim: 16
num_heads: 2
video: {input_size_px: 32, stem_channels: [8, 8], width: 16, spatial_depth: 1, spatial_heads: 1,
        readout_channels: 1, temporal_depth: 1}
audio: {num_mels: 16, channels: [4, 8]}
text: {width: 16, depth: 1, num_heads: 1}
"""


def write_tone(path: Path, pitch_hz: float, *, seconds: float = 1.5, rate_hz: int = 16000) -> Path:
    values = (
        round(9000 * math.sin(2 * math.pi * pitch_hz * i / rate_hz))
        for i in range(int(seconds * rate_hz))
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), 'wb') as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(b''.join(struct.pack('<h', value) for value in values))
    return path


@pytest.fixture
def tones(tmp_path: Path) -> list[RealClip]:
    """Four low and four high tones in two folds."""
    return [
        RealClip(
            name=f'{label}_{number}',
            path=write_tone(tmp_path / 'clips' / f'{label}_{number}.wav', pitch_hz + 10 * number),
            label=label,
            fold=1 + number % 2,
        )
        for label, pitch_hz in (('low', 200.0), ('high', 3000.0))
        for number in range(4)
    ]


def answered(name: str, label: str) -> ClipAnswer:
    probabilities = np.array([0.2, 0.8] if label == 'b' else [0.8, 0.2])
    return ClipAnswer(name=name, labels=('a', 'b'), probabilities={fights.AUDIO: probabilities})


def clip(name: str, label: str, *, sound: str = 'audible', group: str = '', fold: int = 1):
    return RealClip(name=name, path=Path(name), label=label, sound=sound, group=group, fold=fold)


def test_a_fold_is_a_folder_that_the_package_reads(tones, tmp_path):
    recordings = tmp_path / 'recordings'
    write_recordings(tones, recordings, workers=1)
    folder = fold_folder(recordings, tones, 2, tmp_path / 'fold')
    splits = {path.name: found.split for path, found in read_splits(folder).items()}
    assert splits == {c.name: 'test' if c.fold == 2 else 'train' for c in tones}
    (span,) = load_labels(folder / 'high_1')
    assert (span.label, span.start_s, span.end_s) == ('high', 0.0, pytest.approx(1.5, abs=1e-3))
    assert (folder / 'high_1' / 'labels.csv').samefile(recordings / 'high_1' / 'labels.csv')


def test_a_group_is_not_parted(tmp_path):
    clips = [clip('one', 'a', group='g', fold=1), clip('two', 'b', group='g', fold=2)]
    with pytest.raises(RecordingError, match='whole groups in a fold, got g in two'):
        fold_folder(tmp_path, clips, 1, tmp_path / 'fold')


@pytest.mark.slow
def test_a_network_trained_on_one_fold_answers_for_the_other(tones, tmp_path):
    write_recordings(tones, tmp_path / 'recordings', workers=1)
    data = fold_folder(tmp_path / 'recordings', tones, 2, tmp_path / 'fold')
    preset = tmp_path / 'ear.yaml'
    preset.write_text(TINY_EAR, encoding='utf-8')
    config = TrainConfig(
        preset=str(preset),
        epochs=30,
        batch_size=4,
        crop_s=2.0,
        learning_rate=3e-3,
        modality_dropout=0.0,
        average_decay=0.5,
        device='cpu',
        num_threads=1,
        num_workers=1,
    )
    answers = run_fold(
        FoldRun(
            config=config,
            data=data,
            out=tmp_path / 'run',
            cache=tmp_path / 'cache',
            combinations=(esc10.AUDIO, fights.VIDEO),
        )
    )
    assert {a.name for a in answers} == {c.name for c in tones if c.fold == 2}
    assert percentages([answers], tones, esc10.AUDIO).mean == 100.0
    for a in answers:
        assert a.probabilities[esc10.AUDIO].sum() == pytest.approx(1.0)
        assert a.label(fights.VIDEO) == ''  # nothing is visible, so nothing is answered


@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.sampled_from('ab'), st.sampled_from(('audible', 'none'))),
        max_size=40,
    ),
    st.integers(0, 3),
)
def test_groups_stay_whole_and_clips_without_one_outside(kinds, seed):
    clips = [
        clip(str(i), label, sound=sound, group=str(group) if group else '', fold=0)
        for i, (group, label, sound) in enumerate(kinds)
    ]
    dealt = assign_folds(clips, 3, seed=seed)
    assert [c.name for c in dealt] == [c.name for c in clips]
    assert all((c.fold == 0) == (not c.group) for c in dealt)
    assert len({(c.group, c.fold) for c in dealt}) == len({c.group for c in dealt})
    assert dealt == assign_folds(clips, 3, seed=seed)


def test_folds_share_labels_out_evenly():
    clips = [clip(f'{g}{i}', 'ab'[g % 2], group=str(g)) for g in range(20) for i in range(3)]
    dealt = assign_folds(clips, 5, seed=0)
    counts = [sum(c.fold == f and c.label == 'a' for c in dealt) for f in range(1, 6)]
    assert counts == [6] * 5


def test_accuracy_by_hand():
    clips = [clip('1', 'a'), clip('2', 'b'), clip('3', 'b', sound='none'), clip('4', 'a')]
    folds = [[answered('1', 'a'), answered('2', 'a')], [answered('3', 'b'), answered('4', 'a')]]
    found = percentages(folds, clips, fights.AUDIO)
    assert (found.folds, found.counts, found.mean) == ((50.0, 100.0), (2, 2), 75.0)
    assert found.spread == pytest.approx(50 / math.sqrt(2))
    heard = percentages(folds, clips, fights.AUDIO, sounds=fights.AUDIBLE)
    assert (heard.folds, heard.counts) == ((50.0, 100.0), (2, 1))
    row = fold_table('', {'sound': found}).rows[0]
    assert list(row) == ['sound', '4', '50.0', '100.0', '75.0', '35.4']
    table = confusion_table('', folds, clips, fights.AUDIO)
    assert [list(row) for row in table.rows] == [['a', '2', '0'], ['b', '1', '1']]


def test_presence_alone_answers_with_what_training_holds():
    clips = [clip(f'n{i}', 'b', sound='none', fold=2) for i in range(3)]
    clips += [clip(f's{i}', 'a', sound='audible', fold=2) for i in range(2)]
    clips += [clip('tested', 'a', sound='none'), clip('heard', 'a')]
    folds = [[answered('tested', 'a'), answered('heard', 'b')]]
    ((first, second),) = fights.presence_alone(folds, clips)
    assert (first.label(fights.AUDIO), second.label(fights.AUDIO)) == ('b', 'a')


@pytest.mark.parametrize('benchmark', [esc10, fights, yamnet_esc10])
def test_without_the_data_it_says_so(benchmark, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(ENVIRONMENT[0], str(tmp_path))
    outcome = tmp_path / 'outcome.json'
    assert benchmark.main(['--json', str(outcome)]) == 0
    assert f'no recordings at {tmp_path}' in capsys.readouterr().err
    written = json.loads(outcome.read_text(encoding='utf-8'))
    assert written['goals'] == []
    assert written['notes'][0].startswith('Skipped')


@pytest.mark.parametrize('name', ENVIRONMENT)
def test_either_variable_names_the_data(name, tmp_path, monkeypatch):
    for other in ENVIRONMENT:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, str(tmp_path))
    (tmp_path / 'esc10').mkdir()
    (tmp_path / 'esc10' / 'clips.csv').touch()
    assert data_folder('esc10') == tmp_path / 'esc10'


@pytest.mark.parametrize('name', [esc10.NAME, fights.NAME])
def test_recipes_are_read_for_one_core(name):
    config = recipe(name, seed=3, epochs=2)
    assert (config.seed, config.epochs, config.num_threads, config.num_workers) == (3, 2, 1, 1)


@pytest.mark.real
def test_the_real_tables_are_read(real_recordings):
    sounds = esc10.read_clips(real_recordings / 'esc10')
    assert len(sounds) == 400
    assert {c.fold for c in sounds} == {1, 2, 3, 4, 5}
    scenes = fights.read_clips(real_recordings / 'fights')
    assert sum(c.fold > 0 for c in scenes) == 270
    for fold in range(1, 6):
        labels = [c.label for c in scenes if c.fold == fold]
        assert 0.35 <= labels.count('fight') / len(labels) <= 0.7
