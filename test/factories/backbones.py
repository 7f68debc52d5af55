"""Tiny pretrained networks, saved as models on the hub are."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    AutoModel,
    BertConfig,
    CLIPVisionConfig,
    Dinov2Config,
    Dinov2WithRegistersConfig,
    DistilBertConfig,
    PreTrainedTokenizerFast,
    ResNetConfig,
    RobertaConfig,
    SiglipConfig,
    ViTConfig,
)

from activity_recognition.config import ModelConfig
from activity_recognition.models.pretrained import load_backbones, with_backbones
from activity_recognition.models.system import ActivityRecognitionSystem
from factories.networks import TEXTS, TINY

_LAYERS = {'hidden_size': 16, 'num_hidden_layers': 3, 'num_attention_heads': 2}
_SMALL = {**_LAYERS, 'intermediate_size': 32}
_WORDS = sorted({word for text in TEXTS for word in text.split()})

IMAGES = {
    'vit': ViTConfig(**_SMALL, image_size=32, patch_size=8),
    'dinov2': Dinov2Config(**_LAYERS, image_size=56, patch_size=8),
    'dinov2 with registers': Dinov2WithRegistersConfig(**_LAYERS, image_size=32, patch_size=16),
    'clip': CLIPVisionConfig(**_SMALL, image_size=32, patch_size=8),
    'siglip': SiglipConfig(
        vision_config={**_SMALL, 'image_size': 24, 'patch_size': 8},
        text_config={**_SMALL, 'vocab_size': 40},
    ),
    'resnet': ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type='basic'
    ),
}
"""Configurations of image networks; SigLIP is saved with its half for words."""

TEXT_KINDS = {
    'bert': BertConfig(**_SMALL, vocab_size=40, max_position_embeddings=24),
    'distilbert': DistilBertConfig(
        dim=16, n_layers=2, n_heads=2, hidden_dim=32, vocab_size=40, max_position_embeddings=24
    ),
    'roberta': RobertaConfig(**_SMALL, vocab_size=40, max_position_embeddings=24, pad_token_id=1),
}
"""Configurations of text networks."""

NORMALISATION = {'image_mean': [0.48, 0.45, 0.4], 'image_std': [0.27, 0.26, 0.25]}


def save_image_backbone(folder: Path, kind: str = 'vit', *, seed: int = 3) -> str:
    """Write a random image network with its image processor's settings; returns its name."""
    _save(folder, IMAGES[kind], seed)
    processor = {'do_normalize': True, 'do_rescale': True, 'rescale_factor': 1 / 255}
    content = {**processor, **NORMALISATION, 'image_processor_type': 'ViTImageProcessor'}
    (folder / 'preprocessor_config.json').write_text(json.dumps(content), encoding='utf-8')
    return str(folder)


def save_text_backbone(folder: Path, kind: str = 'bert', *, seed: int = 4) -> str:
    """Write a random text network with a tokenizer; returns its name."""
    _save(folder, TEXT_KINDS[kind], seed)
    tokenizer = Tokenizer(models.WordPiece(_vocabulary(), unk_token='[UNK]'))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single='[CLS] $A [SEP]', special_tokens=[('[CLS]', 2), ('[SEP]', 3)]
    )
    tokenizer.enable_padding(length=20)  # as that of MiniLM does
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token='[PAD]',
        unk_token='[UNK]',
        cls_token='[CLS]',
        sep_token='[SEP]',
    ).save_pretrained(folder)
    return str(folder)


def with_names(
    *,
    image: str = '',
    text: str = '',
    trained_layers: int = 0,
    base: ModelConfig = TINY,
    input_size_px: int = 32,
) -> ModelConfig:
    """Return a tiny configuration that names backbones, as a preset does."""
    video = dataclasses.replace(
        base.video, backbone=image, trained_layers=trained_layers, input_size_px=input_size_px
    )
    words = dataclasses.replace(base.text, backbone=text, trained_layers=trained_layers)
    return dataclasses.replace(base, video=video, text=words)


def pretrained_system(config: ModelConfig, *, seed: int = 0) -> ActivityRecognitionSystem:
    """Return a network with its backbones' weights, as training begins with it."""
    torch.manual_seed(seed)
    system = ActivityRecognitionSystem(with_backbones(config))
    load_backbones(system)
    return system.eval()


def _save(folder: Path, settings: object, seed: int) -> None:
    torch.manual_seed(seed)
    network = AutoModel.from_config(settings)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0.0, 0.2)
    network.save_pretrained(folder)


def _vocabulary() -> dict[str, int]:
    words = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', *_WORDS, '[', ']', 'sep']
    return {word: index for index, word in enumerate(words)}
