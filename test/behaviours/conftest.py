"""A clock that tests set, and reports and messages for any moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import py_trees
import pytest

from activity_recognition.behaviours import ActivityFeed, Report
from activity_recognition.types import Status, to_ns

START_S = 1_700_000_000.0
"""Some moment."""


def at(seconds: float) -> int:
    """Nanoseconds of a moment, given in seconds from the beginning of the test."""
    return to_ns(START_S) + to_ns(seconds)


@dataclass
class ManualClock:
    """A clock in nanoseconds that stands still until it is set."""

    now_ns: int = at(0.0)

    def __call__(self) -> int:
        return self.now_ns

    def set(self, seconds: float) -> None:
        self.now_ns = at(seconds)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def feed(clock: ManualClock) -> ActivityFeed:
    """A feed that calls two seconds silence."""
    return ActivityFeed(clock, silent_after_s=2.0)


@pytest.fixture
def report() -> Callable[..., Report]:
    """Make a report of a moment, in seconds; of a label, or of a status without one."""

    def make(time_s: float, label: str = '', since_s: float | None = None, **fields: Any) -> Report:
        fields.setdefault('status', Status.OK)
        fields.setdefault('confidence', 0.9 if label else 0.2)
        since_s = time_s if since_s is None else since_s
        return Report(stamp_ns=at(time_s), label=label, stable_since_ns=at(since_s), **fields)

    return make


@pytest.fixture(autouse=True)
def fresh_blackboard() -> Iterator[None]:
    yield
    py_trees.blackboard.Blackboard.clear()


@pytest.fixture
def make_stage() -> Iterator[Callable[..., Any]]:
    """Make nodes that meet over DDS."""
    from factories.ros_stage import Stage  # needs ROS

    stages = []

    def make(**arguments: Any) -> Stage:
        stages.append(Stage(**arguments))
        return stages[-1]

    yield make
    for stage in stages:
        stage.close()
