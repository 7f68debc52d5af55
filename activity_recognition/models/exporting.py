"""The steps as ONNX files: for ONNX Runtime here, and for programs without Python or PyTorch.

A folder holds one graph per step and ``steps.json``, which says what they were made from and what
goes in and comes out. What the graphs compute, and what their caller keeps between calls, is told
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
from activity_recognition.models.encoders.audio import DilatedBlock
from activity_recognition.models.encoders.video import FrameEncoder
from activity_recognition.models.examples import Sizes, StepInputs, example_inputs
from activity_recognition.models.steps import STEPS, Steps
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.scratch import scratch_folder, writing
from activity_recognition.text_files import exists, read_json
from activity_recognition.types import MODALITIES

SCHEMA = 2
OPSET = 23
"""The first with an operator for attention."""
DESCRIPTION = 'steps.json'
_TRACED = Sizes(streams=2, rows=48, blocks=3, pieces=7, decisions=4)
"""All different and above 1: a size of 1 would be taken for one that never changes."""
_FREE = {
    'frame': (1,),
    'look_back': (1, 2, 2, 2),
    'sound': (2, 1),
    'utterance': (2, 2),
    'decision': (2, *(2, 2, 3) * 3),
}
"""How many leading dimensions of each input may change."""
_OUTPUTS = {
    'frame': ('tokens',),
    'look_back': ('rows', 'own'),
    'sound': ('rows', 'after'),
    'utterance': ('rows',),
    'decision': ('logits',),
}
_INPUTS = {
    'frame': ('images',),
    'look_back': ('tokens', 'past', 'age_s', 'seen'),
    'sound': ('blocks', 'past'),
    'utterance': ('pieces', 'there'),
    'decision': (
        'newest',
        *(f'{m}_{what}' for m in MODALITIES for what in ('rows', 'age_s', 'seen')),
    ),
}


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
    inputs = example_inputs(system, _TRACED)
    steps = Steps(fused(system)).eval()
    with (
        writing(folder, 'the exported steps'),
        scratch_folder(folder.parent, '.onnx-') as temporary,
    ):
        staged = temporary / folder.name
        staged.mkdir()
        described = {
            name: _export(name, getattr(steps, name), inputs, staged, opset) for name in STEPS
        }
        description = {
            'schema_version': SCHEMA,
            'activity_recognition': __version__,
            'torch': torch.__version__,
            'opset': opset,
            'checkpoint': checkpoint,
            'weights': weights_digest(system),
            'labels': list(system.config.labels),
            'windows_s': {m.value: system.windows_s[m] for m in MODALITIES},
            'max_tokens': {m.value: system.max_tokens[m] for m in MODALITIES},
            'steps': described,
        }
        text = json.dumps(description, indent=2) + '\n'
        (staged / DESCRIPTION).write_text(text, encoding='utf-8')
        shutil.rmtree(folder, ignore_errors=True)
        staged.rename(folder)
    return folder


class WholeNorm(nn.Module):
    """``GroupNorm`` of one group, in operators that a runtime does not take apart."""

    def __init__(self, norm: nn.GroupNorm) -> None:
        """Take over what ``norm`` has learnt."""
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each of (B, C, H, W) over all its numbers."""
        flat = x.flatten(1)
        normal = nn.functional.layer_norm(flat, flat.shape[1:], eps=self.eps).view_as(x)
        return normal * self.weight[:, None, None] + self.bias[:, None, None]


class TapByTap(DilatedBlock):
    """A block whose kernel is arranged tap by tap, so that tokens are joined end on."""

    def __init__(self, block: DilatedBlock) -> None:
        """Take over what ``block`` has learnt."""
        super().__init__(block.project.in_features, block.dilation, dropout=0.0)
        self.load_state_dict(block.state_dict())
        self.kernel = self.conv.weight.detach().permute(0, 2, 1).flatten(1).contiguous()

    def convolve(self, taps: list[Tensor]) -> Tensor:
        """Return the convolution (B, A, D) of what each tap reads."""
        return nn.functional.linear(torch.cat(taps, -1), self.kernel, self.conv.bias)


def fused(system: ActivityRecognitionSystem) -> ActivityRecognitionSystem:
    """Return a copy of a network that computes the same with fewer operators.

    The scale of the pixels goes into the first convolution, normalisations over whole images are
    one operator each, and kernels over tokens lie tap by tap.
    """
    system = copy.deepcopy(system).eval()
    encoder = system.video_encoder.frame_encoder
    if isinstance(encoder, FrameEncoder):
        first = encoder.stem[0]
        assert isinstance(first, nn.Conv2d)
        with torch.no_grad():
            first.weight.div_(encoder.scale)
        encoder.scale = 1.0
        for index, layer in enumerate(encoder.stem):
            if isinstance(layer, nn.GroupNorm) and layer.num_groups == 1:
                encoder.stem[index] = WholeNorm(layer)
    blocks = system.audio_encoder.blocks
    for index, block in enumerate(blocks):
        assert isinstance(block, DilatedBlock)
        blocks[index] = TapByTap(block)
    return system


def read_description(folder: Path, system: ActivityRecognitionSystem) -> dict[str, Any]:
    """Return what ``steps.json`` says, having checked that it speaks of this network.

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
    return dict(found)


def _export(
    name: str, step: nn.Module, inputs: StepInputs, folder: Path, opset: int
) -> dict[str, Any]:
    arguments = inputs[name]
    try:
        with _quiet(), torch.no_grad():
            torch.onnx.export(
                step,
                arguments,
                folder / f'{name}.onnx',
                dynamo=True,
                opset_version=opset,
                input_names=list(_INPUTS[name]),
                output_names=list(_OUTPUTS[name]),
                dynamic_shapes=_free(name),
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # the exporter has no base of its own errors
        raise BackendError(
            f'the step {name!r} of this network cannot be exported to ONNX: {_reason(error)}; '
            "it runs with engine.backend 'torch'"
        ) from error
    return {
        'file': f'{name}.onnx',
        'inputs': [
            {'name': n, 'dtype': str(t.dtype).removeprefix('torch.'), 'dimensions': t.dim()}
            for n, t in zip(_INPUTS[name], arguments, strict=True)
        ],
        'outputs': list(_OUTPUTS[name]),
    }


def _reason(error: BaseException) -> str:
    """Return the first line of the error at the bottom; those above it tell of the exporter."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _free(step: str) -> tuple[Any, ...]:
    """Return which sizes may change, as ``torch.export`` wants to be told."""
    counts = [dict.fromkeys(range(count), torch.export.Dim.DYNAMIC) for count in _FREE[step]]
    if step == 'decision':  # all but its first input are one
        return counts[0], tuple(counts[1:])
    return tuple(counts)


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
