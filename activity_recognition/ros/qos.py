"""Quality of service: what is asked for, what follows from the publishers, what cannot match.

A subscription that asks for more than a publisher offers gets nothing, silently. So reliability
and durability follow the weakest publisher found on the graph, up to what the role can use, and
parameters ``qos_overrides.<topic>.…`` have the last word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rclpy.duration import Duration
from rclpy.qos import (
    QoSCompatibility,
    QoSDurabilityPolicy,
    QoSHistoryPolicy,
    QoSProfile,
    QoSReliabilityPolicy,
    qos_check_compatible,
)

from activity_recognition.sensors import Role
from activity_recognition.streams.schedule import IDLE_RATE_HZ

LIFESPAN_PERIODS = 3
"""A decision is told to late subscribers for this many periods."""


def profile(depth: int, *, reliable: bool = True, latched: bool = False) -> QoSProfile:
    """Return a profile that keeps the last ``depth`` messages; latched is transient local."""
    return QoSProfile(
        history=QoSHistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=QoSReliabilityPolicy.RELIABLE if reliable else QoSReliabilityPolicy.BEST_EFFORT,
        durability=QoSDurabilityPolicy.TRANSIENT_LOCAL if latched else QoSDurabilityPolicy.VOLATILE,
    )


SENSOR_OFFERS = {
    Role.IMAGE: profile(5, reliable=False),
    Role.AUDIO: profile(50),
    Role.AUDIO_INFO: profile(1, latched=True),
    Role.TRANSCRIPT: profile(10),
}
"""What a playing node offers, as camera and microphone drivers do."""
OTHER_QOS = profile(10)
"""Of recorded topics without a role."""
LATCHED_QOS = profile(100, latched=True)
CLOCK_QOS = profile(1, reliable=False)
DIAGNOSTICS_QOS = profile(10)


@dataclass(frozen=True, kw_only=True, slots=True)
class Demand:
    """What a subscription of one role asks for."""

    depth: int
    reliable: bool
    """Ask for reliable unless a publisher offers less."""
    latched: bool = False
    """Ask for transient local unless a publisher offers less, also before one is found."""

    def profile(self) -> QoSProfile:
        """Return the demand as a profile."""
        return profile(self.depth, reliable=self.reliable, latched=self.latched)


DEMANDS = {
    # Dropping happens, counted, in our ring; a depth of 1 would lose frames unseen inside DDS.
    Role.IMAGE: Demand(depth=5, reliable=False),
    # A lost chunk is a hole in the sound.
    Role.AUDIO: Demand(depth=100, reliable=True),
    Role.AUDIO_INFO: Demand(depth=1, reliable=True, latched=True),
    Role.TRANSCRIPT: Demand(depth=20, reliable=True),
}
"""What each role asks for when nothing is known of a publisher."""


def follow(role: Role, offers: Sequence[QoSProfile]) -> QoSProfile:
    """Return the profile to subscribe with, given what the topic's publishers offer.

    With no publisher yet it is the role's demand. The weakest publisher decides, for a profile that
    matches it matches all.
    """
    demand = DEMANDS[role]
    if not offers:
        return demand.profile()
    all_reliable = all(o.reliability != QoSReliabilityPolicy.BEST_EFFORT for o in offers)
    all_latched = all(o.durability == QoSDurabilityPolicy.TRANSIENT_LOCAL for o in offers)
    return replace(demand, reliable=demand.reliable and all_reliable, latched=all_latched).profile()


def mismatch(topic: str, offered: QoSProfile, asked: QoSProfile) -> str:
    """Return a sentence that says why two profiles cannot match and what to set, or nothing."""
    verdict, reason = qos_check_compatible(offered, asked)
    if verdict != QoSCompatibility.ERROR:
        return ''
    policy = 'reliability'
    if offered.durability == QoSDurabilityPolicy.VOLATILE != asked.durability:
        policy = 'durability'
    offer, ask = getattr(offered, policy), getattr(asked, policy)
    if offer == ask:
        return f'{topic}: a publisher cannot match this subscription: {reason}'
    return (
        f'{topic}: a publisher offers {policy} {offer.name.lower()}, but this node asks for '
        f'{ask.name.lower()}; set qos_overrides.{topic}.subscription.{policy} to '
        f'{offer.name.lower()}, or make the publisher offer {ask.name.lower()}'
    )


def describe(profile: QoSProfile) -> str:
    """Return reliability and durability in words."""
    reliability, durability = profile.reliability.name, profile.durability.name
    return f'{reliability}, {durability}'.lower().replace('_', ' ')


def decision_profile(decision_rate_hz: float) -> QoSProfile:
    """Return the profile of ``activity``: a heartbeat that nobody late hears as news."""
    period_s = 1.0 / (decision_rate_hz or IDLE_RATE_HZ)
    result = profile(1, latched=True)
    result.lifespan = Duration(seconds=LIFESPAN_PERIODS * period_s)
    return result


LABELS_QOS = profile(1, latched=True)
OVERLAY_QOS = profile(1)
"""Of pictures for people: viewers that ask for reliable get them, too."""
