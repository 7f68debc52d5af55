"""The recordings that are taught: wherever they lie, as features with what is doubtful about them.

T frames, J joints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from activity_recognition.bags import find_recordings
from activity_recognition.errors import RecordingError
from activity_recognition.frozen_networks import demand_networks
from activity_recognition.inference.lanes import FrontEndSettings, front_end_type
from activity_recognition.inference.precision import Precision
from activity_recognition.modalities import modalities_of
from activity_recognition.models.checkpoint import Checkpoint
from activity_recognition.models.rehearsal import DecisionFeatures, stacked
from activity_recognition.text_files import exists
from activity_recognition.training.data.cache import PreparedRecording
from activity_recognition.training.data.clip_folders import find_clips
from activity_recognition.training.data.clip_table import is_clip_table
from activity_recognition.training.data.import_clips import import_clips
from activity_recognition.training.data.segments import LabelledSegment
from activity_recognition.training.data.source import (
    Preparing,
    RecordingSource,
    usable_labels,
)
from activity_recognition.training.data.store import is_url
from activity_recognition.training.run.decision_features import Clip, clips_of, features_of
from activity_recognition.training.sharding.manifest import holds_shards
from activity_recognition.training.sharding.opening import open_source
from activity_recognition.training.teaching.folds import TaughtClip
from activity_recognition.training.teaching.signals import SignalWatch
from activity_recognition.types import LabelSpan, seconds_between

HELD_OUT = 'test'
"""Split whose recordings are not taught."""
_NAMED = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class TaughtRecordings:
    """Labelled recordings, prepared."""

    prepared: tuple[PreparedRecording, ...]
    names: Mapping[Path, str]
    """What to call each."""
    groups: Mapping[Path, str]
    spans: Mapping[Path, tuple[LabelSpan, ...]]
    skipped: tuple[str, ...]
    """Why each recording that could not be used could not."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels that occur, sorted."""
        found = {span.label for item in self.prepared for span in self.spans[item.recording]}
        return tuple(sorted(found))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TaughtFeatures:
    """The decisions of what is taught."""

    rows: DecisionFeatures
    clips: tuple[TaughtClip, ...]
    """That the rows' numbers of clips mean."""
    targets: tuple[int, ...]
    """Class of each clip."""
    warnings: tuple[str, ...]
    """What is doubtful about what sensors sent."""


def demand_data(data: Path | str) -> None:
    """Make sure that there is something at the place of what is taught.

    Args:
        data: see :func:`read_recordings`.

    Raises:
        RecordingError: there is nothing.
    """
    if not is_url(data) and not exists(Path(data)):
        raise RecordingError(f'{data}: expected recordings or clips to teach, there is nothing')


def demand_front_ends(checkpoint: Checkpoint) -> None:
    """Make sure that the frozen networks in front of a checkpoint's encoders can run here.

    Raises:
        CheckpointError, MissingExtraError, WeightsError: one cannot; the message says what to do.
    """
    demand_networks(checkpoint.config)
    for modality in modalities_of(checkpoint.config):
        front_end_type(modality)(FrontEndSettings(config=checkpoint.config))


def read_recordings(data: Path | str, how: Preparing, scratch: Path) -> TaughtRecordings:
    """Find, import where they are clips, and prepare the recordings that are taught.

    Args:
        data: folder with recordings or one recording, folder or URL of shards, table of clips, or
            folder with a table or with a folder of clips for each label.
        how: how recordings are prepared.
        scratch: folder for what is imported.

    Raises:
        RecordingError: there is nothing, or nothing that can be used.
    """
    source, problems = _open(data, how, scratch)
    table = source.table()
    chosen = [p for p in source.found if p not in table or table[p].split != HELD_OUT]
    spans, skipped = usable_labels(source, chosen)
    prepared, damaged = source.prepare(list(spans))
    skipped = [*problems, *(source.below(text) for text in [*skipped, *damaged, *source.unread])]
    if not prepared:
        raise RecordingError(_explain_nothing(source, how, chosen, skipped))
    return TaughtRecordings(
        prepared=tuple(prepared),
        names={item.recording: source.below(str(item.recording)) for item in prepared},
        groups={path: table[path].group for path in spans if path in table},
        spans=spans,
        skipped=tuple(skipped),
    )


def _open(data: Path | str, how: Preparing, scratch: Path) -> tuple[RecordingSource, list[str]]:
    """Open what lies at a place; return also which clips could not be imported."""
    if is_url(data) or holds_shards(data):
        return open_source(data, how), []
    path = Path(data)
    if not is_clip_table(path) and find_recordings(path):
        return open_source(path, how), []
    imported = import_clips(find_clips(path), scratch)
    if not imported.imported:
        problem = imported.problems[0] if imported.problems else 'the table is empty'
        raise RecordingError(f'{path}: expected clips to teach, none can be used: {problem}')
    return open_source(scratch, how), imported.problems


def _explain_nothing(
    source: RecordingSource, how: Preparing, chosen: Sequence[Path], skipped: Sequence[str]
) -> str:
    held_out = len(source.found) - len(chosen)
    reasons = '; '.join(skipped[:_NAMED]) + ('; …' if len(skipped) > _NAMED else '')
    if not reasons:
        reasons = f'{held_out} are in the split {HELD_OUT}' if held_out else 'there are none'
    return (
        f'{source.place}: expected labelled recordings with {" or ".join(how.model.modalities)}, '
        f'which the checkpoint takes, found none that can be used: {reasons}'
    )


def read_features(
    checkpoint: Checkpoint,
    recordings: TaughtRecordings,
    labels: Sequence[str],
    precision: Precision,
) -> TaughtFeatures:
    """Run the encoders over the recordings.

    Args:
        checkpoint: whose encoders.
        recordings: prepared ones.
        labels: all classes in their order.
        precision: where and how to compute.

    Raises:
        RecordingError: nothing is visible at any labelled decision.
    """
    parts: list[DecisionFeatures] = []
    clips: list[TaughtClip] = []
    targets: list[int] = []
    signals = SignalWatch()
    for item in recordings.prepared:
        name = recordings.names[item.recording]
        segments = [s.tokenised(checkpoint.tokenizer) for s in item.segments(labels)]
        signals.add(name, {span.label for span in recordings.spans[item.recording]}, segments)
        for segment in segments:
            found = clips_of(segment)
            if not found:
                continue
            rows = features_of(checkpoint.system, segment, found, precision)
            # A clip at which nothing is visible has no rows, and a place all the same.
            parts.append(replace(rows, clips=rows.clips + len(clips)))
            group = recordings.groups.get(item.recording, '')
            clips += [_describe(clip, segment, name, labels, group) for clip in found]
            targets += [clip.target for clip in found]
    if not any(len(part) for part in parts):
        raise RecordingError(
            f'expected recordings in which {" or ".join(checkpoint.config.modalities)} is there '
            'while a label holds, found none; look at them with `activity-recognition check`'
        )
    return TaughtFeatures(
        rows=stacked(parts),
        clips=tuple(clips),
        targets=tuple(targets),
        warnings=tuple(signals.warnings()),
    )


def _describe(
    clip: Clip, segment: LabelledSegment, name: str, labels: Sequence[str], group: str
) -> TaughtClip:
    stamps = segment.decision_stamps[clip.rows]
    return TaughtClip(
        recording=name,
        label=labels[clip.target],
        group=group,
        seconds=seconds_between(int(stamps[-1]), int(stamps[0])),
    )
