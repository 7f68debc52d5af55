"""What a node decided, compared with forward on what it admitted, and with the truth."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from activity_recognition.bags import RecordingReader
from activity_recognition.config import SmoothingConfig, SyncConfig
from activity_recognition.errors import RecordingError
from activity_recognition.inference import MultiStreamEngine
from activity_recognition.inference.precision import choose_precision
from activity_recognition.inference.trace_file import (
    AdmissionTrace,
    TracedDecision,
    TracedEngine,
    read_trace,
)
from activity_recognition.models.checkpoint import Checkpoint, load_checkpoint
from activity_recognition.streams import InputCounters, windows
from activity_recognition.training.evaluation.gate import PATHS
from activity_recognition.training.evaluation.live import measure_live, nearest
from activity_recognition.training.evaluation.measuring import (
    Decided,
    Evaluation,
    EvaluationConfig,
    evaluate_checkpoint,
)
from activity_recognition.training.evaluation.parity import Played, compare
from activity_recognition.training.evaluation.replaying import Replayed, replay
from activity_recognition.training.evaluation.tables import live_table
from activity_recognition.types import (
    MODALITIES,
    AudioChunk,
    DecisionTime,
    Frame,
    Sample,
    Status,
    Utterance,
    modality_of,
    to_ns,
)

from .conftest import LABELS, START_NS, make_result

ROOT = Path(__file__).resolve().parents[3]

Disturb = Callable[[list[Sample]], Iterable[Sample]]


def disturbed(found: list[Sample]) -> list[Sample]:
    """Lose every fifth frame, deliver late by up to 80 ms, and give text the arrival as stamp."""
    rng = np.random.default_rng(0)
    kept = [s for place, s in enumerate(found) if not (isinstance(s, Frame) and place % 5 == 0)]
    late = [
        dataclasses.replace(s, arrival_ns=s.arrival_ns + int(rng.integers(0, to_ns(0.08))))
        for s in kept
    ]
    late = [
        dataclasses.replace(s, stamp_ns=s.arrival_ns) if isinstance(s, Utterance) else s
        for s in late
    ]
    # Each topic keeps its own order.
    return sorted(late, key=lambda s: (s.arrival_ns, s.stamp_ns))


def play(
    recording: Path, folder: Path, checkpoint: Checkpoint, disturb: Disturb = disturbed
) -> Path:
    """Stream a recording as a node would that gets it disturbed, and return the trace."""
    path = folder / f'{recording.name}.jsonl'
    engine = MultiStreamEngine(checkpoint)
    engine.join('')
    traced = TracedEngine(engine, path, smoothing=SmoothingConfig())
    counters = {m: InputCounters() for m in MODALITIES}
    with RecordingReader.for_model(recording, checkpoint.config) as reader:
        given = list(disturb(list(reader.samples())))
    for sample in given:
        counters[modality_of(sample)].received += 1
    for window in windows(given, SyncConfig()):
        traced.apply({'': window})
    traced.close(counters, decisions_skipped=0, failed_steps=0)
    return path


@pytest.fixture
def checkpoint(checkpoint_path: Path) -> Checkpoint:
    return load_checkpoint(checkpoint_path)


@pytest.fixture
def recording(recordings: Path) -> Path:
    return recordings / 'recording_0'


def again(path: Path, recording: Path, checkpoint: Checkpoint, quick: EvaluationConfig) -> Replayed:
    precision = choose_precision(quick.engine)
    return replay(read_trace(path), recording, checkpoint, precision, SyncConfig())


def test_a_disturbed_stream_is_decided_the_same_by_forward(
    recordings: Path, checkpoint: Checkpoint, quick: EvaluationConfig, tmp_path: Path
):
    evaluation = evaluate_checkpoint(
        checkpoint,
        recordings,
        cache=tmp_path / 'cache',
        config=dataclasses.replace(quick, cost_decisions=0),
        play=lambda recording, _: play(recording, tmp_path, checkpoint),
    )
    live = evaluation.metrics['live']
    assert live['decisions'] == live['compared'] > 200
    assert (live['unequal'], live['other_label'], live['other_answer']) == (0, 0, 0)
    assert 0 < live['largest_difference'] < 1e-4
    video = live['samples']['video']
    assert video['lost'] == video['recorded'] - video['received'] > 20
    assert live['samples']['audio']['lost'] == 0
    assert live['restamped'] == live['samples']['text']['recorded'] > 0
    assert [found['name'] for found in live['recordings']] == [
        'recording_0',
        'recording_1',
        'recording_2',
    ]
    assert sum(found['decisions'] for found in live['recordings']) == live['decisions']
    assert 0.5 < live['undisturbed']['agreement'] < 1.0
    json.dumps(live, allow_nan=False)
    documented = (ROOT / 'docs' / 'metrics.md').read_text(encoding='utf-8')
    assert [key for key in live if f'`{key}`' not in documented] == []
    for path in (path for path in PATHS.values() if path.startswith('live/')):
        value = evaluation.metrics
        for key in path.split('/'):
            assert key in value, path
            value = value[key]
    assert 'recording_2' in live_table(evaluation.metrics)


def test_undisturbed_the_labels_are_those_of_the_recording(
    recording: Path, checkpoint: Checkpoint, quick: EvaluationConfig, tmp_path: Path
):
    evaluation = evaluate_checkpoint(
        checkpoint,
        recording,
        cache=tmp_path / 'cache',
        config=dataclasses.replace(quick, cost_decisions=0),
        play=lambda path, _: play(path, tmp_path, checkpoint, lambda found: found),
    )
    live, fused = evaluation.metrics['live'], evaluation.metrics['combinations']['video+audio+text']
    assert live['undisturbed'] == {
        'moments': live['decisions'],
        'agreement': 1.0,
        'agreement_smoothed': 1.0,
    }
    for name in ('accuracy', 'balanced_accuracy', 'macro_f1'):
        assert live[name] == pytest.approx(fused[name])
        assert live['smoothed'][name] == pytest.approx(fused['smoothed'][name])


def test_a_node_that_computes_something_else_is_found_out(
    recording: Path, checkpoint: Checkpoint, quick: EvaluationConfig, tmp_path: Path
):
    path = play(recording, tmp_path, checkpoint)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    decided = [line for line in lines if any(line.get('logits', []))]
    decided[7]['logits'][0] += 1e-3
    path.write_text('\n'.join(json.dumps(line) for line in lines))
    trace = read_trace(path)
    played = Played(
        trace=trace,
        replayed=again(path, recording, checkpoint, quick),
        undisturbed=None,  # type: ignore[arg-type]
    )
    found = compare(played, checkpoint.temperature, is_half=False)
    assert found.unequal.sum() == 1
    assert found.difference.max() == pytest.approx(1e-3, rel=0.1)
    assert compare(played, checkpoint.temperature, is_half=True).unequal.sum() == 0


@pytest.mark.parametrize('kind', [Frame, AudioChunk])
def test_after_a_sample_that_the_recording_lacks_nothing_is_compared(
    kind: type, recording: Path, checkpoint: Checkpoint, quick: EvaluationConfig, tmp_path: Path
):
    def forge(found: list[Sample]) -> list[Sample]:
        place = next(i for i, s in enumerate(found) if i > 200 and isinstance(s, kind))
        content = {Frame: 'image', AudioChunk: 'samples'}[kind]
        values = getattr(found[place], content).copy()
        values[0] += 1
        found[place] = dataclasses.replace(found[place], **{content: values})
        return found

    path = play(recording, tmp_path, checkpoint, forge)
    replayed = again(path, recording, checkpoint, quick)
    assert replayed.missing == 1
    compared = int(replayed.comparable.sum())
    assert 10 < compared < len(replayed.comparable)
    assert replayed.comparable[:compared].all()


def test_a_time_jump_makes_it_comparable_again(
    recording: Path, checkpoint: Checkpoint, quick: EvaluationConfig, tmp_path: Path
):
    def forge_and_loop(found: list[Sample]) -> list[Sample]:
        place = next(i for i, s in enumerate(found) if i > 100 and isinstance(s, Frame))
        forged = dataclasses.replace(found[place], image=found[place].image // 2)
        return [*found[:place], forged, *found[place + 1 :], *found]

    path = play(recording, tmp_path, checkpoint, forge_and_loop)
    replayed = again(path, recording, checkpoint, quick)
    first, second = np.unique(replayed.segment)
    assert not replayed.comparable[replayed.segment == first].all()
    assert replayed.comparable[replayed.segment == second].all()
    played = Played(trace=read_trace(path), replayed=replayed, undisturbed=None)  # type: ignore[arg-type]
    found = compare(played, checkpoint.temperature, is_half=False)
    assert not found.unequal.any()
    assert not found.other_answer.any()


def test_a_trace_of_another_checkpoint_is_refused(
    recording: Path, checkpoint: Checkpoint, quick: EvaluationConfig, tmp_path: Path
):
    path = play(recording, tmp_path, checkpoint)
    path.write_text(path.read_text().replace(checkpoint.id, 'another'))
    with pytest.raises(RecordingError, match='got one of another'):
        again(path, recording, checkpoint, quick)


def made_up(*logits: tuple[float, ...], status: Status = Status.OK) -> AdmissionTrace:
    """Return a trace of decisions every tenth of a second, with these logits."""
    moments = [START_NS + to_ns(0.1 * i) for i in range(len(logits))]
    decisions = [
        TracedDecision(
            moment=DecisionTime(t_ns=t_ns, arrival_ns=t_ns),
            status=status,
            class_id=int(np.argmax(row)) if status is Status.OK else -1,
            logits=np.array(row, np.float32),
        )
        for t_ns, row in zip(moments, logits, strict=True)
    ]
    return AdmissionTrace(
        checkpoint_id='made-up',
        labels=LABELS,
        device='here',
        smoothing=SmoothingConfig(window_size=1, hysteresis=0.0, min_hold_s=0.0),
        windows=tuple(_window(decision) for decision in decisions),
        received=dict.fromkeys(MODALITIES, 3),
        dropped={m: {'overload': 1} for m in MODALITIES},
        decisions_skipped=4,
        failed_steps=0,
    )


def _window(decision: TracedDecision):
    from activity_recognition.inference.trace_file import TracedWindow

    return TracedWindow(reset=False, samples=(), decision=decision)


def forward_said(*logits: tuple[float, ...], seen: bool = True) -> Replayed:
    count = len(logits)
    return Replayed(
        logits=np.array(logits, np.float64),
        seen=np.full(count, seen),
        comparable=np.ones(count, np.bool_),
        segment=np.zeros(count, np.int64),
        recorded=dict.fromkeys(MODALITIES, 5),
        missing=0,
        restamped=0,
    )


def test_the_tolerances_are_those_of_the_design():
    def unequal(live: tuple[float, ...], again: tuple[float, ...], *, is_half: bool) -> bool:
        played = Played(trace=made_up(live), replayed=forward_said(again), undisturbed=None)  # type: ignore[arg-type]
        return bool(compare(played, 1.0, is_half=is_half).unequal[0])

    assert not unequal((1.0, 0.0, 0.0), (1.0 + 1.8e-5, 0.0, 0.0), is_half=False)
    assert unequal((1.0, 0.0, 0.0), (1.0 + 2.5e-5, 0.0, 0.0), is_half=False)
    assert unequal((1.0, 0.0, 0.0), (1.0, 1.2e-5, 0.0), is_half=False)
    assert not unequal((1.0, 0.0, 0.0), (1.05, 0.0, 0.0), is_half=True)
    assert unequal((1.0, 0.0, 0.0), (1.5, 0.0, 0.0), is_half=True)
    # Another label, but by less than the precision tells.
    assert not unequal((1.01, 1.0, 0.0), (1.0, 1.01, 0.0), is_half=True)


def test_data_that_only_one_of_both_saw_are_unequal():
    row = (0.0, 0.0, 0.0)
    for status, seen, differs in (
        (Status.NO_DATA, False, False),
        (Status.NO_DATA, True, True),
        (Status.UNKNOWN, False, True),
    ):
        played = Played(
            trace=made_up(row, status=status),
            replayed=forward_said(row, seen=seen),
            undisturbed=None,  # type: ignore[arg-type]
        )
        assert bool(compare(played, 1.0, is_half=False).unequal[0]) is differs


def test_labels_are_compared_with_the_undisturbed_and_the_true_ones_by_hand(
    quick: EvaluationConfig, checkpoint: Checkpoint
):
    rows = ((9.0, 0, 0), (0, 9.0, 0), (0, 9.0, 0), (0, 0, 9.0))
    played = Played(
        trace=made_up(*rows),
        replayed=forward_said(*rows),
        undisturbed=Decided(
            name='one',
            start_ns=START_NS,
            spans=(),
            counts={},
            # Only three moments; class 3 is a label that the checkpoint lacks.
            results=(make_result([0, 0, 3], [0, 1, 0], smoothed=[0, 0, 1]),),
            dropped=0,
        ),
    )
    live = measure_live([played], checkpoint, choose_precision(quick.engine), SyncConfig())
    assert live['undisturbed'] == {
        'moments': 3,
        'agreement': pytest.approx(2 / 3),
        'agreement_smoothed': pytest.approx(2 / 3),
    }
    # Two decisions have a known truth; the second is wrong.
    assert live['accuracy'] == 0.5
    assert live['decisions_skipped'] == 4
    assert live['samples']['text'] == {
        'recorded': 5,
        'received': 3,
        'lost': 2,
        'dropped': {'overload': 1},
    }


def test_the_nearest_moment_is_found_in_any_order():
    times = np.array([30, 10, 20])
    assert nearest(np.array([11, 19, 26, 90, 24]), times, within_ns=4).tolist() == [
        *(1, 2, 0, -1, 2),
    ]
    assert nearest(np.array([1, 2]), np.zeros(0, np.int64), within_ns=9).tolist() == [-1, -1]


def test_a_report_without_a_run_over_topics_says_so(evaluation: Evaluation):
    assert evaluation.metrics['live'] is None
    assert 'evaluate --live' in live_table(evaluation.metrics)
