"""Streaming equals the dense forward on the same admission trace (design: "Equality is a test")."""

import dataclasses
import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from activity_recognition.config import SyncConfig
from activity_recognition.models import system
from activity_recognition.models.encoders import video
from activity_recognition.sensors.audio import AudioDecoder
from activity_recognition.sensors.audio_format import AudioFormat
from activity_recognition.streams import windows
from activity_recognition.types import (
    MODALITIES,
    NANOSECONDS,
    DecisionTime,
    Modality,
    Utterance,
    Window,
    modality_of,
    to_ns,
)
from factories.answers import Answers, assert_equal, dense, streamed
from factories.networks import (
    ATTENDING,
    DETAILED,
    KEYED,
    MOVING,
    MOVING_ALONE,
    TINY,
    WRAPPING,
    make_checkpoint,
)
from factories.scenes import ANY_RATE, ANY_SCENE, SILENT, TROUBLED, deciding_trace_of, trace_of
from factories.streams import (
    RATE_HZ,
    START_NS,
    Scene,
    chunk,
    noise,
    samples,
    without,
)

TOLERANCES = {torch.float64: 1e-10, torch.float32: 1e-5}

configs = st.sampled_from((TINY, WRAPPING, MOVING, MOVING_ALONE, KEYED, DETAILED, ATTENDING))


def check(config, trace, dtype):
    checkpoint = make_checkpoint(config, dtype=dtype)
    found, decisions = streamed(checkpoint, trace)
    expected = dense(checkpoint, trace)
    assert len(decisions) == len(expected.no_data)
    assert_equal(found, expected, TOLERANCES[dtype])
    return found, decisions


@pytest.mark.parametrize('dtype', [torch.float64, torch.float32], ids=['float64', 'float32'])
@given(scene=ANY_SCENE, config=configs, rate_hz=ANY_RATE)
@example(scene=TROUBLED, config=TINY, rate_hz=10.0)
@example(scene=TROUBLED, config=WRAPPING, rate_hz=None)
@example(scene=SILENT, config=TINY, rate_hz=None)
@example(scene=TROUBLED, config=KEYED, rate_hz=10.0)
@example(scene=TROUBLED, config=DETAILED, rate_hz=10.0)
@example(scene=TROUBLED, config=ATTENDING, rate_hz=10.0)
@settings(max_examples=10)
def test_any_trace(scene, config, rate_hz, dtype):
    check(config, deciding_trace_of(scene, rate_hz), dtype)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize('dtype', [torch.float64, torch.float32], ids=['float64', 'float32'])
@given(scene=ANY_SCENE, config=configs, rate_hz=ANY_RATE)
@settings(max_examples=100)
def test_very_many_traces(scene, config, rate_hz, dtype):
    check(config, deciding_trace_of(scene, rate_hz), dtype)


def assert_close_in_probability(found: Answers, expected: Answers) -> None:
    """Beliefs within 2e-2, and the same best class where it leads by more than 4e-2."""
    np.testing.assert_array_equal(found.present, expected.present)
    ours = found.logits.double().softmax(-1)
    theirs = expected.logits.double().softmax(-1)
    assert (ours - theirs).abs().max() <= 2e-2
    best_two = theirs.topk(2).values
    clear = best_two[:, 0] - best_two[:, 1] > 4e-2
    assert clear.any()
    assert torch.equal(ours.argmax(-1)[clear], theirs.argmax(-1)[clear])


@pytest.mark.parametrize('seed', range(3))
@pytest.mark.parametrize('config', [TINY, ATTENDING], ids=['experts', 'attention'])
@pytest.mark.parametrize('reference', ['bf16', 'fp32'])
def test_bfloat16_stays_close(seed, reference, config):
    scene = dataclasses.replace(TROUBLED, seed=seed)
    trace = trace_of(scene)
    checkpoint = make_checkpoint(config, seed=seed)
    found, _ = streamed(checkpoint, trace, precision='bf16')
    assert_close_in_probability(found, dense(checkpoint, trace, precision=reference))


@pytest.mark.gpu
@pytest.mark.parametrize(('precision', 'dtype'), [('fp32', torch.float64), ('fp32', torch.float32)])
def test_equality_on_cuda(precision, dtype, without_tf32):
    trace = trace_of(TROUBLED)
    for config in (TINY, WRAPPING, ATTENDING):
        checkpoint = make_checkpoint(config, dtype=dtype)
        found, _ = streamed(checkpoint, trace, precision=precision, device='cuda')
        expected = dense(checkpoint, trace, precision=precision, device='cuda')
        assert_equal(found, expected, TOLERANCES[dtype])


@pytest.mark.gpu
@pytest.mark.parametrize('reference', ['bf16', 'fp32'])
def test_bfloat16_stays_close_on_cuda(reference):
    trace = trace_of(TROUBLED)
    checkpoint = make_checkpoint(TINY)
    found, _ = streamed(checkpoint, trace, precision='bf16', device='cuda')
    expected = dense(checkpoint, trace, precision=reference, device='cuda')
    assert_close_in_probability(found, expected)


SETS = [chosen for count in (1, 2, 3) for chosen in itertools.combinations(MODALITIES, count)]


@pytest.mark.parametrize('config', [TINY, ATTENDING], ids=['experts', 'attention'])
@pytest.mark.parametrize('chosen', SETS, ids='+'.join)
def test_any_set_of_modalities(chosen, config):
    scene = dataclasses.replace(TROUBLED, duration_s=1.5, jumps=(), utterances=3)
    found = [sample for sample in samples(scene) if modality_of(sample) in chosen]
    answers, _ = check(config, list(windows(found, SyncConfig())), torch.float64)
    ever = {m for index, m in enumerate(MODALITIES) if answers.present[:, index].any()}
    assert ever == set(chosen)


def test_decisions_before_between_and_after_everything():
    moments_s = (-5.0, 0.4, 1.0, 30.0)
    found = samples(Scene(duration_s=1.5))
    trace = [
        Window(decision=DecisionTime(t_ns=START_NS + to_ns(-5.0), arrival_ns=START_NS - 1)),
        Window(samples=tuple(found)),
        *(
            Window(decision=DecisionTime(t_ns=START_NS + to_ns(t), arrival_ns=2 * START_NS + i))
            for i, t in enumerate(moments_s)
        ),
    ]
    answers, decisions = check(TINY, trace, torch.float64)
    assert answers.no_data == [True, True, False, False, True]
    assert len(decisions) == 5


def test_equal_stamps_of_text_are_told_apart_by_arrival():
    def told(texts):
        said = [
            Utterance(stamp_ns=START_NS, arrival_ns=START_NS + 1 + i, text=text)
            for i, text in enumerate(texts)
        ]
        now = START_NS + to_ns(1.0)
        return [Window(samples=tuple(said), decision=DecisionTime(t_ns=now, arrival_ns=now))]

    forwards, _ = check(TINY, told(['hello robot', 'help me please']), torch.float64)
    backwards, _ = check(TINY, told(['help me please', 'hello robot']), torch.float64)
    assert not torch.allclose(forwards.logits, backwards.logits)


@pytest.mark.parametrize('config', [TINY, WRAPPING], ids=['tiny', 'wrapping'])
def test_the_cuts_of_a_dense_pass_do_not_show(config, monkeypatch):
    monkeypatch.setattr(video, 'QUERY_CHUNK', 7)
    monkeypatch.setattr(system, 'QUERY_CHUNK', 5)
    check(config, trace_of(TROUBLED), torch.float64)


def edges_of(count, rng, forced):
    """Return random cuts through ``count`` samples, the forced ones among them, in pairs."""
    drawn = rng.integers(0, count, rng.integers(1, 60)).tolist()
    return list(itertools.pairwise(sorted({0, count, *forced, *drawn})))


def cut_chunks(pcm, rng, moments_s):
    """Return audio cut again as the decoder would hand it on."""
    forced = [round(moment * RATE_HZ) for moment in moments_s]
    return [chunk(pcm, *pair) for pair in edges_of(len(pcm), rng, forced)]


def cut_messages(pcm, rng, moments_s):
    """Return sound of twice the rate, as stereo bytes, cut again and decoded."""
    decoder = AudioDecoder(
        sample_rate_hz=RATE_HZ,
        max_gap_s=0.2,
        fallback=AudioFormat(sample_rate_hz=2 * RATE_HZ, channels=2, sample_format='S16LE'),
    )
    stereo = np.repeat((pcm * 32767).astype('<i2'), 4).reshape(-1, 2)
    forced = [round(moment * 2 * RATE_HZ) for moment in moments_s]
    for start, stop in edges_of(len(stereo), rng, forced):
        stamp_ns = START_NS + start * NANOSECONDS // (2 * RATE_HZ)
        stamp = SimpleNamespace(sec=stamp_ns // NANOSECONDS, nanosec=stamp_ns % NANOSECONDS)
        data = stereo[start:stop].reshape(-1).view(np.uint8)
        message = SimpleNamespace(
            header=SimpleNamespace(stamp=stamp), audio=SimpleNamespace(data=data)
        )
        arrival_ns = START_NS + stop * NANOSECONDS // (2 * RATE_HZ)
        decoded = decoder.decode(message, arrival_ns)
        if decoded is not None:
            yield decoded


def decided_at(found, moments_s):
    """Return windows that decide just after moments at which all chunkings have a cut."""
    found = sorted(found, key=lambda sample: sample.arrival_ns)
    trace, start = [], 0
    for moment in moments_s:
        t_ns = START_NS + to_ns(moment) + 7
        stop = sum(sample.arrival_ns <= t_ns for sample in found)
        decision = DecisionTime(t_ns=t_ns, arrival_ns=t_ns)
        trace.append(Window(samples=tuple(found[start:stop]), decision=decision))
        start = stop
    return trace


@pytest.mark.parametrize(
    ('cut', 'dtype', 'tolerance'),
    [
        (cut_chunks, torch.float64, 1e-10),
        (cut_chunks, torch.float32, 1e-5),
        (cut_messages, torch.float64, 1e-6),
        (cut_messages, torch.float32, 1e-5),
    ],
)
def test_any_chunking_of_the_same_sound_gives_the_same_logits(cut, dtype, tolerance):
    """From messages, the rounding of stamps to nanoseconds and of samples to float32 remains."""
    moments_s = (0.5, 1.1, 1.9, 2.5)
    others = without(samples(Scene(duration_s=2.5, frame_rate_hz=4.0)), Modality.AUDIO)
    pcm = noise(np.random.default_rng(9), 20_000)
    checkpoint = make_checkpoint(TINY, dtype=dtype)
    rng = np.random.default_rng(3)
    results = [
        streamed(checkpoint, decided_at([*others, *cut(pcm, rng, moments_s)], moments_s))[0]
        for _ in range(4)
    ]
    assert results[0].present[:, 1].all()
    for answers in results[1:]:
        assert_equal(answers, results[0], tolerance)
