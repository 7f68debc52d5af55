"""What a tracker and a recogniser of people say of one image, all of it together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from activity_recognition.persons.regions import PersonRegion


@dataclass(frozen=True, kw_only=True, slots=True)
class Sighting:
    """Who was found in one image, and who that is."""

    stamp_ns: int
    """Of the image."""
    arrival_ns: int
    camera: str
    """Coordinate frame of the camera."""
    regions: tuple[PersonRegion, ...]
    """Of the bodies that were found, each once."""
    bodies: Mapping[str, str]
    """By person, the id of its body as far as it is known; empty where it has none now."""
