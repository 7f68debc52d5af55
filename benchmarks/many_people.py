"""What do several people in one scene cost, each told apart, beside one of them?

A step is one JPEG image of a camera, decoded once, with the sound and the words that came since the
last one: who is there is routed, everybody is cropped and encoded, the scene as well, and all of
them decide. Regions are given, as a tracker gives them, and sound and words are shared.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator
from functools import partial

import cv2
import numpy as np
import torch
from harness import Goal, Report, Rounds, Spent, arguments, publish, stopwatch, take_turns
from numpy.typing import NDArray
from record import Table, provenance
from workload import FILL_S, NOT_FINITE, ensure_exported

from activity_recognition.config import EngineConfig
from activity_recognition.inference import MultiStreamEngine
from activity_recognition.inference.artificial import artificial_stream, untrained_checkpoint
from activity_recognition.models.checkpoint import Checkpoint
from activity_recognition.persons import Box, PersonRegion, PersonRouter
from activity_recognition.sensors.compressed import decode_compressed
from activity_recognition.types import Frame, Modality, Window

PRESET = 'nano'
COUNTS = (0, 1, 4, 8)
RATE_HZ = 30.0
WIDTH_PX, HEIGHT_PX = 640, 480
STEPS = 10
SCENE = 'scene'
SHARED = {Modality.AUDIO: SCENE, Modality.TEXT: SCENE}
GOALS = {4: 2.8, 8: 4.5}
"""People, and how many times the cost of one they may have."""


def main(argv: list[str] | None = None) -> int:
    """Measure and report."""
    chosen = arguments(__doc__, seconds=60.0, rounds=12, threads=1).parse_args(argv)
    began = provenance()
    torch.set_num_threads(chosen.threads)
    checkpoint = untrained_checkpoint(PRESET, seed=chosen.seed)
    ensure_exported(checkpoint)
    cases = {
        name_of(count): partial(
            _stopwatch, make_step(checkpoint, count, threads=chosen.threads, seed=chosen.seed)
        )
        for count in COUNTS
    }
    rounds = take_turns(cases, chosen)
    settings = {
        'threads': chosen.threads,
        'seed': chosen.seed,
        'frames per second': RATE_HZ,
        'images': f'{WIDTH_PX}×{HEIGHT_PX} JPEG',
    }
    return publish(_report(rounds, settings), chosen, began=began)


def make_step(checkpoint: Checkpoint, count: int, *, threads: int, seed: int) -> Callable[[], None]:
    """Return a step of a scene with ``count`` people in it, whose rings are full."""
    engine = MultiStreamEngine(checkpoint, engine=EngineConfig(device='cpu', num_threads=threads))
    engine.join(SCENE)
    engine.warm_up()
    router = PersonRouter(most=max(count, 1))
    windows = _camera_windows(checkpoint, seed)

    def step() -> None:
        window = _decoded(next(windows))
        assert window.decision is not None
        for region in _regions(count, window.decision.t_ns):
            router.tell(region)
        routed = router.step(window)
        for track in routed.joined:
            engine.join(track.stream, sharing=SHARED)
        decisions = engine.apply({SCENE: window, **routed.windows})
        if len(decisions) != 1 + count or len(routed.left):
            raise RuntimeError(f'expected {1 + count} decisions, got {len(decisions)}')
        if not all(np.isfinite(decision.logits).all() for decision in decisions.values()):
            raise RuntimeError(NOT_FINITE)

    for _ in range(round(FILL_S * RATE_HZ)):
        step()
    return step


def name_of(count: int) -> str:
    """Return the name of a case."""
    if not count:
        return 'the scene alone'
    return f'{count} {"people" if count > 1 else "person"}'


def _stopwatch(step: Callable[[], None]) -> Spent:
    return stopwatch(step, STEPS)


def _camera_windows(checkpoint: Checkpoint, seed: int) -> Iterator[tuple[Window, bytes]]:
    """Yield windows for ever, each with the payload of its image, which is not decoded yet."""
    payloads = [_payload(index) for index in range(4)]
    stream = artificial_stream(checkpoint.config, frame_rate_hz=RATE_HZ, seed=seed)
    for index, window in enumerate(stream):
        yield window, payloads[index % len(payloads)]


def _payload(index: int) -> bytes:
    """Return an image with edges and shades, as large as those of a camera."""
    rng = np.random.default_rng(index)
    coarse = rng.integers(0, 256, (HEIGHT_PX // 16, WIDTH_PX // 16, 3), dtype=np.uint8)
    image = cv2.resize(coarse, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_CUBIC)
    return bytes(cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1])


def _decoded(given: tuple[Window, bytes]) -> Window:
    window, payload = given
    data: NDArray[np.uint8] = np.frombuffer(payload, np.uint8)
    image = decode_compressed(data, 'jpeg', max_pixels=WIDTH_PX * HEIGHT_PX)
    samples = tuple(
        dataclasses.replace(sample, image=image) if isinstance(sample, Frame) else sample
        for sample in window.samples
    )
    return window._replace(samples=samples)


def _regions(count: int, stamp_ns: int) -> list[PersonRegion]:
    """Return people side by side, 60 % as high as the image, who sway a little."""
    width, height = 60, round(0.6 * HEIGHT_PX)
    sway = stamp_ns // 33_000_000 % 7
    lefts = np.linspace(0, WIDTH_PX - width - 8, count).round().astype(int).tolist()
    return [
        PersonRegion(
            body=f'b{index}',
            stamp_ns=stamp_ns,
            arrival_ns=stamp_ns,
            box=Box(left + sway, 100, left + sway + width, 100 + height),
        )
        for index, left in enumerate(lefts)
    ]


def _report(rounds: Rounds, settings: dict[str, object]) -> Report:
    one, rows = name_of(1), []
    for count in COUNTS:
        name = name_of(count)
        rows.append(
            (
                name,
                str(rounds.wall_s(name).scaled(1e3)),
                str(rounds.cpu_s(name).scaled(1e3)),
                str(rounds.wall_ratio(name, one)),
            )
        )
    goals = [
        Goal(
            name=f'{name_of(count)} ÷ {one}, {PRESET}',
            value=rounds.wall_ratio(name_of(count), one).median,
            at_most=at_most,
            settled=rounds.settled,
        )
        for count, at_most in GOALS.items()
    ]
    columns = ('case', 'wall ms (quartiles)', 'CPU ms (quartiles)', f'÷ {one} (quartiles)')
    return Report(
        theme='many_people',
        title='People in one scene, each told apart',
        settings=settings,
        goals=goals,
        tables=[Table("One image with everybody's decision, and the scene's", columns, rows)],
        notes=[f'{rounds.describe()}; decoding, routing and cropping are part of a step.'],
    )


if __name__ == '__main__':
    sys.exit(main())
