"""Seeded scenes: an activity script rendered to frames, sound and speech transcripts.

``simulate(SimulationConfig(seed=1))`` draws a recording; its ``samples()`` come in order of
arrival, its ``labels`` are the truth. Some activities look alike and differ only in sound, some
only in words, some sound alike and differ only in looks (``config.ACTIVITY_TABLE``).
"""

from activity_recognition.simulation.config import (
    ACTIVITIES,
    ACTIVITY_TABLE,
    Activity,
    SimulationConfig,
)
from activity_recognition.simulation.contact_sheet import contact_sheet
from activity_recognition.simulation.script import Segment
from activity_recognition.simulation.simulation import Simulation, simulate
from activity_recognition.simulation.stills import Still, draw_stills

__all__ = [
    'ACTIVITIES',
    'ACTIVITY_TABLE',
    'Activity',
    'Segment',
    'Simulation',
    'SimulationConfig',
    'Still',
    'contact_sheet',
    'draw_stills',
    'simulate',
]
