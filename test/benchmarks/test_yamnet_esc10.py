"""The benchmark of sounds heard by a frozen network, on tones and noise instead of ESC-10."""

from __future__ import annotations

import csv
import json
import wave
from pathlib import Path

import numpy as np
import pytest
import yamnet_esc10
from real_data import ENVIRONMENT, RealClip

from activity_recognition.training.data.cache import PreparedRecording

RATE_HZ = 16_000


def write_clips(folder: Path) -> None:
    """Two kinds of sounds, two clips of each in both folds."""
    rng = np.random.default_rng(0)
    (folder / 'clips').mkdir(parents=True)
    rows = []
    for index in range(8):
        label, fold = ('tone', 'noise')[index % 2], 1 + index // 4
        time_s = np.arange(2 * RATE_HZ) / RATE_HZ
        values = {
            'tone': 0.3 * np.sin(2 * np.pi * (400 + 50 * index) * time_s),
            'noise': 0.1 * rng.standard_normal(len(time_s)),
        }[label]
        with wave.open(str(folder / 'clips' / f'clip_{index}.wav'), 'wb') as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE_HZ)
            file.writeframes((32767 * values.clip(-1, 1)).astype('<i2').tobytes())
        rows.append((f'clip_{index}', label, fold))
    with (folder / 'clips.csv').open('w', encoding='utf-8', newline='') as file:
        csv.writer(file).writerows([('clip', 'label', 'fold'), *rows])


@pytest.mark.real
@pytest.mark.usefixtures('weights_folder')
def test_every_seed_and_fold_is_measured_beside_a_probe(tmp_path, monkeypatch):
    pytest.importorskip('ai_edge_litert')
    write_clips(tmp_path / 'data' / 'esc10')
    monkeypatch.setenv(ENVIRONMENT[0], str(tmp_path / 'data'))
    arguments = ['--epochs', '2', '--seeds', '2', '--work', str(tmp_path / 'work')]
    outcome = tmp_path / 'outcome.json'
    assert yamnet_esc10.main([*arguments, '--json', str(outcome)]) == 0
    written = json.loads(outcome.read_text(encoding='utf-8'))
    accuracy, confused, few = written['tables']
    rows = {row[0]: row[1:] for row in accuracy['rows']}
    assert list(rows) == ['network, seed 0', 'network, seed 1', 'linear probe']
    # So different sounds are told apart by anything linear.
    assert rows['linear probe'] == ['100.0', '100.0', '100.0', '0.0']
    # Every clip is answered once with each seed.
    assert sum(int(count) for row in confused['rows'] for count in row[1:]) == 2 * 8
    found, difference, of_few = (goal['value'] for goal in written['goals'])
    means = [float(rows[f'network, seed {seed}'][2]) for seed in (0, 1)]
    assert found == pytest.approx(np.mean(means))
    assert difference == pytest.approx(found - 100.0)
    assert few['columns'] == ['', 'draw 1', 'draw 2', 'mean', 'spread']
    networks, probes = (row[1:] for row in few['rows'])
    assert of_few == pytest.approx(float(networks[2]) - float(probes[2]), abs=0.1)


def test_few_clips_are_of_one_fold_and_tested_on_another():
    clips = [
        RealClip(name=f'{label}{i}', path=Path(), label=label, fold=1 + i % 3)
        for label in 'ab'
        for i in range(30)
    ]
    found = yamnet_esc10.draw_few(clips, 2, 3, seed=0)
    trained = [i for i, clip in found.items() if clip.fold == yamnet_esc10.TRAINED]
    tested = [i for i, clip in found.items() if clip.fold == yamnet_esc10.TESTED]
    assert sorted(clips[i].label for i in trained) == ['a'] * 6 + ['b'] * 6
    assert {clips[i].fold for i in trained} == {2}
    assert tested == [i for i, clip in enumerate(clips) if clip.fold == 3]
    assert all(found[i].name == clips[i].name for i in found)
    assert yamnet_esc10.draw_few(clips, 2, 3, seed=1) != found


def test_a_clip_is_described_by_mean_deviation_and_range(tmp_path):
    embeddings = np.zeros((3, 1025), np.float16)
    embeddings[:, 0] = 0, 1, 5
    embeddings[:, -1] = 1
    (tmp_path / '0').mkdir()
    np.save(tmp_path / '0' / 'sound_embeddings.npy', embeddings)
    recording = PreparedRecording(
        recording=tmp_path, key='', folder=tmp_path, start_ns=0, texts=((),), dropped=0
    )
    found = yamnet_esc10.clip_features(recording)
    assert found.shape == (3 * 1024,)
    assert found[[0, 1024, 2048]] == pytest.approx([2, np.std([0, 1, 5]), 5])
    assert not found[[1, 1025, 2049]].any()
