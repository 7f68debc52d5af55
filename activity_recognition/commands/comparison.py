"""Two records of the same example, compared in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

TOLERANCE = 1e-3
"""Largest difference of a probability between machines in 32-bit floats."""
HALF_TOLERANCE = 3e-2
"""The same, where one of them computes in 16-bit floats."""
MIN_AGREEMENT = 0.95
MAX_LOST = 0.01


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference or agreement, in words."""

    sentence: str
    failure: bool = False
    """Whether it is a fault and not just another machine."""
    incomparable: str = ''
    """Why the outputs were not compared, in two words, where this is why."""


class Verdict(str, Enum):
    """What a comparison comes to."""

    AGREES = 'agrees with the reference'
    DIFFERS = 'differs from the reference'
    NOT_COMPARABLE = 'is not comparable with the reference'

    def __str__(self) -> str:
        return self.value


def verdict(findings: Sequence[Finding]) -> Verdict:
    """Return what findings come to; nothing agrees that was not compared."""
    if any(finding.failure for finding in findings):
        return Verdict.DIFFERS
    if any(finding.incomparable for finding in findings):
        return Verdict.NOT_COMPARABLE
    return Verdict.AGREES


def summary(findings: Sequence[Finding]) -> str:
    """Return the verdict as words that follow "the record", with the reason where it is none."""
    result = verdict(findings)
    if result is not Verdict.NOT_COMPARABLE:
        return str(result)
    return f'{result}: {" and ".join(f.incomparable for f in findings if f.incomparable)}'


def compare(reference: Mapping[str, Any], found: Mapping[str, Any]) -> list[Finding]:
    """Return what differs between a record and the reference, and what must not.

    Args:
        reference: record that is expected.
        found: record of this machine.
    """
    return [
        *_environment(reference['environment'], found['environment']),
        *_inputs(reference, found),
        *_outputs(reference, found),
        *_costs(reference, found),
        *_live(found['ros']),
    ]


def _environment(reference: Mapping[str, str], found: Mapping[str, str]) -> Iterator[Finding]:
    for key in sorted(reference.keys() | found.keys()):
        before, now = reference.get(key, 'nothing'), found.get(key, 'nothing')
        if before != now:
            yield Finding(f'{key}: {now}; the reference had {before}')


def _inputs(reference: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[Finding]:
    if not _same_data(reference, found):
        yield Finding(
            'the simulated recording differs in its bytes from the reference, which other versions '
            'of the libraries that draw it explain; outputs are not compared',
            incomparable='another recording',
        )
    if not _same_checkpoint(reference, found):
        yield Finding(
            f'checkpoint {found["checkpoint"]["id"]} is not the one of the reference, '
            f'{reference["checkpoint"]["id"]}; outputs are not compared',
            incomparable='another checkpoint',
        )


def _same_data(reference: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    key = 'sha256'
    return bool(reference['example']['recording'][key] == found['example']['recording'][key])


def _same_checkpoint(reference: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    return bool(reference['checkpoint']['id'] == found['checkpoint']['id'])


def _outputs(reference: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[Finding]:
    if not (_same_data(reference, found) and _same_checkpoint(reference, found)):
        return
    before, now = reference['output'], found['output']
    if before['decisions'] != now['decisions']:
        yield Finding(
            f'{now["decisions"]} decisions; the reference has {before["decisions"]}', failure=True
        )
        return
    tolerance = _tolerance(reference, found)
    largest = _largest_difference(before['probabilities'], now['probabilities'])
    yield Finding(
        f'probabilities differ from the reference by at most {largest:.1e} '
        f'({tolerance:.0e} is allowed)',
        failure=not largest <= tolerance,
    )
    changed = sum(a != b for a, b in zip(before['answers'], now['answers'], strict=True))
    if changed:
        yield Finding(
            f'{changed} of {now["decisions"]} answers differ from the reference',
            failure=changed > 0.02 * now['decisions'],
        )
    else:
        yield Finding(f'all {now["decisions"]} answers are those of the reference')


def _tolerance(*records: Mapping[str, Any]) -> float:
    full = all('fp32' in record['run']['device'] for record in records)
    return TOLERANCE if full else HALF_TOLERANCE


def _largest_difference(before: list[list[float]], now: list[list[float]]) -> float:
    """Return the largest difference; NaN where there is one, which ``max`` would skip."""
    differences = [
        abs(a - b)
        for row_before, row_now in zip(before, now, strict=True)
        for a, b in zip(row_before, row_now, strict=True)
    ]
    if any(math.isnan(difference) for difference in differences):
        return math.nan
    return max(differences, default=0.0)


def _costs(reference: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[Finding]:
    before, now = reference['run'], found['run']
    speed = now['decisions_per_second'] / before['decisions_per_second']
    yield Finding(
        f'{now["decisions_per_second"]:g} decisions a second on {now["device"]}, {speed:.2f} times '
        f'the reference on {before["device"]}'
    )
    yield Finding(
        f'{now["peak_memory_mib"]} MiB of memory at most; '
        f'the reference took {before["peak_memory_mib"]} MiB'
    )


def _live(ros: Mapping[str, Any]) -> Iterator[Finding]:
    if 'skipped' in ros:
        yield Finding(f'not run over ROS: {ros["skipped"]}')
        return
    agreement, frames = ros['agreement'], ros['frames']
    yield Finding(
        'over ROS no decision speaks of a moment that was decided offline'
        if agreement is None
        else f'over ROS {100 * agreement:.1f} % of the answers are those of the engine alone '
        f'({100 * MIN_AGREEMENT:.0f} % are wanted)',
        failure=agreement is None or not agreement >= MIN_AGREEMENT,
    )
    lost = 1.0 if frames is None else frames['lost_fraction'] or 0.0
    unaccounted = None if frames is None else frames['unaccounted']
    yield Finding(
        'over ROS no account of the frames was given'
        if frames is None
        else f'over ROS {frames["lost"]} of {frames["published"]} frames were lost in transport, '
        f'and {unaccounted} are not accounted for',
        failure=not lost <= MAX_LOST or unaccounted != 0,
    )
