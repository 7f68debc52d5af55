"""What the demo plays and what it must reach."""

from __future__ import annotations

from dataclasses import dataclass

from activity_recognition.config import Ranged, setting
from activity_recognition.reporting.metrics import Check, FrameAccount, Scores
from activity_recognition.reporting.page import percent


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoConfig(Ranged):
    """The demo; ``config/demo.yaml`` holds overrides."""

    seed: int = setting(0, low=0, high=2**31 - 1)
    """Of the simulated recording."""
    seconds: float = setting(120.0, low=5.0, high=3600.0)
    """Length of the recording."""
    difficulty: float = setting(0.5, low=0.0, high=1.0)
    """Camera noise, occlusion, background sound and recogniser errors."""
    min_balanced_accuracy: float = setting(0.85, low=0.0, high=1.0)
    max_lost_fraction: float = setting(0.01, low=0.0, high=1.0)
    """Of the frames published, in transport."""


def judge(config: DemoConfig, scores: Scores, frames: FrameAccount | None) -> list[Check]:
    """Return what the demo must reach, and whether it did."""
    accuracy = scores['balanced_accuracy']
    checks = [
        Check(
            name='balanced accuracy',
            found=percent(accuracy),
            wanted=f'at least {percent(config.min_balanced_accuracy)}',
            passed=accuracy is not None and accuracy >= config.min_balanced_accuracy,
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
