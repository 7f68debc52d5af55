"""What does the node add to the engine?

Node: a raw CDR image goes into the recogniser's own subscription callback, and the clock stops when
publishing the decision has returned. Bare: the frame decoded from such an image goes into an engine
of its own, which resizes it and decides. Both get the same audio and the same utterances between
the frames, untimed. Afterwards the node's engine answers at once, which leaves what is the node's.
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from harness import Goal, Report, Rounds, Spent, arguments, interleave, publish
from record import Table, provenance
from workload import make_engine

from activity_recognition.bags.messages import MessageMaker
from activity_recognition.inference import StreamingEngine
from activity_recognition.inference.artificial import artificial_stream, untrained_checkpoint
from activity_recognition.models.checkpoint import save_checkpoint
from activity_recognition.sensors import DecoderSettings, Role, SensorDecoders
from activity_recognition.types import AudioChunk, Decision, Frame, Sample, Window, to_ns

RATE_HZ = 15.0
SIZES = {'640×480': (640, 480), '1920×1080': (1920, 1080)}
WANTED = {'640×480': 1.10, '1920×1080': 1.25}
STEPS = 10
"""Frames of a case in one round; a multiple of the decisions between two ablations."""
FILL_FRAMES = 75
ALONE_ROUNDS = 20
"""Of the node whose engine answers at once."""
ANSWER_LIMIT_S = 60.0
IMAGE_TYPE = 'sensor_msgs/msg/Image'
LATE_S = 2.0
"""More than what the node counts as late; from here on it is another time line."""


class InstantEngine:
    """Answers at once with what the engine in its place said to the first frame."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self._decision: Decision | None = None

    def apply(self, windows: Mapping[str, Window]) -> dict[str, Decision]:
        """Return a decision of the moment that the window asks for."""
        moment = windows[''].decision
        if moment is None:
            return {}
        if self._decision is None:
            self._decision = self.engine.apply(windows)['']
        t_ns, arrival_ns = moment
        return {'': dataclasses.replace(self._decision, t_ns=t_ns, arrival_ns=arrival_ns)}

    def reset(self, name: str) -> None:
        """Forget what the engine in its place knows."""
        self.engine.reset(name)


class Node:
    """A live recogniser whose callbacks are called by hand, and somebody who listens to it."""

    def __init__(self, folder: Path, threads: int) -> None:
        """Configure and activate; nothing spins, so that timers do not disturb."""
        import rclpy
        from rclpy.parameter import Parameter

        from activity_recognition.msg import ActivityStamped
        from activity_recognition.ros.qos import decision_profile
        from activity_recognition.ros.recognizing.recognizer_node import RecognizerNode

        rclpy.init()
        settings = {
            'checkpoint': str(folder),
            'engine.device': 'cpu',
            'engine.num_threads': threads,
            'sync.decision_rate_hz': 0.0,
            # No AudioInfo is sent: the node would refuse sound of an unknown format.
            'topics.audio_sample_format': 'S16LE',
        }
        overrides = [Parameter(name, value=value) for name, value in settings.items()]
        self.node = RecognizerNode(parameter_overrides=overrides)
        self.node.start()
        self.listener = rclpy.create_node('listener')
        self.listener.create_subscription(
            ActivityStamped, 'activity', lambda _: None, decision_profile(RATE_HZ)
        )
        self._maker = MessageMaker('raw', 95, 'std_msgs/msg/String')
        self._applied = threading.Event()
        self._end_s = self._end_cpu_s = 0.0
        self._decided = False
        # Its session is its own business, but the wiring is what is measured.
        session: Any = self.node._session
        self._worker, self._feed = session.active.worker, session.active.streams['']
        # Signalled by the worker when it has decided and published.
        self._feed.filter.registerCallback(self._note)
        self._callbacks = self._subscribe()
        self.newest_ns = 0
        """Stamp of the newest frame sent."""

    def _subscribe(self) -> dict[str, Callable[[bytes], None]]:
        """Offer the topics until the node has subscribed; return its callbacks by topic."""
        from audio_common_msgs.msg import AudioDataStamped
        from sensor_msgs.msg import Image
        from std_msgs.msg import String

        types = {'/image': Image, '/audio': AudioDataStamped, '/transcript': String}
        for topic, kind in types.items():
            self.listener.create_publisher(kind, topic, 1)
        end_s = time.monotonic() + ANSWER_LIMIT_S
        while time.monotonic() < end_s:
            self._feed.inputs.look()
            callbacks = {item.topic_name: item.callback for item in self.node.subscriptions}
            if callbacks.keys() >= types.keys():
                return callbacks
            time.sleep(0.1)
        raise RuntimeError('the node did not subscribe to all topics')

    def reset(self) -> None:
        """Begin a new time line."""
        self._feed.synchronizer.reset()

    def take_engine_away(self) -> None:
        """Let the engine answer at once from now on, or no longer."""
        engine: Any = self._worker._engine
        instant = isinstance(engine, InstantEngine)
        self._worker._engine = engine.engine if instant else InstantEngine(engine)

    def _note(self, window: Window) -> None:
        self._end_s, self._end_cpu_s = time.perf_counter(), time.process_time()
        self._decided = window.decision is not None
        self._applied.set()

    def message(self, sample: Sample) -> tuple[str, bytes]:
        """Return a sample as topic and CDR bytes."""
        if isinstance(sample, Frame):
            return '/image', bytes(self._maker.image(sample).cdr)
        if isinstance(sample, AudioChunk):
            return '/audio', bytes(self._maker.audio(sample).cdr)
        return '/transcript', bytes(self._maker.transcript(sample).cdr)

    def take(self, message: tuple[str, bytes]) -> Spent:
        """Hand a message to its callback; return the time until it was processed."""
        topic, cdr = message
        receive = self._callbacks[topic]
        self._applied.clear()
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        receive(cdr)
        if not self._applied.wait(ANSWER_LIMIT_S):
            raise RuntimeError(f'the node did not process a message on {topic}')
        spent = Spent(wall_s=self._end_s - wall_s, cpu_s=self._end_cpu_s - cpu_s)
        report = self._worker.report()
        if report.errors or self._decided != (topic == '/image'):
            raise RuntimeError(f'the node failed at a message on {topic}: {report.last_error}')
        return spent

    def close(self) -> None:
        """Take everything down."""
        import rclpy

        self.listener.destroy_node()
        self.node.destroy_node()
        rclpy.shutdown()


class Pair:
    """The node and a bare engine, fed with streams of one image size."""

    def __init__(
        self, node: Node, engine: StreamingEngine, size: tuple[int, int], start_ns: int
    ) -> None:
        """Begin streams at ``start_ns``."""
        self._node, self._engine = node, engine
        width, height = size
        # The frame as the camera took it: making it smaller is a part of resizing.
        self._decoders = SensorDecoders(DecoderSettings(least_side_px=max(size)))
        self._streams = [
            artificial_stream(
                engine.config,
                frame_rate_hz=RATE_HZ,
                width_px=width,
                height_px=height,
                seed=0,
                start_ns=start_ns,
            )
            for _ in range(2)
        ]

    def through_node(self, steps: int = STEPS) -> Spent:
        """Send frames, and untimed what comes between them, through the node."""
        spent = []
        for _ in range(steps):
            *others, frame = next(self._streams[0]).samples
            self._node.newest_ns = frame.stamp_ns
            for sample in others:
                self._node.take(self._node.message(sample))
            spent.append(self._node.take(self._node.message(frame)))
        return _mean(spent)

    def bare(self, steps: int = STEPS) -> Spent:
        """Give decoded frames, and untimed what comes between them, to the engine."""
        spent = []
        for _ in range(steps):
            window = next(self._streams[1])
            *others, frame = window.samples
            for sample in others:
                self._engine.apply(Window(samples=(sample,)))
            # As cold and as little aligned as the node's.
            _, cdr = self._node.message(frame)
            frame = self._decoders.decode(Role.IMAGE, IMAGE_TYPE, cdr, frame.arrival_ns)
            wall_s, cpu_s = time.perf_counter(), time.process_time()
            self._engine.apply(Window(samples=(frame,), decision=window.decision))
            cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
            spent.append(Spent(wall_s=wall_s, cpu_s=cpu_s))
        return _mean(spent)


def _mean(spent: list[Spent]) -> Spent:
    return Spent(
        wall_s=sum(item.wall_s for item in spent) / len(spent),
        cpu_s=sum(item.cpu_s for item in spent) / len(spent),
    )


def main(argv: list[str] | None = None) -> int:
    """Measure and report."""
    parser = arguments(__doc__, seconds=40.0, rounds=20, threads=1)
    parser.add_argument('--preset', default='small')
    chosen = parser.parse_args(argv)
    began = provenance()
    torch.set_num_threads(chosen.threads)
    checkpoint = untrained_checkpoint(chosen.preset, seed=chosen.seed)
    tables, notes, goals = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'checkpoint'
        save_checkpoint(path, checkpoint.system, checkpoint.tokenizer)
        node = Node(path, chosen.threads)
        try:
            engine = make_engine(checkpoint, threads=chosen.threads)
            for name, size in SIZES.items():
                rounds = _measure(node, engine, size, chosen)
                alone = _measure_alone(node, engine, size, chosen)
                tables.append(_table(name, rounds, alone))
                notes.append(f'{name}: {rounds.describe()}; {STEPS} frames of each per round.')
                if name in WANTED:
                    goals.append(_goal(name, chosen.preset, rounds))
        finally:
            node.close()
    report = Report(
        theme='node_overhead',
        title='What the node adds to the engine',
        settings={'preset': chosen.preset, 'threads': chosen.threads, 'seed': chosen.seed},
        goals=goals,
        tables=tables,
        notes=notes,
    )
    return publish(report, chosen, began=began)


def _measure(node: Node, engine: StreamingEngine, size: tuple[int, int], chosen: Any) -> Rounds:
    pair = _pair(node, engine, size)
    pair.through_node(FILL_FRAMES)
    pair.bare(FILL_FRAMES)
    return interleave(
        {'node': partial(pair.through_node, STEPS), 'bare': partial(pair.bare, STEPS)},
        rounds=chosen.rounds,
        limit_s=chosen.seconds / len(SIZES),
        seed=chosen.seed,
        threads=chosen.threads,
    )


def _measure_alone(
    node: Node, engine: StreamingEngine, size: tuple[int, int], chosen: Any
) -> Rounds:
    pair = _pair(node, engine, size)
    node.take_engine_away()
    try:
        return interleave(
            {'alone': partial(pair.through_node, STEPS)},
            rounds=ALONE_ROUNDS,
            limit_s=chosen.seconds / len(SIZES) / 4,
            seed=chosen.seed,
            threads=chosen.threads,
        )
    finally:
        node.take_engine_away()


def _pair(node: Node, engine: StreamingEngine, size: tuple[int, int]) -> Pair:
    """Return streams on a new time line."""
    # A message without a stamp gets the clock's time, so the streams begin there, or, as they run
    # ahead of it, where the node does not take them for late.
    start_ns = max(time.time_ns(), node.newest_ns + to_ns(LATE_S))
    engine.reset()
    node.reset()
    return Pair(node, engine, size, start_ns)


def _table(name: str, rounds: Rounds, alone: Rounds) -> Table:
    rows = [
        (
            words,
            str(rounds.wall_s(case).scaled(1e3)),
            str(rounds.cpu_s(case).scaled(1e3)),
            str(rounds.wall_ratio(case, 'bare')),
            str(rounds.cpu_ratio(case, 'bare')),
        )
        for case, words in (
            ('bare', 'resize and engine step'),
            ('node', 'callback entry to publish return'),
        )
    ]
    wall, cpu = alone.wall_s('alone').scaled(1e3), alone.cpu_s('alone').scaled(1e3)
    rows.append(('the same, the engine answering at once', str(wall), str(cpu), '–', '–'))
    columns = ('what', 'wall ms (quartiles)', 'CPU ms (quartiles)', 'wall ÷ bare', 'CPU ÷ bare')
    return Table(f'One frame of {name}', columns, rows)


def _goal(name: str, preset: str, rounds: Rounds) -> Goal:
    return Goal(
        name=f'node ÷ resize and engine step, {name}, {preset}',
        value=rounds.wall_ratio('node', 'bare').median,
        at_most=WANTED[name],
        settled=rounds.settled,
    )


if __name__ == '__main__':
    sys.exit(main())
