"""Independent random streams from one seed.

Each concern draws from a stream of its own, so that removing a modality or changing the wording of
the speech leaves everything else of a recording as it was.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What a random stream decides. The numbers are part of a seed's meaning: never renumber."""

    SCRIPT = 0
    ROOM = 1
    PERSON = 2
    MOTION = 3
    CAMERA = 4
    SOUND = 5
    SPEECH_TIMES = 6
    WORDS = 7
    TRANSPORT_VIDEO = 8
    TRANSPORT_AUDIO = 9
    TRANSPORT_TEXT = 10
    DISTURBANCE = 11
    OTHERS = 12
    TRACKER = 13


def stream(seed: int, kind: Stream, index: int = 0) -> np.random.Generator:
    """Return the generator of one concern, ``index`` distinguishing its items (segments).

    Args:
        seed: of the recording.
        kind: the concern.
        index: of an item of the concern, as of a segment.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(int(kind), index)))
