"""A run whose words and sounds begin from what is written of the activities."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from activity_recognition.activities import Activity, read_activities
from activity_recognition.config import ModelConfig
from activity_recognition.config_io import to_mapping
from activity_recognition.errors import ConfigError
from activity_recognition.front_ends.sound_labels import label_log_scores
from activity_recognition.front_ends.yamnet import Yamnet
from activity_recognition.models.checkpoint import load_checkpoint
from activity_recognition.models.pretrained import read_tokenizer, with_backbones
from activity_recognition.models.prototypes import HEARD, embed_sentences
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.models.tokenizer import train_tokenizer
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.run.descriptions import (
    add_words,
    begin_described,
    refuse_undescribed,
    with_described_sounds,
)
from activity_recognition.training.run.resuming import fingerprint
from activity_recognition.training.run.train import main_train, read_dataset
from factories.backbones import pretrained_system, save_text_backbone, with_names
from factories.networks import HEARING, HEARING_ALONE, TEXTS, TINY

WRITTEN = """\
none: {}
greeting: {words: [hello robot, who is there]}
typing: {words: [the kettle is on again, what a day]}
cleaning: {words: [help me please, what]}
"""


@pytest.fixture
def preset(tmp_path: Path) -> str:
    """Words and sounds, the words by a tiny text network."""
    base = dataclasses.replace(TINY, hidden_dim=24, modalities=('audio', 'text'))
    settings = to_mapping(with_names(text=save_text_backbone(tmp_path / 'text'), base=base))
    for part in ('video', 'text'):
        settings[part].pop('architecture')
    path = tmp_path / 'preset.yaml'
    path.write_text(yaml.safe_dump(settings), encoding='utf-8')
    return str(path)


@pytest.fixture
def activities(tmp_path: Path) -> tuple[Activity, ...]:
    path = tmp_path / 'activities.yaml'
    path.write_text(WRITTEN, encoding='utf-8')
    return read_activities(path)


def test_a_run_begins_from_them_and_learns(
    recordings: Path,
    tmp_path: Path,
    tiny_train: TrainConfig,
    preset: str,
    activities: tuple[Activity, ...],
) -> None:
    """Almost nothing is learnt at a rate of almost 0, and something at another."""
    still = dataclasses.replace(
        tiny_train,
        preset=preset,
        epochs=1,
        learning_rate=1e-8,
        weight_decay=0.0,
        validation_fraction=0.0,
    )
    made = main_train(still, recordings, tmp_path / 'still', activities=activities)
    loaded = load_checkpoint(made.checkpoint)
    labels = loaded.config.labels
    assert set(labels) == {'none', 'walking', 'greeting', 'typing'}
    # Labels of the recordings that the file does not have share what is left, with none.
    begun = pretrained_system(loaded.config, seed=1)
    written = [Activity(label='greeting', words=TEXTS[0:4:3])]
    written.append(Activity(label='typing', words=(TEXTS[4], TEXTS[2])))
    add_words(begun, loaded.tokenizer, written)
    head, expected = (s.unimodal_heads['text'] for s in (loaded.system, begun))
    torch.testing.assert_close(head.weight, expected.weight, atol=1e-5, rtol=0)
    torch.testing.assert_close(head.bias, expected.bias, atol=1e-5, rtol=0)
    assert head.weight[labels.index('greeting')].abs().sum() > 0
    assert head.weight[labels.index('none')].abs().max() < 1e-5
    assert head.weight[labels.index('walking')].abs().max() < 1e-5
    moving = dataclasses.replace(still, learning_rate=1e-2)
    made = main_train(moving, recordings, tmp_path / 'moving', activities=activities)
    moved = load_checkpoint(made.checkpoint).system.unimodal_heads['text']
    assert (moved.weight - expected.weight).abs().max() > 1e-4


def test_other_sentences_are_another_run(
    recordings: Path,
    tmp_path: Path,
    tiny_train: TrainConfig,
    preset: str,
    activities: tuple[Activity, ...],
) -> None:
    config = dataclasses.replace(tiny_train, preset=preset)
    dataset = read_dataset(
        config, config.model_config(), recordings, cache=tmp_path / 'cache', console=None
    )
    one, other = ((Activity(label='typing', words=(TEXTS[0], text)),) for text in TEXTS[1:3])
    found = {fingerprint(config, dataset, activities=written) for written in ((), one, other)}
    assert len(found) == 3
    assert fingerprint(config, dataset) == fingerprint(config, dataset, activities=())


def test_a_network_that_compares_no_sentences_is_refused(
    tmp_path: Path, tiny_train: TrainConfig, tiny_preset: str, activities: tuple[Activity, ...]
) -> None:
    """Before any recording is read."""
    config = dataclasses.replace(tiny_train, preset=tiny_preset)
    with pytest.raises(ConfigError, match=r'activities: expected a network with text\.backbone'):
        main_train(config, tmp_path / 'nowhere', tmp_path / 'run', activities=activities)


def test_sentences_of_other_labels_are_refused(preset: str, tmp_path: Path) -> None:
    config = with_names(text=str(tmp_path / 'text'), base=dataclasses.replace(TINY, hidden_dim=24))
    system = pretrained_system(config)
    tokenizer = read_tokenizer(system.config.text)
    written = [Activity(label='cleaning', words=TEXTS[:2])]
    with pytest.raises(
        ConfigError, match=r"expected words of some of the labels \['none', 'waving"
    ):
        add_words(system, tokenizer, written)
    assert not system.training
    system.train()
    add_words(system, tokenizer, [Activity(label='waving', words=TEXTS[:2])])
    assert system.text_encoder.training
    assert embed_sentences(system.text_encoder.eval(), tokenizer, TEXTS[:1]).shape == (1, 16)


SOUNDS = (
    Activity(label='typing', sounds=(380, 378)),
    Activity(label='walking', sounds=(48,)),
    Activity(label='cleaning', sounds=(3,)),
)


@pytest.mark.real
@pytest.mark.parametrize('hears', [HEARING, HEARING_ALONE], ids=['beside', 'alone'])
def test_sounds_begin_from_the_frozen_networks_own_classifier(
    weights_folder: Path, hears: ModelConfig
) -> None:
    """What the map says of an embedding is what the own head says, beside a spectrogram or not."""
    base = dataclasses.replace(hears, modalities=('audio',), labels=('none', 'walking', 'typing'))
    model = with_backbones(with_described_sounds(base, SOUNDS))
    assert model.audio.sounds == (48, 378, 380)
    torch.manual_seed(0)
    system = ActivityRecognitionSystem(model).double().eval()
    begin_described(system, train_tokenizer((), vocab_size=16, max_length=4), SOUNDS)
    rng = np.random.default_rng(1)
    embeddings = np.ones((1, 6, 1025))
    embeddings[..., :1024] = rng.exponential(1.0, (1, 6, 1024)) * (rng.random((1, 6, 1024)) < 0.3)
    weights, biases = Yamnet().classifier()
    scores = 1 / (1 + np.exp(-(embeddings[..., :1024] @ weights.T.astype(np.float64) + biases)))
    wanted = label_log_scores(
        scores, model.labels, {s.label: dict.fromkeys(s.sounds, '') for s in SOUNDS}
    )
    mask = torch.ones(1, 6, dtype=torch.bool)
    given = torch.from_numpy(embeddings)
    blocks = torch.randn(1, 6, 4, model.audio.num_mels, dtype=torch.float64)
    read = (given, mask) if model.audio.tokens_are_patches else (blocks, mask, given)
    with torch.no_grad():
        found = system.unimodal_heads['audio'](system.audio_encoder(*read))[0]
    np.testing.assert_allclose(found[:, 1:], wanted[0, :, 1:], atol=2e-3)
    np.testing.assert_allclose(found[:, 0], np.log(HEARD), atol=1e-5)


def test_what_a_network_lacks_is_left_aside(tmp_path: Path) -> None:
    both = [Activity(label='walking', words=TEXTS[:2]), *SOUNDS]
    refuse_undescribed(both, HEARING)
    assert with_described_sounds(TINY, both) == TINY
    with pytest.raises(ConfigError, match='take a preset such as small_minilm or people'):
        refuse_undescribed(SOUNDS, TINY)
    with pytest.raises(ConfigError, match=r'expected a network with text\.backbone'):
        refuse_undescribed(both[:1], HEARING)
