"""What ails one input: which share of its messages is of no use, and why, in words.

Judged over the last seconds: a topic of which nearly nothing is used must not look healthy because
its messages come, and one lost message is no finding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from activity_recognition.config_io import shipped_file
from activity_recognition.modalities import ROLE_SPEC, SAMPLE_ROLES, Role
from activity_recognition.ros.recognizing.inputs import InputReport
from activity_recognition.ros.status import Status
from activity_recognition.ros.transport import PROFILE_VARIABLE
from activity_recognition.streams import DropReason

HEALTH_WINDOW_S = 6.0
"""Time that is judged, up to now, seconds."""
LEAST_MESSAGES = 5
"""A share of fewer messages says nothing."""
WARN_SHARE = 0.02
"""A larger share of messages that are of no use is a warning."""
EMPTY_MESSAGES = 20
"""Fewer messages since the activation say nothing by having no sample in them."""
ERROR_SHARE = 0.5
"""A larger share is an error: what is left does not make a stream."""
AHEAD_LIMIT_S = 0.1
"""A stamp may lie so far after its arrival; nothing is known before it happens."""
RATE_TOLERANCE = 0.05
"""By so much the sample rate by the stamps may differ from the declared one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class InputPast:
    """What became of one input's messages in some time."""

    received: int
    lost: int
    """In transport, by the middleware's count."""
    unreadable: int
    """Received, and not decoded."""
    missed: int = 0
    """Published and not received, by the messages' numbers; with those that are lost."""
    samples: int = 0
    """Received by the synchroniser; long audio chunks come to it split."""
    dropped: Mapping[DropReason, int]
    """Received, and dropped by the synchroniser; empty for inputs that give no samples."""

    @property
    def overwritten(self) -> int:
        """How many a queue forgot because they were not taken in time.

        What the middleware counts as lost comes a little before or after the gap in the numbers:
        beside many of those, few say nothing.
        """
        count = self.missed - self.lost
        return count if count > self.lost // 4 else 0

    def of(self, reason: DropReason) -> int:
        """Return how many were dropped for one reason."""
        return self.dropped.get(reason, 0)


class InputHealth:
    """Says what ails one input."""

    def __init__(
        self,
        report: InputReport,
        past: InputPast,
        *,
        offsets_s: Sequence[float] = (),
        has_samples: bool = True,
    ) -> None:
        """Judge an input.

        Args:
            report: what can be said of it now.
            past: of the time that is judged.
            offsets_s: stamp minus arrival of some samples of that time, seconds.
            has_samples: whether any message gave a sample, or was refused as one; of an input
                that may pause ever, else in the time that is judged.
        """
        self._report = report
        self._spec = ROLE_SPEC[report.role]
        self._past = past
        self._has_samples = has_samples
        self._offsets_s = [offset_s for offset_s in offsets_s if math.isfinite(offset_s)]

    def report_to(self, status: Status) -> None:
        """Say everything that impairs the input's use."""
        report, past, topic = self._report, self._past, self._report.topic
        arrived = past.received + past.lost
        self._share(status, past.lost, arrived, f'were lost in transport{self._transport()}')
        self._share(
            status,
            past.overwritten,
            past.received + past.missed,
            'were overwritten before this node took them: decoding takes it too long, or the '
            f'machine is too busy; {self._smaller()}',
        )
        self._unreadable(status)
        self._refused(status)
        if not self._has_samples and report.received >= EMPTY_MESSAGES:
            counts_past = not self._spec.pauses and past.received
            count = past.received if counts_past else report.received
            status.warn(f'{topic}: {count} messages came, and {self._spec.on_empty}')
        if len(report.shared_by) > 1 and not self._spec.pauses:
            status.warn(
                f'{topic}: {len(report.shared_by)} publishers share it '
                f'({", ".join(report.shared_by)}), so their messages mix; '
                'stop one of them, or give each a topic of its own'
            )
        self._clock(status)
        self._signal(status)

    def _refused(self, status: Status) -> None:
        """Say what the synchroniser dropped."""
        past, received = self._past, max(self._past.received, self._past.samples)
        if not self._spec.pauses:  # recognisers say the same again
            self._share(
                status,
                past.of(DropReason.DUPLICATE),
                received,
                'had the stamp of the message before, and were dropped: its driver repeats itself '
                'or its clock stands still; have each message stamped when it was taken',
            )
        self._share(
            status,
            past.of(DropReason.OUT_OF_ORDER),
            received,
            'were stamped before the message that came before them, and were dropped: two '
            'publishers with different clocks share the topic, or a driver stamps wrongly',
        )
        self._share(
            status,
            past.of(DropReason.OVERLOAD),
            received,
            'were dropped because the engine was busy; the status of the engine says what to do',
        )

    def _unreadable(self, status: Status) -> None:
        """Say what could not be decoded; one message is enough, for it will not be the last."""
        count, received = self._past.unreadable, self._past.received
        if not count:
            return
        raise_to = status.error if _is_most(count, received) else status.warn
        raise_to(f'{count} messages could not be used; the last: {self._report.example}')

    def _share(self, status: Status, count: int, of: int, what: str) -> None:
        """Say that some of the messages came to nothing, if they are more than a few."""
        if of < LEAST_MESSAGES or count <= WARN_SHARE * of:
            return
        raise_to: Callable[[str], None] = status.error if _is_most(count, of) else status.warn
        raise_to(f'{self._report.topic}: {count} of the last {of} messages {what}')

    def _transport(self) -> str:
        if self._spec.is_large:
            return f'; {image_transport_advice()}'
        return (
            ': the network or a machine is too busy, or the publisher offers best effort; '
            'have it publish reliably'
        )

    def _smaller(self) -> str:
        if self._spec.is_large:
            return 'publish fewer or smaller images, raw or as JPEG'
        return 'publish fewer messages'

    def _clock(self, status: Status) -> None:
        """Say that stamps lie far from now; one that was held back on its way proves nothing."""
        behind_s = self._spec.behind_limit_s
        if not self._offsets_s or behind_s is None:
            return
        topic, least_s, most_s = self._report.topic, min(self._offsets_s), max(self._offsets_s)
        if least_s > AHEAD_LIMIT_S:
            status.warn(
                f'{topic}: stamps lie {least_s:.2f} s in the future of this node: its clock and '
                "the sensor's differ; synchronise them (PTP, NTP), or set use_sim_time on both or "
                'none'
            )
        elif most_s < -behind_s:
            status.warn(
                f'{topic}: stamps lie {-most_s:.2f} s in the past when they arrive: the clocks '
                'differ (PTP, NTP, use_sim_time), or the driver or the network holds messages back'
            )

    def _signal(self, status: Status) -> None:
        report, past = self._report, self._past
        if report.channel_problem:
            status.warn(f'{report.topic}: {report.channel_problem}')
        declared, measured = report.declared_rate_hz, report.measured_rate_hz
        if not declared or not measured:
            return
        # Missing audio looks like a lower rate.
        gone = past.lost + past.unreadable + past.of(DropReason.OUT_OF_ORDER)
        if measured < declared and gone > WARN_SHARE * (past.received + past.lost):
            return
        if abs(measured / declared - 1.0) > RATE_TOLERANCE:
            status.warn(
                f'{report.topic}: {declared} samples a second are declared, but by their stamps '
                f'{measured:.0f} come; correct the driver, its AudioInfo or '
                'topics.audio_sample_rate_hz, or the stamps'
            )


def silence(report: InputReport, *, silent_after_s: float, unexplained: bool) -> str:
    """Return why nothing comes, where something should, in words; empty where all is well.

    Args:
        report: of the input.
        silent_after_s: an input that does not pause is missing when it stays away for longer.
        unexplained: whether samples came that mean nothing without this input.
    """
    topic, spec = report.topic, ROLE_SPEC[report.role]
    if report.role not in SAMPLE_ROLES:
        return f'{topic}: {spec.on_missing}' if unexplained and not report.received else ''
    if not report.publishers:
        return f'{topic}: nobody publishes; start the driver or remap {report.role}'
    if spec.pauses:
        return ''  # people do not always speak
    if report.age_s is not None and report.age_s <= silent_after_s:
        return ''
    since = 'ever' if report.age_s is None else f'for {report.age_s:.1f} s'
    hint = f', or {image_transport_advice()}' if spec.is_large else ''
    return (
        f'{topic}: {report.publishers} publisher(s), but no message {since}; check the driver{hint}'
    )


def unexplained_roles(reports: Iterable[InputReport]) -> set[Role]:
    """Return the inputs for want of which samples are refused; their names are the reason given."""
    reasons = {reason for report in reports for reason in report.dropped}
    return {
        role
        for role in ROLE_SPEC
        if role not in SAMPLE_ROLES and role.value.replace('_', ' ') in reasons
    }


def image_transport_advice() -> str:
    """Return what to do about images that do not arrive."""
    return (
        'large images do not fit into the shared memory that Fast DDS takes by default: start '
        f'their publisher with {PROFILE_VARIABLE}={shipped_file("fastdds.xml")}; over a network '
        'publish compressed images, or fewer'
    )


def _is_most(count: int, of: int) -> bool:
    return of >= LEAST_MESSAGES and count > ERROR_SHARE * of
