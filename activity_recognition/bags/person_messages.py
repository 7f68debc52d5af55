"""What a tracker says of people -> the topics of REP 155 in a recording."""

from __future__ import annotations

from typing import TYPE_CHECKING

from activity_recognition.bags.messages import OutgoingMessage, message_header
from activity_recognition.sensors.cdr import TypeRegistry
from activity_recognition.sensors.persons import BODY_REGION_TYPE, ID_TYPE, IDS_TYPE, SPEECH_TYPE

if TYPE_CHECKING:
    from activity_recognition.bags.writer import RecordingWriter
    from activity_recognition.persons import PersonRegion, Sighting
    from activity_recognition.sensors.cdr import MessageType
    from activity_recognition.types import Utterance

HUMANS = '/humans'
"""Where the topics of REP 155 begin."""


class PersonTopicsWriter:
    """Writes who is there into a recording: bodies with their regions, persons and their voices.

    Messages have the definitions that are installed on the machine, where they are: what was
    recorded is then played as it is. Lists and names are written when they change, and latched.
    """

    def __init__(self, writer: RecordingWriter, *, width_px: int, height_px: int) -> None:
        """Write into a recording that is open.

        Args:
            writer: of the recording.
            width_px: of the camera's images, pixels: regions are written in shares of them.
            height_px: the same.
        """
        self._writer, self._types = writer, TypeRegistry()
        self._size_px = width_px, height_px
        self._tracked: tuple[str, ...] | None = None
        self._body_of: dict[str, str] = {}

    def write(self, sighting: Sighting) -> None:
        """Store what was said of one image.

        Raises:
            RecordingError: when it arrives before the start, or when the disk is full.
        """
        bodies = [region.body for region in sighting.regions]
        self._put('bodies/tracked', self._ids(bodies, sighting), sighting.arrival_ns)
        for region in sighting.regions:
            message = self._region(region, sighting.camera)
            self._put(f'bodies/{region.body}/roi', message, sighting.arrival_ns)
        for person, body in sighting.bodies.items():
            if self._body_of.get(person, '') != body:
                self._body_of[person] = body
                self._say(f'persons/{person}/voice_id', voice_of(person), sighting.arrival_ns)
                self._say(f'persons/{person}/body_id', body, sighting.arrival_ns)
        tracked = tuple(person for person, body in self._body_of.items() if body)
        if tracked != self._tracked:
            self._tracked = tracked
            message = self._ids(tracked, sighting)
            self._put('persons/tracked', message, sighting.arrival_ns, latched=True)

    def write_speech(self, person: str, utterance: Utterance) -> None:
        """Store what somebody said.

        Args:
            person: who.
            utterance: what, and when.

        Raises:
            RecordingError: when it arrives before the start, or when the disk is full.
        """
        kind = self._types.resolve(SPEECH_TYPE)
        fields = {
            'header': message_header(kind, utterance.stamp_ns, utterance.frame_id),
            'incremental': '',
            'final': utterance.text,
            'confidence': utterance.confidence or 0.0,
            # By release, there is one of the two, or none.
            'locale': utterance.locale,
            'language': utterance.locale,
        }
        known = {name for name, _ in kind.store.fielddefs[kind.name][1]}
        message = _outgoing(kind, **{name: fields[name] for name in fields if name in known})
        self._put(f'voices/{voice_of(person)}/speech', message, utterance.arrival_ns)

    def _put(
        self, name: str, message: OutgoingMessage, arrival_ns: int, *, latched: bool = False
    ) -> None:
        self._writer.write_message(f'{HUMANS}/{name}', message, arrival_ns, latched=latched)

    def _say(self, name: str, text: str, arrival_ns: int) -> None:
        kind = self._types.resolve(ID_TYPE)
        self._put(name, _outgoing(kind, data=text), arrival_ns, latched=True)

    def _ids(self, ids: list[str] | tuple[str, ...], sighting: Sighting) -> OutgoingMessage:
        kind = self._types.resolve(IDS_TYPE)
        header = message_header(kind, sighting.stamp_ns, sighting.camera)
        return _outgoing(kind, header=header, ids=list(ids))

    def _region(self, region: PersonRegion, camera: str) -> OutgoingMessage:
        kind = self._types.resolve(BODY_REGION_TYPE)
        width, height = (1, 1) if region.is_normalised else self._size_px
        box = region.box.scaled(1 / width, 1 / height)
        return _outgoing(
            kind,
            header=message_header(kind, region.stamp_ns, camera),
            xmin=box.left,
            ymin=box.top,
            xmax=box.right,
            ymax=box.bottom,
            c=1.0,
        )


def voice_of(person: str) -> str:
    """Return the id of a person's voice."""
    return f'voice_{person}'


def _outgoing(kind: MessageType, **fields: object) -> OutgoingMessage:
    return OutgoingMessage(kind, kind.serialise(kind.new(kind.name, **fields)))
