"""A decision depends on what had happened, had arrived and lies in its reach: on nothing else."""

import dataclasses

import numpy as np
import pytest
import torch

from activity_recognition.config import SyncConfig
from activity_recognition.inference.engine import StreamingEngine
from activity_recognition.streams import windows
from activity_recognition.types import (
    NANOSECONDS,
    AudioChunk,
    DecisionTime,
    Frame,
    Utterance,
    Window,
    modality_of,
    to_ns,
)
from factories.answers import dense, recorded, run, streamed
from factories.networks import TINY, make_checkpoint
from factories.streams import RATE_HZ, START_NS, Scene, samples

SCENE = Scene(seed=11, duration_s=8.0, frame_rate_hz=10.0, chunks=(800,), utterances=8)


ROOMY = dataclasses.replace(
    TINY,
    video=dataclasses.replace(TINY.video, max_tokens=64),
    audio=dataclasses.replace(TINY.audio, max_tokens=64),
    text=dataclasses.replace(TINY.text, max_tokens=64),
)
"""The seconds bind and nothing else, so that the reach is as far as it can be."""


@pytest.fixture(scope='module')
def checkpoint():
    return make_checkpoint(ROOMY, dtype=torch.float64)


def changed(sample, *, where_ns=None):
    """Return a sample with other contents; of a chunk only the samples at given times."""
    if isinstance(sample, Frame):
        return dataclasses.replace(sample, image=255 - sample.image)
    if isinstance(sample, Utterance):
        return dataclasses.replace(sample, text=' '.join(reversed(sample.text.split())))
    step_ns = NANOSECONDS // sample.sample_rate_hz
    times = sample.stamp_ns + step_ns * np.arange(len(sample.samples))
    where = np.ones(len(times), bool) if where_ns is None else where_ns(times)
    louder = np.where(where, np.clip(0.5 - sample.samples, -1, 1), sample.samples)
    return dataclasses.replace(sample, samples=louder.astype(np.float32))


def with_changes(window, change):
    return window._replace(samples=tuple(change(s) for s in window.samples))


def raw_logits(checkpoint, trace):
    return streamed(checkpoint, trace, evidence_every=0)[0].logits


def test_what_has_not_arrived_changes_nothing(checkpoint):
    scene = dataclasses.replace(SCENE, duration_s=4.0)
    trace = list(windows(samples(scene), SyncConfig()))
    before = dense(checkpoint, trace).logits
    decisions = [window.decision for window in trace if window.decision]
    cut = len(decisions) // 2

    def change(sample):
        late = sample.arrival_ns > decisions[cut].arrival_ns
        return changed(sample) if late else sample

    after = dense(checkpoint, [with_changes(window, change) for window in trace]).logits
    torch.testing.assert_close(after[: cut + 1], before[: cut + 1], atol=1e-12, rtol=0)
    assert (after[cut + 3] - before[cut + 3]).abs().max() > 1e-6


def test_the_future_of_a_decision_changes_nothing(checkpoint):
    """Samples stamped after the decision's time stay unseen even when they have arrived."""
    found = samples(dataclasses.replace(SCENE, duration_s=3.0))
    t_ns, now_ns = START_NS + to_ns(1.53), START_NS + to_ns(9.0)
    moment = DecisionTime(t_ns=t_ns, arrival_ns=now_ns)

    def change(sample):
        if isinstance(sample, AudioChunk):
            return changed(sample, where_ns=lambda times: times > t_ns)
        return changed(sample) if sample.stamp_ns > t_ns else sample

    assert any(isinstance(s, Utterance) and s.stamp_ns > t_ns for s in found)
    before = [Window(samples=tuple(found), decision=moment)]
    after = [Window(samples=tuple(change(s) for s in found), decision=moment)]
    for logits in (raw_logits, lambda checkpoint, trace: dense(checkpoint, trace).logits):
        found = logits(checkpoint, after)
        torch.testing.assert_close(found, logits(checkpoint, before), atol=1e-12, rtol=0)


@pytest.fixture(scope='module', params=['video', 'audio', 'text'])
def reach(request, checkpoint):
    """One modality's recording, the last decision on it, and its logits."""
    seconds = {'video': 4.5, 'audio': 3.0, 'text': 8.0}[request.param]
    scene = dataclasses.replace(SCENE, duration_s=seconds, utterances=12)
    found = [s for s in samples(scene) if modality_of(s).value == request.param]
    t_ns = found[-1].stamp_ns
    if request.param == 'audio':
        # The end of a block, so that the window's edge falls on another block's end.
        t_ns = START_NS + (496 + 70 * 320) * NANOSECONDS // RATE_HZ
    moment = DecisionTime(t_ns=t_ns, arrival_ns=found[-1].arrival_ns)
    trace = [Window(samples=tuple(found), decision=moment)]
    with recorded(checkpoint.system) as recorder:
        (decision,) = run(StreamingEngine(checkpoint), trace)
    return trace, decision, recorder.fused[-1]


def test_what_is_older_than_the_window_changes_nothing(checkpoint, reach):
    trace, decision, logits = reach
    start_ns = decision.window_start_ns
    changes = 0

    def change(sample):
        nonlocal changes
        if isinstance(sample, AudioChunk):
            other = changed(sample, where_ns=lambda times: times < start_ns)
            changes += int((other.samples != sample.samples).any())
            return other
        changes += sample.stamp_ns < start_ns
        return changed(sample) if sample.stamp_ns < start_ns else sample

    after = raw_logits(checkpoint, [with_changes(window, change) for window in trace])[-1]
    assert changes > 2
    torch.testing.assert_close(after, logits, atol=1e-12, rtol=0)


def test_what_the_window_begins_with_counts(checkpoint, reach):
    """The window is as short as it can be: its first samples do change the logits."""
    trace, decision, logits = reach
    start_ns = decision.window_start_ns
    times = [s.stamp_ns for w in trace for s in w.samples if s.stamp_ns >= start_ns]
    # The window function of a column rises from zero.
    margin_ns = to_ns(0.01)

    def change(sample):
        if isinstance(sample, AudioChunk):
            near = (start_ns, start_ns + margin_ns)
            return changed(sample, where_ns=lambda t: (t >= near[0]) & (t < near[1]))
        return changed(sample) if sample.stamp_ns == min(times) else sample

    after = raw_logits(checkpoint, [with_changes(window, change) for window in trace])[-1]
    assert (after - logits).abs().max() > 1e-11


def test_the_window_is_honest_after_a_hole(checkpoint):
    """Masked blocks stand for the missing time; what came before the hole keeps its distance."""
    scene = dataclasses.replace(SCENE, duration_s=4.0, utterances=0)
    silent = [(2.6, 2.83), (2.95, 3.3), (3.4, 3.61)]
    found = [
        s
        for s in samples(scene)
        if isinstance(s, AudioChunk)
        and not any(a <= (s.stamp_ns - START_NS) / NANOSECONDS < b for a, b in silent)
    ]
    trace = list(windows(found, SyncConfig()))
    with recorded(checkpoint.system) as recorder:
        decision = run(StreamingEngine(checkpoint), trace)[-1]
    start_ns = decision.window_start_ns
    assert START_NS < start_ns < START_NS + to_ns(2.9)

    def change(sample):
        return changed(sample, where_ns=lambda times: times < start_ns)

    after = raw_logits(checkpoint, [with_changes(window, change) for window in trace])[-1]
    torch.testing.assert_close(after, recorder.fused[-1], atol=1e-12, rtol=0)


def test_late_text_moves_the_window_back(checkpoint):
    def said(stamp_s, arrival_s):
        return Utterance(
            stamp_ns=START_NS + to_ns(stamp_s),
            arrival_ns=START_NS + to_ns(arrival_s),
            text='hello robot',
        )

    engine = StreamingEngine(checkpoint)
    now_ns = START_NS + to_ns(3.5)
    decision = engine.apply(
        Window(
            samples=(said(2.0, 2.5), said(1.0, 3.0)),
            decision=DecisionTime(t_ns=now_ns, arrival_ns=now_ns),
        )
    )
    assert decision.window_start_ns == START_NS + to_ns(1.0)
