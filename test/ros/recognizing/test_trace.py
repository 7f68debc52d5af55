"""The node writes its admission trace when it is asked to, and only then."""

from __future__ import annotations

import pytest

pytest.importorskip('rclpy')

from activity_recognition.inference.trace_file import TracedEngine, digest_of, read_trace
from activity_recognition.types import Modality, Utterance

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]


def test_what_is_admitted_and_published_is_written_down(world, tmp_path):
    path = tmp_path / 'trace.jsonl'
    node = world.recognize(trace=str(path))
    activities, camera, speech = world.activities(), world.camera(), world.speech()
    world.every(0.1, camera, world.image)
    world.deliver(speech, world.words('hello robot'))
    world.spin_until(lambda: sum(bool(message.scores) for message in activities) > 5)
    world.there(node.trigger_deactivate)
    trace = read_trace(path)
    session = node._session
    assert trace.checkpoint_id == session.engine.checkpoint_id
    assert trace.smoothing == session.config.smoothing
    published = {
        message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec: message.class_id
        for message in activities
        if message.status != message.STATUS_NO_DATA
    }
    traced = {decision.moment.t_ns: decision.class_id for decision in trace.decisions}
    assert len(published) > 5
    assert {t_ns: traced.get(t_ns) for t_ns in published} == published
    samples = [sample for window in trace.windows for sample in window.samples]
    assert [s.arrival_ns for s in samples] == sorted({s.arrival_ns for s in samples})
    (words,) = [s for s in samples if s.modality is Modality.TEXT]
    assert words.digest == digest_of(Utterance(stamp_ns=0, arrival_ns=0, text='hello robot'))
    assert trace.received[Modality.VIDEO] >= len(samples) - 1
    # Activated again it goes on in the same file.
    world.there(node.trigger_activate)
    before = len(activities)
    world.spin_until(lambda: sum(bool(m.scores) for m in activities[before:]) > 2)
    world.there(node.trigger_deactivate)
    assert len(read_trace(path).decisions) > len(trace.decisions)


def test_a_trace_that_cannot_be_written_keeps_the_node_inactive(world, tmp_path):
    node = world.make_recognizer(trace=str(tmp_path / 'none' / 'trace.jsonl'))
    world.there(node.trigger_configure)
    world.there(node.trigger_activate)
    assert 'trace: expected a file that can be written' in str(node.failure)
    assert node._session.active is None


def test_without_being_asked_the_worker_has_the_engine_itself(world):
    node = world.recognize()
    assert node._session.active.worker._engine is node._session.engine
    assert not isinstance(node._session.active.worker._engine, TracedEngine)


def test_a_full_disk_costs_no_decision_and_diagnostics_say_so(world):
    node = world.recognize(trace='/dev/full')
    activities, diagnoses, camera = world.activities(), world.diagnoses(), world.camera()
    world.every(0.1, camera, world.image)
    world.spin_until(lambda: sum(bool(message.scores) for message in activities) > 5)
    world.spin_until(lambda: diagnoses.says('engine', 'trace: cannot write /dev/full: No space'))
    running = node._session.active
    assert (running.worker.errors, running.trace_problem != '') == (0, True)
    world.there(node.trigger_deactivate)
    assert node._session.active is None
