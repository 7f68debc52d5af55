"""The steps as ONNX files: for ONNX Runtime here, and for programs without Python or PyTorch.

A folder holds one graph per step and ``steps.json``, which says what they were made from and what
goes in and comes out. What the graphs compute, and what their caller keeps between calls, is said
in :mod:`activity_recognition.models.steps`.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import importlib.util
import json
import logging
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from activity_recognition import __version__
from activity_recognition.cache_dir import cache_dir
from activity_recognition.errors import BackendError, MissingExtraError, quoted
from activity_recognition.models.step_spec import Sizes, StepSpec
from activity_recognition.models.steps import Steps
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.scratch import scratch_folder, writing
from activity_recognition.text_files import exists, read_json

SCHEMA = 3
OPSET = 23
"""The first with an operator for attention."""
DESCRIPTION = 'steps.json'
_TRACED = Sizes(streams=2, rows=48, length=3, decisions=4)
"""All different and above 1: a size of 1 would be taken for one that never changes."""


def cache_folder(system: ActivityRecognitionSystem) -> Path:
    """Return where the exported steps of a network are kept on this machine.

    Raises:
        BackendError: there is no such place.
    """
    try:
        return cache_dir() / 'onnx' / weights_digest(system)
    except RuntimeError as error:
        raise BackendError(
            f'expected a home directory to keep exported steps in, found none ({error}); set '
            'XDG_CACHE_HOME, or export into the folder onnx of the checkpoint'
        ) from error


def weights_digest(system: ActivityRecognitionSystem) -> str:
    """Return 16 hexadecimal digits that stand for weights and architecture."""
    digest = hashlib.sha256(repr(system.config).encode())
    for name, tensor in system.state_dict().items():
        digest.update(f'{name} {tensor.dtype} {tuple(tensor.shape)}'.encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def export_steps(
    system: ActivityRecognitionSystem, folder: Path, *, checkpoint: str, opset: int = OPSET
) -> Path:
    """Write the steps of a network; the folder appears whole or not at all.

    Args:
        system: the network, in float32 on the CPU.
        folder: to write or to replace.
        checkpoint: identity of the checkpoint, for the description.
        opset: version of the ONNX operators.

    Raises:
        MissingExtraError: the packages that export are not installed.
        BackendError: an operator of the network cannot be exported, or something that is no export
            lies at ``folder``.
    """
    _require('onnx', 'onnxscript')
    _refuse_to_replace(folder)
    merged = with_merged_operators(system)
    steps = Steps(merged).eval()
    with (
        writing(folder, 'the exported steps'),
        scratch_folder(folder.parent, '.onnx-') as temporary,
    ):
        staged = temporary / folder.name
        staged.mkdir()
        described = {
            spec.name: _export(
                spec,
                steps.get_submodule(spec.name),
                spec.inputs_for(merged, _TRACED),
                staged,
                opset,
            )
            for spec in steps.specs
        }
        description = {
            'schema_version': SCHEMA,
            'activity_recognition': __version__,
            'torch': torch.__version__,
            'opset': opset,
            'checkpoint': checkpoint,
            'weights': weights_digest(system),
            'labels': list(system.config.labels),
            'windows_s': {m.value: window_s for m, window_s in system.windows_s.items()},
            'max_tokens': {m.value: count for m, count in system.max_tokens.items()},
            'steps': described,
        }
        text = json.dumps(description, indent=2) + '\n'
        (staged / DESCRIPTION).write_text(text, encoding='utf-8')
        shutil.rmtree(folder, ignore_errors=True)
        staged.rename(folder)
    return folder


def with_merged_operators(system: ActivityRecognitionSystem) -> ActivityRecognitionSystem:
    """Return a copy of a network that computes the same with fewer operators."""
    system = copy.deepcopy(system).eval()
    for encoder in system.encoders.values():
        encoder.merge_operators()
    return system


def read_description(folder: Path, system: ActivityRecognitionSystem) -> dict[str, Any]:
    """Return what ``steps.json`` says, having checked that it speaks of this network.

    Args:
        folder: where the steps were exported to.
        system: the network.

    Raises:
        BackendError: nothing was exported to ``folder``, or something else was.
    """
    path = folder / DESCRIPTION
    again = 'export it with `activity-recognition export`'
    if not exists(path):
        raise BackendError(f'expected exported steps in {folder}, found none; {again}')
    try:
        found = read_json(path, BackendError, what='it')
    except BackendError as error:
        raise BackendError(f'{path} cannot be read: {error}; {again} once more') from error
    schema = found.get('schema_version') if isinstance(found, dict) else None
    if schema != SCHEMA:
        raise BackendError(
            f'{path}: expected schema_version {SCHEMA}, got {quoted(schema)}; {again} once more'
        )
    wanted = weights_digest(system)
    if found.get('weights') != wanted:
        raise BackendError(
            f'{path}: expected the steps of weights {wanted}, got those of '
            f'{quoted(found.get("weights"))}; {again} once more'
        )
    _check_inputs(found.get('steps'), system, path)
    return dict(found)


def _check_inputs(described: Any, system: ActivityRecognitionSystem, path: Path) -> None:
    """Refuse steps that an earlier version exported with other inputs.

    Args:
        described: what is said of each step.
        system: the network.
        path: where it is said.

    Raises:
        BackendError: naming the first such step.
    """
    for spec in Steps(system).specs:
        wanted = [entry.name for entry in spec.inputs]
        try:
            found = [entry['name'] for entry in described[spec.name]['inputs']]
        except (KeyError, TypeError):
            continue  # not said: running it will tell
        if found != wanted:
            raise BackendError(
                f'{path}: expected the step {spec.name!r} with the inputs {", ".join(wanted)}, got '
                f'{quoted(", ".join(map(str, found)))}; export it with `activity-recognition '
                'export` once more'
            )


def _export(
    spec: StepSpec, step: nn.Module, arguments: tuple[Tensor, ...], folder: Path, opset: int
) -> dict[str, Any]:
    try:
        with _quiet(), torch.no_grad():
            torch.onnx.export(
                step,
                arguments,
                folder / f'{spec.name}.onnx',
                dynamo=True,
                opset_version=opset,
                input_names=[entry.name for entry in spec.inputs],
                output_names=list(spec.outputs),
                dynamic_shapes=_free(spec),
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # the exporter has no base of its own errors
        raise BackendError(
            f'the step {spec.name!r} of this network cannot be exported to ONNX: '
            f"{_reason(error)}; it runs with engine.backend 'torch'"
        ) from error
    return {
        'file': f'{spec.name}.onnx',
        'inputs': [
            {
                'name': entry.name,
                'dtype': str(tensor.dtype).removeprefix('torch.'),
                'dimensions': tensor.dim(),
            }
            for entry, tensor in zip(spec.inputs, arguments, strict=True)
        ],
        'outputs': list(spec.outputs),
    }


def _reason(error: BaseException) -> str:
    """Return the first line of the error at the bottom; those above it speak of the exporter."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _free(spec: StepSpec) -> tuple[Any, ...]:
    """Return which sizes may change, in the form that ``torch.export`` takes."""
    counts = [dict.fromkeys(range(entry.free), torch.export.Dim.DYNAMIC) for entry in spec.inputs]
    if spec.variadic_from is None:
        return tuple(counts)
    # What the module takes as *inputs is one argument.
    return *counts[: spec.variadic_from], tuple(counts[spec.variadic_from :])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter from telling about packages that are not there and are not needed."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        logging.disable(before)


def _require(*packages: str) -> None:
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f'exporting to ONNX needs {" and ".join(missing)}: '
            'pip install activity_recognition[onnx]'
        )


def _refuse_to_replace(folder: Path) -> None:
    """Keep a mistyped path from deleting what is no export."""
    if not folder.exists() or (folder / DESCRIPTION).is_file():
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise BackendError(
            f'expected exported steps, an empty folder or nothing at {folder}, found other files; '
            'choose another folder'
        )
