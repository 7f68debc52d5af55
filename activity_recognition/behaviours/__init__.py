"""Leaves for behaviour trees (py_trees) over the activities that a recognizer reports.

The leaves and what they look at are free of ROS; the adapter to a topic is
:class:`activity_recognition.behaviours.subscriber.ActivitySubscriber`, and
:mod:`activity_recognition.behaviours.example_tree` shows all of it at work.
"""

from activity_recognition.behaviours.feed import ActivityFeed
from activity_recognition.behaviours.leaves import (
    ActivityHeld,
    HasNoData,
    IsNone,
    IsSilent,
    IsUnknown,
    SituationIs,
    ToBlackboard,
    WaitForActivity,
)
from activity_recognition.behaviours.people import ANYBODY, PeopleFeed
from activity_recognition.behaviours.report import NONE_LABEL, Observation, Report, Situation

__all__ = [
    'ANYBODY',
    'NONE_LABEL',
    'ActivityFeed',
    'ActivityHeld',
    'HasNoData',
    'IsNone',
    'IsSilent',
    'IsUnknown',
    'Observation',
    'PeopleFeed',
    'Report',
    'Situation',
    'SituationIs',
    'ToBlackboard',
    'WaitForActivity',
]
