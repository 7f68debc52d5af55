"""Single images of a recording, with the truth about the person in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from activity_recognition.simulation.camera import Image
from activity_recognition.simulation.script import segment_at
from activity_recognition.simulation.simulation import Simulation
from activity_recognition.simulation.video import photograph


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Still:
    """One image and what is true of it."""

    image: Image
    """RGB, (height, width, 3)."""
    keypoints: NDArray[np.float32]
    """(18, 2), rows as in ``body.Joint``; x to the right and y down as shares of the image."""
    motion: str
    """What the person does, a key of ``movements.MOTIONS``."""


def draw_stills(simulation: Simulation, count: int, rng: np.random.Generator) -> Iterator[Still]:
    """Yield ``count`` images of random moments of a recording.

    Args:
        simulation: the recording.
        count: number of images.
        rng: draws the moments.
    """
    for time_s in rng.uniform(0.0, simulation.config.duration_s, count):
        pose = simulation.choreography.pose(time_s)
        yield Still(
            image=photograph(
                simulation.scene, simulation.choreography, time_s, rng, simulation.others
            ),
            keypoints=simulation.scene.keypoints(pose, time_s),
            motion=segment_at(simulation.segments, time_s).activity.motion,
        )
