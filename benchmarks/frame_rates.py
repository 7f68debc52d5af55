"""Does the shipped checkpoint decide alike at other frame rates and when frames are lost?

Held-out simulated minutes are rendered at 60 Hz. Every case sees the same minutes with frames left
out, decides as the node would, and is compared with the labels.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from harness import Goal, Report, arguments, publish
from numpy.typing import NDArray
from record import Table, provenance

from activity_recognition.checkpoint_folder import shipped_checkpoint
from activity_recognition.config import SyncConfig
from activity_recognition.inference.trace import dense_recording, to_batch
from activity_recognition.models.checkpoint import Checkpoint, load_checkpoint
from activity_recognition.simulation import Simulation, SimulationConfig, simulate
from activity_recognition.streams import windows
from activity_recognition.training.data.targets import LabelTrack
from activity_recognition.training.evaluation.classification import confusion_matrix, summarise
from activity_recognition.types import Frame, Sample

NATIVE_HZ = 60
FIRST_SEED = 950_000
"""Neither training nor the other measures use the seeds from here on."""
LOST = 0.3
POINTS = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A camera."""

    rate_hz: int
    lost: float = 0.0
    """Share of its frames that never arrive."""

    @property
    def name(self) -> str:
        """In words."""
        return f'{self.rate_hz} Hz' + (f', {self.lost:.0%} lost' if self.lost else '')

    def keeps(self, index: int, rng: np.random.Generator) -> bool:
        """Return whether frame ``index`` of the native rate is seen."""
        on_grid = index % (NATIVE_HZ // self.rate_hz) == 0
        return on_grid and rng.random() >= self.lost


CASES = tuple(Case(rate_hz=rate, lost=lost) for rate in (10, 15, 30, 60) for lost in (0.0, LOST))


def main(argv: list[str] | None = None) -> int:
    """Measure and report."""
    parser = arguments(__doc__, seconds=0.0)
    parser.add_argument('--recordings', type=int, default=10, help='simulated minutes')
    chosen = parser.parse_args(argv)
    began = provenance()
    checkpoint = load_checkpoint(shipped_checkpoint('nano'))
    classes = len(checkpoint.config.labels)
    counts = {case: np.zeros((classes, classes + 1), np.int64) for case in CASES}
    for seed in range(FIRST_SEED, FIRST_SEED + chosen.recordings):
        simulation = simulate(SimulationConfig(seed=seed, frame_rate_hz=NATIVE_HZ))
        samples = list(simulation.samples())
        for case in CASES:
            seen = leave_out(samples, case, np.random.default_rng([chosen.seed, seed]))
            counts[case] += decide(checkpoint, seen, simulation)
    return publish(_report(checkpoint, counts, chosen), chosen, began=began)


def leave_out(samples: Iterable[Sample], case: Case, rng: np.random.Generator) -> Iterator[Sample]:
    """Yield everything but the frames that the case does not see."""
    index = 0
    for sample in samples:
        if isinstance(sample, Frame):
            index += 1
            if not case.keeps(index - 1, rng):
                continue
        yield sample


def decide(
    checkpoint: Checkpoint, samples: Iterable[Sample], simulation: Simulation
) -> NDArray[np.int64]:
    """Return the confusion matrix of all decisions over a recording."""
    labels = checkpoint.config.labels
    track = LabelTrack.from_spans(simulation.labels, labels, simulation.config.start_ns)
    total = np.zeros((len(labels), len(labels) + 1), np.int64)
    trace = windows(samples, SyncConfig())
    for arrays in dense_recording(trace, checkpoint.config, checkpoint.tokenizer):
        with torch.inference_mode():
            decided = checkpoint.system(to_batch(arrays))[0].argmax(-1).numpy()
        total += confusion_matrix(track.at(arrays['decision_stamps']), decided, len(labels))
    return total


def _report(
    checkpoint: Checkpoint, counts: dict[Case, NDArray[np.int64]], chosen: argparse.Namespace
) -> Report:
    labels = checkpoint.config.labels
    reached = {
        case: 100 * (summarise(matrix, labels)['balanced_accuracy'] or 0.0)
        for case, matrix in counts.items()
    }
    rows = [
        (case.name, str(int(counts[case].sum())), f'{value:.1f}') for case, value in reached.items()
    ]
    return Report(
        theme='frame_rates',
        title='Frame rates and lost frames',
        settings={
            'checkpoint': checkpoint.id,
            'seeds': f'{FIRST_SEED} to {FIRST_SEED + chosen.recordings - 1}',
            'recordings of a minute': chosen.recordings,
            'seed of the loss': chosen.seed,
        },
        goals=[
            Goal(
                name='best − worst balanced accuracy, points',
                value=max(reached.values()) - min(reached.values()),
                at_most=POINTS,
            )
        ],
        tables=[Table('Fused decisions', ('camera', 'decisions', 'balanced accuracy, %'), rows)],
    )


if __name__ == '__main__':
    sys.exit(main())
