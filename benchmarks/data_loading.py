"""How fast is training, and how much of a step is its data, from recordings and from shards?

The recipe of the shipped checkpoint trains on simulated recordings with each way of reading, for
some epochs each; the log of each run has the share that loading took, the crops per second and
how much recorded time passed per hour. The time until training begins is taken as well, with an
empty cache. The seconds given are spent on training, shared among the ways.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import FEWEST_ROUNDS, Goal, Report, Spread, arguments, publish
from record import Table, provenance

from activity_recognition.config import SyncConfig
from activity_recognition.config_io import load_config, load_model_config, shipped_file
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.data.dataset import load_dataset
from activity_recognition.training.data.simulated import varied, write_recordings
from activity_recognition.training.data.source import Preparing
from activity_recognition.training.run.logbook import LOG
from activity_recognition.training.run.train import main_train
from activity_recognition.training.sharding.opening import open_source
from activity_recognition.training.sharding.writing import prepare_shards

MARGIN = 0.125
MOST_SHARE = 0.2
COLUMNS = (
    'read from',
    'until training begins, s, empty cache',
    'loading, % of a step (quartiles)',
    'crops/s (quartiles)',
    'recorded hours per hour (quartiles)',
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """One way to read the same recordings."""

    name: str
    data: Path
    margin: float


def main(argv: list[str] | None = None) -> int:
    """Measure and report."""
    parser = arguments(__doc__, seconds=90.0, threads=2)
    parser.add_argument('--recordings', type=int, default=6, help='of a minute each')
    chosen = parser.parse_args(argv)
    began = provenance()
    recipe = load_config(TrainConfig, shipped_file('train/nano_simulated.yaml'))
    recipe = dataclasses.replace(
        recipe,
        num_threads=chosen.threads,
        num_workers=1,
        validation_fraction=0.0,
        seed=chosen.seed,
        device='cpu',
    )
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        data = work / 'recordings'
        seeds = range(chosen.seed, chosen.seed + chosen.recordings)
        # One process throughout: others would import what lies in the current folder.
        write_recordings(varied(data, seeds, 60.0), workers=1)
        preparing_s, size = _prepare(recipe, data, work / 'shards')
        ways = [
            Way(name='recordings', data=data, margin=0.0),
            Way(name='recordings, views with a margin', data=data, margin=MARGIN),
            Way(name='shards, views with a margin', data=work / 'shards', margin=MARGIN),
        ]
        found = [_measure(recipe, way, work, chosen.seconds / len(ways)) for way in ways]
    settings = {
        'recipe': 'nano_simulated',
        'recordings': f'{chosen.recordings} of 60 s',
        'threads': chosen.threads,
        'reading processes': 1,
        'seed': chosen.seed,
    }
    report = Report(
        theme='data_loading',
        title='Loading of training data',
        settings=settings,
        goals=[goal for _, goal in found],
        tables=[Table('Ways to read', COLUMNS, [row for row, _ in found])],
        notes=[
            f'Preparing the shards took {preparing_s:.1f} s; they hold {size / 2**20:.1f} MiB, '
            "with images of the network's size and with a margin.",
            'Quartiles are over epochs, the first of each way left out.',
        ],
    )
    return publish(report, chosen, began=began)


def _measure(
    recipe: TrainConfig, way: Way, work: Path, seconds: float
) -> tuple[tuple[str, ...], Goal]:
    """Read and train in one way; returns its row and its goal."""
    reading_s = _read(recipe, way, work / f'cache {way.name}')
    shares, crops, hours = _train(recipe, way, work, seconds)
    row = (way.name, f'{reading_s:.1f}', str(shares.scaled(100)), str(crops), str(hours))
    goal = Goal(
        name=f'share of loading in a step, {way.name}',
        value=shares.median,
        at_most=MOST_SHARE,
        settled=shares.count >= FEWEST_ROUNDS,
    )
    return row, goal


def _prepare(recipe: TrainConfig, data: Path, shards: Path) -> tuple[float, int]:
    """Prepare with a margin; returns the seconds and the bytes."""
    since = time.perf_counter()
    model = load_model_config(recipe.preset)
    wide_px = _with_margin(recipe, MARGIN).augmentation.wide_px(model.video.input_size_px)
    manifest = prepare_shards(
        data, shards, model=model, sync=SyncConfig(), wide_px=wide_px, workers=1
    ).manifest
    return time.perf_counter() - since, sum(r.size_bytes for r in manifest.recordings)


def _read(recipe: TrainConfig, way: Way, cache: Path) -> float:
    """Fill a cache; returns the seconds."""
    since = time.perf_counter()
    model = load_model_config(recipe.preset)
    augmentation = _with_margin(recipe, way.margin).augmentation
    how = Preparing(
        model=model,
        sync=SyncConfig(),
        cache=cache,
        wide_px=augmentation.wide_px(model.video.input_size_px),
        workers=1,
    )
    load_dataset(open_source(way.data, how), validation_fraction=0.0, seed=0)
    return time.perf_counter() - since


def _train(recipe: TrainConfig, way: Way, work: Path, limit_s: float) -> tuple[Spread, ...]:
    """Train epoch by epoch until the time is over.

    Returns:
        Shares of loading, crops per second, and recorded hours per hour.
    """
    config = dataclasses.replace(_with_margin(recipe, way.margin), epochs=1)
    measured = ('loading_share', 'crops_per_s', 'recorded_hours_per_hour')
    values: dict[str, list[float]] = {name: [] for name in measured}
    end_s = time.monotonic() + limit_s
    number = 0
    while number <= FEWEST_ROUNDS or time.monotonic() < end_s:
        out = work / f'{way.name} {number}'
        main_train(
            dataclasses.replace(config, seed=config.seed + number),
            way.data,
            out,
            cache=work / f'cache {way.name}',
        )
        if number:
            for entry in _trained(out / LOG):
                for name in measured:
                    values[name].append(entry[name])
        number += 1
    return tuple(Spread.of(values[name]) for name in measured)


def _trained(log: Path) -> Sequence[dict[str, float]]:
    events = [json.loads(line) for line in log.read_text(encoding='utf-8').splitlines()]
    return [event for event in events if event['event'] == 'trained']


def _with_margin(recipe: TrainConfig, margin: float) -> TrainConfig:
    augmentation = dataclasses.replace(recipe.augmentation, margin=margin)
    return dataclasses.replace(recipe, augmentation=augmentation)


if __name__ == '__main__':
    sys.exit(main())
