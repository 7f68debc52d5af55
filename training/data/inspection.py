"""What is wrong with a folder of recordings, all of it in one go, before anybody trains on it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from activity_recognition.bags import (
    LabelScan,
    RecordingReader,
    find_labels,
)
from activity_recognition.bags.topics import describe_topics
from activity_recognition.config import SyncConfig
from activity_recognition.errors import ActivityRecognitionError, RecordingError
from activity_recognition.inference.threads import one_thread
from activity_recognition.modalities import SPEC, SPECS
from activity_recognition.recorded import DEFAULTS, NONE, RecordedConfig
from activity_recognition.sensors import SignalHealth
from activity_recognition.streams import windows
from activity_recognition.training.data.clock_findings import ClockWatch
from activity_recognition.training.data.light_findings import (
    LightWatch,
    too_little_and_too_much_light,
)
from activity_recognition.training.data.places import BagFolder
from activity_recognition.training.data.several_recordings import named, share
from activity_recognition.training.data.silence_findings import SilenceWatch, silent_audio
from activity_recognition.training.data.splits import settings_of
from activity_recognition.training.data.targets import label_seconds
from activity_recognition.training.pool import spread, worker_count
from activity_recognition.types import (
    ALL_MODALITIES,
    MODALITIES,
    LabelSpan,
    Modality,
    Sample,
    modality_of,
    seconds_between,
    to_ns,
)

GAP_S = {spec.modality: spec.longest_gap_s for spec in SPECS if spec.longest_gap_s is not None}
"""Silence of a sensor that is worth telling. Speech has pauses."""
OUTSIDE_S = 0.5
"""How far a label may reach beyond its recording."""
NAMED = 3
"""Recordings that a note about several of them names."""
ROLES = {spec.modality: spec.roles[0].role.value for spec in SPECS}
"""Settings that name the topic of each modality."""
RATE_TOLERANCE = 0.05
"""By so much the sample rate by the stamps may differ from the declared one."""
RARE_RECORDINGS = 3
"""A label in fewer recordings than this cannot be trained on, validated with and tested on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """Something that is wrong with a recording."""

    text: str
    """File, line where there is one, what was expected, what was found."""
    fatal: bool = False
    """Whether the recording cannot be used."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordingInspection:
    """One recording."""

    recording: Path
    problems: tuple[Problem, ...]
    duration_s: float = 0.0
    topics: str = ''
    """Names and types of its topics, in words; empty where it cannot be opened."""
    unwanted: frozenset[Modality] = frozenset()
    """Modalities that the settings say to do without."""
    chosen: frozenset[Modality] = frozenset()
    """Modalities that have a topic, whether or not it can be read."""
    samples: Mapping[Modality, int] = field(default_factory=dict)
    """Usable samples per modality."""
    silent: bool = False
    """Whether it has audio, and that is silence from end to end."""
    brightness: float | None = None
    """Of its images, see :class:`LightWatch`; None without images."""
    label_s: Mapping[str, float] = field(default_factory=dict)
    """Seconds of each label."""
    covered_s: Mapping[tuple[str, Modality], float] = field(default_factory=dict)
    """Seconds of each label during which a modality is visible to a decision."""

    @property
    def usable(self) -> bool:
        """Whether training would take it."""
        return not any(problem.fatal for problem in self.problems)


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspection:
    """A folder of recordings."""

    recordings: tuple[RecordingInspection, ...]
    problems: tuple[Problem, ...]
    """What concerns several recordings, or the labels of all."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the usable recordings, by name."""
        return tuple(sorted({label for r in self.recordings if r.usable for label in r.label_s}))

    @property
    def damaged(self) -> tuple[RecordingInspection, ...]:
        """Recordings that training would leave out."""
        return tuple(r for r in self.recordings if not r.usable)

    @property
    def all_problems(self) -> tuple[Problem, ...]:
        """Everything, recording by recording."""
        return tuple(p for r in self.recordings for p in r.problems) + self.problems


@dataclass(frozen=True, kw_only=True, slots=True)
class _Work:
    """What a worker process is sent."""

    recording: Path
    known: frozenset[str]
    sync: SyncConfig
    recorded: RecordedConfig


def inspect(
    folder: Path,
    *,
    known: Iterable[str] = (),
    sync: SyncConfig | None = None,
    recorded: RecordedConfig = DEFAULTS,
    workers: int = 0,
    console: Console | None = None,
) -> Inspection:
    """Look at every recording below a folder, and at all of them together.

    Args:
        folder: where to look.
        known: labels that may occur; empty allows all.
        sync: admission, as the node and training have it.
        recorded: which topics are used and what they mean, where ``splits.csv`` does not say.
        workers: processes; 0 takes one per core.
        console: where to show progress.

    Raises:
        RecordingError: the folder does not exist or holds no recording.
    """
    bags = BagFolder(folder)
    found, unread = bags.found, bags.unread
    if not found:
        raise RecordingError(
            f'{folder}: expected recordings below it (rosbag2 folders, or .mcap, .db3 and .bag '
            f'files), found {"; ".join(unread[:NAMED]) or "none"}'
        )
    table, wrong_splits = bags.scan_table()
    work = [
        _Work(recording=path, known=frozenset(known), sync=sync or SyncConfig(), recorded=settings)
        for path, settings in settings_of(found, table, recorded).items()
    ]
    outcomes = dict(
        spread(
            _inspect,
            work,
            workers=worker_count(workers),
            description='inspecting recordings',
            console=console,
        )
    )
    recordings = tuple(outcomes[index] for index in range(len(work)))
    labels = {r.recording: r.label_s for r in recordings}
    silence = silent_audio({r.recording: r.silent for r in recordings}, labels)
    light = too_little_and_too_much_light({r.recording: r.brightness for r in recordings}, labels)
    problems = [
        *(Problem(text=text, fatal=True) for text in unread),
        *(Problem(text=text, fatal=True) for text in wrong_splits),
        *_missing_modalities(recordings),
        *(Problem(text=text) for text in (*light, *silence)),
        *_rare_labels(recordings),
    ]
    return Inspection(recordings=recordings, problems=tuple(problems))


def _inspect(work: _Work) -> RecordingInspection:
    """Look at one recording; whatever is wrong with it is an answer."""
    scan = find_labels(work.recording)
    problems = [Problem(text=text, fatal=True) for text in scan.problems]
    if not scan.spans and not scan.problems:
        text = f'{scan.path}: expected labelled spans, found none'
        problems.append(Problem(text=text, fatal=True))
    try:
        with one_thread(), RecordingReader.of(work.recording, work.recorded) as reader:
            watch = _SampleWatch(reader, work.sync)
            watch.run()
            problems += watch.problems()
            duration_s, start_ns = reader.duration_s, reader.start_ns
            roles = reader.roles
            topics = describe_topics(reader.topics) or 'none'
    except (ActivityRecognitionError, OSError) as error:
        text = f'{work.recording}: {error}' if isinstance(error, OSError) else str(error)
        if text not in scan.problems:  # looking for a topic with labels found it already
            problems.append(Problem(text=text, fatal=True))
        return RecordingInspection(recording=work.recording, problems=tuple(problems))
    problems += _label_problems(scan, work.known, duration_s)
    return RecordingInspection(
        recording=work.recording,
        problems=tuple(problems),
        duration_s=duration_s,
        topics=topics,
        unwanted=frozenset(m for m, r in ROLES.items() if getattr(work.recorded, r) == NONE),
        chosen=frozenset(m for m, r in ROLES.items() if getattr(roles, r)),
        samples=dict(watch.counts),
        silent=watch.silence.silent,
        brightness=watch.light.brightness,
        label_s=label_seconds(scan.spans),
        covered_s=_coverage(scan.spans, watch.seen, start_ns),
    )


class _SampleWatch:
    """Runs through the samples of one recording as a node would take them."""

    def __init__(self, reader: RecordingReader, sync: SyncConfig) -> None:
        self._reader = reader
        self._sync = sync
        self.counts: Counter[Modality] = Counter()
        self.seen: dict[Modality, list[tuple[int, int]]] = {m: [] for m in ALL_MODALITIES}
        """Intervals in which a modality delivers, [start, end] of stamps."""
        self._gaps: defaultdict[Modality, list[tuple[int, int]]] = defaultdict(list)
        self._resets: list[int] = []
        self._arrivals: dict[Modality, tuple[int, int]] = {}
        """First and last of each modality."""
        self._signal_problems: dict[tuple[Modality, str], str] = {}
        """The first of each kind."""
        self._clocks = ClockWatch()
        self.light = LightWatch()
        self.silence = SilenceWatch()
        self._stamps = _StampWatch(to_ns(sync.reset_after_s))

    def run(self) -> None:
        """Read everything."""
        newest_ns = self._reader.start_ns
        for window in windows(self._stamps.watch(self._reader.samples()), self._sync):
            if window.reset:
                self._resets.append(newest_ns)
            for sample in window.samples:
                self._add(sample)
                newest_ns = sample.arrival_ns
                if SPEC[sample.modality].has_holes:
                    self._note(sample.modality, self._reader.health(sample.modality))

    def _note(self, modality: Modality, health: SignalHealth) -> None:
        """Note what is wrong with the channels, or with the rate, of a signal so far."""
        if health.problem:
            self._signal_problems.setdefault((modality, 'channels'), health.problem)
        declared_hz, measured_hz = health.declared_rate_hz, health.measured_rate_hz
        self._signal_problems.pop((modality, 'rate'), None)
        if declared_hz and measured_hz and abs(measured_hz / declared_hz - 1) > RATE_TOLERANCE:
            source = SPEC[modality].roles[-1].message_types[0].rpartition('/')[2]
            self._signal_problems[modality, 'rate'] = (
                f'{modality} rate: {declared_hz} samples a second are declared, but by their '
                f'stamps {measured_hz:.0f} come: the {source} or the stamps are wrong, or messages '
                'are missing'
            )

    def _add(self, sample: Sample) -> None:
        modality = modality_of(sample)
        self.counts[modality] += 1
        self._clocks.add(sample)
        self.light.add(sample)
        self.silence.add(sample)
        first_ns, _ = self._arrivals.get(modality, (sample.arrival_ns, 0))
        self._arrivals[modality] = first_ns, sample.arrival_ns
        start_ns, end_ns = _span_ns(sample)
        intervals, limit_s = self.seen[modality], GAP_S.get(modality)
        if intervals and limit_s is not None:
            last_ns = intervals[-1][1]
            if 0 <= start_ns - last_ns <= to_ns(limit_s):
                intervals[-1] = (intervals[-1][0], max(last_ns, end_ns))
                return
            if start_ns > last_ns:
                self._gaps[modality].append((last_ns, start_ns))
        intervals.append((start_ns, end_ns))

    def problems(self) -> Iterator[Problem]:
        """Say what is lost or out of time."""
        path, start_ns = self._reader.path, self._reader.start_ns
        drops = self._reader.drops
        for reason, count in drops.counts.items():
            yield Problem(
                text=f'{path}: {count} messages cannot be used, such as: {drops.examples[reason]}'
            )
        for at_ns in self._resets:
            yield Problem(
                text=f'{path}: the clock jumps {seconds_between(at_ns, start_ns):.2f} s after the '
                'start; what lies before and after is trained on apart'
            )
        for sentence in self._signal_problems.values():
            yield Problem(text=f'{path}: {sentence}')
        for text in self._clocks.problems(path, jumps=bool(self._resets)):
            yield Problem(text=text)
        for text in self._stamps.problems():
            yield Problem(text=f'{path}: {text}')
        yield from self._silent_ends()
        for modality, gaps in self._gaps.items():
            for last_ns, next_ns in gaps:
                yield Problem(
                    text=f'{path}: no {modality} for {seconds_between(next_ns, last_ns):.2f} s, '
                    f'from {seconds_between(last_ns, start_ns):.2f} s on'
                )

    def _silent_ends(self) -> Iterator[Problem]:
        """Say which sensors begin late or end early, by the clock of the recording."""
        path, begin_ns, end_ns = self._reader.path, self._reader.start_ns, self._reader.end_ns
        for modality, limit_s in GAP_S.items():
            if modality not in self._arrivals:
                continue
            first_ns, last_ns = self._arrivals[modality]
            late_s, early_s = seconds_between(first_ns, begin_ns), seconds_between(end_ns, last_ns)
            if late_s > limit_s:
                yield Problem(text=f'{path}: no {modality} for the first {late_s:.2f} s')
            # One that lasts longer than what it holds does so on purpose.
            if early_s > limit_s and self._reader.until_ns is None:
                yield Problem(text=f'{path}: no {modality} for the last {early_s:.2f} s')


class _StampWatch:
    """Counts samples that admission leaves out for their stamps.

    Where samples lie on a grid, decoders do so themselves; what may be late is never left out.
    """

    def __init__(self, reset_after_ns: int) -> None:
        self._reset_after_ns = reset_after_ns
        self._newest_ns: dict[Modality, int] = {}
        self._counts: Counter[Modality] = Counter()
        self._repeated: Counter[Modality] = Counter()
        self._late: Counter[Modality] = Counter()

    def watch(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        """Pass all samples on."""
        for sample in samples:
            modality = sample.modality
            if not (SPEC[modality].has_holes or SPEC[modality].may_be_late):
                self._add(modality, sample.stamp_ns)
            yield sample

    def _add(self, modality: Modality, stamp_ns: int) -> None:
        self._counts[modality] += 1
        behind_ns = self._newest_ns.get(modality, stamp_ns - 1) - stamp_ns
        if 0 <= behind_ns < self._reset_after_ns:
            self._repeated[modality] += behind_ns == 0
            self._late[modality] += behind_ns > 0
        else:
            self._newest_ns[modality] = stamp_ns

    def problems(self) -> Iterator[str]:
        """Say of each modality how many there were."""
        for modality, count in self._counts.items():
            repeated, late = self._repeated[modality], self._late[modality]
            if repeated + late:
                yield (
                    f'{repeated + late} of {count} {SPEC[modality].sample_noun}s are left out: '
                    f'{repeated} have the stamp of the one before, {late} an earlier one; the '
                    'driver stamps them wrongly, or several publish on one topic'
                )


def _span_ns(sample: Sample) -> tuple[int, int]:
    """Return when what a sample holds began and ended."""
    start_ns, end_ns = getattr(sample, 'start_ns', None), getattr(sample, 'end_ns', None)
    first_ns = sample.stamp_ns if start_ns is None else start_ns
    return first_ns, sample.stamp_ns if end_ns is None else end_ns


def _label_problems(scan: LabelScan, known: frozenset[str], duration_s: float) -> Iterator[Problem]:
    for span, line in zip(scan.spans, scan.lines, strict=True):
        if span.end_s > duration_s + OUTSIDE_S:
            outside = span.start_s >= duration_s
            yield Problem(
                text=f'{scan.path}:{line}: {span.label!r} ends at {span.end_s:g} s, '
                f'but the recording lasts {duration_s:.2f} s',
                fatal=outside,
            )
        if known and span.label not in known:
            yield Problem(
                text=f'{scan.path}:{line}: expected a label of {", ".join(sorted(known))}, '
                f'got {span.label!r}'
            )


def _coverage(
    spans: Iterable[LabelSpan], seen: Mapping[Modality, Sequence[tuple[int, int]]], start_ns: int
) -> dict[tuple[str, Modality], float]:
    """Return the seconds of each label during which a modality delivers.

    What has pauses, as an utterance, covers all of the span that it falls into.
    """
    covered: defaultdict[tuple[str, Modality], float] = defaultdict(float)
    for span in spans:
        first_ns, last_ns = start_ns + to_ns(span.start_s), start_ns + to_ns(span.end_s)
        for modality, intervals in seen.items():
            shared = [
                seconds_between(min(last_ns, end), max(first_ns, begin))
                for begin, end in intervals
                if begin <= last_ns and end >= first_ns
            ]
            if modality not in GAP_S and shared:
                shared = [span.end_s - span.start_s]
            # After a clock jump intervals may lie over each other.
            covered[span.label, modality] += min(sum(shared), span.end_s - span.start_s)
    return dict(covered)


def _missing_modalities(recordings: Sequence[RecordingInspection]) -> Iterator[Problem]:
    """Say once for all recordings that lack a modality which they are, and what they have."""
    opened = [recording for recording in recordings if recording.topics]
    for modality in ALL_MODALITIES:
        if modality not in MODALITIES and not any(r.samples.get(modality) for r in opened):
            continue
        without = [
            recording
            for recording in opened
            if not recording.samples.get(modality) and modality not in recording.unwanted
        ]
        if not without:
            continue
        names = named([recording.recording for recording in without])
        whose = 'the topics of the first' if len(without) > 1 else 'its topics'
        hint = f'; if one of them has it, name it with --{ROLES[modality]}'
        hint = '' if all(modality in recording.chosen for recording in without) else hint
        yield Problem(
            text=f'{names}: no {modality} that can be read{share(len(without), len(opened))}; '
            f'{whose}: {without[0].topics}{hint}'
        )


def _rare_labels(recordings: Iterable[RecordingInspection]) -> Iterator[Problem]:
    counts = Counter(label for r in recordings if r.usable for label in r.label_s)
    for label, count in sorted(counts.items()):
        if count < RARE_RECORDINGS:
            yield Problem(
                text=f'the label {label!r} is in {count} usable recording{"s"[: count != 1]} only; '
                f'at least {RARE_RECORDINGS} let it be trained on, validated with and tested on'
            )
