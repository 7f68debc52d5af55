"""Which of the shipped checkpoints is taken where none is named; no torch, no ROS.

``people`` knows real people, but takes what frozen networks find in images and sounds. So it is
taken where they are found, and else ``nano``, which knows simulated people only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from activity_recognition.checkpoint_folder import checkpoint_folder, shipped_checkpoint
from activity_recognition.config_io import stored_model_config
from activity_recognition.errors import ConfigError
from activity_recognition.frozen_networks import (
    INSTALL_RUNTIME,
    explain_networks,
    missing_weights,
    networks_of,
)
from activity_recognition.weights.finding import FETCH

REAL_PEOPLE, SIMULATED_PEOPLE = 'people', 'nano'
"""Names of shipped checkpoints, by whom they know."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckpointChoice:
    """A checkpoint to be loaded, and what a user should know of the choice."""

    path: Path
    """Its folder."""
    remark: str = ''
    """A sentence of warning; empty where there is nothing to say."""


def choose_checkpoint(given: Path | str = '') -> CheckpointChoice:
    """Return the checkpoint that is meant.

    Args:
        given: a folder, or the name of a shipped checkpoint; empty where none is named.
    """
    if str(given) not in ('', '.'):
        return CheckpointChoice(path=checkpoint_folder(given))
    people = shipped_checkpoint(REAL_PEOPLE)
    remedy = _remedy(people)
    if remedy is None:
        return CheckpointChoice(path=people)
    return CheckpointChoice(
        path=shipped_checkpoint(SIMULATED_PEOPLE),
        remark=f'no checkpoint is named, and {SIMULATED_PEOPLE}, which is taken, knows drawn '
        f'(simulated) people only; for real people {remedy}',
    )


def _remedy(people: Path) -> str | None:
    """Return what to do to have the checkpoint for real people; None where it can be taken."""
    try:
        model = stored_model_config(people)
    except ConfigError:
        return 'train one on recordings of your own, and name it'
    frozen = networks_of(model)
    missing = missing_weights(frozen)
    if missing:
        return f'run `{FETCH} {" ".join(missing)}`, then {REAL_PEOPLE} is taken'
    if explain_networks(frozen):
        return f'install LiteRT ({INSTALL_RUNTIME}), then {REAL_PEOPLE} is taken'
    return None
