"""What the left-out answers say: how many are right, what is confused, what to record more of."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from activity_recognition.errors import printable
from activity_recognition.training.teaching.folds import TaughtClip, leaves_groups_out

NORMAL_QUANTILE = 1.959963984540054
"""Of a 95 % interval."""
FEW = 5
"""Recordings of a label below which more are asked for."""
ENOUGH = 0.8
"""Share of left-out recordings that are right, below which more are asked for."""
LONGER = 4.0
"""Times the median of its label, above which a clip is named."""
_NAMED = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelEstimate:
    """One label."""

    label: str
    recordings: int
    """That were taught."""
    groups: int
    """People or places that these are of; 0 where nobody says."""
    asked: int
    """Clips that were left out and asked; 0 where it lies in a single group or recording."""
    right: int
    taken_for: Mapping[str, int]
    """Wrong answers, the most frequent first."""

    @property
    def interval(self) -> tuple[float, float]:
        """Of the share that is right, 95 %; see :func:`wilson`."""
        return wilson(self.right, self.asked)


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """All taught labels."""

    labels: tuple[LabelEstimate, ...]
    by_groups: bool
    """Whether whole groups were left out, or single recordings."""

    @property
    def asked(self) -> int:
        """Clips that were left out and asked."""
        return sum(each.asked for each in self.labels)

    @property
    def right(self) -> int:
        """Those that were right."""
        return sum(each.right for each in self.labels)

    def headline(self) -> str:
        """Say how good what was taught is."""
        unit = 'person or place' if self.by_groups else 'recording'
        if not self.asked:
            return f'no label is in more than one {unit}: how good it is is not known'
        low, high = wilson(self.right, self.asked)
        caution = '' if self.by_groups else '; of other people it says nothing'
        return (
            f'each {unit} left out once: {self.right} of {self.asked} taught clips right '
            f'({_percent(self.right, self.asked)}, 95 % interval {100 * low:.0f} to '
            f'{100 * high:.0f} %){caution}'
        )

    def confusions(self) -> list[str]:
        """Say which labels are taken for which others, the most frequent first."""
        pairs = [
            (count, each.asked, each.label, other)
            for each in self.labels
            for other, count in each.taken_for.items()
        ]
        pairs.sort(key=lambda pair: (-pair[0] / pair[1], pair[2], pair[3]))
        return [
            f'{label} is taken for {other} in {count} of {asked}'
            for count, asked, label, other in pairs
        ]

    def for_json(self) -> dict[str, Any]:
        """Return it for ``metrics.json``."""
        return {
            'by_groups': self.by_groups,
            'asked': self.asked,
            'right': self.right,
            'labels': {
                each.label: {
                    'recordings': each.recordings,
                    'groups': each.groups,
                    'asked': each.asked,
                    'right': each.right,
                    'interval': list(each.interval) if each.asked else None,
                    'taken_for': dict(each.taken_for),
                }
                for each in self.labels
            },
        }


def wilson(right: int, asked: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927), which holds for few clips, too.

    Args:
        right: how many are.
        asked: of how many; with 0 the interval is everything.
    """
    if not asked:
        return 0.0, 1.0
    z, share = NORMAL_QUANTILE, right / asked
    middle = share + z * z / (2 * asked)
    spread = z * math.sqrt(share * (1 - share) / asked + z * z / (4 * asked * asked))
    scale = 1 + z * z / asked
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def estimate(
    clips: Sequence[TaughtClip], answers: Sequence[str], asked: Sequence[bool]
) -> Estimate:
    """Count the left-out answers by label.

    Args:
        clips: all that are taught.
        answers: label answered for each, empty where it had nothing to decide from.
        asked: whether its label was known without it.
    """
    found = []
    for label in sorted({clip.label for clip in clips}):
        own = [place for place, clip in enumerate(clips) if clip.label == label]
        said = [answers[place] for place in own if asked[place]]
        wrong = Counter(answer or 'nothing' for answer in said if answer != label)
        found.append(
            LabelEstimate(
                label=label,
                recordings=len({clips[place].recording for place in own}),
                groups=len({clips[place].group for place in own} - {''}),
                asked=len(said),
                right=len(said) - wrong.total(),
                taken_for=dict(wrong.most_common()),
            )
        )
    return Estimate(labels=tuple(found), by_groups=leaves_groups_out(clips))


def to_record(found: Estimate) -> list[str]:
    """Say of which labels to record more, and what.

    Args:
        found: the estimate.
    """
    sentences = []
    for each in found.labels:
        worst = next(iter(each.taken_for), '')
        if each.recordings < FEW:
            sentences.append(
                f'{each.label}: {_count(each.recordings, "recording")} only; record '
                f'{FEW - each.recordings} more at least, of other people'
            )
        elif each.asked and each.right < ENOUGH * each.asked:
            beside = f', and of {worst} beside it' if worst and worst != 'nothing' else ''
            sentences.append(
                f'{each.label}: {each.right} of {each.asked} right; record more of it{beside}, '
                'where they differ the most'
            )
    return sentences


def warnings_of(clips: Sequence[TaughtClip]) -> Iterator[str]:
    """Yield what is doubtful about the recordings, by their labels, groups and lengths.

    Args:
        clips: all that are taught.
    """
    by_label: defaultdict[str, list[TaughtClip]] = defaultdict(list)
    for clip in clips:
        by_label[clip.label].append(clip)
    for label, own in sorted(by_label.items()):
        recordings, groups = {c.recording for c in own}, {c.group for c in own}
        if len(recordings) == 1:
            yield (
                f'all of {label} is from one recording, {printable(own[0].recording)}: what is '
                'learnt may be the place and not the activity'
            )
        elif len(groups) == 1 and '' not in groups:
            yield (
                f'all of {label} is of one person or place, {printable(own[0].group)}: record '
                'others, too'
            )
        usual = median(clip.seconds for clip in own)
        long = [clip for clip in own if len(own) > 2 and clip.seconds > LONGER * usual]
        if long:
            yield (
                f'{_named(long)} of {label}: {long[0].seconds:.1f} s, where others last '
                f'{usual:.1f} s: is it one activity from end to end?'
            )


def _named(clips: Sequence[TaughtClip]) -> str:
    names = ', '.join(printable(clip.recording) for clip in clips[:_NAMED])
    return names + (', …' if len(clips) > _NAMED else '')


def _count(number: int, noun: str) -> str:
    return f'{number} {noun}{"s"[: number != 1]}'


def _percent(part: int, whole: int) -> str:
    return f'{100 * part / whole:.0f} %'
