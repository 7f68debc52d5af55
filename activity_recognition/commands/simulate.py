"""Write simulated recordings: scenes with a camera, a microphone, transcripts, and the truth.

A person in a room goes through activities; some look alike and differ only in sound, some only in
words. With --people, several do, each with a script of their own, and a tracker tells them apart.
The same seed gives the same recording, byte for byte. One recording is written to OUT, more than
one to OUT/seed_<n>, in parallel. Example:
    activity-recognition simulate --seed 1 --seconds 60 --out recordings/one
"""

from __future__ import annotations

import argparse
import dataclasses
import heapq
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from activity_recognition.errors import ConfigError
from activity_recognition.types import ALL_MODALITIES, MODALITIES, Modality

if TYPE_CHECKING:
    from activity_recognition.bags import RecordingWriter
    from activity_recognition.simulation import Simulation, SimulationConfig

HELP = 'write simulated recordings with their truth'
TAKES_ROS_ARGUMENTS = False


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One recording to be written."""

    path: Path
    config: SimulationConfig
    storage: str
    image: str
    overwrite: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is simulated and where it goes."""
    parser.add_argument('--seed', type=int, default=0, help='decides everything (default: 0)')
    parser.add_argument(
        '--seconds', type=float, default=60.0, help='length of a recording (default: 60)'
    )
    parser.add_argument('--out', type=Path, required=True, help='folder to write')
    parser.add_argument(
        '--count', type=int, default=1, help='recordings, of seeds SEED, SEED+1, … (default: 1)'
    )
    parser.add_argument(
        '--difficulty',
        type=float,
        help='camera noise, occlusion, background sound and recogniser errors, 0 to 1 '
        '(default: 0.5)',
    )
    parser.add_argument(
        '--people',
        type=int,
        default=1,
        help='how many people are there, 1 to 4; several are told apart on the topics of REP 155, '
        'and the image is 320 x 180 where no size is given (default: 1)',
    )
    parser.add_argument(
        '--missed-regions',
        type=float,
        help="share of a person's images that the tracker says nothing of (default: 0.02)",
    )
    parser.add_argument(
        '--id-swaps',
        type=float,
        help='share of encounters after which the tracker has two ids swapped (default: 0.1)',
    )
    parser.add_argument(
        '--without',
        action='append',
        default=[],
        choices=tuple(map(str, MODALITIES)),
        help='leave a modality out; may be given twice',
    )
    others = [str(modality) for modality in ALL_MODALITIES if modality not in MODALITIES]
    if others:
        parser.add_argument(
            '--with',
            action='append',
            default=[],
            dest='added',
            choices=others,
            help='add a modality that is not simulated otherwise',
        )
    parser.add_argument('--width', type=int, help='of the camera image, pixels (default: 192)')
    parser.add_argument('--height', type=int, help='of the camera image, pixels (default: 144)')
    parser.add_argument('--fps', type=float, help='frames a second (default: 15)')
    parser.add_argument(
        '--storage', choices=('mcap', 'sqlite3'), default='mcap', help='(default: mcap)'
    )
    parser.add_argument(
        '--image', choices=('raw', 'jpeg', 'png'), default='raw', help='(default: raw)'
    )
    parser.add_argument(
        '--overwrite', action='store_true', help='replace recordings that exist already'
    )
    parser.add_argument('--quiet', action='store_true', help='show no progress')
    parser.add_argument(
        '--jobs', type=int, default=0, help='processes for --count; 0 takes one per core'
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the recordings."""
    from activity_recognition.console import make_console

    if arguments.count < 1:
        raise ConfigError(f'--count must be at least 1, got {arguments.count}')
    console = make_console(quiet=arguments.quiet)
    jobs = plan(arguments)
    began_s = time.monotonic()
    if len(jobs) == 1:
        write_one(jobs[0], console)
    else:
        from activity_recognition.training.pool import spread, worker_count

        workers = worker_count(arguments.jobs)
        for _ in spread(write, jobs, workers=workers, description='simulating', console=console):
            pass
    if console is not None:
        seconds = sum(job.config.duration_s for job in jobs)
        took_s = time.monotonic() - began_s
        console.print(
            f'{len(jobs)} recording(s), {seconds:g} s, in {took_s:.1f} s: {arguments.out}',
            highlight=False,
        )
    return 0


def plan(arguments: argparse.Namespace) -> list[Job]:
    """Return the recordings that the arguments ask for.

    Raises:
        ConfigError: when a value is out of range.
    """
    from activity_recognition.simulation import SimulationConfig

    given = {
        'difficulty': arguments.difficulty,
        'width_px': arguments.width,
        'height_px': arguments.height,
        'frame_rate_hz': arguments.fps,
        'missed_regions': arguments.missed_regions,
        'id_swaps': arguments.id_swaps,
    }
    base = widened(
        SimulationConfig(
            seed=arguments.seed,
            duration_s=arguments.seconds,
            modalities=_modalities(arguments),
            people=arguments.people,
        )
    )
    base = dataclasses.replace(base, **{k: v for k, v in given.items() if v is not None})
    if not base.modalities:
        raise ConfigError('--without leaves nothing to record; keep one modality')
    seeds = range(arguments.seed, arguments.seed + arguments.count)
    return [
        Job(
            path=arguments.out if arguments.count == 1 else arguments.out / f'seed_{seed}',
            config=dataclasses.replace(base, seed=seed),
            storage=arguments.storage,
            image=arguments.image,
            overwrite=arguments.overwrite,
        )
        for seed in seeds
    ]


def widened(config: SimulationConfig) -> SimulationConfig:
    """Return a configuration with images in which several people can be seen; of one it stays."""
    if config.people == 1:
        return config
    return dataclasses.replace(config, width_px=320, height_px=180)


def _modalities(arguments: argparse.Namespace) -> tuple[Modality, ...]:
    wanted = {*MODALITIES, *getattr(arguments, 'added', ())} - set(arguments.without)
    return tuple(item for item in ALL_MODALITIES if item in wanted)


def write(job: Job) -> None:
    """Write one recording; a function of its own, so that another process can run it."""
    for _ in written(job):
        pass


def written(job: Job) -> Iterator[float]:
    """Write one recording and yield how much of it is done, seconds.

    Raises:
        RecordingError: when it exists already or cannot be written.
    """
    from activity_recognition.bags import RecordingWriter
    from activity_recognition.simulation import simulate
    from activity_recognition.types import seconds_between

    start_ns = job.config.start_ns
    with RecordingWriter(
        job.path,
        start_ns=start_ns,
        storage=job.storage,
        image=job.image,
        overwrite=job.overwrite,
    ) as writer:
        simulation = simulate(job.config)
        writer.set_labels(simulation.labels)
        for arrival_ns, write in _writes(simulation, writer):
            write()
            yield seconds_between(arrival_ns, start_ns)


def _writes(
    simulation: Simulation, writer: RecordingWriter
) -> Iterator[tuple[int, Callable[[], None]]]:
    """Yield arrival and writing of everything in a recording, in order of arrival."""
    from activity_recognition.bags import PersonTopicsWriter

    config = simulation.config
    samples = ((s.arrival_ns, partial(writer.write, s)) for s in simulation.samples())
    if not simulation.members:
        return samples
    people = PersonTopicsWriter(writer, width_px=config.width_px, height_px=config.height_px)
    seen = ((s.arrival_ns, partial(people.write, s)) for s in simulation.sightings())
    said = ((u.arrival_ns, partial(people.write_speech, p, u)) for p, u in simulation.said())
    return heapq.merge(samples, seen, said, key=lambda item: item[0])


def write_one(job: Job, console: object) -> None:
    """Write one recording, with a progress bar where there is a console.

    Args:
        job: what to simulate, and where to write it.
        console: shows progress; None shows none.
    """
    from activity_recognition.training.pool import make_progress

    with make_progress(console) as progress:  # type: ignore[arg-type]
        task = progress.add_task('simulating', total=job.config.duration_s, note='')
        for done_s in written(job):
            progress.update(task, completed=min(done_s, job.config.duration_s))
