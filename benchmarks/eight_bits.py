"""What do 8-bit weights cost on this processor, in each way to have them?

Without VNNI, ONNX Runtime's faster products of an unsigned and a signed byte saturate. The ways are
those products on weights of 8 and of 7 bits, its precise mode, and unsigned weights. Each is held
against PyTorch in float32: the error of the steps on made-up inputs, and every decision over
simulated recordings, by the shipped checkpoint; the frame step is timed for `small`, too.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from harness import Case, Report, Rounds, arguments, publish, stopwatch, take_turns
from numpy.typing import NDArray
from record import Table, provenance
from workload import ensure_exported

from activity_recognition.checkpoint_folder import shipped_checkpoint
from activity_recognition.config import EngineConfig, ModelConfig, SyncConfig
from activity_recognition.inference import StreamingEngine
from activity_recognition.inference.artificial import untrained_checkpoint
from activity_recognition.inference.backends import onnx_runtime
from activity_recognition.inference.backends.backend import Backend
from activity_recognition.inference.backends.choice import exported
from activity_recognition.inference.backends.eager import EagerBackend
from activity_recognition.inference.backends.integer_products import first_inexact
from activity_recognition.inference.backends.onnx_runtime import OnnxRuntimeBackend
from activity_recognition.modalities import modalities_of
from activity_recognition.models.checkpoint import Checkpoint, load_checkpoint
from activity_recognition.models.examples import example_inputs, extreme_inputs
from activity_recognition.models.step_spec import Sizes
from activity_recognition.models.steps import Steps, step_specs
from activity_recognition.simulation import SimulationConfig, simulate
from activity_recognition.streams import windows

FIRST_SEED = 970_000
"""Neither training nor the other measures use the seeds from here on."""
STEPS_TIMED = 10
STEPS = tuple(spec.name for spec in step_specs(modalities_of(ModelConfig())))
FLOAT = 'float32'


@dataclasses.dataclass(frozen=True, slots=True)
class Way:
    """One way to have 8-bit weights."""

    name: str
    precise: bool = False
    reduced: bool = False
    signed: bool = True


WAYS = (
    Way('signed, default mode'),
    Way('signed, precise mode', precise=True),
    Way('signed, 7 bits, default mode', reduced=True),
    Way('unsigned, default mode', signed=False),
)


def main(argv: list[str] | None = None) -> int:
    """Measure and report."""
    parser = arguments(__doc__, seconds=20.0, rounds=8, threads=1)
    parser.add_argument('--recordings', type=int, default=3, help='simulated ones')
    parser.add_argument('--length', type=float, default=60.0, help='of each, seconds')
    parser.add_argument('--note', default='', help='to stand in the record')
    chosen = parser.parse_args(argv)
    began = provenance()
    torch.set_num_threads(chosen.threads)
    checkpoints = {
        'shipped': load_checkpoint(shipped_checkpoint('nano')),
        'small': untrained_checkpoint('small', seed=chosen.seed),
    }
    with tempfile.TemporaryDirectory() as temporary:
        return publish(_measure(checkpoints, chosen, Path(temporary)), chosen, began=began)


def _measure(
    checkpoints: Mapping[str, Checkpoint], chosen: argparse.Namespace, scratch: Path
) -> Report:
    cases: dict[str, Case] = {}
    rows, saturates = [], False
    for network, checkpoint in checkpoints.items():
        ensure_exported(checkpoint)
        folder = exported(checkpoint)
        eager = EagerBackend(Steps(copy.deepcopy(checkpoint.system)).eval())
        cases[f'{network}, {FLOAT}'] = _timed(
            OnnxRuntimeBackend(folder, STEPS, num_threads=1), checkpoint
        )
        for way in WAYS:
            quantised = _quantise(folder, scratch / network / way.name, way)
            inexact = first_inexact(quantised, STEPS, precise=way.precise) is not None
            saturates |= inexact
            backend = _Fixed(quantised, way)
            cases[f'{network}, {way.name}'] = _timed(backend, checkpoint)
            rows.append((network, way.name, 'saturate' if inexact else 'exact'))
            rows[-1] += tuple(f'{100 * e:.1f}' for e in _errors(backend, eager, checkpoint))
    tables = [_steps_table(rows, take_turns(cases, chosen))]
    tables.append(_decisions_table(checkpoints['shipped'], chosen, scratch / 'shipped'))
    return Report(
        theme='eight_bits_saturating' if saturates else 'eight_bits',
        title='8-bit weights' + (' where products saturate' if saturates else ''),
        settings={
            'threads': chosen.threads,
            'seed': chosen.seed,
            'recordings': chosen.recordings,
            'seconds of each': chosen.length,
        },
        tables=tables,
        notes=[chosen.note] if chosen.note else [],
    )


class _Fixed(OnnxRuntimeBackend):
    """Runs in the mode that it is given, right or wrong."""

    def __init__(self, folder: Path, way: Way) -> None:
        sessions = {
            step: onnx_runtime.load_session(folder / f'{step}.onnx', 1, precise=way.precise)
            for step in STEPS
        }
        super().__init__(folder, STEPS, num_threads=1, name=way.name)
        self._sessions = sessions


def _quantise(folder: Path, into: Path, way: Way) -> Path:
    """Write the steps of ``folder`` with 8-bit weights; ``quantise_steps`` knows one way alone."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    for step in STEPS:
        model = onnx.load(folder / f'{step}.onnx')
        del model.graph.value_info[:]  # as quantise_steps does
        quantize_dynamic(
            model,
            into / f'{step}.onnx',
            op_types_to_quantize=['MatMul', 'Gemm'],
            per_channel=True,
            reduce_range=way.reduced,
            weight_type=QuantType.QInt8 if way.signed else QuantType.QUInt8,
            extra_options={'MatMulConstBOnly': True},
        )
    return into


def _errors(backend: Backend, eager: Backend, checkpoint: Checkpoint) -> list[float]:
    """Return the error of each step, as a share of the norm of what it should return."""
    given = [
        example_inputs(checkpoint.system, Sizes(streams=3, decisions=2), seed=n) for n in (0, 1)
    ]
    extremes = extreme_inputs(checkpoint.system)
    shares = []
    for step in STEPS:
        off = size = 0.0
        for inputs in [*given, extremes if step in extremes else given[0]]:
            with torch.inference_mode():
                one, other = (b.run(step, *inputs[step])[0] for b in (backend, eager))
            off += float((one - other).square().sum())
            size += float(other.square().sum())
        shares.append((off / size) ** 0.5)
    return shares


def _timed(backend: Backend, checkpoint: Checkpoint) -> Case:
    inputs = example_inputs(checkpoint.system, Sizes())['frame']
    return partial(stopwatch, partial(backend.run, 'frame', *inputs), STEPS_TIMED)


def _steps_table(rows: Sequence[tuple[str, ...]], rounds: Rounds) -> Table:
    filled = []
    for network, way, *rest in rows:
        name = f'{network}, {way}'
        ratio = rounds.cpu_ratio(name, f'{network}, {FLOAT}')
        filled.append((network, way, *rest, str(rounds.cpu_s(name).scaled(1e3)), str(ratio)))
    columns = ('network', 'weights', 'products', *(f'{step}, %' for step in STEPS))
    columns += ('ms of CPU, frame (quartiles)', f'÷ {FLOAT} (quartiles)')
    return Table('Error of each step, and time of the frame step', columns, filled)


def _decisions_table(checkpoint: Checkpoint, chosen: argparse.Namespace, folders: Path) -> Table:
    engine = StreamingEngine(
        checkpoint,
        engine=EngineConfig(device='cpu', precision='fp32', backend='torch', num_threads=1),
    )
    reference = EagerBackend(Steps(checkpoint.system).eval())
    backends: dict[str, Backend] = {way.name: _Fixed(folders / way.name, way) for way in WAYS}
    found: dict[str, list[NDArray[np.floating]]] = {name: [] for name in ('torch', *backends)}
    for number in range(chosen.recordings):
        scene = SimulationConfig(
            seed=FIRST_SEED + chosen.seed + number, duration_s=chosen.length, frame_rate_hz=15.0
        )
        trace = list(windows(simulate(scene).samples(), SyncConfig()))
        for name, backend in (('torch', reference), *backends.items()):
            engine.backend.run = backend.run  # type: ignore[method-assign]
            engine.reset()
            decided = [d for window in trace if (d := engine.apply(window)) is not None]
            logits = np.stack([d.logits for d in decided]) / checkpoint.temperature
            powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
            found[name].append(powers / powers.sum(axis=-1, keepdims=True))
        print(f'{number + 1} of {chosen.recordings} recordings', file=sys.stderr, flush=True)
    answers = {name: np.concatenate(parts) for name, parts in found.items()}
    rows = []
    for name in backends:
        same = answers[name].argmax(-1) == answers['torch'].argmax(-1)
        difference = np.abs(answers[name] - answers['torch']).max()
        rows.append((name, str(len(same)), f'{100 * same.mean():.2f}', f'{difference:.3f}'))
    columns = ('weights', 'decisions', 'same class as torch, %', 'largest |Δp|')
    return Table('Decisions of the shipped checkpoint', columns, rows)


if __name__ == '__main__':
    sys.exit(main())
