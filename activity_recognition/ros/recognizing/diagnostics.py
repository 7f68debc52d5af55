"""What ``/diagnostics`` says, in words: which topic, what is wrong with it, what to set.

Everything here turns snapshots into statuses; the node takes the snapshots, on a timer of the
executor's thread, so that a stalled engine is reported like anything else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticStatus

from activity_recognition.modalities import ROLE_SPEC, SAMPLE_ROLES, Role
from activity_recognition.ros.recognizing.input_health import (
    LEAST_MESSAGES,
    InputHealth,
    InputPast,
    silence,
    unexplained_roles,
)
from activity_recognition.ros.recognizing.inputs import InputReport
from activity_recognition.ros.recognizing.person_diagnosis import report_people
from activity_recognition.ros.recognizing.worker import WorkerReport
from activity_recognition.ros.status import Status
from activity_recognition.streams import DropReason, InputCounters
from activity_recognition.types import Modality

if TYPE_CHECKING:
    from activity_recognition.ros.recognizing.people import PeopleReport

STALLED_AFTER_S = 1.0
"""A step of the engine that takes longer is reported as a stall."""
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
    trace_problem: str = ''
    """Why the trace ended early."""
    people: PeopleReport | None = None
    """Who is there; None where nobody says."""
    latency_s: float = math.nan
    processing_s: float = math.nan

    def report(self, role: Role) -> InputReport | None:
        """Return the report on one input; None where there was none yet."""
        return next((report for report in self.inputs if report.role is role), None)

    def sampled(self, role: Role) -> int:
        """Return how many samples of an input the synchroniser has received."""
        modality = SAMPLE_ROLES.get(role)
        if modality is None or self.counters is None:
            return 0
        return self.counters[modality].received

    def dropped(self, role: Role) -> Mapping[DropReason, int]:
        """Return how many messages of an input the synchroniser has dropped, by reason."""
        modality = SAMPLE_ROLES.get(role)
        if modality is None or self.counters is None:
            return {}
        return self.counters[modality].dropped


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnosis:
    """Turns snapshots into statuses."""

    node_name: str
    hardware_id: str
    silent_after_s: float
    backend_problem: str = ''
    """Why the network is not run by what was asked for; empty where it is."""
    checkpoint_remark: str = ''
    """What to know of the checkpoint that was taken where none is named; empty for nothing."""
    stream: str = ''
    """What the statuses are about; empty where there is but one."""

    def idle(self, state: str, sentence: str, *, failed: bool) -> DiagnosticStatus:
        """Return the status of a node that is not active.

        Args:
            state: of the lifecycle.
            sentence: what goes on or went wrong; may be empty.
            failed: whether the last transition failed.
        """
        status = self._begin('state')
        if failed:
            status.error(sentence)
        status.value('lifecycle state', state)
        return status.finish(sentence or f'{state}: not recognising')

    def statuses(
        self, now: Snapshot, history: Sequence[Snapshot], *, checkpoint: str
    ) -> list[DiagnosticStatus]:
        """Return one status per input and one of the engine.

        Args:
            now: the newest snapshot.
            history: at least one earlier snapshot, of this activation and the time that is judged,
                oldest first; the last of them is a period ago.
            checkpoint: its id.
        """
        unexplained = unexplained_roles(now.inputs)
        return [
            *(
                self._input(report, now, history, unexplained=report.role in unexplained)
                for report in now.inputs
            ),
            self._engine(now, history[-1], checkpoint),
            *([] if now.people is None else [self._people(now, history)]),
        ]

    def _begin(self, part: str) -> Status:
        name = f'{self.stream} {part}' if self.stream else part
        return Status(f'{self.node_name}: {name}', self.hardware_id)

    def _input(
        self,
        report: InputReport,
        now: Snapshot,
        history: Sequence[Snapshot],
        *,
        unexplained: bool,
    ) -> DiagnosticStatus:
        """Return the status of one input; ``unexplained`` samples are refused for want of it."""
        before = history[-1]
        earlier = before.report(report.role)
        status = self._begin(report.role.value)
        for problem in report.problems:
            status.error(problem)
        if not report.problems:
            why = silence(report, silent_after_s=self.silent_after_s, unexplained=unexplained)
            if why:
                status.warn(why)
        _health(report, [*history, now]).report_to(status)
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
        status.value('never taken', report.missed)
        if report.stamp_offset_s is not None:
            status.value('stamp minus arrival (s)', f'{report.stamp_offset_s:.3f}')
        if report.declared_rate_hz and report.measured_rate_hz:
            status.value('declared samples/s', report.declared_rate_hz)
            status.value('samples/s by stamps', f'{report.measured_rate_hz:.0f}')
        modality = SAMPLE_ROLES.get(report.role)
        if now.counters is not None and modality is not None:
            _report_drops(status, now.counters[modality])
        for reason, count in report.dropped.items():
            status.value(f'unreadable: {reason}', count)
        return status.finish(f'{rate_hz:.1f} Hz' if report.received else 'nothing received yet')

    def _people(self, now: Snapshot, history: Sequence[Snapshot]) -> DiagnosticStatus:
        """Return the status of what says where people are, and of who is recognised."""
        status = self._begin('people')
        fine = report_people(
            status,
            [(s.time_s, s.people) for s in (*history, now)],
            silent_after_s=self.silent_after_s,
        )
        return status.finish(fine)

    def _engine(self, now: Snapshot, before: Snapshot, checkpoint: str) -> DiagnosticStatus:
        status = self._begin('engine')
        rate_hz = 0.0
        if now.worker is not None:
            rate_hz = self._worker(status, now.worker, now, before)
        _judge_latency(status, now.latency_s)
        for sentence in filter(None, (self.backend_problem, self.checkpoint_remark)):
            status.warn(sentence)
        if now.trace_problem:
            status.warn(now.trace_problem)
        if now.resets > before.resets:
            status.warn(
                f'time jumped {now.resets - before.resets} time(s): a recording began again, '
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
        self, status: Status, worker: WorkerReport, now: Snapshot, before: Snapshot
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


def _health(report: InputReport, snapshots: Sequence[Snapshot]) -> InputHealth:
    """Return what ails an input, by snapshots of the time that is judged, the newest last."""
    role, first, last = report.role, snapshots[0], snapshots[-1]
    earlier, before = first.report(role), first.dropped(role)
    past = InputPast(
        received=report.received - (earlier.received if earlier else 0),
        lost=report.lost - (earlier.lost if earlier else 0),
        unreadable=report.undecoded - (earlier.undecoded if earlier else 0),
        missed=report.missed - (earlier.missed if earlier else 0),
        samples=last.sampled(role) - first.sampled(role),
        dropped={reason: n - before.get(reason, 0) for reason, n in last.dropped(role).items()},
    )
    reports = [found for found in (s.report(role) for s in snapshots[1:]) if found is not None]
    offsets_s = [r.stamp_offset_s for r in reports if r.stamp_offset_s is not None]
    # People do not always speak; a connected microphone always records something.
    never_pauses = not ROLE_SPEC[role].pauses and past.received >= LEAST_MESSAGES
    sampled = last.sampled(role) - (first.sampled(role) if never_pauses else 0)
    has_samples = role not in SAMPLE_ROLES or sampled > 0
    return InputHealth(report, past, offsets_s=offsets_s, has_samples=has_samples)


def _overload(snapshot: Snapshot) -> int:
    counters = (snapshot.counters or {}).values()
    return sum(item.dropped[DropReason.OVERLOAD] for item in counters)


def _judge_latency(status: Status, latency_s: float) -> None:
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


def _report_drops(status: Status, counters: InputCounters) -> None:
    status.value('used', counters.taken)
    status.value('waiting', counters.queued)
    for reason, count in counters.dropped.items():
        status.value(f'dropped: {reason}', count)
