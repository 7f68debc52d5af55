"""Networks sized to the number of clips: the rule, and that a run follows and records it."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import pytest

from activity_recognition.config_io import load_config, shipped_file
from activity_recognition.errors import ConfigError
from activity_recognition.training.config import StageConfig, TrainConfig
from activity_recognition.training.run.clip_sizing import SIZED, SIZES, size_for, sized
from activity_recognition.training.run.curriculum import Curriculum
from activity_recognition.training.run.recipe_file import write_recipe

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def few_clips() -> TrainConfig:
    return load_config(TrainConfig, shipped_file('train/few_clips.yaml'))


@pytest.fixture
def staged(few_clips: TrainConfig) -> TrainConfig:
    """The recipe with a curriculum."""
    stages = (StageConfig(name='alone', epochs=3), StageConfig(name='together', epochs=2))
    return dataclasses.replace(few_clips, stages=stages)


@pytest.mark.parametrize(
    ('clips', 'width', 'dropout', 'decay', 'epochs'),
    [
        (10, 32, 0.4, 0.3, 100),
        (25, 48, 0.3, 0.2, 80),
        (60, 64, 0.25, 0.1, 60),
        (100, 96, 0.2, 0.1, 30),
        (1000, 128, 0.1, 0.05, 15),
    ],
)
def test_the_rule(staged, clips, width, dropout, decay, epochs):
    config = sized(staged, clips=6 * clips, labels=6)
    model = config.model_config()
    assert (model.hidden_dim, model.text.width, model.dropout) == (width, width, dropout)
    assert config.weight_decay == decay
    assert Curriculum(config).epochs == config.epochs == epochs
    assert [stage.epochs for stage in config.stages] == [epochs * 3 // 5, epochs - epochs * 3 // 5]
    assert config.sized_to_clips == ()


def test_more_clips_never_make_a_network_smaller_or_more_regularised():
    for less, more in itertools.pairwise(SIZES):
        assert less.below < more.below
        assert less.hidden_dim < more.hidden_dim
        for name in ('dropout', 'weight_decay', 'label_smoothing', 'strength', 'epochs'):
            assert getattr(less, name) >= getattr(more, name), name


def test_only_what_is_left_to_the_rule_follows_it(staged):
    config = dataclasses.replace(staged, sized_to_clips=('model.dropout',), epochs=7)
    found = sized(config, clips=20, labels=2)
    assert found.model.dropout == 0.4
    assert found.epochs == 7
    assert found.stages == staged.stages
    assert sized(TrainConfig(), clips=20, labels=2) == TrainConfig()


def test_a_setting_that_the_rule_does_not_know_is_refused():
    config = TrainConfig(sized_to_clips=('dropout',))
    with pytest.raises(ConfigError, match=r"sized_to_clips: unknown key 'dropout'; did you mean"):
        sized(config, clips=20, labels=2)


def test_without_clips_there_is_nothing_to_size_to():
    with pytest.raises(ConfigError, match='expected clips'):
        size_for(0)


@pytest.mark.parametrize('epochs', [1, 2, 3, 7, 100])
def test_stages_keep_their_shares_of_the_epochs(epochs):
    stages = tuple(StageConfig(epochs=n) for n in (1, 2, 2))
    found = TrainConfig(stages=stages).with_epochs(epochs).stages
    assert sum(stage.epochs for stage in found) == max(3, epochs)
    assert all(stage.epochs >= 1 for stage in found)
    assert TrainConfig().with_epochs(4).epochs == 4


def test_a_run_writes_its_settings_as_a_recipe(staged, tmp_path):
    config = sized(staged, clips=50, labels=2)
    write_recipe(tmp_path / 'recipe.yaml', config)
    assert load_config(TrainConfig, tmp_path / 'recipe.yaml') == config
    assert 'None' not in (tmp_path / 'recipe.yaml').read_text()
    assert '&id' not in (tmp_path / 'recipe.yaml').read_text()


def test_the_documents_show_the_rule():
    text = (ROOT / 'docs' / 'training.md').read_text(encoding='utf-8')
    for row in SIZES:
        bound = f'below {row.below:g}' if row.below < float('inf') else 'more'
        values = [getattr(row, item.name) for item in dataclasses.fields(row)[1:]]
        cells = ' | '.join(f'{value:g}' for value in values)
        assert f'| {bound} | {cells} |' in text
    for name in SIZED:
        assert f'`{name}`' in text
