"""Made-up inputs of the steps: seeded, and of every size that was asked for."""

import itertools

import pytest
import torch

from activity_recognition.models.examples import example_inputs
from activity_recognition.models.step_spec import Sizes
from activity_recognition.models.steps import Steps
from factories.networks import STEPS, TINY, WRAPPING, make_system

SIZES = Sizes(streams=3, rows=11, length=4, decisions=2)


@pytest.fixture(scope='module')
def system():
    return make_system()


def test_a_seed_gives_the_same_inputs_and_another_seed_others(system):
    first, again, other = (example_inputs(system, SIZES, seed=seed) for seed in (1, 1, 2))
    assert tuple(first) == STEPS
    for step in STEPS:
        assert all(map(torch.equal, first[step], again[step]))
        assert not all(map(torch.equal, first[step], other[step]))


def test_the_sizes_are_those_asked_for(system):
    inputs = example_inputs(system, SIZES)
    shapes = {step: [tuple(tensor.shape) for tensor in inputs[step]] for step in STEPS}
    assert shapes['frame'] == [(3, 32, 32, 3)]
    assert shapes['temporal_attention'] == [(3, 16), (3, 11, 2, 2, 16), (3, 11), (3, 11)]
    assert shapes['chunk'][0] == (3, 4, TINY.audio.columns_per_token, 16)
    assert {shape[0] for shape in shapes['chunk']} == {3}
    assert shapes['utterance'] == [(3, 4), (3, 4)]
    memory = [(3, 11, 3, 16), (3, 11), (3, 2, 11)]
    assert shapes['decision'] == [(3, 2, 3), *memory * 3]


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_numbers_are_of_the_dtype_of_the_weights(dtype):
    inputs = example_inputs(make_system(dtype=dtype), SIZES)
    kinds = {step: [tensor.dtype for tensor in inputs[step]] for step in STEPS}
    assert kinds['frame'] == [torch.uint8]
    assert kinds['temporal_attention'] == [dtype, dtype, dtype, torch.bool]
    assert set(kinds['chunk']) == {dtype}
    assert kinds['utterance'] == [torch.int64, torch.bool]
    assert kinds['decision'] == [torch.int64, *(dtype, dtype, torch.bool) * 3]


@pytest.mark.gpu
def test_they_lie_where_the_weights_lie():
    for tensor in itertools.chain(*example_inputs(make_system().to('cuda'), SIZES).values()):
        assert tensor.device.type == 'cuda'


@pytest.mark.parametrize('seed', range(5))
def test_the_numbers_are_such_as_occur(system, seed):
    inputs = example_inputs(system, SIZES, seed=seed)
    token_ids, token_mask = inputs['utterance']
    assert ((token_ids >= 0) & (token_ids < TINY.text.vocab_size)).all()
    assert token_mask.any(1).all()
    assert (token_mask == token_mask.cummin(1).values).all(), 'the padding comes last'
    newest, *memories = inputs['decision']
    stream = torch.arange(SIZES.streams)[:, None, None]
    assert ((newest == -1) | (newest // SIZES.rows == stream)).all()
    for age_s, modality in zip(memories[1::3], system.windows_s, strict=True):
        assert ((age_s >= 0) & (age_s <= system.windows_s[modality])).all()


@pytest.mark.parametrize('config', [TINY, WRAPPING], ids=['tiny', 'wrapping'])
@pytest.mark.parametrize('sizes', [SIZES, Sizes(), Sizes(rows=1, length=1)])
def test_every_step_takes_them(config, sizes):
    system = make_system(config)
    steps, inputs = Steps(system).eval(), example_inputs(system, sizes)
    with torch.inference_mode():
        for step in STEPS:
            results = getattr(steps, step)(*inputs[step])
            for result in results if isinstance(results, tuple) else (results,):
                assert result.isfinite().all()
