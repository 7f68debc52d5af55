"""Dividing what a step spends among its parts."""

import itertools

import pytest
import torch
from parts import EVIDENCE, FRAME, FUSION, PARTS, RESIZE, REST, SMOOTHING, TEXT, Probe, probed
from work import count_work, make_counter
from workload import make_engine, step_through

from activity_recognition.inference import resizing
from activity_recognition.inference.artificial import artificial_stream, untrained_checkpoint
from activity_recognition.inference.lanes.artificial import UTTERANCE_PERIOD_S
from activity_recognition.models.smoothing import ActivitySmoothing

RATE_HZ = 5.0
STEPS = round(RATE_HZ * UTTERANCE_PERIOD_S)


class Meter:
    """A meter that stands where it is put."""

    def __init__(self):
        self.value = 0.0

    def __call__(self):
        return self.value


def test_an_inner_part_is_taken_from_the_outer_one():
    meter = Meter()
    probe = Probe(meter)
    with probe.part('outer'):
        meter.value += 1
        with probe.part('inner'):
            meter.value += 10
            with probe.part('innermost'):
                meter.value += 100
        with probe.part('inner'):
            meter.value += 1000
    meter.value += 5
    spent = {name: (share.calls, share.spent) for name, share in probe.shares.items()}
    assert spent == {'outer': (1, 1), 'inner': (2, 1010), 'innermost': (1, 100)}
    assert probe.total == 1111


def test_a_part_that_fails_is_counted_all_the_same():
    meter = Meter()
    probe = Probe(meter)

    def fail():
        meter.value += 3
        raise ValueError

    with pytest.raises(ValueError), probe.part('outer'):
        probe.wrap(fail, 'inner')()
    assert probe.shares['inner'].spent == 3
    assert probe.shares['outer'].spent == 0


@pytest.fixture(scope='module')
def engine():
    torch.set_num_threads(1)
    return make_engine(untrained_checkpoint('nano'), threads=1, backend='torch')


@pytest.fixture
def windows(engine):
    engine.reset()
    return artificial_stream(engine.config, frame_rate_hz=RATE_HZ, width_px=160, height_px=120)


def test_all_parts_of_a_step_are_met(engine, windows):
    ticks = itertools.count()
    probe = Probe(lambda: float(next(ticks)))
    with probed(engine, probe):
        for _ in range(STEPS + 1):
            step_through(engine, windows)
    calls = {name: share.calls for name, share in probe.shares.items()}
    assert set(calls) == set(PARTS)
    assert calls[REST] == calls[RESIZE] == calls[FRAME] == calls[SMOOTHING] == STEPS + 1
    assert calls[TEXT] == 1
    # Every fifth decision has the modality ablation, beginning with the first.
    assert calls[EVIDENCE] >= STEPS // 5
    assert calls[EVIDENCE] + calls[FUSION] >= STEPS + 1


def test_the_parts_have_all_flops_of_the_steps(engine, windows):
    counter = make_counter()
    probe = Probe(lambda: float(counter.get_total_flops()))
    with probed(engine, probe):
        work = count_work(lambda: step_through(engine, windows), 6, counter=counter)
    assert probe.total == pytest.approx(6 * work.flops)
    assert probe.shares[FRAME].spent > 0.5 * probe.total
    assert probe.shares[RESIZE].spent == probe.shares[SMOOTHING].spent == 0


def test_afterwards_everything_is_as_it_was(engine):
    before = resizing.resize_image, ActivitySmoothing.step, set(vars(engine.backend))
    with probed(engine, Probe(Meter())):
        assert resizing.resize_image is not before[0]
    assert before == (
        resizing.resize_image,
        ActivitySmoothing.step,
        set(vars(engine.backend)),
    )
    assert 'apply' not in vars(engine)
