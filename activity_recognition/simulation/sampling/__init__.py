"""What the simulated sensors deliver of a recording.

Each modality has a module of its name, whose ``samples(simulation)`` yields its samples in order of
arrival.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from activity_recognition.simulation.simulation import Simulation
    from activity_recognition.types import Modality, Sample


def samples_of(simulation: Simulation, modality: Modality) -> Iterator[Sample]:
    """Yield one modality's samples in order of arrival, drawing and synthesising as it goes.

    Args:
        simulation: the recording.
        modality: whose samples are wanted.
    """
    module = import_module(f'{__name__}.{modality.value}')
    return cast('Iterator[Sample]', module.samples(simulation))
