"""What ``/diagnostics`` says, in words: which topic, what is wrong with it, what to set.

Everything here turns snapshots into statuses; the node takes the snapshots, on a timer of the
executor's thread, so that a stalled engine is reported like anything else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from activity_recognition.ros.filters import MODALITY_OF_ROLE
from activity_recognition.ros.inputs import InputReport
from activity_recognition.ros.worker import WorkerReport
from activity_recognition.sensors import Role
from activity_recognition.streams import DropReason, InputCounters
from activity_recognition.types import Modality

STALLED_AFTER_S = 1.0
"""A step of the engine that takes longer is reported as a stall."""
UNEXPLAINED_AUDIO = 'audio info'
"""Reason of the decoders for refusing sound whose AudioInfo is missing."""
LATENCY_LIMIT_S = 1.0
"""A decision that comes later than this after its sensor's stamp is reported."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """Everything a report on one stream is made from, at one moment."""

    time_s: float
    """Steady clock."""
    inputs: tuple[InputReport, ...] = ()
    counters: Mapping[Modality, InputCounters] | None = None
    resets: int = 0
    decisions_skipped: int = 0
    worker: WorkerReport | None = None
    latency_s: float = math.nan
    processing_s: float = math.nan


class _Status:
    """One status in the making: the worst level counts, all sentences are kept."""

    def __init__(self, name: str, hardware_id: str) -> None:
        self._status = DiagnosticStatus(name=name, hardware_id=hardware_id)
        self._sentences: list[str] = []

    def warn(self, sentence: str) -> None:
        self._raise(DiagnosticStatus.WARN, sentence)

    def error(self, sentence: str) -> None:
        self._raise(DiagnosticStatus.ERROR, sentence)

    def value(self, key: str, value: object) -> None:
        self._status.values.append(KeyValue(key=key, value=str(value)))

    def finish(self, fine: str) -> DiagnosticStatus:
        self._status.message = '; '.join(self._sentences) or fine
        return self._status

    def _raise(self, level: bytes, sentence: str) -> None:
        self._status.level = max(self._status.level, level)
        self._sentences.append(sentence)


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnosis:
    """Turns two snapshots, one period apart, into statuses."""

    node_name: str
    hardware_id: str
    silent_after_s: float
    backend_problem: str = ''
    """Why the network is not run by what was asked for; empty where it is."""
    stream: str = ''
    """What the statuses are about; empty where there is but one."""

    def idle(self, state: str, sentence: str, *, failed: bool) -> DiagnosticStatus:
        """Return the status of a node that is not active."""
        status = self._begin('state')
        if failed:
            status.error(sentence)
        status.value('lifecycle state', state)
        return status.finish(sentence or f'{state}: not recognising')

    def statuses(
        self, now: Snapshot, before: Snapshot, *, checkpoint: str
    ) -> list[DiagnosticStatus]:
        """Return one status per input and one of the engine."""
        earlier = {report.role: report for report in before.inputs}
        unexplained = any(report.dropped.get(UNEXPLAINED_AUDIO) for report in now.inputs)
        return [
            *(
                self._input(r, earlier.get(r.role), now, before, unexplained=unexplained)
                for r in now.inputs
            ),
            self._engine(now, before, checkpoint),
        ]

    def _begin(self, part: str) -> _Status:
        name = f'{self.stream} {part}' if self.stream else part
        return _Status(f'{self.node_name}: {name}', self.hardware_id)

    def _input(
        self,
        report: InputReport,
        earlier: InputReport | None,
        now: Snapshot,
        before: Snapshot,
        *,
        unexplained: bool,
    ) -> DiagnosticStatus:
        """Return the status of one input; ``unexplained`` sound came without an AudioInfo."""
        status = self._begin(report.role.value)
        for problem in report.problems:
            status.error(problem)
        if not report.problems:
            self._silence(status, report, unexplained=unexplained)
        unreadable = sum(report.dropped.values())
        unreadable -= sum(earlier.dropped.values()) if earlier else 0
        if unreadable:
            status.warn(f'{unreadable} messages could not be used; the last: {report.example}')
        seconds = now.time_s - before.time_s
        rate_hz = (report.received - earlier.received) / seconds if earlier and seconds else 0.0
        status.value('topic', report.topic)
        status.value('type', report.type_name or 'not subscribed')
        status.value('qos', report.qos or 'not subscribed')
        status.value('publishers', report.publishers)
        status.value('received', report.received)
        status.value('rate (Hz)', f'{rate_hz:.1f}')
        status.value('age (s)', 'never' if report.age_s is None else f'{report.age_s:.2f}')
        status.value('lost in transport', report.lost)
        modality = MODALITY_OF_ROLE.get(report.role)
        if now.counters is not None and modality is not None:
            _tell_drops(status, now.counters[modality])
        for reason, count in report.dropped.items():
            status.value(f'unreadable: {reason}', count)
        return status.finish(f'{rate_hz:.1f} Hz' if report.received else 'nothing received yet')

    def _silence(self, status: _Status, report: InputReport, *, unexplained: bool) -> None:
        """Say why nothing comes, where something should."""
        if report.role is Role.AUDIO_INFO:
            if unexplained and not report.received:
                status.warn(
                    f'{report.topic}: sound comes, but nothing says in what format, so it is '
                    'refused; let the audio driver publish its AudioInfo, remap audio_info, or '
                    'set topics.audio_sample_format, audio_sample_rate_hz and audio_num_channels'
                )
            return
        if not report.publishers:
            status.warn(
                f'{report.topic}: nobody publishes; start the driver or remap {report.role.value}'
            )
        elif report.role is Role.TRANSCRIPT:
            return  # people do not always speak
        elif report.age_s is None or report.age_s > self.silent_after_s:
            since = 'ever' if report.age_s is None else f'for {report.age_s:.1f} s'
            status.warn(
                f'{report.topic}: {report.publishers} publisher(s), but no message {since}; '
                'check the driver'
            )

    def _engine(self, now: Snapshot, before: Snapshot, checkpoint: str) -> DiagnosticStatus:
        status = self._begin('engine')
        rate_hz = 0.0
        if now.worker is not None:
            rate_hz = self._worker(status, now.worker, now, before)
        _judge_latency(status, now.latency_s)
        if self.backend_problem:
            status.warn(self.backend_problem)
        if now.resets > before.resets:
            status.warn(
                f'time jumped {now.resets - before.resets} time(s): a recording began anew, '
                'a clock was set, or two publishers with different clocks share a topic'
            )
        status.value('checkpoint', checkpoint)
        status.value('device', self.hardware_id)
        status.value('decisions (Hz)', f'{rate_hz:.1f}')
        status.value('latency (s)', f'{now.latency_s:.3f}')
        status.value('processing (s)', f'{now.processing_s:.4f}')
        status.value('decisions skipped', now.decisions_skipped)
        status.value('time jumps', now.resets)
        return status.finish(f'{rate_hz:.1f} decisions/s')

    def _worker(
        self, status: _Status, worker: WorkerReport, now: Snapshot, before: Snapshot
    ) -> float:
        earlier = before.worker or worker
        seconds = now.time_s - before.time_s
        if worker.busy_s > STALLED_AFTER_S:
            status.error(f'the engine has been in one step for {worker.busy_s:.1f} s')
        if worker.errors > earlier.errors:
            status.error(
                f'{worker.errors - earlier.errors} error(s); the last: {worker.last_error}'
            )
        given_up = now.decisions_skipped - before.decisions_skipped
        overload = _overload(now) - _overload(before)
        if given_up or overload:
            status.warn(
                f'overload: {given_up} decision(s) skipped and {overload} sample(s) dropped; '
                f'a step takes {worker.step_s * 1e3:.0f} ms: lower sync.decision_rate_hz or '
                'sync.max_frame_rate_hz, or take a smaller checkpoint or a faster device'
            )
        status.value('decisions', worker.decisions)
        status.value('errors', worker.errors)
        status.value('step (ms)', f'{worker.step_s * 1e3:.1f}')
        return (worker.decisions - earlier.decisions) / seconds if seconds else 0.0


def _overload(snapshot: Snapshot) -> int:
    counters = (snapshot.counters or {}).values()
    return sum(item.dropped[DropReason.OVERLOAD] for item in counters)


def _judge_latency(status: _Status, latency_s: float) -> None:
    if latency_s < 0:
        status.warn(
            f'negative latency of {latency_s:.3f} s: the sensor clock is ahead of this machine; '
            'synchronise them (PTP, NTP) or stamp in the driver'
        )
    elif latency_s > LATENCY_LIMIT_S:
        status.warn(
            f'decisions come {latency_s:.1f} s after the sensor stamp: its clock is behind, or '
            'its driver or the network holds messages back'
        )


def _tell_drops(status: _Status, counters: InputCounters) -> None:
    status.value('used', counters.taken)
    status.value('waiting', counters.queued)
    for reason, count in counters.dropped.items():
        status.value(f'dropped: {reason}', count)
