"""Each modality's way through the engine: one module per modality, named after it.

Each has a class :data:`LANE`, of the base :class:`~.lane.Lane`, which names its front end.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from activity_recognition.inference.lanes.lane import (
    Arrays,
    FrontEnd,
    FrontEndSettings,
    Lane,
    LaneContext,
)
from activity_recognition.types import Modality

__all__ = [
    'Arrays',
    'FrontEnd',
    'FrontEndSettings',
    'Lane',
    'LaneContext',
    'front_end_type',
    'lane_type',
]


def lane_type(modality: Modality) -> type[Lane[Any, Any]]:
    """Return the class of a modality's lane."""
    found: type[Lane[Any, Any]] = import_module(f'{__name__}.{modality.value}').LANE
    return found


def front_end_type(modality: Modality) -> type[FrontEnd[Any, Any]]:
    """Return the class of a modality's front end."""
    return lane_type(modality).front_end
