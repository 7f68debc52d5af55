"""Whether a run's folder may be gone on with, told before any recording is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from activity_recognition.activities import Activity
from activity_recognition.config_io import differences, to_stored_mapping
from activity_recognition.errors import CheckpointError, ConfigError, quoted
from activity_recognition.training.config import ModelChoices, TrainConfig
from activity_recognition.training.data.dataset import Dataset
from activity_recognition.training.run.state import read_progress, read_settings

_FREE_SETTINGS = (
    *('device', 'num_threads', 'num_workers', 'accumulation', 'recorded'),
    'rehearsal_kb',
)
"""May differ when a run is resumed; how recordings are read is part of their identity."""
_LEFT = 'choose another folder (--out), or start over (--restart)'
_SIZED = 'sized_to_clips'
_BY_CLIPS = 'as the number of clips says'
_NAMED = 5
"""Settings that a message names."""


def run_settings(config: TrainConfig) -> dict[str, Any]:
    """Return what of a recipe tells one run from another; settings with their default are left out.

    So runs that were begun before a setting existed go on.
    """
    settings = {k: v for k, v in to_stored_mapping(config).items() if k not in _FREE_SETTINGS}
    if config.model == ModelChoices():
        del settings['model']
    return settings


def fingerprint(
    config: TrainConfig,
    dataset: Dataset,
    frame_encoder: Path | None = None,
    *,
    activities: Sequence[Activity] = (),
) -> str:
    """Return 16 hexadecimal digits that tell one run from another.

    They depend on its settings, its data, and the weights that it begins with.

    Args:
        config: of the run.
        dataset: its recordings.
        frame_encoder: weights to begin with.
        activities: from whose description words and sounds begin.
    """
    settings = run_settings(config)
    recordings = [[r.identity for r in part] for part in (dataset.training, dataset.validation)]
    start = hashlib.sha256(frame_encoder.read_bytes()).hexdigest() if frame_encoder else ''
    parts: list[Any] = [settings, recordings, dataset.labels, start]
    if activities:
        # Of sounds nothing begins without a network that knows them.
        hears = bool(config.model_config().audio.backbone)
        parts.append([[of.label, *of.words, *(of.sounds if hears else ())] for of in activities])
    content = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def described_settings(config: TrainConfig) -> dict[str, Any]:
    """Return what a run's state keeps of its recipe and of its preset's network, to compare."""
    return {'recipe': run_settings(config), 'network': to_stored_mapping(config.model_config())}


def refuse_other_recipe(wanted: Mapping[str, Any], out: Path, state: Path) -> None:
    """Make sure that a folder holds no run, or one with the same settings.

    Args:
        wanted: :func:`described_settings` of the recipe to go on with.
        out: the folder.
        state: file with the state of the run that it holds, if it does.

    Raises:
        CheckpointError: the run's settings differ, with both values, or its state is damaged.
    """
    found = read_settings(state) if state.exists() else None
    if found is None:
        return
    # As it was given, and as it was sized to the data.
    recipe, network = min(
        (_named(known, wanted) for known in found.values()),
        key=lambda named: sum(map(len, named)),
        default=([], []),
    )
    if recipe:
        raise CheckpointError(
            f'{out} holds a run of another recipe: {_listed([*recipe, *network])}. Go on with the '
            f'settings of the run, {_LEFT}'
        )
    if network:
        raise CheckpointError(
            f'{out} holds a run of the same recipe whose preset, or what this package makes of it, '
            f'has changed since: {_listed(network)}. It cannot be gone on with as it is: {_LEFT}'
        )


def _listed(named: Sequence[str]) -> str:
    more = f' and {len(named) - _NAMED} more' if len(named) > _NAMED else ''
    return f'{"; ".join(named[:_NAMED])}{more}'


def _named(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Say what differs of the recipe, and of the network."""
    return (
        list(_said(found.get('recipe'), wanted['recipe'], '')),
        list(_said(found.get('network'), wanted['network'], ' of the network')),
    )


def _said(found: Any, wanted: Mapping[str, Any], of: str) -> list[str]:
    if not isinstance(found, Mapping):
        return []
    before, now = (frozenset(part.get(_SIZED) or ()) for part in (found, wanted))
    said = [
        f'{item.name}{of} is {_quoted(item.wanted)}, in the run {_quoted(item.found)}'
        for item in differences(found, wanted)
        if item.name not in before ^ now and (item.name != _SIZED or before == now)
    ]
    # What a setting would be, were it not sized, is no value that the run was trained with.
    said += [
        f'{name}{of} is {_quoted(_value(wanted, name))}, in the run {_BY_CLIPS}'
        for name in sorted(before - now)
    ]
    said += [
        f'{name}{of} is {_BY_CLIPS}, in the run {_quoted(_value(found, name))}'
        for name in sorted(now - before)
    ]
    return said


def _value(settings: Mapping[str, Any], name: str) -> Any:
    """Return a setting by its dotted name; None where it has its default."""
    value: Any = settings
    for part in name.split('.'):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _quoted(value: Any) -> str:
    return 'its default' if value is None else quoted(value)


def explain_other_data(out: Path, state: Path) -> CheckpointError:
    """Return what to say of a run with the same settings that is another one all the same.

    Args:
        out: folder of the run.
        state: file with its state.
    """
    if read_settings(state) is None:
        return CheckpointError(
            f'{out} holds a run that an older version of this package began, of another recipe or '
            f'other recordings, which it does not name. It cannot be gone on with: {_LEFT}'
        )
    return CheckpointError(
        f'{out} holds a run with other recordings, or one that began with other weights; go on '
        f'with those, {_LEFT}'
    )


def explain_interruption(state: Path, before_ns: int, command: str) -> str:
    """Say what an interruption leaves, and how to go on.

    Args:
        state: file of the run's state.
        before_ns: :func:`saved_ns` of it when the command began.
        command: that goes on with the run, as a shell takes it.
    """
    if saved_ns(state) == before_ns:
        kept = f'{state.parent} is as it was before' if before_ns else 'there is nothing to save'
        return f'interrupted before a step was trained; {kept}'
    try:
        progress = read_progress(state)
    except (CheckpointError, ConfigError) as error:
        return f'interrupted; {error}'
    return (
        f'interrupted, and saved in {state.parent} after {progress.step} steps '
        f'(epoch {progress.epoch + 1}); go on with: {command}'
    )


def saved_ns(state: Path) -> int:
    """Return when a run's state was saved, nanoseconds; 0 where there is none."""
    return state.stat().st_mtime_ns if state.exists() else 0
