"""What ``/diagnostics`` says of the people in a scene, and of what says where they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from activity_recognition.ros.recognizing.people import PeopleReport
    from activity_recognition.ros.status import Status

LASTING_S = 2.0
"""What is the case for so long is no passing state: who walks out of the image is without a region
for a second."""
_NAMED = 8
"""People who are named; of more, how many they are."""


def report_people(
    status: Status,
    reports: Sequence[tuple[float, PeopleReport | None]],
    *,
    silent_after_s: float,
) -> str:
    """Fill the status of what says where people are; return its message where all is fine.

    A topic that is merely there, and that nobody asked to listen to, is no reason for a warning.

    Args:
        status: is added to.
        reports: at least two with the time of each in seconds, oldest first; the last one is told.
        silent_after_s: silence of a source, seconds, after which it is told.
    """
    now, before = reports[-1][1], reports[-2][1]
    assert now is not None
    count = f'{len(now.attendance.recognised)} recognised'
    remarks = [
        *_of_source(now, before, silent_after_s),
        *_of_images(now),
        *_of_people(now, reports),
    ]
    if now.is_wanted:
        for problem in now.problems:
            status.error(problem)
        for remark in remarks:
            status.warn(remark)
    _add_values(status, now)
    return count if now.is_wanted else '; '.join((*now.problems, *remarks)) or count


def _of_source(
    now: PeopleReport, before: PeopleReport | None, silent_after_s: float
) -> Iterator[str]:
    """Yield what is wrong with the topic, or with what it says."""
    if not now.is_published:
        yield f'{now.topic}: nobody publishes: nobody is told apart'
    elif now.age_s is not None and now.age_s > silent_after_s and now.there:
        yield (
            f'{now.topic}: no message for {now.age_s:.1f} s, and the last one told of '
            f'{now.there}: nobody is told apart'
        )
    if before is not None and sum(now.dropped.values()) > sum(before.dropped.values()):
        yield f'what says where people are is of no use in part; such as: {now.example}'
    if now.others and not now.found:
        yield (
            f'{now.topic}: no detection was of a person, but of {_listed(tuple(now.others))}; '
            'where these are people, set people.classes'
        )


def _of_images(now: PeopleReport) -> Iterator[str]:
    """Yield why nobody can be a part of the images."""
    there = now.attendance
    if there.is_drawn:
        yield 'the images are drawings of key points, and nobody is a part of them'
    if there.other_cameras and not there.has_own_regions:
        cameras = ', '.join(there.other_cameras)
        yield (
            f'the regions are of frame {cameras}, the images of {there.camera}: nobody is told '
            'apart; connect the tracker of this camera'
        )


def _of_people(
    now: PeopleReport, reports: Sequence[tuple[float, PeopleReport | None]]
) -> Iterator[str]:
    """Yield why somebody who is there is not recognised."""
    there, before = now.attendance, reports[-2][1]
    if there.left_out:
        yield (
            f'{len(there.left_out)} left out, who are smaller than the others in the image: '
            f'{_listed(there.left_out)}; raise people.max'
        )
    if before is not None:
        more = there.not_followed - before.attendance.not_followed
        if more > 0:
            yield f'{more} region(s) of more bodies at once than are followed'
        more = there.overflowed - before.attendance.overflowed
        if more > 0:
            yield f'{more} piece(s) of news about people waited too long for an image'
    if not there.is_drawn and _is_lasting(reports):
        yield (
            'no region was near enough to the newest image in time: raise people.hold_s where '
            'the tracker is slow, and compare its stamps with those of the images'
        )


def _is_lasting(reports: Sequence[tuple[float, PeopleReport | None]]) -> bool:
    """Return whether nobody had a region, at every report of the last :data:`LASTING_S`."""
    now_s = reports[-1][0]
    for time_s, report in reversed(reports):
        if report is None:
            return False
        there = report.attendance
        if not there.unmatched or not set(there.recognised) <= set(there.unmatched):
            return False
        if now_s - time_s >= LASTING_S:
            return True
    return False


def _add_values(status: Status, now: PeopleReport) -> None:
    there = now.attendance
    status.value('source', now.source)
    status.value('topic', now.topic)
    status.value('received', now.received)
    status.value('age (s)', 'never' if now.age_s is None else f'{now.age_s:.2f}')
    status.value('recognised', _listed(there.recognised))
    status.value('left out', _listed(there.left_out))
    status.value('without a region', _listed(there.unmatched))
    places = len(there.recognised) if there.places is None else there.places
    status.value('people per image', places)
    status.value('decisions about people', now.decisions)
    _add_counts(status, 'regions of another camera', there.other_cameras)
    _add_counts(status, 'of another class', now.others)
    _add_counts(status, 'of no use', now.dropped)


def _add_counts(status: Status, what: str, counts: Mapping[str, int]) -> None:
    for name, count in counts.items():
        status.value(f'{what}: {name}', count)


def _listed(names: Sequence[str]) -> str:
    """Return names, not too many of them."""
    more = len(names) - _NAMED
    return ', '.join(names[:_NAMED]) + (f' and {more} more' if more > 0 else '')
