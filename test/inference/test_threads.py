"""How many threads are taken, by a clock that depends on nothing but their number."""

from types import SimpleNamespace

import cv2
import pytest
import torch

from activity_recognition.config import EngineConfig
from activity_recognition.inference import MultiStreamEngine, threads
from activity_recognition.inference.threads import fewest_threads, one_thread, use_threads
from factories.networks import make_checkpoint, make_system


@pytest.fixture(autouse=True)
def threads_before():
    """Torch's number, put back at the end, as OpenCV's is."""
    before, opencv = torch.get_num_threads(), cv2.getNumThreads()
    yield before
    torch.set_num_threads(before)
    cv2.setNumThreads(opencv)


@pytest.fixture
def machine(monkeypatch):
    """Return a function that sets the number of cores and what a call takes by threads."""

    def be(cores, takes_s, noise=()):
        now_s, calls = [0.0], []
        spikes = iter(noise)

        def perf_counter():
            calls.append(torch.get_num_threads())
            if len(calls) % 2 == 0:  # the end of a call
                now_s[0] += takes_s[calls[-1]] + next(spikes, 0.0)
            return now_s[0]

        monkeypatch.setattr(threads, 'time', SimpleNamespace(perf_counter=perf_counter))
        monkeypatch.setattr(
            threads, 'os', SimpleNamespace(sched_getaffinity=lambda process: set(range(cores)))
        )
        return calls

    return be


@pytest.mark.parametrize(
    ('cores', 'takes_s', 'expected'),
    [
        (1, {1: 8.0}, 1),
        (2, {1: 8.0, 2: 6.5}, 1),
        (2, {1: 8.0, 2: 6.3}, 2),
        (3, {1: 8.0, 2: 4.0}, 2),
        (8, {1: 8.0, 2: 4.0, 4: 2.0, 8: 1.0}, 8),
        (8, {1: 8.0, 2: 4.0, 4: 3.9, 8: 1.0}, 2),
        (8, {1: 8.0, 2: 9.0, 4: 1.0, 8: 1.0}, 1),
        (64, {1: 8.0, 2: 4.0, 4: 2.0, 8: 1.0}, 8),
    ],
)
def test_the_fewest_that_are_worth_their_cores(machine, cores, takes_s, expected):
    tried = machine(cores, takes_s)
    assert fewest_threads(make_system()) == expected
    assert set(tried) <= set(takes_s)


def test_first_and_rare_slow_calls_do_not_count(machine):
    machine(2, {1: 8.0, 2: 6.0}, noise=[50.0, 50.0, 0.0, 30.0, 0.0, 30.0])
    assert fewest_threads(make_system()) == 2
    machine(2, {1: 8.0, 2: 7.0}, noise=[50.0, 50.0, 0.0, 30.0, 0.0, 30.0])
    assert fewest_threads(make_system()) == 1


@pytest.mark.parametrize('before', [1, 3])
def test_the_number_of_torch_is_put_back(machine, before):
    torch.set_num_threads(before)
    machine(4, {1: 8.0, 2: 4.0, 4: 2.0})
    assert fewest_threads(make_system()) == 4
    assert torch.get_num_threads() == before


def test_the_number_of_torch_is_put_back_after_an_error(machine):
    torch.set_num_threads(3)
    machine(2, {1: 8.0})
    with pytest.raises(KeyError):
        fewest_threads(make_system())
    assert torch.get_num_threads() == 3


def test_one_thread_is_for_a_while():
    use_threads(3)
    with one_thread():
        assert (torch.get_num_threads(), cv2.getNumThreads()) == (1, 1)
    assert (torch.get_num_threads(), cv2.getNumThreads()) == (3, 3)


def test_an_engine_asked_for_none_measures(machine):
    machine(8, {1: 8.0, 2: 4.0, 4: 3.9})
    engine = MultiStreamEngine(
        make_checkpoint(), engine=EngineConfig(device='cpu', backend='torch', num_threads=0)
    )
    assert engine.num_threads == 2
    assert torch.get_num_threads() == 2


def test_an_engine_asked_for_some_takes_them(machine):
    tried = machine(8, {})
    engine = MultiStreamEngine(
        make_checkpoint(), engine=EngineConfig(device='cpu', backend='torch', num_threads=3)
    )
    assert engine.num_threads == torch.get_num_threads() == cv2.getNumThreads() == 3
    assert not tried
