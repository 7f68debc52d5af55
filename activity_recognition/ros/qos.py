"""Quality of service: what is requested, what is offered, what cannot match.

A subscription that asks for more than a publisher offers gets nothing, silently. So reliability
and durability follow the weakest publisher found on the graph, up to what the role can use, and
parameters ``qos_overrides.<topic>.…`` have the last word.
"""

from __future__ import annotations

from collections.abc import Sequence

from rclpy.duration import Duration
from rclpy.qos import (
    QoSCompatibility,
    QoSDurabilityPolicy,
    QoSHistoryPolicy,
    QoSProfile,
    QoSReliabilityPolicy,
    qos_check_compatible,
)

from activity_recognition.modalities import ROLE_SPEC, Role
from activity_recognition.streams.schedule import IDLE_RATE_HZ

LIFESPAN_PERIODS = 3
"""Late subscribers get the newest decision for this many periods."""


def profile(depth: int, *, reliable: bool = True, latched: bool = False) -> QoSProfile:
    """Return a profile that keeps the last ``depth`` messages; latched is transient local.

    Args:
        depth: of the history.
        reliable: whether it is reliable, else best effort.
        latched: whether it is transient local, else volatile.
    """
    return QoSProfile(
        history=QoSHistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=QoSReliabilityPolicy.RELIABLE if reliable else QoSReliabilityPolicy.BEST_EFFORT,
        durability=QoSDurabilityPolicy.TRANSIENT_LOCAL if latched else QoSDurabilityPolicy.VOLATILE,
    )


def offered_qos(role: Role) -> QoSProfile:
    """Return what a playing node offers, as camera and microphone drivers do."""
    spec = ROLE_SPEC[role]
    return profile(spec.offered_depth, reliable=spec.reliable, latched=spec.latched)


OTHER_QOS = profile(10)
"""Of recorded topics without a role."""
LATCHED_QOS = profile(100, latched=True)
CLOCK_QOS = profile(1, reliable=False)
DIAGNOSTICS_QOS = profile(10)


def requested_qos(role: Role, offers: Sequence[QoSProfile]) -> QoSProfile:
    """Return the profile to subscribe with, given what the topic's publishers offer.

    With no publisher yet it is what the role asks for. The weakest publisher decides, for a profile
    that matches it matches all.

    Args:
        role: what the topic is to the recogniser.
        offers: of its publishers.
    """
    spec = ROLE_SPEC[role]
    if not offers:
        return profile(spec.depth, reliable=spec.reliable, latched=spec.latched)
    all_reliable, all_latched = weakest(offers)
    return profile(spec.depth, reliable=spec.reliable and all_reliable, latched=all_latched)


def weakest(offers: Sequence[QoSProfile]) -> tuple[bool, bool]:
    """Return what all publishers of a topic offer: whether it is reliable, and latched.

    Args:
        offers: of its publishers.
    """
    return (
        all(o.reliability != QoSReliabilityPolicy.BEST_EFFORT for o in offers),
        all(o.durability == QoSDurabilityPolicy.TRANSIENT_LOCAL for o in offers),
    )


def mismatch(topic: str, offered: QoSProfile, requested: QoSProfile) -> str:
    """Return a sentence that says why two profiles cannot match and what to set, or nothing.

    Args:
        topic: resolved name.
        offered: by a publisher.
        requested: by the subscription.
    """
    verdict, reason = qos_check_compatible(offered, requested)
    if verdict != QoSCompatibility.ERROR:
        return ''
    policy = 'reliability'
    if offered.durability == QoSDurabilityPolicy.VOLATILE != requested.durability:
        policy = 'durability'
    offer, ask = getattr(offered, policy), getattr(requested, policy)
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
    """Return the profile of ``activity``: late subscribers get no decision of the past."""
    period_s = 1.0 / (decision_rate_hz or IDLE_RATE_HZ)
    result = profile(1, latched=True)
    result.lifespan = Duration(seconds=LIFESPAN_PERIODS * period_s)
    return result


LABELS_QOS = profile(1, latched=True)
OVERLAY_QOS = profile(1)
"""Of images for people: viewers that ask for reliable get them, too."""


def activities_profile(most: int) -> QoSProfile:
    """Return the profile of ``activities``, which holds a few decisions of everybody.

    Args:
        most: people who are recognised at once.
    """
    return profile(4 * most)
