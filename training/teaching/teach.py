"""One lesson: from a checkpoint and a few recordings to a checkpoint that knows more labels."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from activity_recognition.config import EngineConfig, SyncConfig
from activity_recognition.errors import CheckpointError, ConfigError, RecordingError, quoted
from activity_recognition.inference.precision import choose_precision
from activity_recognition.models.checkpoint import (
    Checkpoint,
    refuse_to_replace,
    save_checkpoint,
)
from activity_recognition.models.rehearsal import DecisionFeatures, joined, load_rehearsal
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.recorded import RecordedConfig
from activity_recognition.scratch import scratch_folder
from activity_recognition.settings import Ranged, setting
from activity_recognition.training.data.dataset import NONE_LABEL
from activity_recognition.training.data.source import Preparing
from activity_recognition.training.pool import make_progress
from activity_recognition.training.run.rehearsal import fit_into
from activity_recognition.training.teaching.card import write_taught_card
from activity_recognition.training.teaching.estimate import (
    Estimate,
    estimate,
    to_record,
    warnings_of,
)
from activity_recognition.training.teaching.fitting import fit_labels, intruded
from activity_recognition.training.teaching.folds import folds_of
from activity_recognition.training.teaching.growing import with_labels
from activity_recognition.training.teaching.left_out import (
    LeftOut,
    calibrate,
    choose_handicap,
    leave_out,
    with_kept,
)
from activity_recognition.training.teaching.reading import (
    TaughtFeatures,
    TaughtRecordings,
    demand_data,
    demand_front_ends,
    read_features,
    read_recordings,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class TeachConfig(Ranged):
    """How a checkpoint is taught."""

    replace: tuple[str, ...] = ()
    """Labels whose recordings of before no longer count: only the new ones say what they are."""
    forget: bool = False
    """Whether the labels of before are left out, but for those of the new recordings."""
    keep: bool = True
    """Whether features of the new recordings are kept for the next lesson."""
    device: str = 'cpu'
    num_threads: int = setting(0, low=0, high=1024)
    num_workers: int = setting(0, low=0, high=256)
    """Processes that read recordings; 0 takes one per core."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lesson:
    """What came of it."""

    checkpoint: Path
    estimate: Estimate
    new: tuple[str, ...]
    """Labels that it did not know."""
    again: tuple[str, ...]
    """Labels that it knew, and of which there were new recordings."""
    sentences: tuple[str, ...]
    """What was done, beside the estimate."""
    confusions: tuple[str, ...]
    to_record: tuple[str, ...]
    """Of which labels more should be recorded."""
    warnings: tuple[str, ...]
    skipped: tuple[str, ...]
    """Why each recording that could not be used could not."""
    seconds: Mapping[str, float]
    """How long reading, encoding and fitting took."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Plan:
    """Which labels there will be."""

    labels: tuple[str, ...]
    new: tuple[str, ...]
    again: tuple[str, ...]
    fresh: frozenset[str]
    """Labels that begin as new ones."""

    @property
    def taught(self) -> list[int]:
        """Classes that are fitted."""
        return [self.labels.index(label) for label in (*self.new, *self.again)]

    @property
    def handicapped(self) -> list[int]:
        """Classes that get no more room than they need."""
        return [self.labels.index(label) for label in sorted(self.fresh)]


def teach(
    checkpoint: Checkpoint,
    data: Path | str,
    out: Path,
    config: TeachConfig | None = None,
    *,
    recorded: RecordedConfig | None = None,
    console: Console | None = None,
) -> Lesson:
    """Teach a checkpoint the labels of some recordings, and write it as another checkpoint.

    Encoders and everything that is said of other labels stay as they are. A label that the
    checkpoint does not know is added behind the others; one that it knows is fitted again, to its
    kept decisions and the new ones, or with ``replace`` to the new ones alone.

    Args:
        checkpoint: to begin with; stays as it is.
        data: what to teach, as :func:`~.reading.read_recordings` takes it.
        out: folder of the new checkpoint.
        config: how.
        recorded: which topics of the recordings are used; the usual where None.
        console: where to show progress.

    Raises:
        CheckpointError: it keeps nothing of what it was trained on, so that it would forget; or
            ``out`` holds something else.
        ConfigError: a label to replace is not known.
        RecordingError: no recording can be used, or there are too few labels.
        WeightsError, MissingExtraError: a frozen network in front of the encoders cannot run here.
    """
    config, clock = config or TeachConfig(), _Clock()
    refuse_to_replace(out)
    demand_data(data)
    kept = _kept(checkpoint, config)
    demand_front_ends(checkpoint)
    precision = choose_precision(EngineConfig(device=config.device))
    if config.num_threads:
        torch.set_num_threads(config.num_threads)
    checkpoint.system.to(precision.device)
    with scratch_folder() as scratch:
        how = Preparing(
            model=checkpoint.config,
            sync=SyncConfig(),
            cache=scratch / 'cache',
            recorded=recorded or RecordedConfig(),
            workers=config.num_workers,
            console=console,
        )
        recordings = read_recordings(data, how, scratch / 'imported')
        plan = _plan(checkpoint, recordings, config)
        clock.note('reading')
        found = read_features(checkpoint, recordings, plan.labels, precision)
    checkpoint.system.cpu()
    clock.note('encoding')
    fitted = _fit(checkpoint, kept, found, plan, console)
    clock.note('fitting')
    lesson = _Written(
        checkpoint=checkpoint, recordings=recordings, found=found, plan=plan, fitted=fitted
    )
    return lesson.write(out, clock, keep=config.keep)


class _Clock:
    """Notes how long each part took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last_s = time.monotonic()

    def note(self, part: str) -> None:
        """End a part."""
        now_s = time.monotonic()
        self.seconds[part], self._last_s = now_s - self._last_s, now_s


def _kept(checkpoint: Checkpoint, config: TeachConfig) -> DecisionFeatures | None:
    """Return what the checkpoint keeps; None where its labels are to be forgotten."""
    labels = checkpoint.config.labels
    if unknown := sorted(set(config.replace) - set(labels)):
        raise ConfigError(
            f'--replace: expected labels that the checkpoint knows, {", ".join(labels)}, got '
            f'{quoted(unknown[0])}; a label that it does not know is added anyway'
        )
    if config.forget:
        return None
    kept = load_rehearsal(checkpoint.path, checkpoint.system)
    if kept is None:
        raise CheckpointError(
            f'{checkpoint.path}: expected features of what it was trained on, it keeps none, so '
            f'its labels ({", ".join(labels[:5])}{", …" if len(labels) > 5 else ""}) would be '
            'forgotten; train it again with --set rehearsal_kb=2000, or with --forget teach a '
            'checkpoint that knows the labels of these recordings alone'
        )
    return kept


def _plan(checkpoint: Checkpoint, recordings: TaughtRecordings, config: TeachConfig) -> _Plan:
    """Decide which labels there will be, in which order.

    Raises:
        RecordingError: that would be a single one.
        ConfigError: there are no recordings of a label to replace.
    """
    given = recordings.labels
    known = () if config.forget else checkpoint.config.labels
    if absent := sorted(set(config.replace) - set(given)):
        raise ConfigError(
            f'--replace: expected recordings of {quoted(absent[0])} to replace it by, got those '
            f'of {", ".join(given)[:200]}'
        )
    new = sorted(set(given) - set(known), key=lambda label: (label != NONE_LABEL, label))
    again = tuple(label for label in known if label in given)
    labels = (*known, *new)
    if len(labels) < 2:
        left_out = f'; left out: {"; ".join(recordings.skipped[:3])}' if recordings.skipped else ''
        raise RecordingError(
            f'expected recordings with at least two labels, got {", ".join(labels)} alone; record '
            f'what is to be told from it as well, or nothing happening, labelled none{left_out}'
        )
    return _Plan(
        labels=labels, new=tuple(new), again=again, fresh=frozenset((*new, *config.replace))
    )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Fitted:
    """What was fitted."""

    system: ActivityRecognitionSystem
    kept: DecisionFeatures | None
    """Of before, with the classes of now."""
    left_out: LeftOut
    """With the handicap taken off."""
    handicap: float
    temperature: float


def _fit(
    checkpoint: Checkpoint,
    kept: DecisionFeatures | None,
    found: TaughtFeatures,
    plan: _Plan,
    console: Console | None,
) -> _Fitted:
    """Fit with every fold left out, then with all."""
    system = with_labels(checkpoint.system, plan.labels, plan.fresh)
    if kept is not None:
        places = [
            plan.labels.index(label) if label not in plan.fresh else -1
            for label in checkpoint.config.labels
        ]
        kept = kept.with_classes(places)
    with make_progress(console) as bar:
        task = bar.add_task('leaving recordings out', total=None, note='')
        progress: Callable[[int, int], None] = lambda done, count: bar.update(  # noqa: E731
            task, completed=done, total=count
        )
        left_out = leave_out(
            system, kept, found.rows, plan.taught, folds_of(found.clips), progress=progress
        )
    handicap = 0.0
    if kept is not None and len(kept):
        handicap = choose_handicap(left_out, plan.handicapped, found.targets)
        left_out = left_out.lowered(plan.handicapped, handicap)
    fit_labels(system, with_kept(system, kept, found.rows), plan.taught)
    with torch.no_grad():
        system.classifier.bias[plan.handicapped] -= handicap
    return _Fitted(
        system=system,
        kept=kept,
        left_out=left_out,
        handicap=handicap,
        temperature=calibrate(left_out, 1.0 if kept is None else checkpoint.temperature),
    )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Written:
    """What becomes a checkpoint."""

    checkpoint: Checkpoint
    """That was taught."""
    recordings: TaughtRecordings
    found: TaughtFeatures
    plan: _Plan
    fitted: _Fitted

    def write(self, out: Path, clock: _Clock, *, keep: bool) -> Lesson:
        """Judge what was fitted, and write the checkpoint."""
        judged, plan = self._judge(), self.plan
        sentences, confusions = tuple(self._sentences()), tuple(judged.confusions())
        save_checkpoint(
            out,
            self.fitted.system,
            self.checkpoint.tokenizer,
            temperature=self.fitted.temperature,
            metrics=self._metrics(judged),
            card=write_taught_card(
                self.checkpoint, plan.labels, judged, sentences=(*sentences, *confusions)
            ),
            rehearsal=self._rehearsal(keep=keep),
        )
        clock.note('writing')
        return Lesson(
            checkpoint=out,
            estimate=judged,
            new=plan.new,
            again=plan.again,
            sentences=sentences,
            confusions=confusions,
            to_record=tuple(to_record(judged)),
            warnings=(*warnings_of(self.found.clips), *self.found.warnings),
            skipped=self.recordings.skipped,
            seconds=clock.seconds,
        )

    def _judge(self) -> Estimate:
        left_out, labels = self.fitted.left_out, self.plan.labels
        answers = [labels[answer] if answer >= 0 else '' for answer in left_out.answers().tolist()]
        return estimate(self.found.clips, answers, left_out.is_asked.tolist())

    def _rehearsal(self, *, keep: bool) -> DecisionFeatures | None:
        """Return what the next lesson will know of this one and those before."""
        kept = [self.fitted.kept] if self.fitted.kept is not None else []
        kept += [self.found.rows.for_keeping(self.checkpoint.config)] if keep else []
        return fit_into(joined(kept), self.checkpoint.config) if kept else None

    def _sentences(self) -> list[str]:
        """Say what was done, beside the estimate."""
        checkpoint, plan, fitted = self.checkpoint, self.plan, self.fitted
        said = []
        if plan.new:
            said.append(f'new: {", ".join(plan.new)}')
        extended = [label for label in plan.again if label not in plan.fresh]
        if extended:
            said.append(f'extended by new recordings: {", ".join(extended)}')
        if replaced := sorted(set(plan.again) & plan.fresh):
            said.append(f'replaced: {", ".join(replaced)}')
        old = [label for label in plan.labels if label in checkpoint.config.labels]
        others = [label for label in old if label not in plan.again]
        if others and fitted.kept is not None:
            lost, asked = intruded(fitted.system, fitted.kept, plan.taught)
            said.append(
                f'{len(others)} labels of before stay as they are; of {asked} kept clips of them, '
                f'on which the encoders were trained, {lost} would now be taken for a taught label'
            )
        if fitted.handicap:
            said.append(
                f'{fitted.handicap:g} is taken off the logits of the taught labels, so that others '
                'are taken for them less often'
            )
        said.append(f'calibrated on the recordings left out: temperature {fitted.temperature:.3f}')
        return said

    def _metrics(self, judged: Estimate) -> dict[str, Any]:
        """Return what ``metrics.json`` holds: of the training of before, and of this lesson."""
        before, plan = self.checkpoint.metrics, self.plan
        training: dict[str, Any] = dict(before.get('training', {}))
        keys: dict[str, list[str]] = {
            split: list(found) for split, found in training.get('keys', {}).items()
        }
        taught = [item.key for item in self.recordings.prepared]
        keys['train'] = list(dict.fromkeys([*keys.get('train', []), *taught]))
        lesson = {
            'from': self.checkpoint.id,
            'new': list(plan.new),
            'again': list(plan.again),
            'replaced': sorted(set(plan.again) & plan.fresh),
            'recordings': len(self.recordings.prepared),
            'handicap': self.fitted.handicap,
            'estimate': judged.for_json(),
        }
        return {
            **({'schema_version': before['schema_version']} if 'schema_version' in before else {}),
            'training': {**training, 'keys': keys},
            'calibration': {'temperature': self.fitted.temperature},
            'lessons': [*before.get('lessons', []), lesson],
        }
