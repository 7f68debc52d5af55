"""Finite weights whose products are not: no answer is given, and who is not concerned goes on."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from activity_recognition.config import EngineConfig
from activity_recognition.errors import NonFiniteError
from activity_recognition.inference import MultiStreamEngine, StreamingEngine
from activity_recognition.types import DecisionTime, Frame, Status, Window, to_ns
from factories.lanes import rings_of
from factories.networks import TINY, make_checkpoint
from factories.streams import START_NS

NAMES = ('kitchen', 'hall', 'door')


def overflowing(part: str):
    """Return a checkpoint in which one part's weights are as large as finite ones can be."""
    checkpoint = make_checkpoint(TINY)
    module = checkpoint.system.get_submodule(part)
    weight = max(module.parameters(), key=torch.Tensor.numel)
    with torch.no_grad():
        weight.fill_(torch.finfo(weight.dtype).max)
    assert all(bool(torch.isfinite(p).all()) for p in checkpoint.system.parameters())
    return checkpoint


def window(t_s: float, value: int = 100) -> Window:
    t_ns = START_NS + to_ns(t_s)
    image = np.full((32, 32, 3), value, np.uint8)
    frame = Frame(stamp_ns=t_ns, arrival_ns=t_ns, image=image)
    return Window(samples=(frame,), decision=DecisionTime(t_ns=t_ns, arrival_ns=t_ns))


def make_engine(checkpoint, *names, **keywords):
    engine = MultiStreamEngine(
        checkpoint, engine=EngineConfig(device='cpu', backend='torch', **keywords)
    )
    for name in names:
        engine.join(name)
    return engine


@pytest.mark.parametrize(
    'part',
    [
        'classifier',
        'video_encoder',
        'audio_encoder',
        'text_encoder',
        'cross_attention',
        'unimodal_heads',
    ],
)
def test_a_network_that_overflows_does_not_warm_up(part):
    checkpoint = overflowing(part)
    engine = StreamingEngine(checkpoint, engine=EngineConfig(device='cpu', backend='torch'))
    with pytest.raises(NonFiniteError) as caught:
        engine.warm_up()
    sentence = str(caught.value)
    assert 'got NaN or infinity' in sentence
    assert f'checkpoint {checkpoint.id}' in sentence
    assert 'fp32' in sentence
    assert 'train again' in sentence


def test_too_narrow_a_precision_is_named(monkeypatch):
    engine = make_engine(overflowing('classifier'), '')
    # As on a GPU: CPUs have no fp16.
    monkeypatch.setattr(
        engine, 'precision', type(engine.precision)(device=torch.device('cpu'), dtype=torch.float16)
    )
    with pytest.raises(NonFiniteError, match=r'cpu, fp16.*set engine\.precision to bf16 or fp32'):
        engine.warm_up()


@pytest.mark.parametrize('evidence_every', [0, 1])
@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_one_stream_that_overflows_costs_the_others_nothing(value, evidence_every):
    checkpoint = make_checkpoint(TINY)
    engine = make_engine(checkpoint, *NAMES, evidence_every=evidence_every)
    alone = make_engine(checkpoint, 'kitchen', evidence_every=evidence_every)
    windows = dict.fromkeys(NAMES, window(0.0))
    engine.apply(windows)
    alone.apply({'kitchen': window(0.0)})
    run, broken = engine.backend.run, True

    def breaking(step, *inputs):
        outputs = run(step, *inputs)
        if step != 'decision' or not broken:
            return outputs
        logits = outputs[0].clone()
        logits[-1, 1, 0, 2] = value  # in the answer of a head for the second stream
        return (logits,)

    engine.backend.run = breaking
    with pytest.raises(NonFiniteError, match=r'^stream hall: ') as caught:
        engine.apply(dict.fromkeys(NAMES, window(0.1, 150)))
    expected = alone.apply({'kitchen': window(0.1, 150)})['kitchen']
    assert caught.value.streams == ('hall',)
    assert sorted(caught.value.decisions) == ['door', 'kitchen']
    found = caught.value.decisions['kitchen']
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-6)
    broken = False
    fresh = make_engine(checkpoint, 'hall', evidence_every=evidence_every)
    after = engine.apply(dict.fromkeys(NAMES, window(0.2, 50)))
    expected = fresh.apply({'hall': window(0.2, 50)})['hall']
    np.testing.assert_allclose(after['hall'].probabilities, expected.probabilities, atol=1e-6)
    assert after['hall'].status is not Status.NO_DATA


def test_what_overflowed_once_leaves_no_trace():
    """Infinite keys and values in a stream's memory would spoil every later decision, masked."""
    checkpoint = make_checkpoint(TINY)
    engine = make_engine(checkpoint, '')
    engine.apply({'': window(0.0)})
    past, *memories = rings_of(engine)
    for memory in memories:
        memory.rows[...] = torch.inf
    past.rows[...] = torch.nan
    with pytest.raises(NonFiniteError):
        engine.apply({'': window(0.1)})
    after = engine.apply({'': window(0.2, 50)})['']
    expected = make_engine(checkpoint, '').apply({'': window(0.2, 50)})['']
    np.testing.assert_allclose(after.probabilities, expected.probabilities, atol=1e-6)


def test_a_temperature_near_nothing_does_not_make_numbers_that_are_none():
    """Finite logits divided by a calibration that is positive, and far too small."""
    checkpoint = replace(make_checkpoint(TINY), temperature=1e-320)
    engine = make_engine(checkpoint, '')
    with pytest.raises(NonFiniteError):
        engine.warm_up()
