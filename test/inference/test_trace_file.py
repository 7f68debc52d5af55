"""The file that a node's admission trace is: written, read, and refused when it is not whole."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest

from activity_recognition.config import EngineConfig, SmoothingConfig, SyncConfig
from activity_recognition.errors import ConfigError, RecordingError
from activity_recognition.inference import MultiStreamEngine
from activity_recognition.inference.trace_file import TracedEngine, digest_of, read_trace
from activity_recognition.streams import DropReason, InputCounters, windows
from activity_recognition.types import MODALITIES, Modality, Window
from factories.networks import make_checkpoint
from factories.streams import Scene, samples

SMOOTHING = SmoothingConfig(window_size=3, min_hold_s=0.2)
SCENE = Scene(seed=3, duration_s=2.0, frame_rate_hz=6.0, jumps=(1.2,))


ONLY = 'only'


def counters(**received):
    """Return counters of samples that came, and of one frame that was dropped."""
    found = {m: InputCounters(received=received.get(m.value, 0)) for m in MODALITIES}
    found[Modality.VIDEO].dropped[DropReason.OVERLOAD] = 1
    return found


@pytest.fixture
def engine():
    engine = MultiStreamEngine(
        make_checkpoint(), engine=EngineConfig(device='cpu'), smoothing=SMOOTHING
    )
    engine.join(ONLY)
    return engine


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'trace.jsonl'


def write(engine, path, found, **counts):
    traced = TracedEngine(engine, path, smoothing=SMOOTHING)
    decisions = [traced.apply({ONLY: window}).get(ONLY) for window in found]
    traced.close(counters(video=7, audio=9), **{'decisions_skipped': 0, 'failed_steps': 0} | counts)
    return [decision for decision in decisions if decision is not None]


def test_everything_comes_back_exactly(engine, path):
    found = list(windows(samples(SCENE), SyncConfig()))
    decisions = write(engine, path, found, decisions_skipped=2)
    trace = read_trace(path)
    assert (trace.checkpoint_id, trace.labels) == (engine.checkpoint_id, engine.labels)
    assert (trace.device, trace.smoothing) == (engine.device_name, SMOOTHING)
    assert [d.moment for d in trace.decisions] == [w.decision for w in found if w.decision]
    assert [d.status for d in trace.decisions] == [d.status for d in decisions]
    assert [d.class_id for d in trace.decisions] == [d.class_id for d in decisions]
    for traced, decision in zip(trace.decisions, decisions, strict=True):
        np.testing.assert_array_equal(traced.logits, decision.logits)
    # The first line is a reset of its own: the engine starts again.
    assert [w.reset for w in trace.windows] == [True, *(w.reset for w in found)]
    assert sum(w.reset for w in found) == 1
    taken = [s for w in found for s in w.samples]
    named = [s for w in trace.windows for s in w.samples]
    assert [(s.stamp_ns, s.arrival_ns) for s in named] == [
        (s.stamp_ns, s.arrival_ns) for s in taken
    ]
    assert [s.digest for s in named] == [digest_of(s) for s in taken]
    assert trace.received == {Modality.VIDEO: 7, Modality.AUDIO: 9, Modality.TEXT: 0}
    assert trace.dropped[Modality.VIDEO] == {'overload': 1}
    assert (trace.decisions_skipped, trace.failed_steps) == (2, 0)


def test_the_digest_is_of_the_content_alone():
    first = {type(sample): sample for sample in samples(SCENE)}
    for sample in first.values():
        moved = dataclasses.replace(sample, stamp_ns=1, arrival_ns=2)
        assert digest_of(moved) == digest_of(sample)
    digests = [digest_of(sample) for sample in samples(dataclasses.replace(SCENE, utterances=1))]
    assert len(set(digests)) == len(digests)


def test_activations_are_joined(engine, path):
    found = list(windows(samples(SCENE), SyncConfig()))
    first = write(engine, path, found)
    engine.reset(ONLY)
    second = write(engine, path, found)
    trace = read_trace(path)
    assert len(trace.decisions) == len(first) + len(second)
    assert sum(w.reset for w in trace.windows) == 2 + 2
    assert trace.received[Modality.VIDEO] == 14
    assert trace.dropped[Modality.VIDEO] == {'overload': 2}


def test_a_failed_step_is_a_reset(engine, path):
    traced = TracedEngine(engine, path, smoothing=SMOOTHING)
    traced.apply({ONLY: Window()})
    traced.reset(ONLY)
    traced.close(counters(), decisions_skipped=0, failed_steps=1)
    trace = read_trace(path)
    assert [w.reset for w in trace.windows] == [True, False, True]
    assert trace.failed_steps == 1


def test_a_file_that_cannot_be_written_is_refused_in_words(engine, tmp_path):
    with pytest.raises(ConfigError, match=r'trace: expected a file that can be written'):
        TracedEngine(engine, tmp_path / 'none' / 'trace.jsonl', smoothing=SMOOTHING)


def test_a_full_disk_is_said_once_and_the_engine_goes_on(engine, path):
    found = [w for w in windows(samples(SCENE), SyncConfig()) if w.decision]
    said: list[str] = []
    traced = TracedEngine(engine, path, smoothing=SMOOTHING, on_problem=said.append)
    traced._file.close()
    with Path('/dev/full').open('a', buffering=1, encoding='utf-8') as full:
        traced._file = full
        decisions = [traced.apply({ONLY: window})[ONLY] for window in found[:3]]
    (sentence,) = said
    assert re.search(rf'trace: cannot write {path}: No space left .* nothing more', sentence)
    assert traced.problem == sentence
    engine.reset(ONLY)
    alone = [engine.apply({ONLY: window})[ONLY] for window in found[:3]]
    for decision, expected in zip(decisions, alone, strict=True):
        np.testing.assert_array_equal(decision.logits, expected.logits)
    traced.close(counters(), decisions_skipped=0, failed_steps=0)


def test_a_trace_that_is_not_whole_is_refused(engine, path):
    write(engine, path, windows(samples(SCENE), SyncConfig()))
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(''.join(lines[:-1]))
    with pytest.raises(RecordingError, match='cut short after'):
        read_trace(path)
    path.write_text(''.join(lines[1:]))
    with pytest.raises(RecordingError, match='cut short'):
        read_trace(path)
    path.write_text('')
    with pytest.raises(RecordingError, match='cut short after 0 lines'):
        read_trace(path)
    path.unlink()
    with pytest.raises(RecordingError, match='cannot read it'):
        read_trace(path)


@pytest.mark.parametrize(
    ('key', 'value'),
    [
        ('trace', 2),
        ('labels', 3),
        ('smoothing', {'window_sise': 3}),
        ('samples', [['smell', 1, 2, 'ab']]),
        ('samples', [['video', 1]]),
        ('decision', [1, 2, 7, 0]),
        ('counts', {'video': {'received': 1, 'dropped': {}}}),
        ('failed_steps', None),
    ],
)
def test_a_damaged_line_is_named(engine, path, key, value):
    write(engine, path, windows(samples(SCENE), SyncConfig()))
    lines = path.read_text().splitlines()
    number = next(n for n, line in enumerate(lines) if key in json.loads(line))
    lines[number] = json.dumps({**json.loads(lines[number]), key: value})
    path.write_text('\n'.join(lines))
    with pytest.raises(RecordingError, match=rf'trace.jsonl:{number + 1}: expected a line of a'):
        read_trace(path)


def test_decisions_of_two_checkpoints_are_refused(engine, path):
    write(engine, path, [])
    text = path.read_text()
    path.write_text(text + text.replace(engine.checkpoint_id, 'another'))
    with pytest.raises(RecordingError, match='got several'):
        read_trace(path)
