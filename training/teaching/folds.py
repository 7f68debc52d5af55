"""Which recordings are left out together, to find out how good what was taught is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

MOST_FOLDS = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class TaughtClip:
    """A labelled span of a recording that is taught."""

    recording: str
    label: str
    group: str
    """Its person or place; empty where nobody says."""
    seconds: float


def folds_of(clips: Sequence[TaughtClip]) -> list[int]:
    """Return the number of the fold in which each clip is left out.

    Where groups are named, a group is left out at a time, so that the answer is about people who
    were not taught; else one recording of each label. With more than :data:`MOST_FOLDS`, several.

    Args:
        clips: all that are taught.
    """
    by_groups = leaves_groups_out(clips)
    units = [clip.group or clip.recording if by_groups else clip.recording for clip in clips]
    place: dict[str, int] = {}
    taken: defaultdict[str, int] = defaultdict(int)
    for unit, clip in zip(units, clips, strict=True):
        if unit not in place:
            place[unit] = len(place) if by_groups else taken[clip.label]
            taken[clip.label] += 1
    return [place[unit] % MOST_FOLDS for unit in units]


def leaves_groups_out(clips: Sequence[TaughtClip]) -> bool:
    """Tell whether groups are left out: each label has to be left over in another one.

    Args:
        clips: all that are taught.
    """
    groups: defaultdict[str, set[str]] = defaultdict(set)
    for clip in clips:
        groups[clip.label].add(clip.group or f'\0{clip.recording}')
    named = any(clip.group for clip in clips)
    return named and all(len(found) > 1 for found in groups.values())
