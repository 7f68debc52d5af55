"""Export a checkpoint's network to ONNX: a faster backend here, and a way to run it without Python.

Writes one graph per step of the network and steps.json, which says what goes in and comes out. By
default they go to this machine's cache, where every engine with `engine.backend` 'auto' finds them;
--out writes them elsewhere: the folder `onnx` inside a checkpoint is found as well. The graphs are
compared with PyTorch before the command says that it is done, those of 8-bit weights only as near
as 8 bits can be. Example:
    activity-recognition export
    activity-recognition export --checkpoint runs/mine --int8
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HELP = "export a checkpoint's network to ONNX, which makes it faster on CPUs"
TAKES_ROS_ARGUMENTS = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what to export, and where to."""
    parser.add_argument('--checkpoint', default='', help='folder or name (default: as for run)')
    parser.add_argument('--format', choices=('onnx',), default='onnx', help='(default: onnx)')
    parser.add_argument('--out', type=Path, help="folder to write (default: this machine's cache)")
    parser.add_argument(
        '--int8', action='store_true', help='also with 8-bit weights, for onnxruntime-int8'
    )


def run(arguments: argparse.Namespace) -> int:
    """Export, compare with PyTorch, and say what was written."""
    from activity_recognition.default_checkpoint import choose_checkpoint
    from activity_recognition.frozen_networks import explain_checkpoint
    from activity_recognition.inference.backends.eager import EagerBackend
    from activity_recognition.inference.backends.onnx_runtime import OnnxRuntimeBackend
    from activity_recognition.inference.backends.trial import check_equivalence, check_nearness
    from activity_recognition.models.checkpoint import load_checkpoint
    from activity_recognition.models.exporting import cache_folder, export_steps
    from activity_recognition.models.quantising import quantise_steps
    from activity_recognition.models.steps import Steps

    choice = choose_checkpoint(arguments.checkpoint)
    if lacking := explain_checkpoint(choice.path):
        # They are not exported: the graphs begin behind them.
        print(f'note: the checkpoint cannot be run here yet: {lacking}', file=sys.stderr)
    checkpoint = load_checkpoint(choice.path)
    system = checkpoint.system
    folder = arguments.out or cache_folder(system)
    print(f'exporting checkpoint {checkpoint.id}: half a minute on an idle machine', flush=True)
    export_steps(system, folder, checkpoint=checkpoint.id)
    steps = Steps(system).eval()
    names, eager = [spec.name for spec in steps.specs], EagerBackend(steps)
    backend = OnnxRuntimeBackend(folder, names, num_threads=1)
    check_equivalence(backend, eager, system)
    print(f'written: {folder}; its numbers equal those of PyTorch')
    if arguments.int8:
        quantised = quantise_steps(folder, names)
        check_nearness(
            OnnxRuntimeBackend(quantised, names, num_threads=1, name='onnxruntime-int8'),
            eager,
            system,
        )
        print(f'written: {quantised}; `evaluate` measures what 8 bits cost in accuracy')
    return 0
