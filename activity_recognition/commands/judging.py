"""What a demo must reach."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from activity_recognition.reporting.metrics import Check, FrameAccount, PersonScores, Scores
from activity_recognition.reporting.page import percent
from activity_recognition.startup import DemoConfig


def judge(
    config: DemoConfig,
    scores: Scores,
    frames: FrameAccount | None,
    *,
    demands_accuracy: bool = True,
    people: Mapping[str, PersonScores] = MappingProxyType({}),
) -> list[Check]:
    """Return what the demo must reach, and whether it did.

    Args:
        config: limits.
        scores: of the decisions about the scene, which are judged where nobody is told apart.
        frames: what became of every frame; None where nothing counted.
        demands_accuracy: whether the checkpoint is made for the people that are shown.
        people: of the decisions about each person who is told apart, by subject.
    """
    found = {f'balanced accuracy of {name}': item['scores'] for name, item in people.items()}
    least = config.min_person_accuracy if people else config.min_balanced_accuracy
    checks = [
        _of_accuracy(name, item['balanced_accuracy'], least if demands_accuracy else None)
        for name, item in (found or {'balanced accuracy': scores}).items()
    ]
    lost = frames['lost_fraction'] if frames is not None else None
    checks.append(
        Check(
            name='frames lost in transport',
            found=percent(lost),
            wanted=f'at most {percent(config.max_lost_fraction)}',
            passed=lost is not None and lost <= config.max_lost_fraction,
        )
    )
    unaccounted = frames['unaccounted'] if frames is not None else None
    checks.append(
        Check(
            name='frames unaccounted for',
            found='–' if unaccounted is None else str(unaccounted),
            wanted='0',
            passed=unaccounted == 0,
        )
    )
    return checks


def _of_accuracy(name: str, accuracy: float | None, least: float | None) -> Check:
    """Return the check of a balanced accuracy; of none at all that there was a decision."""
    return Check(
        name=name,
        found=percent(accuracy),
        wanted='no demand on this one' if least is None else f'at least {percent(least)}',
        passed=accuracy is not None and (least is None or accuracy >= least),
    )
