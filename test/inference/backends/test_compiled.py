"""When the compiled step is compiled; with a compiler that takes no time."""

import functools
import warnings

import pytest
import torch

from activity_recognition.config import EngineConfig
from activity_recognition.inference import StreamingEngine
from activity_recognition.inference.backends import compiled
from factories.backends import by
from factories.crowds import attend, crowd_of
from factories.networks import make_checkpoint
from factories.scenes import TROUBLED


@pytest.fixture
def graphs(monkeypatch):
    """Compile by leaving everything as it is; return what was compiled."""
    made = []

    def leave(graph, inputs):
        made.append(graph)
        return graph.forward

    monkeypatch.setattr(compiled, '_has_compiler', lambda: True)
    monkeypatch.setattr(compiled.torch, 'compile', functools.partial(torch.compile, backend=leave))
    torch.compiler.reset()
    yield made
    torch.compiler.reset()


def test_nothing_is_compiled_once_an_engine_is_there(graphs):
    """For one frame and for any other number of them; a robot would wait for a third."""
    visits, counts = attend(make_checkpoint(), crowd_of(3, TROUBLED), by('compile'))
    assert counts >= {1, 2, 3}
    assert all(visit.decisions for visit in visits)
    assert len(graphs) == 2


def test_what_is_not_compiled_is_not_said_to_be(graphs):
    """Past a limit of its own the compiler would run the step as it is, without a word."""
    config = EngineConfig(device='cpu', backend='compile')
    with torch._dynamo.config.patch(recompile_limit=1):
        taken = StreamingEngine(make_checkpoint(), engine=config).choice
    assert taken.backend.name == 'torch'
    assert 'torch.compile does not take this network here: FailOnRecompileLimitHit' in taken.problem
    assert taken.problem.endswith("set engine.backend to 'auto'")


def test_advice_to_multiply_in_tf32_does_not_end_the_compiling(graphs, monkeypatch):
    """The compiler gives it on CUDA; a program may have every warning raised."""
    said = []

    def leave_and_advise(graph, inputs):
        said.append('TensorFloat32')
        warnings.warn(
            'TensorFloat32 tensor cores for float32 matrix multiplication available but not '
            "enabled. Consider setting `torch.set_float32_matmul_precision('high')` for better "
            'performance.',
            stacklevel=1,
        )
        return graph.forward

    compile_it = functools.partial(compiled.torch.compile.func, backend=leave_and_advise)
    monkeypatch.setattr(compiled.torch, 'compile', compile_it)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        taken = StreamingEngine(make_checkpoint(), engine=by('compile')).choice
    assert said
    assert taken.backend.name == 'compile', taken.problem
    assert not taken.problem


def test_other_warnings_of_the_compiler_are_not_hidden(graphs, monkeypatch):
    def leave_and_warn(graph, inputs):
        warnings.warn('something is wrong with the compiler', stacklevel=1)
        return graph.forward

    compile_it = functools.partial(compiled.torch.compile.func, backend=leave_and_warn)
    monkeypatch.setattr(compiled.torch, 'compile', compile_it)
    with pytest.warns(UserWarning, match='something is wrong with the compiler'):
        StreamingEngine(make_checkpoint(), engine=by('compile'))
