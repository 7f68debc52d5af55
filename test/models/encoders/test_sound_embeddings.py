"""Embeddings of a frozen network as an input of the audio encoder."""

import dataclasses

import pytest
import torch

from activity_recognition.encoder_config import SOUND_FEATURES
from activity_recognition.models.examples import example_inputs
from activity_recognition.models.exporting import export_steps
from activity_recognition.models.step_spec import Sizes
from activity_recognition.models.steps import Steps
from factories.networks import HEARING, HEARING_ALONE, make_system

NETWORKS = pytest.mark.parametrize('config', [HEARING, HEARING_ALONE], ids=['beside', 'alone'])
BLOCKS = 9


def arrays_of(config, rows=2, *, seed=0):
    """Return blocks and embeddings, the first three blocks without one."""
    draw = torch.Generator().manual_seed(seed)
    audio = config.audio
    embeddings = torch.rand(rows, BLOCKS, SOUND_FEATURES + 1, generator=draw).double()
    embeddings *= embeddings > 0.9
    embeddings[..., -1] = 1
    embeddings[:, :3] = 0
    shape = (rows, BLOCKS, audio.columns_per_token, audio.num_mels)
    return torch.randn(shape, generator=draw).double(), embeddings


def batch_of(config, mask=None, *, seed=0):
    blocks, embeddings = arrays_of(config, seed=seed)
    mask = torch.ones(2, BLOCKS).bool() if mask is None else mask
    both = {'spectrogram_mask': mask, 'sound_embeddings': embeddings}
    return both | ({'spectrograms': blocks} if config.audio.channels else {})


def encoder_of(config):
    return make_system(config, dtype=torch.float64).audio_encoder


@NETWORKS
@pytest.mark.parametrize('sizes', [(1,) * BLOCKS, (3, 6), (BLOCKS,)])
def test_step_by_step_it_is_the_same(config, sizes):
    system = make_system(config, dtype=torch.float64)
    step = Steps(system).chunk
    batch = batch_of(config)
    names = ['spectrograms'] * bool(config.audio.channels) + ['sound_embeddings']
    with torch.no_grad():
        expected = system.audio_encoder.encode(batch)
        past, found = system.audio_encoder.new_past(2), []
        for parts in zip(*(batch[name].split(list(sizes), 1) for name in names), strict=True):
            rows, past = step(*parts, past)
            found.append(rows[:, :, 2])
    torch.testing.assert_close(torch.cat(found, 1), expected, rtol=0, atol=1e-12)


@NETWORKS
def test_a_hole_leaves_no_trace(config):
    mask = torch.ones(2, BLOCKS).bool()
    mask[:, 4] = False
    one, other = batch_of(config, mask), batch_of(config, mask)
    for name in set(other) - {'spectrogram_mask'}:
        other[name] = other[name].clone()
        other[name][:, 4] += 3.0
    encoder = encoder_of(config)
    with torch.no_grad():
        found, expected = encoder.encode(one), encoder.encode(other)
    torch.testing.assert_close(found[mask], expected[mask], rtol=0, atol=1e-12)


@NETWORKS
def test_what_is_heard_matters_and_so_does_whether_anything_is(config):
    encoder, batch = encoder_of(config), batch_of(config)
    silent, louder = dict(batch), dict(batch)
    silent['sound_embeddings'] = batch['sound_embeddings'].clone()
    silent['sound_embeddings'][..., :-1] = 0
    louder['sound_embeddings'] = 2 * batch['sound_embeddings']
    with torch.no_grad():
        tokens = [encoder.encode(each) for each in (batch, silent, louder)]
    torch.testing.assert_close(tokens[0][:, :3], tokens[1][:, :3])  # none yet, in both
    assert not torch.allclose(tokens[0][:, 3:], tokens[1][:, 3:])
    assert not torch.allclose(tokens[0][:, 3:], tokens[2][:, 3:])
    # Silence that was heard is not the same as nothing heard yet.
    project = encoder.embed if not config.audio.channels else encoder.embed_beside
    nothing = torch.zeros(1, 1, SOUND_FEATURES + 1).double()
    silence = nothing.clone()
    silence[..., -1] = 1
    assert not torch.allclose(project(nothing), project(silence))


@NETWORKS
def test_a_gradient_reaches_every_weight(config):
    encoder = encoder_of(config).train()
    encoder.encode(batch_of(config)).pow(2).sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@NETWORKS
def test_bfloat16_stays_close(config):
    encoder, batch = encoder_of(config).float(), batch_of(config)
    with torch.no_grad():
        exact = encoder.encode(batch)
        with torch.autocast('cpu', torch.bfloat16):
            found = encoder.encode(batch).float()
    assert (exact - found).abs().max() < 0.1


@NETWORKS
def test_the_step_says_what_goes_in(config):
    system = make_system(config)
    (spec,) = (spec for spec in Steps(system).specs if spec.name == 'chunk')
    names = tuple(entry.name for entry in spec.inputs)
    assert names == ('spectrogram',) * bool(config.audio.channels) + ('embeddings', 'past')
    given = example_inputs(system, Sizes(streams=2, length=3))['chunk']
    assert given[-2].shape == (2, 3, SOUND_FEATURES + 1)
    assert len(given) == len(names)


@pytest.mark.timeout(900)
@NETWORKS
def test_exported_it_gives_the_same(config, tmp_path):
    pytest.importorskip('onnxscript')
    onnxruntime = pytest.importorskip('onnxruntime')
    system = make_system(dataclasses.replace(config, modalities=('audio',)))
    folder = export_steps(system, tmp_path / 'onnx', checkpoint='made-up')
    session = onnxruntime.InferenceSession(folder / 'chunk.onnx')
    (spec,) = (spec for spec in Steps(system).specs if spec.name == 'chunk')
    given = example_inputs(system, Sizes(streams=3, length=5))['chunk']
    names = [entry.name for entry in spec.inputs]
    assert [entry.name for entry in session.get_inputs()] == names
    found = session.run(None, {n: t.numpy() for n, t in zip(names, given, strict=True)})
    with torch.no_grad():
        expected = Steps(system).chunk(*given)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(torch.from_numpy(one), other, rtol=1e-5, atol=1e-5)
