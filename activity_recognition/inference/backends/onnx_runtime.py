"""ONNX Runtime on the CPU: fewer and larger kernels, and no Python between them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from activity_recognition.errors import BackendError
from activity_recognition.inference.backends.integer_products import (
    needs_precise_mode,
    set_precise_mode,
)
from activity_recognition.models.quantising import QUANTISED

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


class OnnxRuntimeBackend:
    """Runs exported steps; float32 on the CPU."""

    fixed = False

    def __init__(
        self,
        folder: Path,
        steps: Sequence[str],
        *,
        num_threads: int,
        name: str = 'onnxruntime',
    ) -> None:
        """Load the steps of a folder that :func:`export_steps` or :func:`quantise_steps` wrote.

        Args:
            folder: with one graph per step.
            steps: their names.
            num_threads: intra-op threads; 0 leaves the library's own choice.
            name: of this backend.

        Raises:
            BackendError: ONNX Runtime is not installed, does not take a graph, or does not multiply
                its integers exactly on this processor.
        """
        self.name = name
        self._folder = folder
        self._sessions = {
            step: load_session(folder / f'{step}.onnx', num_threads) for step in steps
        }
        self.precise = folder.name == QUANTISED and needs_precise_mode(folder, steps)
        """Whether it is the precise mode that makes products of 8-bit integers exact here."""
        if self.precise:
            self._sessions = {
                step: load_session(folder / f'{step}.onnx', num_threads, precise=True)
                for step in steps
            }
        self._inputs = {
            step: [entry.name for entry in session.get_inputs()]
            for step, session in self._sessions.items()
        }

    def run(self, step: str, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Run a step; see :class:`Backend`.

        Args:
            step: its name.
            inputs: of the step, in its order.
        """
        try:
            # Arrays over the tensors' own memory; what is not contiguous is copied inside.
            fed = {
                name: tensor.numpy()
                for name, tensor in zip(self._inputs[step], inputs, strict=True)
            }
            results: list[Any] = self._sessions[step].run(None, fed)
        except Exception as error:  # the library has no public base of its errors
            raise BackendError(
                f'the step {step!r} in {self._folder} does not run: {error}; '
                'export the checkpoint again with `activity-recognition export`'
            ) from error
        return tuple(torch.from_numpy(result) for result in results)


def load_session(path: Path, num_threads: int, *, precise: bool = False) -> InferenceSession:
    """Load one exported step.

    Args:
        path: of the graph.
        num_threads: intra-op threads; 0 leaves the library's own choice.
        precise: whether products of 8-bit integers run in the precise mode.

    Raises:
        BackendError: ONNX Runtime is not installed, or does not take the graph.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise BackendError(
            f'the backend onnxruntime cannot be loaded ({error}): '
            'pip install activity_recognition[onnx]'
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.inter_op_num_threads = 1
    # Waiting threads would keep a core busy that a robot has other work for.
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    options.log_severity_level = 3
    set_precise_mode(options, precise)
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])
    except Exception as error:  # the library has no public base of its errors
        raise BackendError(
            f'ONNX Runtime {onnxruntime.__version__} does not take {path}: {error}; '
            'export the checkpoint again with `activity-recognition export`'
        ) from error
