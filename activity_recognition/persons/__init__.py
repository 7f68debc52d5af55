"""Every person apart: whose region is where, when somebody joins and leaves, who gets which frame.

Pure functions of what is given, without torch and without ROS: the node feeds it from topics.
"""

from __future__ import annotations

from activity_recognition.persons.regions import Box, PersonRegion
from activity_recognition.persons.router import PersonRouter, Routed
from activity_recognition.persons.sightings import Sighting
from activity_recognition.persons.tracks import Naming, PersonNews, Spoken, Track

__all__ = [
    'Box',
    'Naming',
    'PersonNews',
    'PersonRegion',
    'PersonRouter',
    'Routed',
    'Sighting',
    'Spoken',
    'Track',
]
