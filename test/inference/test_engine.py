import dataclasses
import math

import numpy as np
import pytest
import torch

from activity_recognition.config import EngineConfig, SmoothingConfig, SyncConfig
from activity_recognition.errors import CheckpointError, DeviceError, ShapeError
from activity_recognition.inference import StreamingEngine
from activity_recognition.models.checkpoint import save_checkpoint
from activity_recognition.streams import windows
from activity_recognition.types import (
    MODALITIES,
    DecisionTime,
    Frame,
    Modality,
    Status,
    Utterance,
    Window,
    modality_of,
    to_ns,
)
from factories.answers import dense, run
from factories.networks import TINY, make_checkpoint, make_system, tokenizer_for
from factories.streams import START_NS, Scene, chunk, noise, samples

SCENE = Scene(seed=4, duration_s=2.0, frame_rate_hz=8.0, chunks=(800,), utterances=10)


@pytest.fixture(scope='module')
def checkpoint():
    return make_checkpoint(TINY)


@pytest.fixture(scope='module')
def trace():
    """Windows up to a moment at which all modalities are there."""
    found = list(windows(samples(SCENE), SyncConfig()))
    return [w for w in found if w.decision and w.decision.t_ns < START_NS + to_ns(2.0)]


def make_engine(checkpoint, *, smoothing=None, **keywords):
    return StreamingEngine(
        checkpoint, engine=EngineConfig(device='cpu', **keywords), smoothing=smoothing
    )


def deciding(t_s, *found):
    """Return a window that takes samples and decides, both at ``t_s`` after the start."""
    t_ns = START_NS + to_ns(t_s)
    return Window(samples=found, decision=DecisionTime(t_ns=t_ns, arrival_ns=t_ns))


def frame_at(t_s, value=0):
    t_ns = START_NS + to_ns(t_s)
    return Frame(stamp_ns=t_ns, arrival_ns=t_ns, image=np.full((32, 32, 3), value, np.uint8))


def said(t_s, text='hello robot'):
    t_ns = START_NS + to_ns(t_s)
    return Utterance(stamp_ns=t_ns, arrival_ns=t_ns, text=text)


def assert_same(found, expected):
    np.testing.assert_equal([*map(dataclasses.asdict, found)], [*map(dataclasses.asdict, expected)])


class TestDecisions:
    def test_a_decision_is_sound(self, checkpoint, trace):
        decisions = run(make_engine(checkpoint), trace)
        due = [window.decision for window in trace if window.decision]
        assert [(d.t_ns, d.arrival_ns) for d in decisions] == [(d.t_ns, d.arrival_ns) for d in due]
        for decision in decisions:
            assert decision.probabilities.shape == (4,)
            assert decision.probabilities.dtype == decision.logits.dtype == np.float32
            assert decision.probabilities.sum() == pytest.approx(1.0, abs=1e-5)
            assert 0 <= decision.confidence <= 1
            assert [e.modality for e in decision.evidence] == list(MODALITIES)
            assert decision.window_start_ns <= decision.t_ns
            assert decision.stable_since_ns <= decision.t_ns

    def test_windows_without_a_decision_give_none(self, checkpoint):
        engine = make_engine(checkpoint)
        assert engine.apply(Window(samples=(frame_at(0.0),))) is None
        assert engine.apply(Window()) is None
        assert engine.apply(Window(reset=True)) is None

    def test_probabilities_are_calibrated_and_averaged(self, checkpoint, trace):
        decisions = run(make_engine(checkpoint), trace)
        logits = torch.from_numpy(np.stack([d.logits for d in decisions])).double()
        mean = (logits / checkpoint.temperature).softmax(-1)[-5:].mean(0)
        np.testing.assert_allclose(decisions[-1].probabilities, mean, atol=1e-6)

    def test_the_class_is_the_smoothed_one(self, checkpoint, trace):
        plain = SmoothingConfig(
            window_size=1, hysteresis=0.0, min_hold_s=0.0, unknown_threshold=0.0
        )
        for decision in run(make_engine(checkpoint, smoothing=plain), trace):
            assert decision.status is Status.OK
            assert decision.class_id == decision.probabilities.argmax()
            assert decision.label == TINY.labels[decision.class_id]
            assert decision.confidence == decision.probabilities.max()

    def test_no_label_below_the_threshold(self, checkpoint, trace):
        doubtful = SmoothingConfig(unknown_threshold=1.0)
        for decision in run(make_engine(checkpoint, smoothing=doubtful), trace):
            assert decision.status is Status.UNKNOWN
            assert (decision.class_id, decision.label) == (-1, '')
            assert decision.confidence == decision.probabilities.max()

    def test_nothing_inside_any_window_is_no_data(self, checkpoint):
        engine = make_engine(checkpoint)
        first = engine.apply(deciding(0.0))
        there = engine.apply(deciding(1.0, frame_at(1.0)))
        gone = engine.apply(deciding(2.5))
        assert [d.status for d in (first, there, gone)] == [
            Status.NO_DATA,
            there.status,
            Status.NO_DATA,
        ]
        assert there.status is not Status.NO_DATA
        for decision in (first, gone):
            assert (decision.class_id, decision.label, decision.confidence) == (-1, '', 0.0)
            assert not decision.probabilities.any()
            assert not decision.logits.any()
            assert not any(e.present for e in decision.evidence)
            assert decision.window_start_ns == decision.t_ns
        assert gone.stable_since_ns == gone.t_ns

    @pytest.mark.parametrize('missing', MODALITIES)
    def test_a_modality_may_stop_and_come_back(self, checkpoint, missing):
        scene = dataclasses.replace(
            SCENE, duration_s=9.0, frame_rate_hz=3.0, silences=((missing, 0.7, 7.5),), utterances=20
        )
        trace = list(windows(samples(scene), SyncConfig(decision_rate_hz=2.0)))
        index = MODALITIES.index(missing)
        present = [d.evidence[index].present for d in run(make_engine(checkpoint), trace)]
        runs = [value for i, value in enumerate(present) if i == 0 or value != present[i - 1]]
        first = runs.index(True)
        assert runs[first : first + 3] == [True, False, True]


class TestEvidence:
    def test_it_tells_presence_and_age(self, checkpoint):
        engine = make_engine(checkpoint)
        pcm = noise(np.random.default_rng(0), 800)
        decision = engine.apply(
            deciding(2.0, said(-1.0), chunk(pcm, 0, 800, start_ns=START_NS + to_ns(1.5)))
        )
        video, audio, text = decision.evidence
        assert not video.present
        assert (video.label, math.isnan(video.age_s), math.isnan(video.confidence)) == (
            '',
            True,
            True,
        )
        assert audio.age_s == pytest.approx(2.0 - 1.5 - 496 / 8000)
        assert text.age_s == pytest.approx(3.0)
        assert audio.label in TINY.labels
        assert 1 / 4 <= audio.confidence <= 1

    def test_the_age_goes_on_when_the_window_is_left(self, checkpoint):
        engine = make_engine(checkpoint)
        pcm = noise(np.random.default_rng(0), 800)
        sound = chunk(pcm, 0, 800, start_ns=START_NS + to_ns(1.5))
        there = engine.apply(deciding(2.0, said(2.0), said(1.0), sound)).evidence
        later = engine.apply(deciding(3.5)).evidence
        no_data = engine.apply(deciding(9.0)).evidence
        assert [e.present for e in there] == [False, True, True]
        assert [e.present for e in later] == [False, False, True]
        assert [e.present for e in no_data] == [False, False, False]
        for evidence in (there, later, no_data):
            assert math.isnan(evidence[0].age_s)
        for index in (1, 2):
            ages_s = [evidence[index].age_s for evidence in (there, later, no_data)]
            assert ages_s[1:] == pytest.approx([ages_s[0] + 1.5, ages_s[0] + 7.0])

    def test_a_sample_ahead_of_the_decision_has_a_negative_age(self, checkpoint):
        decision = make_engine(checkpoint).apply(deciding(1.0, frame_at(1.5)))
        assert not decision.evidence[0].present
        assert decision.evidence[0].age_s == pytest.approx(-0.5)

    def test_a_reset_forgets_the_ages(self, checkpoint):
        engine = make_engine(checkpoint)
        engine.apply(deciding(1.0, frame_at(1.0), said(0.5)))
        decision = engine.apply(deciding(1.1)._replace(reset=True))
        assert all(math.isnan(e.age_s) for e in decision.evidence)

    def test_each_modality_answers_with_its_own_head(self, checkpoint, trace):
        decisions = run(make_engine(checkpoint), trace)
        expected = (dense(checkpoint, trace).unimodal.double() / checkpoint.temperature).softmax(-1)
        for decision, rows in zip(decisions, expected, strict=True):
            for evidence, row in zip(decision.evidence, rows, strict=True):
                if evidence.present:
                    assert evidence.confidence == pytest.approx(row.max().item(), abs=1e-5)
                    assert evidence.label == TINY.labels[int(row.argmax())]

    @pytest.mark.parametrize('every', [1, 3])
    def test_weights_come_every_so_often_and_are_nan_between(self, checkpoint, trace, every):
        decisions = run(make_engine(checkpoint, evidence_every=every), trace)
        for index, decision in enumerate(decisions):
            for evidence in decision.evidence:
                measured = evidence.present and index % every == 0
                assert math.isnan(evidence.weight) != measured

    def test_never_measured(self, checkpoint, trace):
        decisions = run(make_engine(checkpoint, evidence_every=0), trace)
        assert all(math.isnan(e.weight) for d in decisions for e in d.evidence)

    def test_measuring_changes_no_answer(self, checkpoint, trace):
        often = run(make_engine(checkpoint, evidence_every=1), trace)
        never = run(make_engine(checkpoint, evidence_every=0), trace)
        for one, other in zip(often, never, strict=True):
            np.testing.assert_allclose(one.logits, other.logits, atol=1e-6)

    @pytest.mark.parametrize('hidden', MODALITIES)
    def test_a_weight_is_the_drop_without_the_modality(self, checkpoint, trace, hidden):
        plain = SmoothingConfig(window_size=1, hysteresis=0, min_hold_s=0, unknown_threshold=0)
        engine = make_engine(checkpoint, evidence_every=1, smoothing=plain)
        decision = run(engine, trace)[-1]
        assert all(evidence.present for evidence in decision.evidence)
        bare = [
            w._replace(samples=tuple(s for s in w.samples if modality_of(s) is not hidden))
            for w in trace
        ]
        logits = dense(checkpoint, bare).logits[-1]
        without = (logits.double() / checkpoint.temperature).softmax(-1)[decision.class_id].item()
        weight = decision.evidence[MODALITIES.index(hidden)].weight
        assert weight == pytest.approx(
            decision.probabilities[decision.class_id] - without, abs=1e-5
        )

    def test_the_only_modality_is_weighed_too(self, checkpoint):
        decision = make_engine(checkpoint, evidence_every=1).apply(deciding(0.0, frame_at(0.0)))
        assert math.isfinite(decision.evidence[0].weight)


class TestReset:
    def test_reset_forgets_everything(self, checkpoint, trace):
        engine = make_engine(checkpoint)
        first = run(engine, trace)
        engine.reset()
        assert_same(run(engine, trace), first)

    def test_so_does_a_window_that_says_reset(self, checkpoint, trace):
        engine = make_engine(checkpoint)
        first = run(engine, trace)
        again = run(engine, [trace[0]._replace(reset=True), *trace[1:]])
        assert_same(again, first)

    def test_warming_up_leaves_no_trace(self, checkpoint, trace):
        engine = make_engine(checkpoint)
        engine.warm_up()
        assert_same(run(engine, trace), run(make_engine(checkpoint), trace))

    def test_engines_of_one_checkpoint_share_no_state(self, checkpoint, trace):
        one, other = make_engine(checkpoint), make_engine(checkpoint)
        expected = run(make_engine(checkpoint), trace)
        mixed = [(one.apply(window), other.apply(window)) for window in trace]
        assert_same([a for a, _ in mixed if a], expected)
        assert_same([b for _, b in mixed if b], expected)


class TestLiveChanges:
    def test_smoothing_changes_at_once_and_keeps_its_memory(self, checkpoint, trace):
        engine = make_engine(checkpoint)
        half = len(trace) // 2
        run(engine, trace[:half])
        engine.update(smoothing=SmoothingConfig(unknown_threshold=1.0, min_hold_s=0.0))
        unsure = run(engine, trace[half:])
        assert {d.status for d in unsure} == {Status.UNKNOWN}
        expected = run(make_engine(checkpoint), trace)[-len(unsure) :]
        np.testing.assert_allclose(unsure[0].probabilities, expected[0].probabilities)

    def test_evidence_changes_at_once(self, checkpoint, trace):
        engine = make_engine(checkpoint, evidence_every=0)
        half = len(trace) // 2
        run(engine, trace[:half])
        engine.update(evidence_every=1)
        weights = [d.evidence[0].weight for d in run(engine, trace[half:])]
        assert all(map(math.isfinite, weights))

    def test_nothing_to_change_changes_nothing(self, checkpoint, trace):
        engine = make_engine(checkpoint)
        engine.update()
        assert_same(run(engine, trace), run(make_engine(checkpoint), trace))


class TestMaking:
    def test_it_loads_a_folder(self, checkpoint, trace, tmp_path):
        folder = tmp_path / 'tiny'
        save_checkpoint(folder, make_system(TINY), tokenizer_for(TINY), temperature=1.3)
        engine = StreamingEngine.load(folder, EngineConfig(device='cpu'), SmoothingConfig())
        assert engine.labels == TINY.labels
        assert engine.config == TINY
        assert len(engine.checkpoint_id) == 12
        assert 'cpu' in engine.device_name
        assert_same(run(engine, trace), run(make_engine(checkpoint), trace))

    def test_a_missing_folder_is_said(self, tmp_path):
        with pytest.raises(CheckpointError, match='expected a checkpoint folder'):
            StreamingEngine.load(tmp_path / 'none')

    def test_a_precision_the_device_lacks_is_said(self, checkpoint):
        with pytest.raises(DeviceError):
            make_engine(checkpoint, precision='fp16')

    @pytest.mark.parametrize(
        'wrong',
        [
            dataclasses.replace(frame_at(0.5), image=np.zeros((8, 8), np.uint8)),
            dataclasses.replace(chunk(np.zeros(9, np.float32), 0, 9), sample_rate_hz=44_100),
            dataclasses.replace(
                chunk(np.zeros(9, np.float32), 0, 9), samples=np.full(9, np.nan, np.float32)
            ),
        ],
        ids=['image', 'rate', 'nan'],
    )
    def test_a_wrong_sample_is_refused_and_leaves_no_trace(self, checkpoint, trace, wrong):
        engine = make_engine(checkpoint)
        half = len(trace) // 2
        before = run(engine, trace[:half])
        with pytest.raises(ShapeError):
            engine.apply(Window(samples=(wrong,)))
        assert_same([*before, *run(engine, trace[half:])], run(make_engine(checkpoint), trace))


@pytest.mark.parametrize('modality', MODALITIES)
def test_only_differences_of_times_count(checkpoint, modality):
    """The same stream on a simulated clock that starts at zero gives the same answers."""
    found = [s for s in samples(SCENE) if modality_of(s) is modality or modality is Modality.VIDEO]
    early = [
        dataclasses.replace(s, stamp_ns=s.stamp_ns - START_NS, arrival_ns=s.arrival_ns - START_NS)
        for s in found
    ]
    now = run(make_engine(checkpoint), list(windows(found, SyncConfig())))
    then = run(make_engine(checkpoint), list(windows(early, SyncConfig())))
    assert len(now) == len(then) > 0
    for one, other in zip(now, then, strict=True):
        assert one.t_ns - START_NS == other.t_ns
        assert one.window_start_ns - START_NS == other.window_start_ns
        assert one.stable_since_ns - START_NS == other.stable_since_ns
        np.testing.assert_array_equal(one.logits, other.logits)
