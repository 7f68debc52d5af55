"""CUDA graphs, and what the engine must do for a backend that overwrites its results."""

import dataclasses
from types import SimpleNamespace

import pytest
import torch

from activity_recognition.config import EngineConfig
from activity_recognition.errors import BackendError
from activity_recognition.inference import (
    MultiStreamEngine,
    StreamingEngine,
)
from activity_recognition.inference.backends import choice, cuda_graph
from activity_recognition.inference.backends.choice import choose_backend
from activity_recognition.inference.backends.cuda_graph import CudaGraphBackend
from activity_recognition.inference.backends.eager import EagerBackend
from activity_recognition.inference.backends.trial import check_equivalence
from activity_recognition.inference.lanes import video
from activity_recognition.inference.precision import Precision, choose_precision
from activity_recognition.models.examples import example_inputs
from activity_recognition.models.step_spec import Sizes
from activity_recognition.models.steps import Steps
from activity_recognition.types import DecisionTime, Window
from factories.answers import assert_equal, dense, run
from factories.backends import asked, by, overwriting
from factories.crowds import check_crowd, crowd_of
from factories.matrix import STREAMS
from factories.networks import (
    MOVING,
    MOVING_ALONE,
    STEPS,
    TINY,
    WRAPPING,
    make_checkpoint,
    make_system,
)
from factories.scenes import TROUBLED, trace_of
from factories.streams import Scene, samples


def test_it_is_refused_on_a_cpu():
    precision = choose_precision(EngineConfig(device='cpu'))
    eager = EagerBackend(Steps(make_system()).eval())
    with pytest.raises(BackendError, match=r"'cudagraph' needs a CUDA device, got .*set engine"):
        CudaGraphBackend(eager, precision)


CUDA = Precision(device=torch.device('cuda'), dtype=torch.float32)
"""Where the choice is made, nothing asks whether it is there."""


class Uncaptured(CudaGraphBackend):
    """Stands where CUDA is: every shape is noted, and run without a graph."""

    def __init__(self, eager, precision):
        self._eager, self._precision = eager, precision
        self._captured = {}
        self._on_trial = self._capturing = True
        self.tried = set()

    def _capture(self, step, inputs):
        self.tried.add(tuple(inputs[0].shape))
        return SimpleNamespace(replay=lambda new: self._eager.run(step, *new))


class Uncapturable(Uncaptured):
    """Stands for a network that waits for a result in its step of sound."""

    def _capture(self, step, inputs):
        if inputs[0].dim() == 4 and inputs[0].is_floating_point():
            raise RuntimeError('operation not permitted when stream is capturing\nmore of it')
        return super()._capture(step, inputs)


@pytest.fixture
def pretended(monkeypatch):
    """Let CUDA seem to be there where the choice is made; the network stays on the CPU."""

    def choose(backend, kind):
        monkeypatch.setattr(choice, 'CudaGraphBackend', kind)
        return choose_backend(backend, make_checkpoint(), CUDA, num_threads=1)

    return choose


@pytest.mark.parametrize('asked_for', ['auto', 'cudagraph'])
def test_what_cannot_be_captured_is_known_before_the_first_sample(pretended, asked_for):
    taken = pretended(asked_for, Uncapturable)
    assert taken.backend.name == 'torch'
    told = taken.problem or taken.reason.removeprefix('torch: ')
    assert told == (
        "the step 'chunk' cannot be captured as a CUDA graph: operation not permitted when "
        "stream is capturing; set engine.backend to 'torch'"
    )
    assert bool(taken.problem) == (asked_for == 'cudagraph')


@pytest.mark.parametrize('asked_for', ['auto', 'cudagraph'])
def test_graphs_of_made_up_inputs_are_given_up(pretended, monkeypatch, asked_for):
    """They would count among those that may be captured."""
    made = []

    class Noted(Uncaptured):
        def __init__(self, eager, precision):
            super().__init__(eager, precision)
            made.append(self)

    monkeypatch.setattr(choice, 'step_times', faster_graphs)
    taken = pretended(asked_for, Noted)
    assert taken.backend.name == 'cudagraph'
    assert taken.backend.fixed
    assert not taken.problem
    assert made[-1].tried
    assert not any(backend._captured for backend in made)


def test_a_mixture_with_graphs_wants_whole_rings(pretended, monkeypatch):
    monkeypatch.setattr(
        choice,
        'step_times',
        lambda *given: faster_graphs(*given) | {'chunk': {'torch': 1.0, 'cudagraph': 2.0}},
    )
    taken = pretended('auto', Uncaptured)
    assert taken.backend.name == 'cudagraph+torch'
    assert taken.backend.fixed
    assert taken.reason.startswith('the faster of torch and cudagraph for each step: frame cuda')
    assert 'chunk torch (1000.00 and 2000.00 ms)' in taken.reason


def faster_graphs(backends, system):
    assert set(backends) == {'torch', 'cudagraph'}
    return {step: {'torch': 2.0, 'cudagraph': 1.0} for step in STEPS}


def test_a_capture_that_fails_later_is_told_and_the_last_one(caplog):
    system = make_system()
    eager = EagerBackend(Steps(system).eval())
    backend = Uncapturable(eager, CUDA)
    inputs = example_inputs(system, Sizes())
    with pytest.raises(BackendError, match="'chunk' cannot be captured"):
        backend.run('chunk', *inputs['chunk'])
    backend.end_trial()
    backend.run('frame', *inputs['frame'])
    tried = set(backend.tried)
    with torch.inference_mode():
        for step in ('chunk', 'utterance', 'chunk', 'frame'):
            found, wanted = (b.run(step, *inputs[step]) for b in (backend, eager))
            torch.testing.assert_close(found, wanted)
    assert backend.tried == tried
    (told,) = [record.getMessage() for record in caplog.records]
    assert told == (
        "the step 'chunk' cannot be captured as a CUDA graph: operation not permitted when stream "
        'is capturing; shapes that were not captured before run without a graph'
    )


class OnTheHost(Uncaptured):
    """Stands where CUDA is: warms up, and notes by its result what would be recorded."""

    def __init__(self, eager, precision):
        super().__init__(eager, precision)
        self.recorded = []

    def _capture(self, step, inputs):
        return CudaGraphBackend._capture(self, step, inputs)

    def _warm_up(self, step, kept):
        return cuda_graph.computes(self._eager.run(step, *kept), self._eager.run(step, *kept))

    def _record(self, step, kept):
        self.recorded.append(tuple(kept[0].shape))
        return SimpleNamespace(replay=lambda new: self._eager.run(step, *new))


def on_the_host(config):
    system = make_system(config)
    eager = EagerBackend(Steps(system).eval())
    return OnTheHost(eager, CUDA), eager, example_inputs(system, Sizes(streams=2))


@pytest.mark.parametrize('config', [TINY, MOVING_ALONE], ids=['tiny', 'moving alone'])
def test_a_step_that_computes_nothing_has_no_graph(config, recwarn, caplog):
    """The tokens of frames that are not looked at are a view of zeros: an empty graph."""
    backend, eager, inputs = on_the_host(config)
    recorded = []
    with torch.inference_mode():
        for step in STEPS:
            for _ in range(3):
                found, wanted = (b.run(step, *inputs[step]) for b in (backend, eager))
                torch.testing.assert_close(found, wanted)
            recorded.append(len(backend.recorded))
    expected = [0, 1, 2, 3, 4] if config is MOVING_ALONE else [1, 2, 3, 4, 5]
    assert recorded == expected
    assert not recwarn.list
    assert not caplog.records


def test_steps_without_a_graph_do_not_count_among_the_most(monkeypatch):
    monkeypatch.setattr(cuda_graph, 'MOST_GRAPHS', 1)
    backend, _, inputs = on_the_host(MOVING_ALONE)
    with torch.inference_mode():
        for count in (1, 2):
            backend.run('frame', inputs['frame'][0][:count])
        assert not backend.recorded
        backend.run('chunk', *inputs['chunk'])
        backend.run('utterance', *inputs['utterance'])
    assert backend.recorded == [tuple(inputs['chunk'][0].shape)]


def test_what_computes():
    weights, given = torch.zeros(1, 4), torch.ones(2, 4)
    assert not cuda_graph.computes((weights.expand(2, -1),), (weights.expand(2, -1),))
    assert not cuda_graph.computes((given[:1], weights), (given[:1], weights))
    assert cuda_graph.computes((given + 1,), (given + 1,))
    assert cuda_graph.computes((weights, given.clone()), (weights, given.clone()))


@pytest.mark.parametrize('asked_for', ['auto', 'cudagraph'])
def test_a_network_with_such_a_step_is_taken(monkeypatch, asked_for):
    monkeypatch.setattr(choice, 'CudaGraphBackend', OnTheHost)
    monkeypatch.setattr(choice, 'step_times', faster_graphs)
    taken = choose_backend(asked_for, make_checkpoint(MOVING_ALONE), CUDA, num_threads=1)
    assert taken.backend.name == 'cudagraph'
    assert not taken.problem


@pytest.fixture
def overwritten():
    """Have every engine run by a backend with the manners of this one; return those made."""
    with overwriting() as made:
        yield made


@pytest.mark.parametrize('config', [TINY, WRAPPING, MOVING], ids=['tiny', 'wrapping', 'moving'])
@pytest.mark.parametrize('by_rate', [True, False], ids=['rate', 'crowds'])
def test_an_engine_keeps_copies(overwritten, config, by_rate):
    trace = trace_of(TROUBLED, 10.0 if by_rate else None)
    checkpoint = make_checkpoint(config)
    found, _ = asked(checkpoint, trace, by('auto'))
    assert_equal(found, dense(checkpoint, trace), 1e-5)


@pytest.mark.parametrize('streams', STREAMS)
def test_an_engine_of_many_keeps_copies(overwritten, streams):
    stays = crowd_of(streams, dataclasses.replace(TROUBLED, duration_s=1.5, jumps=()))
    check_crowd(make_checkpoint(WRAPPING), stays, by('auto'), 1e-5)
    assert overwritten


def test_more_frames_than_go_at_once_keep_their_tokens(overwritten, monkeypatch):
    """The parts of one batch are calls of one shape."""
    monkeypatch.setitem(video.FRAMES_AT_ONCE, 'cpu', 3)
    found = samples(Scene(duration_s=0.9, frame_rate_hz=14.0, utterances=2))
    last_ns = found[-1].arrival_ns
    moment = DecisionTime(t_ns=max(s.stamp_ns for s in found), arrival_ns=last_ns)
    trace = [Window(samples=tuple(found), decision=moment)]
    checkpoint = make_checkpoint()
    answers, _ = asked(checkpoint, trace, EngineConfig(device='cpu'))
    assert (3, 32, 32, 3) in {shapes[0] for shapes in overwritten[0].shapes['frame']}
    assert_equal(answers, dense(checkpoint, trace), 1e-5)


def test_few_shapes_occur(overwritten):
    """Each would be a graph: the past and the memories are seen whole."""
    engine = StreamingEngine(make_checkpoint(), engine=EngineConfig(device='cpu', evidence_every=3))
    run(engine, trace_of(TROUBLED))
    shapes = overwritten[0].shapes
    assert len(shapes['temporal_attention']) == 1
    assert len(shapes['decision']) == 2, 'with and without the evidence'


@pytest.mark.gpu
def test_auto_takes_graphs_on_cuda():
    """Launches outweigh the work of a tiny network."""
    taken = MultiStreamEngine(make_checkpoint(), engine=EngineConfig(device='cuda')).choice
    assert 'cudagraph' in taken.backend.name
    assert not taken.problem


@pytest.mark.gpu
def test_its_numbers_are_those_of_torch(without_tf32):
    system = make_system().to('cuda')
    precision = choose_precision(EngineConfig(device='cuda', precision='fp32'))
    eager = EagerBackend(Steps(system).eval())
    backend = CudaGraphBackend(eager, precision)
    for _ in range(2):  # captured, then replayed with other inputs
        check_equivalence(backend, eager, system)
    inputs = [example_inputs(system, Sizes(), seed=seed) for seed in (1, 2)]
    with torch.inference_mode():
        for step in STEPS:
            first = backend.run(step, *inputs[0][step])
            second = backend.run(step, *inputs[1][step])
            wanted = eager.run(step, *inputs[1][step])
            torch.testing.assert_close(second, wanted, atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(first, second, atol=0, rtol=0)


@pytest.mark.gpu
def test_a_step_that_computes_nothing_is_passed_over_on_cuda(without_tf32, recwarn):
    system = make_system(MOVING_ALONE).to('cuda')
    precision = choose_precision(EngineConfig(device='cuda', precision='fp32'))
    eager = EagerBackend(Steps(system).eval())
    backend = CudaGraphBackend(eager, precision)
    check_equivalence(backend, eager, system)
    without = [key for key, captured in backend._captured.items() if captured is None]
    assert {step for step, _ in without} == {'frame'}
    assert len(backend._captured) > len(without)
    assert not [warning for warning in recwarn.list if 'Graph is empty' in str(warning.message)]


@pytest.mark.gpu
@pytest.mark.parametrize('precision', ['bf16', 'fp16'])
def test_half_precision_stays_close_to_that_of_torch(precision):
    trace = trace_of(TROUBLED)
    probabilities = []
    for backend in ('cudagraph', 'torch'):
        config = EngineConfig(device='cuda', precision=precision, backend=backend)
        engine = StreamingEngine(make_checkpoint(), engine=config)
        assert engine.backend.name == backend
        probabilities.append([torch.from_numpy(d.logits).softmax(-1) for d in run(engine, trace)])
    difference = torch.stack(probabilities[0]) - torch.stack(probabilities[1])
    assert difference.abs().max() <= 2e-2


@pytest.mark.gpu
def test_shapes_beyond_the_most_run_without_a_graph(monkeypatch, without_tf32):
    monkeypatch.setattr(cuda_graph, 'MOST_GRAPHS', 2)
    system = make_system().to('cuda')
    precision = choose_precision(EngineConfig(device='cuda', precision='fp32'))
    eager = EagerBackend(Steps(system).eval())
    backend = CudaGraphBackend(eager, precision)
    check_equivalence(backend, eager, system)
    assert len(backend._captured) == 2
