"""Scenes that equality is tested on: any, by hypothesis, and a few that are known to be hard."""

from __future__ import annotations

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from activity_recognition.config import SyncConfig
from activity_recognition.streams import windows
from activity_recognition.types import MODALITIES, Modality, Window
from factories.streams import Scene, by_hand, samples

_moments = st.floats(0.0, 3.0)

ANY_SCENE = st.builds(
    Scene,
    seed=st.integers(0, 2**16),
    duration_s=st.floats(0.1, 2.5),
    frame_rate_hz=st.sampled_from((2.0, 7.0, 12.0)),
    lost_frames=st.sampled_from((0.0, 0.3)),
    chunks=st.lists(st.integers(1, 4000), min_size=1, max_size=5)
    .filter(lambda lengths: np.mean(lengths) > 200)
    .map(tuple),
    utterances=st.integers(0, 6),
    silences=st.lists(st.tuples(st.sampled_from(MODALITIES), _moments, _moments), max_size=3).map(
        tuple
    ),
    jumps=st.lists(st.floats(0.2, 2.5), max_size=2).map(tuple),
)
ANY_RATE = st.sampled_from((None, 0.0, 4.0, 10.0))
"""Decision rates, hertz, for :func:`trace_of`."""

TROUBLED = Scene(
    seed=5,
    frame_rate_hz=12.0,
    lost_frames=0.2,
    chunks=(333, 801, 50),
    utterances=6,
    silences=((Modality.VIDEO, 1.0, 1.6), (Modality.AUDIO, 0.8, 1.3)),
    jumps=(2.2,),
)
"""Everything that goes wrong on a robot."""

SILENT = Scene(
    seed=0, duration_s=0.125, frame_rate_hz=2.0, chunks=(201,), utterances=0, silences=(), jumps=()
)
"""Too short for anything to be seen or heard: every decision is without data."""


def trace_of(scene: Scene, rate_hz: float | None = 10.0) -> list[Window]:
    """Return a scene's windows; a rate of 0 decides with every frame, None has them by hand."""
    if rate_hz is None:
        return by_hand(scene)
    return list(windows(samples(scene), SyncConfig(decision_rate_hz=rate_hz)))


def deciding_trace_of(scene: Scene, rate_hz: float | None) -> list[Window]:
    """Return a drawn scene's windows; hypothesis draws another where none ends in a decision."""
    trace = trace_of(scene, rate_hz)
    assume(any(window.decision for window in trace))
    return trace
