"""The admission trace of a running node as a file: what its engine was given, and what it decided.

Lines of JSON, appended in the thread of the engine. The samples themselves are not kept: each is
named by modality, stamp, arrival and a digest of its content, by which it is found in the recording
that was played. Every activation begins with a line of its own::

    {"trace": 1, "checkpoint": "2f0c…", "labels": […], "device": "…", "smoothing": {…}}
    {"reset": false, "samples": [["video", 170…, 170…, "9b1c…"], …]}
    {"reset": false, "samples": […], "decision": [t_ns, arrival_ns, status, class], "logits": […]}
    {"counts": {"video": {"received": 450, …}, …}, "decisions_skipped": 0, "failed_steps": 0}

The last one is written when the node stops; without it the trace is cut short, and refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from activity_recognition.config import SmoothingConfig
from activity_recognition.config_io import build_config, to_mapping
from activity_recognition.errors import (
    ConfigError,
    RecordingError,
    printable,
    quoted,
)
from activity_recognition.modalities import SPEC
from activity_recognition.text_files import demand_mapping, parse_json, read_text
from activity_recognition.types import (
    ALL_MODALITIES,
    Decision,
    DecisionTime,
    Modality,
    Sample,
    Status,
    Window,
    modality_of,
)

if TYPE_CHECKING:
    from activity_recognition.inference.multi_stream import MultiStreamEngine
    from activity_recognition.streams import InputCounters

VERSION = 1
"""Of the lines; grows when one changes its meaning."""
_TRACE_LIMIT = 2 << 30
"""Bytes of a file: a day of decisions."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleId:
    """One admitted sample."""

    modality: Modality
    stamp_ns: int
    arrival_ns: int
    """As admission made it: later than that of every sample before."""
    digest: str
    """Of its contents: :func:`digest_of`."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TracedDecision:
    """One decision as the node took it."""

    moment: DecisionTime
    status: Status
    class_id: int
    """Published answer, after smoothing; -1 unless ``status`` is OK."""
    logits: NDArray[np.float32]
    """(num_activities,), raw, of this decision alone; zeros where the node saw nothing."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TracedWindow:
    """One step of the engine."""

    reset: bool
    """Whether everything was forgotten before it."""
    samples: tuple[SampleId, ...]
    decision: TracedDecision | None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class AdmissionTrace:
    """A whole file."""

    checkpoint_id: str
    labels: tuple[str, ...]
    device: str
    """Device and precision in words."""
    smoothing: SmoothingConfig
    """At the activation."""
    windows: tuple[TracedWindow, ...]
    received: Mapping[Modality, int]
    """Samples that came to the node."""
    dropped: Mapping[Modality, Mapping[str, int]]
    """Of those, the ones that the engine was not given, by reason."""
    decisions_skipped: int
    """Decisions that were due and given up for a newer one."""
    failed_steps: int
    """Windows that the engine failed at; it began from scratch after each."""

    @property
    def decisions(self) -> tuple[TracedDecision, ...]:
        """All decisions, in the order they were taken."""
        return tuple(w.decision for w in self.windows if w.decision is not None)


def digest_of(sample: Sample) -> str:
    """Return 16 hexadecimal digits of what a sample holds; its times are no part of it."""
    values = getattr(sample, SPEC[sample.modality].content)
    content: bytes | memoryview
    if isinstance(values, str):
        content = values.encode()
    else:
        content = np.ascontiguousarray(values).data.cast('B') if values.size else b''
    return hashlib.blake2b(content, digest_size=8).hexdigest()


class TracedEngine:
    """An engine of one stream that writes down what it is given and what it decides."""

    def __init__(
        self,
        engine: MultiStreamEngine,
        path: Path,
        *,
        smoothing: SmoothingConfig,
        on_problem: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Open the file, to be appended to.

        Args:
            engine: what decides, for a single stream; touched by one thread.
            path: the file; its folder has to exist.
            smoothing: what the engine smooths with.
            on_problem: called once with why nothing more is written, in the thread that writes.

        Raises:
            ConfigError: the file cannot be opened.
        """
        self._engine = engine
        self._path = path
        self._on_problem = on_problem
        self.problem = ''
        """Why the trace ended before the node did; empty where it did not."""
        try:
            # A line reaches the file as soon as it is whole, whatever becomes of the process.
            self._file = path.open('a', buffering=1, encoding='utf-8')
        except OSError as error:
            raise ConfigError(
                f'trace: expected a file that can be written, cannot open {path}: '
                f'{error.strerror}; name one in a folder that exists, or none'
            ) from error
        self._write(
            {
                'trace': VERSION,
                'checkpoint': engine.checkpoint_id,
                'labels': list(engine.labels),
                'device': engine.device_name,
                'smoothing': to_mapping(smoothing),
            }
        )

    def apply(self, windows: Mapping[str, Window]) -> dict[str, Decision]:
        """Take the stream's window and write it down; return the decision it ends with.

        A file that cannot be written costs no decision: the trace ends, and says so once.
        """
        decisions = self._engine.apply(windows)
        for name, window in windows.items():
            self._write(_line_of(window, decisions.get(name)))
        return decisions

    def reset(self, name: str) -> None:
        """Forget all samples, and write that down."""
        self._engine.reset(name)
        self._write({'reset': True, 'samples': []})

    def close(
        self,
        counters: Mapping[Modality, InputCounters],
        *,
        decisions_skipped: int,
        failed_steps: int,
    ) -> None:
        """Write what became of all samples, and end the file; the engine must be idle.

        Args:
            counters: what became of each modality's samples.
            decisions_skipped: given up for a newer one.
            failed_steps: that the engine failed at.
        """
        counts = {
            modality.value: {
                'received': counted.received,
                'dropped': {reason.value: n for reason, n in counted.dropped.items() if n},
            }
            for modality, counted in counters.items()
        }
        self._write(
            {
                'counts': counts,
                'decisions_skipped': decisions_skipped,
                'failed_steps': failed_steps,
            }
        )
        self._abandon()

    def _write(self, line: Mapping[str, Any]) -> None:
        if self._file.closed:
            return
        try:
            self._file.write(json.dumps(line, separators=(',', ':'), ensure_ascii=False) + '\n')
        except OSError as error:
            # Said once: a full disk must not end what the robot is there for.
            self._abandon()
            self.problem = (
                f'trace: cannot write {self._path}: {error.strerror}; nothing more is written, and '
                'the file is not whole; decisions go on'
            )
            self._on_problem(self.problem)

    def _abandon(self) -> None:
        try:
            self._file.close()
        except OSError:
            return  # of what was still to be written; the file is closed all the same


def _line_of(window: Window, decision: Decision | None) -> dict[str, Any]:
    samples = [
        [modality_of(s).value, s.stamp_ns, s.arrival_ns, digest_of(s)] for s in window.samples
    ]
    line: dict[str, Any] = {'reset': window.reset, 'samples': samples}
    if decision is not None:
        status, class_id = int(decision.status), decision.class_id
        line['decision'] = [decision.t_ns, decision.arrival_ns, status, class_id]
        # Every float32 is a float64, and JSON keeps those exactly.
        line['logits'] = decision.logits.tolist()
    return line


def read_trace(path: Path) -> AdmissionTrace:
    """Read a whole trace.

    Several activations of one checkpoint are joined: each begins with a reset.

    Raises:
        RecordingError: it is missing, damaged, cut short, or of several checkpoints.
    """
    text = read_text(
        path, RecordingError, what='it as the trace of a node', limit_bytes=_TRACE_LIMIT
    )
    lines = text.split('\n')
    if not lines[-1]:
        lines.pop()
    seen: set[Modality] = set()
    parts = [_read_line(path, number, line, seen) for number, line in enumerate(lines, start=1)]
    heads = [part for part in parts if 'trace' in part]
    if not heads or parts[0] is not heads[0] or 'counts' not in parts[-1]:
        raise RecordingError(
            f'{path}: expected a trace from the first line, which names the checkpoint, to the '
            f'last, which counts samples; it is cut short after {len(lines)} lines; let the node '
            'end by itself'
        )
    if any(head['checkpoint'] != heads[0]['checkpoint'] for head in heads):
        raise RecordingError(
            f'{path}: expected decisions of one checkpoint, got several; trace each into a file of '
            'its own'
        )
    return _assemble(heads[0], parts)


def _assemble(head: Mapping[str, Any], parts: Iterable[Mapping[str, Any]]) -> AdmissionTrace:
    ends = [part for part in parts if 'counts' in part]
    modalities = [m for m in ALL_MODALITIES if any(m in end['counts'] for end in ends)]
    counts = {m: [end['counts'][m] for end in ends if m in end['counts']] for m in modalities}
    reasons = {m: {r for count in counts[m] for r in count['dropped']} for m in modalities}
    return AdmissionTrace(
        checkpoint_id=head['checkpoint'],
        labels=head['labels'],
        device=head['device'],
        smoothing=head['smoothing'],
        windows=tuple(part['window'] for part in parts if 'window' in part),
        received={m: sum(count['received'] for count in counts[m]) for m in modalities},
        dropped={
            m: {r: sum(count['dropped'].get(r, 0) for count in counts[m]) for r in reasons[m]}
            for m in modalities
        },
        decisions_skipped=sum(end['decisions_skipped'] for end in ends),
        failed_steps=sum(end['failed_steps'] for end in ends),
    )


def _read_line(path: Path, number: int, text: str, seen: set[Modality]) -> dict[str, Any]:
    """Return a line as what it stands for; a head also carries the reset it means.

    ``seen`` collects the modalities of samples, all of which have to be counted.
    """
    try:
        # A network that overflows gives logits that are not finite.
        line = demand_mapping(
            parse_json(text, ConfigError, where='JSON', allow_nan=True), ConfigError, where='JSON'
        )
        if 'trace' in line:
            return _read_head(line)
        if 'counts' in line:
            return _read_counts(line, seen)
        window = _read_window(line)
        seen |= {sample.modality for sample in window.samples}
        return {'window': window}
    except (
        *(ValueError, TypeError, KeyError, AttributeError, ArithmeticError),
        ConfigError,
    ) as error:
        raise RecordingError(
            f'{path}:{number}: expected a line of a trace of version {VERSION}, got '
            f'{quoted(text[:60])} ({type(error).__name__}: {printable(str(error), 300)})'
        ) from error


def _read_head(line: Mapping[str, Any]) -> dict[str, Any]:
    if line['trace'] != VERSION:
        raise ValueError(f'version {quoted(line["trace"])}')
    return {
        'trace': VERSION,
        'checkpoint': str(line['checkpoint']),
        'labels': tuple(map(str, line['labels'])),
        'device': str(line['device']),
        'smoothing': build_config(SmoothingConfig, line['smoothing'], where='smoothing'),
        'window': TracedWindow(reset=True, samples=(), decision=None),
    }


def _read_counts(line: Mapping[str, Any], seen: set[Modality]) -> dict[str, Any]:
    counts = {
        Modality(name): {
            'received': int(count['received']),
            'dropped': {str(reason): int(n) for reason, n in count['dropped'].items()},
        }
        for name, count in line['counts'].items()
    }
    if uncounted := seen - counts.keys():
        raise ValueError(f'expected counts of {", ".join(sorted(uncounted))}')
    return {
        'counts': counts,
        'decisions_skipped': int(line['decisions_skipped']),
        'failed_steps': int(line['failed_steps']),
    }


def _read_window(line: Mapping[str, Any]) -> TracedWindow:
    samples = tuple(
        SampleId(
            modality=Modality(modality),
            stamp_ns=_stamp(stamp_ns),
            arrival_ns=_stamp(arrival_ns),
            digest=str(digest),
        )
        for modality, stamp_ns, arrival_ns, digest in line['samples']
    )
    decision = _read_decision(line) if 'decision' in line else None
    return TracedWindow(reset=bool(line['reset']), samples=samples, decision=decision)


def _stamp(value: Any) -> int:
    if not isinstance(value, int) or abs(value) >= 1 << 63:
        raise ValueError(f'expected nanoseconds in 64 bits, got {quoted(value)}')
    return value


def _read_decision(line: Mapping[str, Any]) -> TracedDecision:
    t_ns, arrival_ns, status, class_id = line['decision']
    with np.errstate(over='ignore'):
        logits = np.array(line['logits'], np.float64).astype(np.float32)
    return TracedDecision(
        moment=DecisionTime(t_ns=_stamp(t_ns), arrival_ns=_stamp(arrival_ns)),
        status=Status(status),
        class_id=int(class_id),
        logits=logits,
    )
