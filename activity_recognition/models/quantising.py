"""Weights of exported steps as 8-bit integers, for CPUs.

Matrix products run in integers, with activations quantised as they come (dynamic quantisation);
convolutions and attention stay float32. What it costs in accuracy is for an evaluation to say.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from activity_recognition.errors import MissingExtraError

QUANTISED = 'int8'
"""Folder of the quantised steps, inside that of the exported ones."""


def quantise_steps(folder: Path, steps: Iterable[str]) -> Path:
    """Write the steps of ``folder`` once more with 8-bit weights, into a folder in it.

    Args:
        folder: with one graph per step.
        steps: their names.

    Raises:
        MissingExtraError: ONNX Runtime is not installed.
    """
    try:
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic
    except ImportError as error:
        raise MissingExtraError(
            f'quantising needs onnxruntime ({error}): pip install activity_recognition[onnx]'
        ) from error
    staged = folder / f'.{QUANTISED}'
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir()
    for step in steps:
        name = f'{step}.onnx'
        model = onnx.load(folder / name)
        # Inferred again: ONNX Runtime before 1.32 turns weights around and keeps their old shapes.
        del model.graph.value_info[:]
        with _without_advice():
            quantize_dynamic(
                model,
                staged / name,
                op_types_to_quantize=['MatMul', 'Gemm'],
                per_channel=True,
                weight_type=QuantType.QInt8,
                extra_options={'MatMulConstBOnly': True},
            )
    shutil.rmtree(folder / QUANTISED, ignore_errors=True)
    return staged.rename(folder / QUANTISED)


@contextlib.contextmanager
def _without_advice() -> Iterator[None]:
    """Drop the advice to fold constants and to infer shapes first, which the exporter has done."""

    def is_news(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith('Please consider')

    logging.root.addFilter(is_news)
    try:
        yield
    finally:
        logging.root.removeFilter(is_news)
