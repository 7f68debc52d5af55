"""From costs to rates: arithmetic, by hand and by properties."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activity_recognition.config import RecognizerConfig
from activity_recognition.errors import ConfigError
from activity_recognition.inference.cost import Cost, SampleCost, Timing
from activity_recognition.inference.sizing import (
    FRAME_RATES_HZ,
    STREAM_RATES_HZ,
    SizingConfig,
    best_rate,
    busy,
    most_decisions_hz,
    most_frames_hz,
    propose,
    slower,
    streams,
)


def timing(seconds: float) -> Timing:
    return Timing(wall_s=seconds, low_s=seconds, high_s=seconds, cpu_s=seconds, rounds=9)


def cost(frame_s=0.01, *, network='nano', threads=1, chunk_s=0.0005, decision_s=0.002) -> Cost:
    return Cost(
        backend='torch',
        network=network,
        device='cpu',
        threads=threads,
        samples=(
            SampleCost(modality='video', timing=timing(frame_s)),
            SampleCost(modality='audio', timing=timing(chunk_s), duration_s=0.05),
            SampleCost(modality='text', timing=timing(0.004), pieces=7),
        ),
        decision=timing(decision_s),
        ablated_decision=timing(2 * decision_s),
        frames_held=256,
        settled=True,
    )


def test_by_hand():
    # Sound 10 ms a second, words 1 ms, ten decisions of 2.4 ms, fifteen frames of 10 ms.
    config = SizingConfig(headroom=0.5)
    assert busy(cost(), 15.0, config) == pytest.approx(0.010 + 0.001 + 0.024 + 0.150)
    assert most_frames_hz(cost(), config) == pytest.approx((0.5 - 0.035) / 0.010)
    assert most_decisions_hz(cost(), config) == pytest.approx((0.5 - 0.011) / 0.0124)
    assert streams(cost(), 15.0, 2, config) == 5  # 2 * 0.5 / 0.185
    assert streams(cost(threads=2), 15.0, 3, config) == 2  # one lane of two threads


def test_a_camera_below_the_decision_rate_gets_one_decision_per_frame():
    config = SizingConfig(decision_rate_hz=10.0)
    assert busy(cost(), 5.0, config) == pytest.approx(0.011 + 5 * 0.0124)


costs = st.builds(
    cost,
    st.floats(1e-4, 1.0),
    chunk_s=st.floats(1e-5, 1e-3),
    decision_s=st.floats(1e-5, 0.05),
)
configs = st.builds(
    SizingConfig,
    headroom=st.floats(0.0, 0.9),
    decision_rate_hz=st.floats(0.5, 60.0),
    utterance_rate_hz=st.floats(0.0, 2.0),
    evidence_every=st.integers(0, 20),
)


@given(costs, configs)
def test_the_most_frames_use_up_what_may_be_used(item, config):
    rate_hz = most_frames_hz(item, config)
    most = 1.0 - config.headroom
    assert rate_hz == 0 or busy(item, rate_hz, config) == pytest.approx(most)
    assert busy(item, rate_hz + 0.01, config) > most


@given(costs, configs, st.integers(1, 64), st.sampled_from(STREAM_RATES_HZ))
def test_streams_fit_and_one_more_does_not(item, config, cores, rate_hz):
    count = streams(item, rate_hz, cores, config)
    room = cores * (1.0 - config.headroom)
    assert count * busy(item, rate_hz, config) <= room * (1 + 1e-9)
    assert (count + 1) * busy(item, rate_hz, config) > room * (1 - 1e-9)


@given(costs, configs, st.floats(1.0, 10.0))
def test_slower_cores_do_less(item, config, factor):
    worse = slower(item, factor)
    assert busy(worse, 10.0, config) == pytest.approx(factor * busy(item, 10.0, config))
    assert best_rate(worse, config) <= best_rate(item, config)


@given(costs, configs)
def test_a_proposal_keeps_the_headroom(item, config):
    proposal = propose([item], 2, config)
    if proposal is None:
        assert busy(item, FRAME_RATES_HZ[-1], config) > 1.0 - config.headroom
        return
    assert proposal.busy <= 1.0 - config.headroom
    assert proposal.decision_rate_hz <= proposal.frame_rate_hz
    settings = proposal.recognizer()
    assert isinstance(settings, RecognizerConfig)
    assert settings.sync.max_frame_rate_hz == proposal.frame_rate_hz
    assert settings.engine.num_threads == item.threads


def test_the_largest_network_that_keeps_up_is_proposed():
    measured = [cost(0.003), cost(0.010, network='small'), cost(0.080, network='base')]
    best = propose(measured, 2, SizingConfig())
    assert (best.cost.network, best.frame_rate_hz, best.enough) == ('small', 30.0, True)


def test_where_none_keeps_up_the_smallest_does_what_it_can():
    measured = [cost(0.070), cost(0.400, network='small')]
    best = propose(measured, 2, SizingConfig())
    assert (best.cost.network, best.frame_rate_hz, best.enough) == ('nano', 5.0, False)
    assert best.decision_rate_hz == 5.0
    assert propose([cost(2.0)], 2, SizingConfig()) is None


def test_more_threads_only_where_they_serve_and_a_core_is_left():
    one, two = cost(0.010), cost(0.006, threads=2)
    assert propose([two, one], 4, SizingConfig()).cost == one
    slow, quicker = slower(one, 4.0), slower(two, 4.0)
    assert propose([slow, quicker], 4, SizingConfig()).cost == quicker
    assert propose([slow, quicker], 2, SizingConfig()).cost == slow
    with pytest.raises(ConfigError, match=r'at most 1 thread\(s\).*got \[2\]'):
        propose([quicker], 2, SizingConfig())


def test_wishes_out_of_range_are_refused():
    with pytest.raises(ConfigError, match='headroom'):
        SizingConfig(headroom=1.0)
    with pytest.raises(ConfigError, match='decision_rate_hz'):
        dataclasses.replace(SizingConfig(), decision_rate_hz=0.0)
