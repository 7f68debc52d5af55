"""The demands on the shipped checkpoint, and the command that makes it, in small."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from activity_recognition.config_io import load_config, shipped_file
from activity_recognition.models.checkpoint import load_checkpoint
from activity_recognition.training.config import PretrainConfig, TrainConfig
from activity_recognition.training.shipped import (
    RECIPE,
    Scale,
    find_shortfalls,
    main,
    make_default_checkpoint,
    write_held_out,
)

GOOD = {
    'video+audio+text': 0.93,
    'video+audio': 0.88,
    'video+text': 0.85,
    'audio+text': 0.6,
    'video': 0.7,
    'audio': 0.5,
    'text': 0.3,
}


def measures(**changes: float) -> dict[str, dict[str, float]]:
    values = {**GOOD, **changes}
    return {name: {'balanced_accuracy': v} for name, v in values.items()}


def test_a_good_one_has_no_shortfall():
    assert find_shortfalls(measures()) == []


@pytest.mark.parametrize(
    ('changes', 'fault'),
    [
        ({'video+audio+text': 0.899}, 'at least 90 %, got 89.9 %'),
        ({'video+audio': 0.91}, 'video[+]audio: expected at least 3 points'),
        ({'text': 0.9}, 'text: expected at least 10 points'),
    ],
)
def test_each_demand_is_checked(changes: dict[str, float], fault: str):
    faults = find_shortfalls(measures(**changes))
    assert len(faults) >= 1
    with pytest.raises(AssertionError, match=fault):
        raise AssertionError(' / '.join(faults))


@pytest.mark.parametrize('name', [RECIPE, 'train/smoke.yaml'])
def test_the_shipped_recipes_are_valid(name: str):
    assert load_config(TrainConfig, shipped_file(name)).preset == 'nano'


def test_seeds_of_training_and_measuring_never_meet():
    scale = Scale()
    assert scale.first_training_seed + scale.training_recordings <= scale.first_held_out_seed
    assert scale.held_out_recordings * scale.held_out_s == 30 * 60


def test_the_held_out_recordings_are_made_anew_byte_for_byte(tmp_path: Path):
    scale = Scale(held_out_recordings=2, held_out_s=2.0)
    one, again = (
        write_held_out(tmp_path / name, scale=scale, workers=1) for name in ('one', 'again')
    )
    files = sorted(path.relative_to(one) for path in one.rglob('*') if path.is_file())
    assert {file.parts[0] for file in files} == {'recording_900000', 'recording_900001'}
    assert len(files) == 6
    for file in files:
        assert (one / file).read_bytes() == (again / file).read_bytes()


def test_the_command_writes_the_held_out_recordings_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    # Those that exist are kept, so that nothing is simulated here.
    for number in range(15):
        (tmp_path / 'held_out' / f'recording_{900_000 + number}').mkdir(parents=True)
    assert main(['--held-out', '--work', str(tmp_path)]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / 'held_out')
    assert [path.name for path in tmp_path.iterdir()] == ['held_out']


@pytest.mark.slow
def test_a_checkpoint_that_falls_short_does_not_ship(
    tmp_path: Path, tiny_train: TrainConfig, tiny_preset_16k: str
):
    config = dataclasses.replace(tiny_train, preset=tiny_preset_16k, epochs=1)
    pretraining = PretrainConfig(
        preset=tiny_preset_16k, scenes=4, stills_per_scene=2, scenes_per_batch=2, num_workers=1
    )
    scale = Scale(training_recordings=3, training_s=20.0, held_out_recordings=1, held_out_s=20.0)
    made = make_default_checkpoint(
        tmp_path / 'out', tmp_path / 'work', pretraining=pretraining, config=config, scale=scale
    )
    assert made.shortfalls
    assert not (tmp_path / 'out').exists()
    checkpoint = load_checkpoint(made.checkpoint)
    assert checkpoint.metrics['held_out']['recordings'] == 1
    assert checkpoint.metrics['pretraining']['settings']['scenes'] == 4
    assert checkpoint.metrics['wall_seconds']['simulating'] > 0
