"""What the events of a stream cost: measured for real, on a network that takes milliseconds."""

from __future__ import annotations

import dataclasses
import math
import time

import cv2
import pytest
import torch

from activity_recognition.config import EngineConfig
from activity_recognition.config_io import build_config, to_mapping
from activity_recognition.errors import BackendError, DeviceError
from activity_recognition.inference import StreamingEngine
from activity_recognition.inference import cost as cost_module
from activity_recognition.inference.cost import (
    ABLATED_DECISION,
    DECISION,
    EVIDENCE_EVERY,
    FRAMES_PER_ROUND,
    Cost,
    MeasureConfig,
    Timing,
    _rounds,
    _Stream,
    _undisturbed,
    measure,
)
from activity_recognition.inference.lanes.text import SENTENCES
from activity_recognition.inference.sizing import SizingConfig, busy, most_frames_hz
from activity_recognition.inference.threads import threads_restored, use_threads
from activity_recognition.types import Modality
from factories.networks import TINY, make_checkpoint, tokenizer_for, with_modalities

SHORT = MeasureConfig(seconds=0.5, width_px=64, height_px=48)


@pytest.fixture(scope='module')
def costs() -> list[Cost]:
    return measure(make_checkpoint(), name='tiny', threads=[1], config=SHORT)


class Counting:
    """Takes the place of a stream where only the number of threads matters."""

    def __init__(self):
        self.threads = []

    def run(self, frames, spent):
        assert cv2.getNumThreads() == torch.get_num_threads()
        self.threads.append(torch.get_num_threads())
        spent['frame'] = frames


@pytest.mark.parametrize('end_s', [-math.inf, math.inf])
def test_every_number_of_threads_has_its_turn_in_every_round(end_s):
    stream = Counting()
    with threads_restored():
        if end_s > 0:
            end_s = time.monotonic() + 0.05
        rounds = _rounds(dict.fromkeys([1, 2, 3], stream), end_s, seed=0)
    assert {count: len(found) for count, found in rounds.items()} == dict.fromkeys(
        [1, 2, 3], len(rounds[1])
    )
    # Each measured run comes after one that lets the threads start.
    pairs = list(zip(stream.threads[::2], stream.threads[1::2], strict=True))
    assert all(one == other for one, other in pairs)
    for index in range(0, len(pairs), 3):
        assert {one for one, _ in pairs[index : index + 3]} == {1, 2, 3}


def test_every_kind_of_event_was_timed(costs):
    (cost,) = costs
    assert [item.modality for item in cost.samples] == ['video', 'audio', 'text']
    assert len(cost.timings) == 5
    for timing in cost.timings:
        assert 0 < timing.low_s <= timing.wall_s <= timing.high_s
        assert timing.cpu_s > 0
        assert timing.rounds >= 1


class Standing:
    """A clock that stands still until it is told to go on; other clocks are the machine's."""

    def __init__(self):
        self.now_s = 0.0

    def __getattr__(self, name):
        return getattr(time, name)

    def monotonic(self):
        return self.now_s


@pytest.mark.parametrize('frames', [None, 5])
def test_frames_are_held_as_far_as_the_time_allows(monkeypatch, frames):
    """With time enough the ring is full; else what it held is told."""
    clock = Standing()
    monkeypatch.setattr(cost_module, 'time', clock)
    seen = []
    real = _Stream._timed

    def timed(stream, window):
        seen.append(window)
        # Filling has its share of the time; all of it is over after so many frames.
        clock.now_s = 0.0 if frames is None or len(seen) < frames else 10.0
        return real(stream, window)

    monkeypatch.setattr(_Stream, '_timed', timed)
    monkeypatch.setattr(cost_module, '_rounds', one_round)
    (cost,) = measure(make_checkpoint(), name='tiny', threads=[1], config=SHORT)
    expected = TINY.video.max_tokens if frames is None else frames + FRAMES_PER_ROUND
    assert cost.frames_held == expected


def one_round(streams, _end_s, *, seed):
    """Stand in for the rounds, which go on until a clock says so."""
    return _rounds(streams, -math.inf, seed=seed)


def test_the_number_of_threads_is_as_before():
    with threads_restored():
        use_threads(3)
        measure(make_checkpoint(), name='tiny', threads=[1], config=SHORT)
        assert torch.get_num_threads() == cv2.getNumThreads() == 3


def test_a_round_is_a_second_of_a_robots_stream():
    engine = StreamingEngine(
        make_checkpoint(),
        engine=EngineConfig(device='cpu', backend='torch', evidence_every=EVIDENCE_EVERY),
    )
    stream = _Stream(engine, SHORT, tokenizer_for(TINY))
    stream.run(FRAMES_PER_ROUND, {})
    spent = {}
    stream.run(FRAMES_PER_ROUND, spent)
    counts = {kind: item.count for kind, item in spent.items()}
    assert counts.pop(Modality.AUDIO) in (15, 16)
    assert counts == {Modality.VIDEO: 10, Modality.TEXT: 2, DECISION: 8, ABLATED_DECISION: 2}
    # The engine has seen, heard and read all of it.
    window = next(stream._windows)
    assert all(item.present for item in engine.apply(window).evidence)


def test_sound_is_told_per_second_of_it(costs):
    (cost,) = costs
    audio = cost.of(Modality.AUDIO)
    assert audio.duration_s == pytest.approx(0.064)
    assert audio.per_second_s == pytest.approx(audio.timing.wall_s / 0.064)


def test_the_longest_sentence_is_counted_in_subword_tokens(costs):
    (cost,) = costs
    encode = tokenizer_for(TINY).encode
    assert cost.of(Modality.TEXT).pieces == max(len(encode(text)) for text in SENTENCES)


@pytest.mark.parametrize('names', [('video',), ('text', 'imu')])
def test_a_network_without_some_modalities_is_measured(names):
    config = with_modalities(*names)
    (cost,) = measure(make_checkpoint(config), name='tiny', threads=[1], config=SHORT)
    assert tuple(item.modality for item in cost.samples) == names
    assert (cost.frame is None) == ('video' not in names)
    assert 0 < cost.frames_held <= max(TINY.video.max_tokens, TINY.imu.max_tokens)
    assert busy(cost, 10.0, SizingConfig()) > 0
    assert most_frames_hz(cost, SizingConfig(headroom=0.0)) > 0


def test_a_result_survives_being_written(costs):
    for cost in costs:
        assert build_config(Cost, to_mapping(cost)) == cost


def test_quartiles_of_few_rounds():
    assert Timing.of([2.0], [1.0]) == Timing(wall_s=2.0, low_s=2.0, high_s=2.0, cpu_s=1.0, rounds=1)
    timing = Timing.of([4.0, 1.0, 2.0, 3.0, 5.0], [1.0] * 5)
    assert (timing.low_s, timing.wall_s, timing.high_s) == (2.0, 3.0, 4.0)


@pytest.mark.parametrize(('cpu_s', 'undisturbed'), [(1.0, True), (0.91, True), (0.5, False)])
def test_a_round_without_the_processor_is_disturbed(cpu_s, undisturbed):
    from activity_recognition.inference.cost import _Spent

    assert _undisturbed({'frame': _Spent(wall_s=1.0, cpu_s=cpu_s, count=3)}) == undisturbed


def test_mean_of_plain_and_ablated_decisions(costs):
    plain, ablated = (dataclasses.replace(costs[0].frame, wall_s=s) for s in (1.0, 3.0))
    cost = dataclasses.replace(costs[0], decision=plain, ablated_decision=ablated)
    assert cost.mean_decision_s(0) == 1.0
    assert cost.mean_decision_s(1) == 3.0
    assert cost.mean_decision_s(4) == 1.5


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(DeviceError):
        measure(make_checkpoint(), name='tiny', threads=[1], config=MeasureConfig(device='cuda:99'))


def test_a_backend_that_cannot_be_had_is_not_timed_as_another(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    asked = dataclasses.replace(SHORT, backend='onnxruntime')
    with pytest.raises(BackendError, match='expected exported steps'):
        measure(make_checkpoint(), name='tiny', threads=[1], config=asked)


@pytest.mark.gpu
def test_a_gpu_is_waited_for():
    (cost,) = measure(
        make_checkpoint(), name='tiny', threads=[1], config=MeasureConfig(seconds=1, device='cuda')
    )
    assert 'cuda' in cost.device
    assert cost.settled
