"""A checkpoint measured on recordings in every respect that a report shows.

R recordings, C classes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from activity_recognition.config import EngineConfig, SmoothingConfig, SyncConfig
from activity_recognition.config_io import to_mapping
from activity_recognition.errors import ConfigError
from activity_recognition.inference.precision import Precision, choose_precision
from activity_recognition.models.checkpoint import Checkpoint
from activity_recognition.recorded import DEFAULTS, RecordedConfig, Setting
from activity_recognition.training.data.cache import PreparedRecording
from activity_recognition.training.data.source import SHARDS, Preparing
from activity_recognition.training.evaluation import calibration
from activity_recognition.training.evaluation.about import about_recording, checkpoint_name
from activity_recognition.training.evaluation.agreement import measure_agreement
from activity_recognition.training.evaluation.bootstrap import LEVEL, Bootstrap
from activity_recognition.training.evaluation.clips import (
    ClipAnswer,
    answer_clip,
    summarise_clips,
)
from activity_recognition.training.evaluation.combinations import (
    combination_intervals,
    count,
)
from activity_recognition.training.evaluation.cost import Cost, cost_in_numbers, measure_cost
from activity_recognition.training.evaluation.curves import read_curves
from activity_recognition.training.evaluation.decisions import SegmentResult
from activity_recognition.training.evaluation.detection import measure_detection
from activity_recognition.training.evaluation.generalisation import (
    OwnCounts,
    count_heads,
    measure_generalisation,
)
from activity_recognition.training.evaluation.live import Play, measure_live, play_recordings
from activity_recognition.training.evaluation.predict import (
    Combination,
    combination_name,
    combinations_of,
)
from activity_recognition.training.evaluation.recordings import (
    Recordings,
    choose_recordings,
    keys_of,
    recorded_of,
)
from activity_recognition.training.evaluation.schema import SCHEMA_VERSION, SECTIONS, Metrics
from activity_recognition.training.evaluation.scoring import (
    decide_segment,
    measure,
    stacked,
)
from activity_recognition.training.evaluation.temporal import (
    measure_temporal,
    temporal_intervals,
    temporal_sums,
)
from activity_recognition.training.evaluation.unknown import measure_unknown
from activity_recognition.training.pool import make_progress
from activity_recognition.training.sharding.manifest import holds_shards
from activity_recognition.training.sharding.opening import open_source
from activity_recognition.types import LabelSpan, Modality, seconds_between


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationConfig:
    """How to measure; what concerns the decisions has the node's defaults."""

    split: str = ''
    """``train``, ``validation``, ``test``, or empty; see
    :func:`activity_recognition.training.evaluation.recordings.choose_recordings`."""
    strict: bool = False
    """Whether a recording that cannot be used is an error; else it is left out and named."""
    seed: int = 0
    """Of the bootstrap."""
    resamples: int = 1000
    """Of the bootstrap."""
    cost_decisions: int = 600
    """Decisions that are timed at most; 0 times none."""
    num_workers: int = 0
    """Processes that read recordings; 0 takes one per core."""
    recorded: Mapping[str, Setting] = field(default_factory=dict)
    """How the topics of recordings are read, where other than in the checkpoint's training."""
    sync: SyncConfig = field(default_factory=SyncConfig)
    smoothing: SmoothingConfig = field(default_factory=SmoothingConfig)
    engine: EngineConfig = field(default_factory=EngineConfig)

    def __post_init__(self) -> None:
        """Raise ConfigError for a number that nothing can be done with."""
        for name, least in (('resamples', 1), ('cost_decisions', 0), ('num_workers', 0)):
            if getattr(self, name) < least:
                raise ConfigError(f'{name} must be at least {least}, got {getattr(self, name)}')
        if self.seed < 0:
            raise ConfigError(f'seed must be at least 0, got {self.seed}')


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Decided:
    """One recording with all that was decided about it."""

    name: str
    start_ns: int
    group: str = ''
    """Of which it is one recording; empty where it belongs to none."""
    clip: ClipAnswer | None = None
    """As a whole, with everything that it has; None where it has not one label."""
    is_seen_scene: bool = False
    """Whether the checkpoint was trained on it, or on another recording of its group."""
    own_counts: Mapping[Modality, OwnCounts] = field(default_factory=dict)
    """Confusions of each modality's own head, of :func:`count_heads`."""
    spans: tuple[LabelSpan, ...]
    counts: Mapping[Combination, Mapping[str, NDArray[np.int64]]]
    """Confusion of :func:`count`, (C, C + 1), per combination, all modalities first."""
    results: tuple[SegmentResult, ...]
    """With everything that the recording has."""
    dropped: int
    """Messages that could not be decoded."""

    @property
    def seconds(self) -> float:
        """Time over which there are decisions."""
        return sum(
            seconds_between(int(s.stamps_ns[-1]), int(s.stamps_ns[0]))
            for s in self.results
            if len(s.stamps_ns)
        )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Evaluation:
    """What was found, and what it was found from."""

    metrics: Metrics
    decided: tuple[Decided, ...]


def evaluate_checkpoint(
    checkpoint: Checkpoint,
    data: Path | str,
    *,
    cache: Path,
    config: EvaluationConfig | None = None,
    conditions: Mapping[str, str] | None = None,
    console: Console | None = None,
    play: Play | None = None,
) -> Evaluation:
    """Decide over the labelled recordings at a place as the node would, and measure it.

    Shards give the decisions of the recordings that they were made of. They hold nothing as sensors
    send it: what a decision costs is not measured on them, and they cannot be played.

    Args:
        checkpoint: what to measure.
        data: folder with recordings, or folder or URL of shards.
        cache: where prepared arrays are kept, and found again.
        config: how to measure.
        conditions: versions and machine, for the record.
        console: where to show progress.
        play: plays a recording into a node, whose decisions are then measured, too; None plays
            none.

    Raises:
        RecordingError: no recording can be used, or with ``strict`` not every one, or a shard is
            damaged or was prepared for another network.
        ConfigError: shards are to be played.
        ActivityRecognitionError: a node failed.
        DeviceError: the device or precision asked for is not there.
    """
    config = config or EvaluationConfig()
    precision = choose_precision(config.engine)
    if play is not None:
        _refuse_shards_to_play(data)
    recordings = _recordings(checkpoint, data, config, cache, console)
    # Before whole recordings are in memory, which no node would hold.
    cost = _cost(checkpoint, recordings, config, console)
    decided = decide(checkpoint, recordings, config, precision, console)
    found = {
        **measure_sections(decided, checkpoint, recordings.unknown_labels, config, cost),
        **_about(checkpoint, recordings, decided, config),
        'live': None,
        'conditions': dict(conditions or {}),
    }
    if play is not None:
        played = play_recordings(
            decided, recordings.prepared, play, checkpoint, precision=precision, sync=config.sync
        )
        found['live'] = measure_live(played, checkpoint, precision, config.sync)
    return Evaluation(metrics={key: found[key] for key in SECTIONS}, decided=decided)


def _recordings(
    checkpoint: Checkpoint,
    data: Path | str,
    config: EvaluationConfig,
    cache: Path,
    console: Console | None,
) -> Recordings:
    """Choose and prepare the recordings that are measured."""
    how = Preparing(
        model=checkpoint.config,
        sync=config.sync,
        cache=cache,
        recorded=_recorded(checkpoint, config),
        workers=config.num_workers,
        console=console,
    )
    return choose_recordings(
        open_source(data, how, demanded=DEFAULTS.with_overrides(config.recorded)),
        checkpoint.config.labels,
        split=config.split,
        keys=keys_of(checkpoint),
        strict=config.strict,
    )


def _refuse_shards_to_play(data: Path | str) -> None:
    """Raise ConfigError for shards, before anything is prepared."""
    if holds_shards(data):
        raise ConfigError(
            f'{data}: expected recordings to play, got prepared shards, which no longer hold what '
            'sensors sent; give the folder of the recordings that they were made of'
        )


def decide(
    checkpoint: Checkpoint,
    recordings: Recordings,
    config: EvaluationConfig,
    precision: Precision,
    console: Console | None = None,
) -> tuple[Decided, ...]:
    """Decide over whole recordings with every combination of modalities.

    Args:
        checkpoint: what decides.
        recordings: over which.
        config: how to measure.
        precision: where and how to compute.
        console: where to show progress.
    """
    checkpoint.system.to(precision.device)
    decided = []
    with make_progress(console) as bar:
        task = bar.add_task('deciding', total=len(recordings.prepared), note='')
        for recording in recordings.prepared:
            decided.append(_decide_one(checkpoint, recordings, recording, config, precision))
            bar.advance(task)
    return tuple(decided)


def _decide_one(
    checkpoint: Checkpoint,
    recordings: Recordings,
    recording: PreparedRecording,
    config: EvaluationConfig,
    precision: Precision,
) -> Decided:
    labels = (*checkpoint.config.labels, *recordings.unknown_labels)
    combinations = combinations_of(checkpoint.system.modalities)
    results: dict[Combination, list[SegmentResult]] = {c: [] for c in combinations}
    for opened in recording.segments(labels):
        decided = decide_segment(
            checkpoint.system,
            opened.tokenised(checkpoint.tokenizer),
            temperature=checkpoint.temperature,
            smoothing=config.smoothing,
            precision=precision,
        )
        for combination, result in decided.items():
            results[combination].append(result)
    num_classes, temperature = len(checkpoint.config.labels), checkpoint.temperature
    return Decided(
        name=recordings.names[recording.recording],
        group=recordings.groups.get(recording.recording, ''),
        clip=answer_clip(results[combinations[0]], temperature),
        is_seen_scene=recording.recording in recordings.seen_scenes,
        own_counts=count_heads(results[combinations[0]], combinations[0], num_classes),
        start_ns=recording.start_ns,
        spans=recordings.spans[recording.recording],
        counts={c: count(found, num_classes, temperature) for c, found in results.items()},
        results=tuple(results[combinations[0]]),
        dropped=recording.dropped,
    )


@dataclass(slots=True)
class _Sums:
    """What each recording adds to everything that gets an interval, (R, ...) each."""

    counts: dict[Combination, dict[str, NDArray[np.int64]]] = field(default_factory=dict)
    temporal: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    calibration: dict[str, NDArray[np.float64]] = field(default_factory=dict)


def measure_sections(
    decided: Sequence[Decided],
    checkpoint: Checkpoint,
    unknown_labels: Sequence[str],
    config: EvaluationConfig,
    cost: Cost | None,
) -> Metrics:
    """Return everything that is measured, ready for JSON.

    Args:
        decided: of all recordings.
        checkpoint: its labels and temperature.
        unknown_labels: labels in the data that the checkpoint lacks.
        config: of the bootstrap.
        cost: of a decision; None where it was not measured.
    """
    labels = checkpoint.config.labels
    results = [result for recording in decided for result in recording.results]
    sums = _sum_up(decided, checkpoint.temperature)
    groups = [recording.group for recording in decided]
    bootstrap = Bootstrap.draw(
        len(groups), resamples=config.resamples, seed=config.seed, groups=groups
    )
    predicted = calibration.predictions_of(results, checkpoint.temperature)
    latency, cost_numbers = cost_in_numbers(cost)
    return {
        'schema_version': SCHEMA_VERSION,
        'combinations': measure({c: sums.counts[c] for c in reversed(sums.counts)}, labels),
        'agreement': measure_agreement(results, len(labels)),
        'temporal': measure_temporal(results, sums.temporal),
        'calibration': calibration.measure_calibration(
            predicted, sums.calibration, checkpoint.temperature
        ),
        'unknown': measure_unknown(results, unknown_labels),
        'detection': measure_detection(results, labels),
        'latency_ms': latency,
        'cost': cost_numbers,
        'confidence_intervals': _intervals(sums, bootstrap, config),
        'generalisation': measure_generalisation(decided, checkpoint.metrics, bootstrap),
    }


def _sum_up(decided: Sequence[Decided], temperature: float) -> _Sums:
    temporal = [temporal_sums(recording.results) for recording in decided]
    predicted = [
        calibration.predictions_of(recording.results, temperature) for recording in decided
    ]
    return _Sums(
        counts={
            combination: stacked([recording.counts[combination] for recording in decided])
            for combination in decided[0].counts
        },
        temporal={kind: np.stack([sums[kind] for sums in temporal]) for kind in temporal[0]},
        calibration={
            kind: np.stack([calibration.calibration_sums(found[kind]) for found in predicted])
            for kind in calibration.KINDS
        },
    )


def _intervals(sums: _Sums, bootstrap: Bootstrap, config: EvaluationConfig) -> dict[str, Any]:
    return {
        'level': LEVEL,
        'drawn': bootstrap.drawn,
        'resamples': config.resamples,
        'seed': config.seed,
        'combinations': {
            combination_name(c): combination_intervals(sums.counts[c], bootstrap)
            for c in reversed(sums.counts)
        },
        'temporal': temporal_intervals(sums.temporal, bootstrap),
        'calibration': calibration.calibration_intervals(sums.calibration, bootstrap),
    }


def _cost(
    checkpoint: Checkpoint,
    recordings: Recordings,
    config: EvaluationConfig,
    console: Console | None,
) -> Cost | None:
    if not config.cost_decisions or recordings.source == SHARDS:
        return None
    return measure_cost(
        checkpoint,
        [recording.recording for recording in recordings.prepared],
        decisions=config.cost_decisions,
        sync=config.sync,
        smoothing=config.smoothing,
        engine=config.engine,
        recorded={item.recording: item.recorded for item in recordings.prepared},
        console=console,
    )


def _recorded(checkpoint: Checkpoint, config: EvaluationConfig) -> RecordedConfig:
    """Return how topics are read: as is asked for, else as in the checkpoint's training."""
    return recorded_of(checkpoint).with_overrides(config.recorded)


def _about(
    checkpoint: Checkpoint,
    recordings: Recordings,
    decided: Sequence[Decided],
    config: EvaluationConfig,
) -> Metrics:
    """Return what the numbers depend on."""
    settings = {item.name: getattr(config, item.name) for item in dataclasses.fields(config)}
    nested = ('sync', 'smoothing', 'engine')
    about = [about_recording(recording, checkpoint.config.labels) for recording in decided]
    curves = read_curves(checkpoint.metrics)
    return {
        'recordings': about,
        'clips': summarise_clips(about),
        'labels': list(checkpoint.config.labels),
        'checkpoint': {
            'name': checkpoint_name(checkpoint.path),
            'id': checkpoint.id,
            'temperature': checkpoint.temperature,
            'weights': sum(p.numel() for p in checkpoint.system.parameters()),
        },
        'curves': None if curves is None else to_mapping(curves),
        'data': {
            'name': recordings.name,
            'source': recordings.source,
            'split': recordings.split,
            'recordings': len(decided),
            'seconds': sum(recording.seconds for recording in decided),
            'num_training_recordings': recordings.num_training_recordings,
            'trained_on': list(recordings.history.values()).count('train'),
            'validated_with': list(recordings.history.values()).count('validation'),
            'excluded_seen': recordings.excluded_seen,
            'skipped': list(recordings.skipped),
        },
        'settings': {
            **{
                key: to_mapping(value) if key in nested else value
                for key, value in settings.items()
            },
            'recorded': _recorded(checkpoint, config).overrides,
        },
    }
