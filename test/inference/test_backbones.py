"""Streaming equals the dense forward with pretrained encoders, too, and every sample is encoded
once."""

import dataclasses
from collections import Counter
from pathlib import Path

import pytest
import torch

from activity_recognition.config import SyncConfig
from activity_recognition.models.checkpoint import Checkpoint
from activity_recognition.models.pretrained import read_tokenizer
from activity_recognition.streams import windows
from activity_recognition.types import Frame, Modality, Utterance
from factories.answers import assert_equal, dense, streamed
from factories.backbones import (
    IMAGES,
    pretrained_system,
    save_image_backbone,
    save_text_backbone,
    with_names,
)
from factories.networks import TINY, WRAPPING
from factories.scenes import TROUBLED
from factories.streams import samples

SCENE = dataclasses.replace(TROUBLED, silences=((Modality.VIDEO, 1.0, 1.6),))
TOLERANCES = {torch.float64: 1e-10, torch.float32: 1e-5}


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    """Names of tiny backbones by kind."""
    root = tmp_path_factory.mktemp('backbones')
    names = {kind: save_image_backbone(root / kind, kind) for kind in IMAGES}
    return {**names, 'bert': save_text_backbone(root / 'bert')}


def checkpoint_of(folders, kind, base, dtype):
    config = with_names(image=folders[kind], text=folders['bert'], base=base)
    system = pretrained_system(config)
    with torch.no_grad():
        for name, parameter in system.named_parameters():
            if name.endswith('table'):
                parameter.normal_(0.0, 1.0)
    return Checkpoint(
        path=Path('made-up'),
        id='made-up',
        config=system.config,
        system=system.to(dtype),
        tokenizer=read_tokenizer(system.config.text),
        temperature=1.3,
        metrics={},
    )


@pytest.mark.parametrize('base', [TINY, WRAPPING], ids=['tiny', 'wrapping'])
@pytest.mark.parametrize('dtype', TOLERANCES, ids=['float64', 'float32'])
@pytest.mark.parametrize('kind', IMAGES)
def test_streaming_equals_dense(folders, kind, dtype, base):
    checkpoint = checkpoint_of(folders, kind, base, dtype)
    trace = list(windows(samples(SCENE), SyncConfig()))
    found, decisions = streamed(checkpoint, trace)
    assert_equal(found, dense(checkpoint, trace), TOLERANCES[dtype])
    assert len(decisions) > 10
    assert found.present.any(axis=0).all()


def test_every_sample_is_encoded_once(folders):
    checkpoint = checkpoint_of(folders, 'vit', TINY, torch.float32)
    trace = list(windows(samples(SCENE), SyncConfig()))
    taken = [sample for window in trace for sample in window.samples]
    encoded = Counter()
    backbones = {
        Frame: checkpoint.system.video_encoder.pretrained,
        Utterance: checkpoint.system.text_encoder.encoder,
    }
    for kind, backbone in backbones.items():
        backbone.register_forward_hook(
            lambda module, inputs, output, kind=kind: encoded.update(
                {kind: len(output.last_hidden_state)}
            )
        )
    streamed(checkpoint, trace)
    assert encoded == {k: sum(isinstance(s, k) for s in taken) for k in backbones}
