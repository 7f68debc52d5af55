"""The camera: frames of the scene, a few milliseconds late."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from activity_recognition.simulation.chance import Stream, stream
from activity_recognition.simulation.video import render_frames
from activity_recognition.types import NANOSECONDS, Frame, to_ns

if TYPE_CHECKING:
    from activity_recognition.simulation.simulation import Simulation

CAMERA_FRAME = 'camera'


def samples(simulation: Simulation) -> Iterator[Frame]:
    """Yield the camera's frames."""
    config = simulation.config
    rng = stream(config.seed, Stream.TRANSPORT_VIDEO)
    newest_ns = 0
    frames = render_frames(simulation.scene, simulation.choreography, simulation.others)
    for index, (_, image) in enumerate(frames):
        # From the index, not by adding periods: the grid must not drift.
        stamp_ns = config.start_ns + round(index * NANOSECONDS / config.frame_rate_hz)
        newest_ns = max(newest_ns + 1, stamp_ns + to_ns(float(rng.uniform(0.008, 0.035))))
        yield Frame(stamp_ns=stamp_ns, arrival_ns=newest_ns, image=image, frame_id=CAMERA_FRAME)
