"""Does a pretrained text encoder understand wordings that training never used?

Recordings of what people say, of activities that only words distinguish. Both encoders are trained
by the same recipe on the same recordings, and decide over others: worded as in training, with the
same words in other patterns, and with other words in other patterns. The recipe is the same for
both; its length was chosen in a trial that looked at other wordings, too, so that both converge.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml
from harness import Goal, Report, arguments, publish
from record import Table, provenance

from activity_recognition.bags import RecordingWriter
from activity_recognition.config import EngineConfig
from activity_recognition.models.checkpoint import load_checkpoint
from activity_recognition.simulation import SimulationConfig, simulate
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.evaluation.scoring import evaluate_recordings
from activity_recognition.training.run.train import main_train
from activity_recognition.types import Modality

ACTIVITIES = ('greeting', 'calling_for_help', 'asking_robot', 'chatting')
"""Distinguished by words; in the simulation's other activities what is said names none."""
FIRST_TRAINING_SEED, FIRST_TEST_SEED = 970_000, 980_000
TEST_RECORDINGS = 10
RECORDING_S = 60.0
POINTS = 15.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoder:
    """A text encoder to be compared."""

    name: str
    text: dict[str, object]
    """Overrides of the preset nano's ``text``."""


ENCODERS = (
    Encoder(name='from scratch', text={}),
    Encoder(name='MiniLM, frozen', text={'backbone': 'minilm'}),
)
SCRATCH, FROZEN = ENCODERS[0].name, ENCODERS[1].name
WORDINGS = {
    'train': 'as in training',
    'rearranged': 'other patterns of known words',
    'heldout': 'other patterns, other words',
}


def main(argv: list[str] | None = None) -> int:
    """Measure and report."""
    parser = arguments(__doc__, seconds=0.0)
    parser.add_argument('--recordings', type=int, nargs='+', default=[10], help='trained on')
    parser.add_argument('--runs', type=int, default=3, help='per encoder and size')
    parser.add_argument('--epochs', type=int, default=40, help='of every run')
    chosen = parser.parse_args(argv)
    # Nothing may come from the network: the encoder is in the package.
    os.environ['HF_HUB_OFFLINE'] = '1'
    began = provenance()
    torch.set_num_threads(1)  # of small matrices, more threads are slower on a busy machine
    reached: dict[tuple[str, int, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        tests = {
            wording: record(folder / wording, FIRST_TEST_SEED, TEST_RECORDINGS, wording)
            for wording in WORDINGS
        }
        for size in chosen.recordings:
            for run in range(chosen.runs):
                data = folder / f'training_{size}_{run}'
                seed = chosen.seed + run
                record(data, FIRST_TRAINING_SEED + 1000 * seed, size, 'train')
                for encoder in ENCODERS:
                    found = reach(encoder, data, tests, seed, chosen.epochs)
                    for wording, value in found.items():
                        reached.setdefault((encoder.name, size, wording), []).append(value)
                    print(size, run, encoder.name, found, file=sys.stderr, flush=True)
    return publish(_report(reached, chosen), chosen, began=began)


def record(folder: Path, first_seed: int, count: int, phrasings: str) -> list[Path]:
    """Write recordings of transcripts alone; returns their paths."""
    paths = []
    for seed in range(first_seed, first_seed + count):
        config = SimulationConfig(
            seed=seed,
            duration_s=RECORDING_S,
            activities=ACTIVITIES,
            modalities=(Modality.TEXT,),
            phrasings=phrasings,
        )
        simulation = simulate(config)
        path = folder / f'recording_{seed}'
        with RecordingWriter(path, start_ns=config.start_ns) as writer:
            writer.set_labels(simulation.labels)
            for sample in simulation.samples():
                writer.write(sample)
        paths.append(path)
    return paths


def reach(
    encoder: Encoder, data: Path, tests: dict[str, list[Path]], seed: int, epochs: int
) -> dict[str, float]:
    """Train on ``data``; returns the accuracy per decision, percent, by wording."""
    out = data.parent / f'{data.name}_{encoder.name}'
    out.mkdir()
    preset = out / 'preset.yaml'
    preset.write_text(yaml.safe_dump({'text': encoder.text}), encoding='utf-8')
    config = TrainConfig(
        preset=str(preset),
        seed=seed,
        epochs=epochs,
        batch_size=4,
        crop_s=16.0,
        validation_fraction=0.0,
        device='cpu',
        num_workers=1,
    )
    checkpoint = load_checkpoint(main_train(config, data, out).checkpoint)
    return {
        wording: accuracy(
            evaluate_recordings(
                checkpoint,
                paths,
                cache=data.parent / 'cache',
                combinations=[(Modality.TEXT,)],
                engine=EngineConfig(device='cpu'),
                workers=1,
            )['combinations']['text']
        )
        for wording, paths in tests.items()
    }


def accuracy(summary: dict[str, float]) -> float:
    """Return the share of right decisions, percent."""
    return 100 * summary['accuracy']


def _report(reached: dict[tuple[str, int, str], list[float]], chosen: argparse.Namespace) -> Report:
    smallest = min(chosen.recordings)
    gain = statistics.mean(reached[FROZEN, smallest, 'heldout']) - statistics.mean(
        reached[SCRATCH, smallest, 'heldout']
    )
    rows = [
        (str(size), name, WORDINGS[wording], f'{statistics.mean(values):.1f}', _each(values))
        for (name, size, wording), values in reached.items()
    ]
    return Report(
        theme='text_encoders',
        title='Text encoders and wordings that training never used',
        settings={
            'runs': chosen.runs,
            'first seed': chosen.seed,
            'epochs': chosen.epochs,
            'activities': ', '.join(ACTIVITIES),
            'test recordings of a minute': TEST_RECORDINGS,
        },
        goals=[
            Goal(
                name=f'MiniLM frozen − from scratch, {smallest} recordings, other words, points',
                value=gain,
                at_least=POINTS,
            )
        ],
        tables=[
            Table(
                'Accuracy per decision, text alone, %',
                ('recordings trained on', 'encoder', 'wordings', 'mean', 'each run'),
                rows,
            )
        ],
    )


def _each(values: Sequence[float]) -> str:
    return ', '.join(f'{value:.1f}' for value in values)


if __name__ == '__main__':
    sys.exit(main())
