"""Does the shipped checkpoint recognise as much whichever backend runs it?

Simulated recordings that neither training nor validation saw are streamed through the engine in
each way; the classes of the highest logits are compared with the labels, and with those of PyTorch
in float32.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import torch
from harness import Goal, Report, arguments, publish
from numpy.typing import NDArray
from record import Table, provenance
from workload import UnavailableError, make_engine

from activity_recognition.checkpoint_folder import shipped_checkpoint
from activity_recognition.config import SyncConfig
from activity_recognition.inference import StreamingEngine
from activity_recognition.models.checkpoint import load_checkpoint
from activity_recognition.simulation import Simulation, SimulationConfig, simulate
from activity_recognition.streams import windows
from activity_recognition.training.data.targets import LabelTrack
from activity_recognition.training.evaluation.classification import confusion_matrix, summarise
from activity_recognition.types import Window

REFERENCE = 'torch'
WAYS = {
    'cpu': {
        REFERENCE: ('torch', 'fp32'),
        'auto': ('auto', 'fp32'),
        'onnxruntime': ('onnxruntime', 'fp32'),
        'onnxruntime-int8': ('onnxruntime-int8', 'fp32'),
    },
    'cuda': {
        REFERENCE: ('torch', 'fp32'),
        'cudagraph': ('cudagraph', 'fp32'),
        'auto': ('auto', 'auto'),
    },
}
"""Backend and precision by name; ``auto`` is what an engine takes by default."""
FIRST_SEED = 900_000
"""The shipped checkpoint is evaluated on the seeds from here on."""
DURATION_S = 120.0
WANTED = {'auto': 0.2, 'onnxruntime': 0.2, 'cudagraph': 0.2, 'onnxruntime-int8': 1.0}
"""Points of balanced accuracy that may be lost."""


def main(argv: list[str] | None = None) -> int:
    """Measure and report."""
    parser = arguments(__doc__, seconds=0.0)
    parser.add_argument('--recordings', type=int, default=15, help='of two minutes')
    parser.add_argument('--device', choices=tuple(WAYS), default='cpu')
    chosen = parser.parse_args(argv)
    if chosen.device == 'cuda' and not torch.cuda.is_available():
        parser.error('expected a CUDA device for --device cuda, found none')
    began = provenance(chosen.device)
    checkpoint = load_checkpoint(shipped_checkpoint('nano'))
    engines, notes = {}, []
    for name, (backend, precision) in WAYS[chosen.device].items():
        try:
            engine = make_engine(
                checkpoint, threads=1, backend=backend, precision=precision, device=chosen.device
            )
        except UnavailableError as reason:
            notes.append(f'{name} was skipped: {reason}.')
        else:
            engines[name] = engine
            notes.append(f'{name}: {engine.device_name}.')
    count = len(checkpoint.config.labels)
    confusion = {backend: np.zeros((count, count + 1), np.int64) for backend in engines}
    same = dict.fromkeys(engines, 0)
    for seed in range(FIRST_SEED, FIRST_SEED + chosen.recordings):
        simulation = simulate(SimulationConfig(seed=seed, duration_s=DURATION_S))
        trace = list(windows(simulation.samples(), SyncConfig()))
        truth = _truth(simulation, trace, checkpoint.config.labels)
        decided = {backend: _decide(engine, trace) for backend, engine in engines.items()}
        for backend, classes in decided.items():
            confusion[backend] += confusion_matrix(truth, classes, count)
            same[backend] += int((classes == decided[REFERENCE]).sum())
    settings = {
        'checkpoint': checkpoint.id,
        'seeds': f'{FIRST_SEED} to {FIRST_SEED + chosen.recordings - 1}',
        'recordings of two minutes': chosen.recordings,
    }
    report = _report(confusion, same, checkpoint.config.labels, settings, notes)
    return publish(report, chosen, began=began)


def _truth(
    simulation: Simulation, trace: Sequence[Window], labels: Sequence[str]
) -> NDArray[np.int64]:
    track = LabelTrack.from_spans(simulation.labels, labels, simulation.config.start_ns)
    return track.at(np.array([w.decision.t_ns for w in trace if w.decision is not None]))


def _decide(engine: StreamingEngine, trace: Sequence[Window]) -> NDArray[np.int64]:
    """Return the class of the highest logit of each decision."""
    engine.reset()
    decisions = [decision for window in trace if (decision := engine.apply(window)) is not None]
    return np.array([decision.logits.argmax() for decision in decisions])


def _report(
    confusion: dict[str, NDArray[np.int64]],
    same: dict[str, int],
    labels: Sequence[str],
    settings: dict[str, object],
    notes: list[str],
) -> Report:
    reached = {
        backend: 100 * (summarise(matrix, labels)['balanced_accuracy'] or 0.0)
        for backend, matrix in confusion.items()
    }
    count = int(confusion[REFERENCE].sum())
    rows = [
        (
            backend,
            str(count),
            f'{value:.2f}',
            f'{value - reached[REFERENCE]:+.2f}',
            f'{100 * same[backend] / count:.2f}',
        )
        for backend, value in reached.items()
    ]
    goals = [
        Goal(
            name=f'balanced accuracy, |torch − {backend}|, points',
            value=abs(reached[REFERENCE] - reached[backend]),
            at_most=WANTED[backend],
        )
        for backend in reached
        if backend in WANTED
    ]
    columns = ('backend', 'decisions', 'balanced accuracy, %', '− torch', 'same class, %')
    return Report(
        theme='backend_accuracy',
        title='Accuracy by backend',
        settings=settings,
        goals=goals,
        tables=[Table('Fused decisions', columns, rows)],
        notes=notes,
    )


if __name__ == '__main__':
    sys.exit(main())
