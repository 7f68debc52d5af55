"""What does a message cost in our window synchroniser and in the approximate-time one of ROS?

Both take the same stamps in the same order, message by message. Ours also hands out what arrived
after each message, as an idle node's worker does: the most that can be asked of it. It is measured
bare, and as the node has it, a filter fed by filters. Two inputs: a camera at 30 Hz with sound in
chunks of 64 ms and an utterance every four seconds, for which the goal is, and three topics that
all come at 30 Hz, which match at once. The other one is in the ROS package message_filters; where
there is only its source (branch jazzy), its folder ``src`` on PYTHONPATH is enough.
"""

from __future__ import annotations

import random
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from types import SimpleNamespace
from typing import Any

import numpy as np
from harness import (
    Case,
    Goal,
    Report,
    Rounds,
    Spent,
    arguments,
    publish,
    skipped,
    stopwatch,
    take_turns,
)
from record import Table, provenance

from activity_recognition.config import SyncConfig
from activity_recognition.inference.lanes.artificial import CHUNK_S, START_NS, UTTERANCE_PERIOD_S
from activity_recognition.streams import WindowSynchronizer
from activity_recognition.types import (
    MODALITIES,
    AudioChunk,
    Frame,
    Modality,
    Sample,
    Utterance,
    to_ns,
)

QUEUE = 100
SLOP_S = 0.1
WANTED = 0.01
JITTER_S = 0.005
"""Largest lateness of a stamp."""
LENGTH_S = 60.0
"""Input that is prepared; it comes again and again, later each time."""
MESSAGES = 1000
"""Of a case in one round."""
FILLING = 5 * QUEUE
"""Messages before measuring, after which queues are as long as they get."""
LIVE = 'camera, sound, words'
RATES_HZ = {
    LIVE: {
        Modality.VIDEO: 30.0,
        Modality.AUDIO: 1 / CHUNK_S,
        Modality.TEXT: 1 / UTTERANCE_PERIOD_S,
    },
    'three topics at 30 Hz': dict.fromkeys(MODALITIES, 30.0),
}

_IMAGE, _SOUND = np.zeros((4, 4, 3), np.uint8), np.zeros(16, np.float32)


def main(argv: list[str] | None = None) -> int:
    """Measure and report."""
    parser = arguments(__doc__, seconds=12.0, rounds=20)
    chosen = parser.parse_args(argv)
    began = provenance()
    cases: dict[str, Case] = {}
    reason = ''
    for name, rates_hz in RATES_HZ.items():
        arrivals = order(rates_hz, chosen.seed)
        synchronisers = {'ours': ours(arrivals), 'ours, as a filter': ours_filtered(arrivals)}
        try:
            synchronisers['approximate time'] = theirs(arrivals)
        except ImportError as error:
            reason = f'message_filters cannot be imported ({error})'
        for whose, synchroniser in synchronisers.items():
            synchroniser.run(FILLING)
            cases[f'{whose}: {name}'] = synchroniser.run
    rounds = take_turns(cases, chosen)
    settings = {'queue': QUEUE, 'slop, s': SLOP_S, 'seed': chosen.seed}
    return publish(_report(rounds, list(cases), reason, settings), chosen, began=began)


def order(rates_hz: dict[Modality, float], seed: int) -> list[tuple[int, Modality]]:
    """Return a minute's stamps with some jitter, in order: nanoseconds from its start."""
    rng = random.Random(seed)
    stamps = [
        (to_ns(index / rate_hz + rng.uniform(0, JITTER_S)), modality)
        for modality, rate_hz in rates_hz.items()
        for index in range(int(LENGTH_S * rate_hz))
    ]
    return sorted(stamps, key=lambda stamp: stamp[0])


def endless(arrivals: Sequence[tuple[int, Modality]]) -> Iterator[tuple[int, Modality]]:
    """Repeat a minute's stamps for ever, each time a minute later."""
    start_ns = START_NS
    for place, (offset_ns, modality) in cycle(enumerate(arrivals)):
        yield start_ns + offset_ns, modality
        if place == len(arrivals) - 1:
            start_ns += to_ns(LENGTH_S)


def ours(arrivals: Sequence[tuple[int, Modality]]) -> Synchroniser:
    """Return the window synchroniser, whose windows are taken after every message."""
    synchronizer = WindowSynchronizer(SyncConfig(queue_frames=QUEUE))
    stamps = endless(arrivals)

    def push(sample: Sample) -> None:
        synchronizer.push(sample)
        synchronizer.take(newest_only=True)

    return Synchroniser(lambda: _sample(*next(stamps)), push)


def ours_filtered(arrivals: Sequence[tuple[int, Modality]]) -> Synchroniser:
    """Return the window synchroniser behind message filters, as the node has it."""
    from activity_recognition.ros.recognizing.filters import SimpleFilter, SynchronizerFilter

    filters: dict[Modality, Any] = {modality: SimpleFilter() for modality in MODALITIES}
    synchronizer = SynchronizerFilter(WindowSynchronizer(SyncConfig(queue_frames=QUEUE)))
    synchronizer.connectInput(*filters.values())
    synchronizer.call_when_ready(lambda: synchronizer.take() and None)
    stamps = endless(arrivals)

    def make() -> tuple[Any, Sample]:
        sample = _sample(*next(stamps))
        return filters[sample.modality], sample

    def add(arrival: tuple[Any, Sample]) -> None:
        source, sample = arrival
        source.signalMessage(sample, 0.0)

    return Synchroniser(make, add)


def _sample(stamp_ns: int, modality: Modality) -> Sample:
    if modality is Modality.VIDEO:
        return Frame(stamp_ns=stamp_ns, arrival_ns=stamp_ns, image=_IMAGE)
    if modality is Modality.AUDIO:
        return AudioChunk(
            stamp_ns=stamp_ns, arrival_ns=stamp_ns, samples=_SOUND, sample_rate_hz=16000
        )
    return Utterance(stamp_ns=stamp_ns, arrival_ns=stamp_ns, text='hello')


def theirs(arrivals: Sequence[tuple[int, Modality]]) -> Synchroniser:
    """Return the approximate-time synchroniser.

    Raises:
        ImportError: message_filters is not there.
    """
    from message_filters import ApproximateTimeSynchronizer, SimpleFilter
    from rclpy.time import Time

    filters: dict[Modality, Any] = {modality: SimpleFilter() for modality in MODALITIES}
    matched = ApproximateTimeSynchronizer(list(filters.values()), QUEUE, SLOP_S)
    matched.registerCallback(lambda *_: None)
    stamps = endless(arrivals)

    def make() -> tuple[Any, SimpleNamespace]:
        stamp_ns, modality = next(stamps)
        # The stamp as the synchroniser wants it, so that it need not be converted.
        header = SimpleNamespace(stamp=Time(nanoseconds=stamp_ns))
        return filters[modality], SimpleNamespace(header=header)

    def add(arrival: tuple[Any, SimpleNamespace]) -> None:
        source, message = arrival
        source.signalMessage(message)

    return Synchroniser(make, add)


@dataclass(frozen=True, slots=True)
class Synchroniser:
    """What makes messages, and what takes them; only the second is timed."""

    make: Callable[[], Any]
    take: Callable[[Any], None]

    def run(self, count: int = MESSAGES) -> Spent:
        """Deal with the next messages."""
        messages = [self.make() for _ in range(count)]
        # All in one call: the stopwatch's own would be a part of what ours takes.
        spent = stopwatch(lambda: deque(map(self.take, messages), maxlen=0), 1)
        return Spent(wall_s=spent.wall_s / count, cpu_s=spent.cpu_s / count)


def _report(rounds: Rounds, names: list[str], reason: str, settings: dict[str, object]) -> Report:
    name = f'our synchroniser ÷ ApproximateTimeSynchronizer, 3 topics, queue {QUEUE}'
    if reason:
        goal = skipped(name, reason, at_most=WANTED)
    else:
        ratio = rounds.wall_ratio(f'ours: {LIVE}', f'approximate time: {LIVE}')
        goal = Goal(name=name, value=ratio.median, at_most=WANTED, settled=rounds.settled)
    rows = []
    for case in names:
        ratio = rounds.wall_ratio(f'ours: {case.split(": ")[1]}', case)
        rows.append((case, str(rounds.wall_s(case).scaled(1e6)), str(ratio)))
    return Report(
        theme='synchroniser',
        title='Synchronisers',
        settings=settings,
        goals=[goal],
        tables=[
            Table(
                'One message',
                ('synchroniser and input', 'µs (quartiles)', 'ours ÷ it (quartiles)'),
                rows,
            )
        ],
        notes=[
            f'{rounds.describe()}; {MESSAGES} messages of each case per round.',
            'The two do not do the same: the approximate-time synchroniser waits for all topics '
            'and gives sets of one message each, ours gives everything that came up to a decision.',
        ],
    )


if __name__ == '__main__':
    sys.exit(main())
