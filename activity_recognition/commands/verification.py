"""The smallest end-to-end example, observed: what went in, what came out, at what cost."""

from __future__ import annotations

import hashlib
import resource
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from activity_recognition.default_checkpoint import SIMULATED_PEOPLE
from activity_recognition.types import Decision, LabelSpan, seconds_between

if TYPE_CHECKING:
    from activity_recognition.commands.processes import Processes

SEED = 1
SECONDS = 15.0
SCHEMA = 1
NAMESPACE = 'verify'

DEPENDS_ON = {
    'example.recording.sha256': 'the versions of NumPy and OpenCV that draw the scene',
    'output.answers': 'the checkpoint; backend and precision only where two labels are close',
    'output.probabilities': 'the checkpoint, and in the last digits backend and precision',
    'output.balanced_accuracy': 'the checkpoint and its size; 15 seconds say little about quality',
    'ros.agreement': 'how quickly messages are delivered: decisions see what has arrived',
    'ros.latency': 'processor, model size, load of the machine',
    'run.recognise_s': 'processor or GPU, number of threads, model size',
    'run.peak_memory_mib': 'the libraries loaded, backend and model size; not the recording length',
    'ros.peak_memory_mib': 'the same, and the middleware; shared libraries count in every process',
}
"""Entries of a record and what they depend on."""


def example(folder: Path) -> dict[str, Any]:
    """Simulate the example's recording into ``folder`` and describe it."""
    from activity_recognition.commands.simulate import Job, write
    from activity_recognition.simulation import SimulationConfig

    path = folder / 'recording'
    config = SimulationConfig(seed=SEED, duration_s=SECONDS)
    began_s = time.monotonic()
    write(Job(path=path, config=config, storage='mcap', image='raw', overwrite=True))
    return {
        'seed': SEED,
        'seconds': SECONDS,
        'recording': {'path': str(path), **checksum(path)},
        'simulate_s': round(time.monotonic() - began_s, 2),
    }


def checksum(recording: Path) -> dict[str, Any]:
    """Return how many messages a recording holds and a digest of topics, times and contents.

    Files of equal contents may differ in compression and layout; the digest does not.
    """
    from activity_recognition.bags import RecordingReader

    digest, messages = hashlib.sha256(), 0
    with RecordingReader(recording) as reader:
        for record in reader.records():
            digest.update(f'{record.topic} {record.record_ns} {len(record.cdr)} '.encode())
            digest.update(record.cdr)
            messages += 1
    return {'messages': messages, 'sha256': digest.hexdigest()}


def recognise(recording: Path, checkpoint: str, device: str) -> dict[str, Any]:
    """Run the recogniser's engine over a recording; return checkpoint, output and cost.

    Args:
        recording: the recording to run over.
        checkpoint: its folder; empty for the shipped one that knows simulated people.
        device: where the network runs.
    """
    from activity_recognition.bags import RecordingReader, labels_path, read_labels
    from activity_recognition.config import EngineConfig, SyncConfig
    from activity_recognition.inference import StreamingEngine
    from activity_recognition.streams import windows

    engine = StreamingEngine.load(checkpoint or SIMULATED_PEOPLE, EngineConfig(device=device))
    engine.warm_up()
    began_s, sync = time.monotonic(), SyncConfig()
    with RecordingReader.for_model(recording, engine.config, sync) as reader:
        start_ns = reader.start_ns
        applied = (engine.apply(window) for window in windows(reader.samples(), sync))
        decisions = [decision for decision in applied if decision is not None]
    took_s = time.monotonic() - began_s
    return {
        'checkpoint': {
            'path': checkpoint or 'shipped with the package',
            'id': engine.checkpoint_id,
            'weights': sum(p.numel() for p in engine.checkpoint.system.parameters()),
            'labels': list(engine.labels),
        },
        'output': describe(decisions, start_ns, read_labels(labels_path(recording))),
        'run': {
            'device': engine.device_name,
            'recognise_s': round(took_s, 2),
            'decisions_per_second': round(len(decisions) / took_s, 1),
            'peak_memory_mib': round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        },
    }


def describe(
    decisions: Sequence[Decision], start_ns: int, truth: Sequence[LabelSpan]
) -> dict[str, Any]:
    """Return decisions in the form that records keep and compare.

    Args:
        decisions: in order of their times.
        start_ns: start of the recording.
        truth: its labels.

    Returns:
        ``answers`` are ``[seconds, answer]`` of every decision; ``probabilities`` are those of
        every tenth, six digits.
    """
    from activity_recognition.reporting.scores import Truth, answer_of, score

    answers = [
        (round(seconds_between(d.t_ns, start_ns), 6), answer_of(d.status, d.label))
        for d in decisions
    ]
    return {
        'decisions': len(decisions),
        'balanced_accuracy': score(Truth(truth), answers)['balanced_accuracy'],
        'answers': [list(answer) for answer in answers],
        'probabilities': [
            [round(float(p), 6) for p in decision.probabilities] for decision in decisions[::10]
        ],
    }


def over_ros(
    processes: Processes, recording: Path, output: dict[str, Any], **given: str
) -> dict[str, Any]:
    """Play the recording over real topics and compare the answers with the engine's own.

    Args:
        processes: what the nodes end with.
        recording: the example's recording.
        output: what :func:`describe` returned for it.
        given: checkpoint and device.
    """
    from activity_recognition.commands.display import Silence
    from activity_recognition.commands.live_run import monitored, play, prepare
    from activity_recognition.commands.watching import Watch
    from activity_recognition.reporting.scores import distribution
    from activity_recognition.startup import namespaced_values

    began_s = time.monotonic()
    # With the recording's own clock, so that decisions speak of the same moments.
    chosen = given.get('checkpoint') or SIMULATED_PEOPLE
    given = {**given, 'checkpoint': chosen, 'bag': str(recording)}
    values = namespaced_values(NAMESPACE, {**given, 'clock': True})
    live = prepare(processes, values, recording.parent / 'logs')
    with monitored(NAMESPACE) as node:
        watch = Watch(node, title='', length_s=SECONDS)
        play(live, watch, Silence())
        memory = peak_memory_mib(processes)
        received = node.log.received()
        frames = watch.frames
    latency = distribution([item.latency_s for item in received])
    return {
        'decisions': len(received),
        'agreement': agreement(
            output['answers'], [(h.t_ns, h.answer) for h in received], recording
        ),
        'frames': frames,
        'latency': {key: latency[key] for key in ('p50_s', 'p95_s')},
        'seconds': round(time.monotonic() - began_s, 1),
        'peak_memory_mib': memory,
    }


def peak_memory_mib(processes: Processes) -> dict[str, int]:
    """Return the most memory that each running node held so far, with what it started, MiB."""
    from activity_recognition.commands.memory import peak_of_session_mib

    return {
        child.name: round(peak_of_session_mib(child.process.pid)) for child in processes.running
    }


def agreement(
    expected: Sequence[Sequence[Any]], received: Sequence[tuple[int, str]], recording: Path
) -> float | None:
    """Return the share of moments decided both offline and live that got the same answer.

    Args:
        expected: ``[seconds, answer]`` of every decision offline.
        received: stamp and answer of every decision live.
        recording: what both decided about.
    """
    from activity_recognition.bags import RecordingReader

    with RecordingReader(recording) as reader:
        start_ns = reader.start_ns
    offline = {round(t_s, 3): answer for t_s, answer in expected}
    both = [
        offline[key] == answer
        for t_ns, answer in received
        if (key := round(seconds_between(t_ns, start_ns), 3)) in offline
    ]
    return sum(both) / len(both) if both else None
