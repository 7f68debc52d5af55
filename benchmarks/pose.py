"""What the rest costs beside a pose network: from an image to its token, against MoveNet alone.

Each step takes the next image of a scene: its part about the person is cut out and resized, key
points are found, and the network encodes them and attends to those before; no decision is due.
MoveNet alone is one call of LiteRT on an image that has its size already. Both on one thread, in
turns. The preset `people` is judged, with all of its three senses, by CPU time: what other programs
take of the machine meanwhile is not its cost. Another case is its whole work: frames, sound, words
and decisions.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np
import torch
import yaml
from harness import Case, Goal, Report, Rounds, arguments, publish, stopwatch, take_turns
from numpy.typing import NDArray
from preprocessing import scene
from record import Table, provenance
from workload import make_engine, steady

from activity_recognition.config_io import load_model_config, to_mapping
from activity_recognition.errors import ActivityRecognitionError
from activity_recognition.front_ends.litert import ArrayForm, LiteRtNetwork, load_network
from activity_recognition.front_ends.movenet import SIDE_PX
from activity_recognition.inference.artificial import untrained_checkpoint
from activity_recognition.inference.lanes.artificial import START_NS
from activity_recognition.models.checkpoint import Checkpoint
from activity_recognition.types import Frame, Window, to_ns

Image = NDArray[np.uint8]
SIZE = (640, 480)
MOST = 1.3
"""What image to token may take, in times of MoveNet alone."""
RATE_HZ = 15.0
SEED = 41
"""Of the weights."""
PEOPLE_RATE_HZ = 15.0
"""Frames, and decisions: one with each frame, more than the ten a second that a node takes."""
MOST_CORES = 1.0
"""What the preset `people` may take of a machine with two."""
ALONE = 'MoveNet alone, an image of its size'
PEOPLE = 'the preset people'
WORK = 'the preset people, a frame with its share of sound and words, and a decision'
WAYS = {
    'movenet': {'backbone': 'movenet'},
    'movenet, people searched in every 8th frame': {
        'backbone': 'movenet',
        'person_search_frames': 8,
    },
    'blazepose': {'backbone': 'blazepose'},
}


def main(argv: list[str] | None = None) -> int:
    """Measure and report."""
    parser = arguments(__doc__, seconds=60.0, rounds=15)
    parser.add_argument('--video', type=Path, help='take the images of this file')
    chosen = parser.parse_args(argv)
    began = provenance()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    images = from_video(chosen.video) if chosen.video else from_simulator(chosen.seed)
    cases: dict[str, Case] = {ALONE: partial(stopwatch, alone(), 10)}
    made: dict[str, Callable[[], Callable[[], None]]] = {
        PEOPLE: lambda: image_to_token(images, untrained_checkpoint('people', seed=SEED)),
        WORK: lambda: whole_work(chosen.seed),
    } | {
        name: partial(image_to_token, images, checkpoint(settings))
        for name, settings in WAYS.items()
    }
    for name, make in made.items():
        try:
            cases[name] = partial(stopwatch, make(), 10)
        except ActivityRecognitionError as error:
            print(f'skipped: {name}: {error}', file=sys.stderr)
    rounds = take_turns(cases, chosen)
    report = Report(
        theme='pose',
        title='From an image to its token, by a pose network',
        settings={
            'images': chosen.video.name if chosen.video else 'simulated',
            'image': '{1}×{0}'.format(*images[0].shape),
            'seed': chosen.seed,
        },
        goals=_goals(rounds),
        tables=[_table(rounds, list(cases))],
        notes=[
            f'{rounds.describe()}. Networks of random weights; where no preset is named, as the '
            'preset `joints`.'
        ],
    )
    return publish(report, chosen, began=began)


def from_simulator(seed: int) -> list[Image]:
    """Return images of a drawn person, each with other noise."""
    drawn, rng = scene(*SIZE, seed=seed), np.random.default_rng(seed)
    noise = rng.integers(-2, 3, (20, *drawn.shape))
    return [np.clip(drawn + part, 0, 255).astype(np.uint8) for part in noise]


def from_video(path: Path) -> list[Image]:
    """Return up to 100 images of a file."""
    with av.open(str(path)) as video:
        frames = itertools.islice(video.decode(video=0), 100)
        return [frame.to_ndarray(format='rgb24') for frame in frames]


def alone() -> Callable[[], object]:
    """Return a call of MoveNet by LiteRT."""
    network: LiteRtNetwork = load_network(
        'movenet_lightning',
        inputs=(ArrayForm((1, SIDE_PX, SIDE_PX, 3), 'uint8'),),
        outputs=(ArrayForm((1, 1, 17, 3), 'float32'),),
    )
    image = cv2.resize(scene(*SIZE, seed=0), (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    return partial(network.run, np.asarray(image[None], np.uint8))


def image_to_token(images: list[Image], network: Checkpoint) -> Callable[[], None]:
    """Return a step that gives a warm engine the next image, without a decision.

    Args:
        images: of the scene, again and again.
        network: that finds key points.
    """
    engine = make_engine(network, threads=1)
    windows = stream(images)

    def step() -> None:
        engine.apply(next(windows))

    for _ in range(int(5 * RATE_HZ)):
        step()
    return step


def whole_work(seed: int) -> Callable[[], None]:
    """Return a step of all that the preset people does, in a steady state."""
    engine = make_engine(untrained_checkpoint('people', seed=SEED), threads=1)
    return steady(engine, frame_rate_hz=PEOPLE_RATE_HZ, seed=seed)


def checkpoint(settings: dict[str, object]) -> Checkpoint:
    """Return the preset of key points with random weights, its key points found in images."""
    preset = to_mapping(load_model_config('joints'))
    preset['video'] |= {'key_points': ['coco17'], **settings}
    preset['modalities'] = ['video']
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'pose.yaml'
        path.write_text(yaml.safe_dump(preset), encoding='utf-8')
        return untrained_checkpoint(str(path), seed=SEED)


def stream(images: list[Image]) -> Iterator[Window]:
    """Yield one image after the other, for ever."""
    for index in itertools.count():
        now_ns = START_NS + to_ns(index / RATE_HZ)
        frame = Frame(stamp_ns=now_ns, arrival_ns=now_ns, image=images[index % len(images)])
        yield Window(samples=(frame,))


def _goals(rounds: Rounds) -> list[Goal]:
    goals = []
    if PEOPLE in rounds.all[0]:
        goals.append(
            Goal(
                name='image to token, people, in times of MoveNet alone (CPU)',
                value=rounds.cpu_ratio(PEOPLE, ALONE).median,
                at_most=MOST,
            )
        )
    if WORK in rounds.all[0]:
        goals.append(
            Goal(
                name=f'cores for {PEOPLE_RATE_HZ:g} frames and decisions a second, people',
                value=PEOPLE_RATE_HZ * rounds.cpu_s(WORK).median,
                at_most=MOST_CORES,
            )
        )
    return goals


def _table(rounds: Rounds, names: list[str]) -> Table:
    return Table(
        'One image, one thread',
        ('', 'wall ms', 'CPU ms', 'CPU, of MoveNet alone'),
        [
            (
                name,
                str(rounds.wall_s(name).scaled(1e3)),
                str(rounds.cpu_s(name).scaled(1e3)),
                str(rounds.cpu_ratio(name, ALONE)),
            )
            for name in names
        ],
    )


if __name__ == '__main__':
    sys.exit(main())
