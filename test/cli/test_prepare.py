"""The command that makes shards, and training on them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from activity_recognition.bags import RecordingWriter, labels_path
from activity_recognition.cli import main
from activity_recognition.config_io import to_mapping
from activity_recognition.simulation import SimulationConfig, simulate
from factories.networks import TINY


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe of a second, views with a margin among it."""
    settings = to_mapping(TINY)
    settings['audio']['sample_rate_hz'] = 16_000
    (tmp_path / 'tiny.yaml').write_text(yaml.safe_dump(settings), encoding='utf-8')
    recipe = {
        'preset': str(tmp_path / 'tiny.yaml'),
        'epochs': 1,
        'crop_s': 3.0,
        'validation_fraction': 0.0,
        'device': 'cpu',
        'num_threads': 1,
        'num_workers': 1,
        'augmentation': {'margin': 0.25},
    }
    path = tmp_path / 'recipe.yaml'
    path.write_text(yaml.safe_dump(recipe), encoding='utf-8')
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for seed in (1, 2):
        config = SimulationConfig(
            seed=seed,
            duration_s=6.0,
            width_px=64,
            height_px=48,
            frame_rate_hz=5.0,
            min_segment_s=2.0,
            max_segment_s=3.0,
            min_spoken_segment_s=3.0,
        )
        simulation = simulate(config)
        path = tmp_path / 'data' / f'take_{seed}'
        with RecordingWriter(path, start_ns=config.start_ns) as writer:
            writer.set_labels(simulation.labels)
            for sample in simulation.samples():
                writer.write(sample)
    return tmp_path / 'data'


def prepare(data: Path, *words: str) -> int:
    return main(['prepare', str(data), '--jobs', '1', '--quiet', *words])


def test_prepare_then_train(data: Path, recipe: Path, tmp_path: Path, capsys):
    shards = f'file://{tmp_path}/shards'
    assert prepare(data, '--out', shards, '--config', str(recipe)) == 0
    said = capsys.readouterr().out
    assert '2 recordings in 2 shards' in said
    assert '0 recordings were there already' in said
    assert prepare(data, '--out', shards, '--config', str(recipe)) == 0
    assert '2 recordings were there already' in capsys.readouterr().out
    for name, source in (('sharded', shards), ('direct', str(data))):
        words = ['train', str(recipe), '--data', source, '--out', str(tmp_path / name), '--quiet']
        assert main(words) == 0
    weights = [
        (tmp_path / name / 'checkpoint' / 'model.safetensors').read_bytes()
        for name in ('sharded', 'direct')
    ]
    assert weights[0] == weights[1]


def test_what_is_left_out_is_named_and_strict_fails(data: Path, recipe: Path, tmp_path, capsys):
    labels_path(data / 'take_2').write_text('nonsense', encoding='utf-8')
    words = ('--out', str(tmp_path / 'shards'), '--config', str(recipe))
    assert prepare(data, *words) == 0
    printed = capsys.readouterr()
    assert '1 recordings in 1 shards' in printed.out
    assert 'left out: take_2/labels.csv:1: expected the header' in printed.err
    assert prepare(data, *words, '--strict') == 1
    assert 'can all be used, got 1 that cannot' in capsys.readouterr().err


@pytest.mark.parametrize('words', [('--margin', '1.5'), ('--shard-size', '0')])
def test_wrong_arguments_are_refused(data: Path, tmp_path: Path, words, capsys):
    assert prepare(data, '--out', str(tmp_path / 'shards'), *words) == 2
    assert words[0] in capsys.readouterr().err
