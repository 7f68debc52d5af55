"""From what a stream's events cost to what a machine sustains, and which settings to run with.

All of it is arithmetic on measured times: nothing here was run. One engine thread works through a
stream; what it may be busy with is ``1 - headroom`` of each second, the rest is for what was not
measured: decoding, messages, the middleware, other programs, a hot day.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from activity_recognition.config import EngineConfig, RecognizerConfig, SyncConfig
from activity_recognition.errors import ConfigError
from activity_recognition.inference.cost import Cost, SampleCost, Timing
from activity_recognition.settings import Ranged, setting

FRAME_RATES_HZ = (30.0, 15.0, 10.0, 5.0, 2.0, 1.0)
"""Rates that are proposed, the best first."""
STREAM_RATES_HZ = (10.0, 15.0, 30.0)
"""Rates for which numbers of streams are given."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SizingConfig(Ranged):
    """What is asked of a machine."""

    headroom: float = setting(0.5, low=0.0, high=0.95)
    """Share of each second in which the engine's thread shall have nothing to do."""
    decision_rate_hz: float = setting(10.0, low=0.1, high=240.0)
    """Decisions wanted per second; a slower camera gets one per frame."""
    least_frame_rate_hz: float = setting(10.0, low=0.1, high=240.0)
    """A larger network is proposed where it sustains at least this."""
    utterance_rate_hz: float = setting(0.25, low=0.0, high=10.0)
    """Utterances per second."""
    evidence_every: int = setting(5, low=0, high=1000)
    """As ``engine.evidence_every``."""


def busy(cost: Cost, frame_rate_hz: float, config: SizingConfig) -> float:
    """Return the share of a second that one stream keeps an engine's thread busy.

    Args:
        cost: of a network with a number of threads.
        frame_rate_hz: the camera's.
        config: what the machine is to sustain.
    """
    return _frame_s(cost) * frame_rate_hz + _without_frames(
        cost, min(config.decision_rate_hz, frame_rate_hz), config
    )


def most_frames_hz(cost: Cost, config: SizingConfig) -> float:
    """Return the frames per second one stream sustains beside the other samples and its decisions.

    Without frames it is :func:`most_decisions_hz`.

    Args:
        cost: of a network with a number of threads.
        config: what the machine is to sustain.
    """
    if cost.frame is not None:
        at_full_rate = _without_frames(cost, config.decision_rate_hz, config)
        rate_hz = (1.0 - config.headroom - at_full_rate) / cost.frame.wall_s
        if rate_hz >= config.decision_rate_hz:
            return rate_hz
    # Below that rate every frame decides.
    return most_decisions_hz(cost, config)


def most_decisions_hz(cost: Cost, config: SizingConfig) -> float:
    """Return the decisions per second one stream sustains where every frame decides.

    Args:
        cost: of a network with a number of threads.
        config: what the machine is to sustain.
    """
    each_s = _frame_s(cost) + cost.mean_decision_s(config.evidence_every)
    left = 1.0 - config.headroom - _without_frames(cost, 0.0, config)
    return max(0.0, left / each_s)


def streams(cost: Cost, frame_rate_hz: float, cores: int, config: SizingConfig) -> int:
    """Return how many streams ``cores`` sustain, as processes that do not slow each other down.

    Args:
        cost: of a network with a number of threads.
        frame_rate_hz: the camera's.
        cores: of the machine.
        config: what the machine is to sustain.
    """
    lanes = cores // cost.threads
    return math.floor(lanes * (1.0 - config.headroom) / busy(cost, frame_rate_hz, config))


def slower(cost: Cost, factor: float) -> Cost:
    """Return what the same would cost on cores ``factor`` times as slow, if all slowed alike.

    Args:
        cost: of a network with a number of threads.
        factor: above 1 where the cores are slower.
    """

    def scaled(timing: Timing) -> Timing:
        return replace(
            timing,
            wall_s=timing.wall_s * factor,
            low_s=timing.low_s * factor,
            high_s=timing.high_s * factor,
            cpu_s=timing.cpu_s * factor,
        )

    return replace(
        cost,
        samples=tuple(replace(item, timing=scaled(item.timing)) for item in cost.samples),
        decision=scaled(cost.decision),
        ablated_decision=scaled(cost.ablated_decision),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """Settings that a machine sustains."""

    cost: Cost
    """Of the network and the threads proposed."""
    frame_rate_hz: float
    decision_rate_hz: float
    busy: float
    """Share of a second that the engine's thread works."""
    enough: bool
    """Whether it keeps the headroom at the least frame rate asked for."""

    def recognizer(
        self, *, checkpoint: str = '', device: str = 'auto', backend: str = 'auto'
    ) -> RecognizerConfig:
        """Return the node's settings.

        Args:
            checkpoint: its folder; empty for the shipped one.
            device: where the network runs.
            backend: what runs the network's steps.
        """
        return RecognizerConfig(
            checkpoint=checkpoint,
            engine=EngineConfig(device=device, backend=backend, num_threads=self.cost.threads),
            sync=SyncConfig(
                max_frame_rate_hz=self.frame_rate_hz, decision_rate_hz=self.decision_rate_hz
            ),
        )


def propose(costs: Sequence[Cost], cores: int, config: SizingConfig) -> Proposal | None:
    """Return the largest network that keeps up, with its best frame rate and fewest threads.

    Larger is what takes longer per frame. Whether it is also better is for an evaluation to say,
    not for a stopwatch. One core is left to ROS where there are several.

    Args:
        costs: of all networks and numbers of threads that were measured.
        cores: of the machine.
        config: what the machine is to sustain.

    Returns:
        What to run; None where not even the slowest rate is sustained by anything.

    Raises:
        ConfigError: nothing was measured that leaves a core to ROS.
    """
    usable = [cost for cost in costs if cost.threads <= max(1, cores - 1)]
    if not usable:
        raise ConfigError(
            f'expected costs measured with at most {max(1, cores - 1)} thread(s), which leave a '
            f'core to ROS, got {sorted({cost.threads for cost in costs})}; measure with fewer'
        )
    found = [best for network in _by_size(usable) if (best := _best(network, config))]
    enough = [proposal for proposal in found if proposal.enough]
    if enough:
        return enough[0]
    return found[-1] if found else None


def _without_frames(cost: Cost, decision_rate_hz: float, config: SizingConfig) -> float:
    """Return the share of a second that the other samples and decisions take."""
    samples = sum(_share(item, config) for item in cost.samples if not item.spec.triggers_decisions)
    return samples + cost.mean_decision_s(config.evidence_every) * decision_rate_hz


def _share(item: SampleCost, config: SizingConfig) -> float:
    """Return the share of a second that samples of a fixed rate, or now and then, take."""
    if item.duration_s:
        return item.per_second_s
    return item.timing.wall_s * config.utterance_rate_hz


def _frame_s(cost: Cost) -> float:
    return 0.0 if cost.frame is None else cost.frame.wall_s


def _by_size(costs: Sequence[Cost]) -> list[list[Cost]]:
    """Group by network, the one with the longest frame first; fewest threads first within."""
    networks: dict[str, list[Cost]] = {}
    for cost in sorted(costs, key=lambda item: item.threads):
        networks.setdefault(cost.network, []).append(cost)
    return sorted(networks.values(), key=lambda group: -_frame_s(group[0]))


def best_rate(cost: Cost, config: SizingConfig) -> float:
    """Return the best of the rates proposed that is sustained; 0 for none.

    Args:
        cost: of a network with a number of threads.
        config: what the machine is to sustain.
    """
    most = 1.0 - config.headroom
    return next((rate for rate in FRAME_RATES_HZ if busy(cost, rate, config) <= most), 0.0)


def _best(network: Sequence[Cost], config: SizingConfig) -> Proposal | None:
    """Return the highest rate that some number of threads sustains, with the fewest of them."""
    # max keeps the first of equals, which has the fewest threads.
    cost = max(network, key=lambda item: best_rate(item, config))
    rate_hz = best_rate(cost, config)
    if not rate_hz:
        return None
    return Proposal(
        cost=cost,
        frame_rate_hz=rate_hz,
        decision_rate_hz=min(config.decision_rate_hz, rate_hz),
        busy=busy(cost, rate_hz, config),
        enough=rate_hz >= config.least_frame_rate_hz,
    )
