"""What the log says of the inputs: what is subscribed to, what is missing, what comes and goes.

A line for each change, none while everything stays as it is; ``/diagnostics`` holds the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from activity_recognition.modalities import ROLE_SPEC, SAMPLE_ROLES, Role
from activity_recognition.ros.recognizing.input_health import silence, unexplained_roles

if TYPE_CHECKING:
    from activity_recognition.ros.recognizing.inputs import InputReport

MISSING_AFTER_S = 5.0
"""What has not come so long after the activation is named as missing, seconds."""
STEADY_S = 60.0
"""An input that came so long without a pause is taken for one that does, seconds. While it does
not, each pause that is named has to be twice as long as the one before, or a camera of one image
every three seconds would fill the log."""
STEADY_ROLES = tuple(role for role in SAMPLE_ROLES if not ROLE_SPEC[role].pauses)
"""Inputs that never pause, so that a pause is reported."""


class Logger(Protocol):
    """What is needed of a node's logger."""

    def info(self, message: str) -> object:
        """Log what is as it should be."""
        ...

    def warning(self, message: str) -> object:
        """Log what is not."""
        ...


@dataclass(slots=True)
class _Seen:
    """What was said last of one input."""

    subscribed: str = ''
    received: int = 0
    missing: bool = False
    """It was said that it is missing or silent."""
    since_s: float = 0.0
    """When it came last, or the activation; steady clock."""
    steady_from_s: float = 0.0
    """When its last pause ended."""
    patience: float = 1.0
    """By how much a pause has to be longer than usual to be named."""

    def note(self, received: int, now_s: float, *, paused: bool) -> None:
        """Take what came."""
        self.received, self.missing, self.since_s = received, False, now_s
        if paused:
            self.steady_from_s = now_s
        elif now_s - self.steady_from_s >= STEADY_S:
            self.patience = 1.0


class InputLog:
    """Logs what changes in the inputs of one stream."""

    def __init__(self, console: Logger, *, now_s: float) -> None:
        """Begin with an activation.

        Args:
            console: takes the lines.
            now_s: the activation, steady clock, seconds.
        """
        self._console = console
        self._start_s = now_s
        self._is_checked = False
        self._seen: dict[Role, _Seen] = {}

    def begin(self, reports: Sequence[InputReport]) -> None:
        """Say in one line that the node is active, and what it is subscribed to."""
        found = [f'{r.role} {_source(r)}' for r in reports if r.type_name]
        sought = [f'{r.role} {r.topic}' for r in reports if not r.type_name]
        line = f'active: subscribed to {", ".join(found) or "nothing yet"}'
        if sought:
            line += f'; looking for publishers of {", ".join(sought)}'
        self._console.info(line)
        for report in reports:
            self._seen[report.role] = _Seen(_subscription(report), since_s=self._start_s)

    def report_changes(
        self, reports: Sequence[InputReport], *, now_s: float, silent_after_s: float
    ) -> None:
        """Log what has changed since the last call.

        Args:
            reports: on every input.
            now_s: steady clock, seconds.
            silent_after_s: an image or audio topic that stays away for longer is silent.
        """
        for report in reports:
            seen = self._seen.setdefault(report.role, _Seen(since_s=self._start_s))
            self._report_subscription(report, seen)
            self._report_messages(report, seen, now_s, silent_after_s)
        if not self._is_checked and now_s - self._start_s >= MISSING_AFTER_S:
            self._is_checked = True
            self._report_missing(reports, silent_after_s)

    def _report_subscription(self, report: InputReport, seen: _Seen) -> None:
        subscribed = _subscription(report)
        if subscribed == seen.subscribed:
            return
        seen.subscribed = subscribed
        if subscribed:
            self._console.info(f'{report.role}: subscribed to {subscribed}')
        else:
            self._console.info(f'{report.role}: {report.topic} is published with another type')

    def _report_messages(
        self, report: InputReport, seen: _Seen, now_s: float, silent_after_s: float
    ) -> None:
        """Say that an input came back, or went silent."""
        if report.received > seen.received:
            if seen.missing:
                verb = 'comes again' if seen.received else 'comes now'
                seconds = now_s - seen.since_s
                self._console.info(f'{report.role}: {report.topic} {verb}, after {seconds:.1f} s')
            came_s = now_s - (report.age_s or 0.0)
            seen.note(report.received, came_s, paused=came_s - seen.since_s > silent_after_s)
            return
        pause_s = now_s - seen.since_s
        may_pause = report.role not in STEADY_ROLES or not report.received
        if not (may_pause or seen.missing) and pause_s > seen.patience * silent_after_s:
            seen.missing = True
            seen.patience *= 2.0
            self._console.warning(f'{report.role}: {_why(report, silent_after_s)}')

    def _report_missing(self, reports: Sequence[InputReport], silent_after_s: float) -> None:
        """Say what never came since the activation, and why."""
        unexplained = unexplained_roles(reports)
        for report in reports:
            why = _why(report, silent_after_s, unexplained=report.role in unexplained)
            if not report.received and why:
                self._seen[report.role].missing = True
                self._console.warning(
                    f'{report.role}: missing {MISSING_AFTER_S:g} s after the activation: {why}'
                )


def _why(report: InputReport, silent_after_s: float, *, unexplained: bool = False) -> str:
    return '; '.join(report.problems) or silence(
        report, silent_after_s=silent_after_s, unexplained=unexplained
    )


def _source(report: InputReport) -> str:
    return f'{report.topic} ({report.type_name})'


def _subscription(report: InputReport) -> str:
    """Return topic, type and QoS of what is subscribed to; empty without a subscription."""
    return f'{report.topic} ({report.type_name}, {report.qos})' if report.type_name else ''
