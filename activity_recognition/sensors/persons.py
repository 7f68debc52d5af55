"""Messages that say where people are -> :class:`~activity_recognition.persons.PersonRegion`."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from activity_recognition.errors import DecodeError, quoted
from activity_recognition.persons.regions import Box, PersonRegion
from activity_recognition.sensors.cdr import frame_id_of, header_stamp_ns

if TYPE_CHECKING:
    from activity_recognition.sensors.cdr import Message

VISION_TYPE = 'vision_msgs/msg/Detection2DArray'
YOLO_TYPE = 'yolo_msgs/msg/DetectionArray'
DETECTION_TYPES = (VISION_TYPE, YOLO_TYPE)
"""Types of a tracker's topic, the preferred first."""
IDS_TYPE = 'hri_msgs/msg/IdsList'
BODY_REGION_TYPE = 'hri_msgs/msg/NormalizedRegionOfInterest2D'
ID_TYPE = 'std_msgs/msg/String'
"""Of ``body_id`` and ``voice_id`` (REP 155)."""
SPEECH_TYPE = 'hri_msgs/msg/LiveSpeech'
MAX_ID = 64
"""Longest id of a body or person: results carry it on."""
MAX_PEOPLE = 256
"""Most ids or detections of one message that are looked at."""

_TOPIC_NAME = re.compile('[A-Za-z_][A-Za-z0-9_]*')

Refuse = Callable[[DecodeError], None]
"""Counts what cannot be used; its words up to the first colon are the reason."""


def decode_detections(
    message: Message,
    arrival_ns: int,
    *,
    classes: Collection[str],
    refuse: Refuse,
    other: Callable[[str], None],
) -> list[PersonRegion]:
    """Return the people in an array of detections.

    Args:
        message: a ``vision_msgs/Detection2DArray`` or ``yolo_msgs/DetectionArray``.
        arrival_ns: when it could be known; its stamp too where the header has none.
        classes: names of those that are people, in small letters; a detection without a class is
            taken.
        refuse: is told of each detection that is of no use.
        other: is told the class of each detection that is no person, which is no fault.

    Raises:
        DecodeError: for a message that contradicts itself.
    """
    stamp_ns, camera = header_stamp_ns(message) or arrival_ns, frame_id_of(message)
    found = []
    for detection in _first(message.detections, 'detections', refuse):
        names = _classes(detection)
        if names and not any(name.casefold() in classes for name in names):
            other(', '.join(names))
            continue
        try:
            found.append(_detected(detection, stamp_ns, arrival_ns, camera))
        except DecodeError as error:
            refuse(error)
    return found


def decode_body_region(message: Message, body: str, arrival_ns: int) -> PersonRegion:
    """Return where a body is, of ``hri_msgs/NormalizedRegionOfInterest2D``.

    Args:
        message: of the topic ``bodies/<id>/roi``.
        body: the id.
        arrival_ns: when it could be known; its stamp too where the header has none.

    Raises:
        DecodeError: for a region without an area, or a stamp that is no time.
    """
    return PersonRegion(
        body=body,
        stamp_ns=header_stamp_ns(message) or arrival_ns,
        arrival_ns=arrival_ns,
        box=_usable(Box(message.xmin, message.ymin, message.xmax, message.ymax)),
        is_normalised=True,
        frame_id=f'body_{body}',
        camera=frame_id_of(message),
    )


def decode_ids(message: Message, *, refuse: Refuse) -> list[str]:
    """Return the ids in an ``hri_msgs/IdsList``, which are parts of the names of topics.

    Args:
        message: of a topic ``tracked``.
        refuse: is told of each id that is none.
    """
    return list(_topic_names(_first(message.ids, 'ids', refuse), refuse))


def decode_id(message: Message, *, refuse: Refuse) -> str:
    """Return the id in a ``std_msgs/String``; empty where it is none.

    Args:
        message: of a topic such as ``persons/<id>/body_id``.
        refuse: is told of an id that is none.
    """
    return next(_topic_names([message.data] if message.data else [], refuse), '')


def _first(items: Sequence[Any], what: str, refuse: Refuse) -> Sequence[Any]:
    """Return as many items as are looked at; that there are more is told."""
    if len(items) > MAX_PEOPLE:
        refuse(
            DecodeError(
                f'too many {what} in one message: expected at most {MAX_PEOPLE}, got {len(items)}; '
                'the rest is not looked at'
            )
        )
    return items[:MAX_PEOPLE]


def _topic_names(ids: Collection[str], refuse: Refuse) -> Iterator[str]:
    for text in ids:
        if len(text) <= MAX_ID and _TOPIC_NAME.fullmatch(text):
            yield text
        else:
            refuse(
                DecodeError(
                    f'id that is no part of a topic: expected at most {MAX_ID} letters, digits and '
                    f'underscores, not a digit first, got {quoted(text)}'
                )
            )


def _classes(detection: Message) -> list[str]:
    """Return what a detection is taken for: one class, or the likeliest of several."""
    if hasattr(detection, 'class_name'):
        return [detection.class_name] if detection.class_name else []
    results = [result.hypothesis for result in detection.results]
    if not results:
        return []
    best = max(results, key=lambda result: result.score).class_id
    return [best] if best else []


def _detected(detection: Message, stamp_ns: int, arrival_ns: int, camera: str) -> PersonRegion:
    body = detection.id
    if not body:
        raise DecodeError(
            'detection without an id: who is who cannot be told; take the topic of a tracker, such '
            'as /yolo/tracking'
        )
    if len(body) > MAX_ID:
        raise DecodeError(f'id too long: expected at most {MAX_ID} characters, got {len(body)}')
    box = detection.bbox
    size = getattr(box, 'size', None)
    width, height = (box.size_x, box.size_y) if size is None else (size.x, size.y)
    # Before vision_msgs 4 the centre was a geometry_msgs/Pose2D.
    centre = getattr(box.center, 'position', box.center)
    x, y = centre.x, centre.y
    return PersonRegion(
        body=body,
        stamp_ns=stamp_ns,
        arrival_ns=arrival_ns,
        box=_usable(Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)),
        camera=camera,
    )


def _usable(box: Box) -> Box:
    """Return a box of plain numbers that has an area.

    Raises:
        DecodeError: it has none.
    """
    plain = Box(*map(float, box))
    if not plain.is_usable:
        shown = ', '.join(f'{edge:.4g}' for edge in plain)
        raise DecodeError(f'region without an area: expected left < right, top < bottom: {shown}')
    return plain
