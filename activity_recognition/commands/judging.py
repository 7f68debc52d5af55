"""What a demo must reach."""

from __future__ import annotations

from activity_recognition.reporting.metrics import Check, FrameAccount, Scores
from activity_recognition.reporting.page import percent
from activity_recognition.startup import DemoConfig


def judge(
    config: DemoConfig,
    scores: Scores,
    frames: FrameAccount | None,
    *,
    demands_accuracy: bool = True,
) -> list[Check]:
    """Return what the demo must reach, and whether it did.

    Args:
        config: limits.
        scores: of the decisions.
        frames: what became of every frame; None where nothing counted.
        demands_accuracy: whether the checkpoint is made for the people that are shown.
    """
    accuracy, least = scores['balanced_accuracy'], config.min_balanced_accuracy
    checks = [
        Check(
            name='balanced accuracy',
            found=percent(accuracy),
            wanted=f'at least {percent(least)}' if demands_accuracy else 'no demand on this one',
            passed=accuracy is not None and (accuracy >= least or not demands_accuracy),
        )
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
