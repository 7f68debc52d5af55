"""Measure what recognising costs on this machine, and propose settings for the recogniser.

Times one frame, one second of audio, one utterance and one decision for every network and number of
threads, in about a minute; from that it computes what the machine sustains with a headroom, and
proposes network, frame rate, decision rate and threads. Networks have random weights, which cost
what trained ones do. What was never exported runs by PyTorch; with --backend auto or onnxruntime
every network is exported first, half a minute each, and the node's own choice is timed. --out
writes the proposal as a parameter file:
    activity-recognition bench --backend auto --out robot.yaml
    ros2 launch activity_recognition activity_recognition.launch.py params_file:=$PWD/robot.yaml

--save keeps the times, and --from computes from kept ones without measuring:
    activity-recognition bench --save costs.json
    activity-recognition bench --from costs.json --headroom 0.3 --decision-rate 15
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from activity_recognition.errors import ConfigError, quoted
from activity_recognition.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from activity_recognition.inference.cost import Cost
    from activity_recognition.inference.findings import Findings
    from activity_recognition.inference.sizing import SizingConfig
    from activity_recognition.models.checkpoint import Checkpoint

HELP = 'measure what recognising costs on this machine, and propose settings'
TAKES_ROS_ARGUMENTS = False

PRESETS = ('nano', 'small', 'base')
BACKENDS = ('auto', 'torch', 'onnxruntime')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is measured, what is asked of the machine, and what is written."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        '--presets',
        nargs='+',
        default=PRESETS,
        metavar='PRESET',
        help=f'networks to measure (default: {" ".join(PRESETS)})',
    )
    what.add_argument('--checkpoint', type=Path, help='measure this checkpoint instead')
    what.add_argument(
        '--from', type=Path, dest='source', metavar='FILE', help='compute from what --save kept'
    )
    parser.add_argument(
        '--threads',
        nargs='+',
        type=_from_one,
        help='numbers of intra-op threads (default: 1, 2, 4, … up to the cores)',
    )
    parser.add_argument('--device', default='cpu', help='cpu, cuda or cuda:N (default: cpu)')
    parser.add_argument(
        '--backend',
        choices=BACKENDS,
        help='what runs the networks, exported if need be: auto takes the fastest for each step '
        '(default: auto, without exporting)',
    )
    parser.add_argument(
        '--image', type=_size, default=(640, 480), metavar='WxH', help='(default: 640x480)'
    )
    parser.add_argument(
        '--seconds', type=float, default=60.0, help='time for measuring, in all (default: 60)'
    )
    parser.add_argument('--seed', type=int, default=0, help='of images, audio and order')
    parser.add_argument(
        '--cores', type=_from_one, help='to compute for (default: those of this process)'
    )
    parser.add_argument('--headroom', type=float, default=0.5, help='share left (default: 0.5)')
    parser.add_argument('--decision-rate', type=float, default=10.0, help='Hz (default: 10)')
    parser.add_argument(
        '--least-frame-rate',
        type=float,
        default=10.0,
        help='Hz that a larger network must sustain to be proposed (default: 10)',
    )
    parser.add_argument('--save', type=Path, metavar='FILE', help='keep the times, as JSON')
    parser.add_argument('--out', type=Path, metavar='FILE', help='write a ROS parameter file')
    form = parser.add_mutually_exclusive_group()
    form.add_argument('--json', action='store_true', help='print JSON instead of tables')
    form.add_argument('--markdown', action='store_true', help='print Markdown instead of tables')


def run(arguments: argparse.Namespace) -> int:
    """Measure or read, compute, print, write."""
    from activity_recognition.inference.cost_tables import as_markdown
    from activity_recognition.inference.findings import as_json, caution, comments, findings
    from activity_recognition.parameter_files import write_parameter_file

    sizing = _sizing(arguments)
    record = read_record(arguments.source) if arguments.source else _measured(arguments)
    if arguments.save:
        arguments.save.parent.mkdir(parents=True, exist_ok=True)
        arguments.save.write_text(_text(record), encoding='utf-8')
    found = findings(record, sizing, cores=arguments.cores)
    if arguments.json:
        print(_text(as_json(found)), end='')
    elif arguments.markdown:
        print(as_markdown(found))
    else:
        show(found)
    if not found.settled:
        print(caution(found), file=sys.stderr)
    if found.proposal is None:
        return 1
    if arguments.out:
        config = found.proposal.recognizer(
            checkpoint=str(arguments.checkpoint.resolve()) if arguments.checkpoint else '',
            device=found.measured.device,
            backend=found.measured.backend,
        )
        write_parameter_file(arguments.out, config, comments=comments(found, found.proposal))
        print(f'written: {arguments.out}', file=sys.stderr)
    return 0


def show(found: Findings) -> None:
    """Print tables and proposal on the terminal."""
    import rich.table
    from rich.box import SIMPLE_HEAD

    from activity_recognition.console import PlainConsole
    from activity_recognition.inference.cost_tables import tables
    from activity_recognition.inference.findings import sentences

    console = PlainConsole()
    for table in tables(found):
        shown = rich.table.Table(
            *table.columns,
            title=table.title,
            title_justify='left',
            box=SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
            pad_edge=False,
        )
        for column in shown.columns[1:]:
            column.justify = 'right'
        for row in table.rows:
            shown.add_row(*row)
        console.print(shown)
    for sentence in sentences(found):
        console.print(sentence, soft_wrap=True)


def thread_counts(cores: int) -> list[int]:
    """Return the powers of two up to the cores, and the cores."""
    counts = [1]
    while counts[-1] * 2 <= cores:
        counts.append(counts[-1] * 2)
    return counts if counts[-1] == cores else [*counts, cores]


def read_record(path: Path) -> dict[str, Any]:
    """Read what ``--save`` kept.

    Raises:
        ConfigError: there is no such file, or it holds something else.
    """
    from activity_recognition.inference.findings import READABLE, SCHEMA
    from activity_recognition.text_files import read_json

    record = read_json(path, ConfigError, what='the costs')
    schema = record.get('schema') if isinstance(record, dict) else None
    if schema not in READABLE:
        raise ConfigError(
            f'{path}: expected what `bench --save` of schema {SCHEMA} wrote, '
            f'got {quoted(schema)}; '
            'measure again'
        )
    return dict(record)


def _measured(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure; the networks share the time."""
    from activity_recognition.commands.machine import conditions
    from activity_recognition.config_io import to_mapping
    from activity_recognition.inference.cost import MeasureConfig, measure
    from activity_recognition.inference.findings import SCHEMA

    cores = len(os.sched_getaffinity(0))
    threads = sorted(set(arguments.threads or thread_counts(cores)))
    networks = [arguments.checkpoint] if arguments.checkpoint else list(arguments.presets)
    _demand(networks)
    width_px, height_px = arguments.image
    config = MeasureConfig(
        seconds=arguments.seconds / len(networks),
        width_px=width_px,
        height_px=height_px,
        seed=arguments.seed,
        device=arguments.device,
        backend=arguments.backend or 'auto',
    )
    machine, load = conditions(), os.getloadavg()[0]
    costs: list[Cost] = []
    models: dict[str, Any] = {}
    for network in networks:
        name, checkpoint = _network(network, arguments.seed)
        with scratch_folder() as scratch:
            if _must_export(checkpoint, arguments.backend, arguments.device):
                checkpoint = _exported(checkpoint, name, scratch)
                config = dataclasses.replace(config, exported=True)
            print(f'measuring {name}', file=sys.stderr, flush=True)
            costs += measure(checkpoint, name=name, threads=threads, config=config)
        models[name] = to_mapping(checkpoint.config)
    return {
        'schema': SCHEMA,
        'machine': machine,
        'cores': cores,
        'load_before': load,
        'settings': to_mapping(config),
        'costs': [to_mapping(cost) for cost in costs],
        'models': models,
    }


def _demand(networks: Sequence[Path | str]) -> None:
    """Refuse networks whose frozen ones are not here, before anything is measured."""
    from activity_recognition.config_io import load_model_config
    from activity_recognition.frozen_networks import demand_checkpoint, demand_networks

    for network in networks:
        if isinstance(network, Path):
            demand_checkpoint(network)
    demand_networks(*(load_model_config(name) for name in networks if isinstance(name, str)))


def _must_export(checkpoint: Checkpoint, backend: str | None, device: str) -> bool:
    """Return whether what is asked for needs steps that are not there.

    Raises:
        MissingExtraError: ONNX Runtime is asked for by name and not installed.
    """
    from activity_recognition.errors import BackendError, MissingExtraError
    from activity_recognition.inference.backends.choice import exported

    if backend not in ('auto', 'onnxruntime') or device != 'cpu':
        return False
    if importlib.util.find_spec('onnxruntime') is None:
        if backend == 'auto':  # which then takes torch, as the node does
            return False
        raise MissingExtraError(
            '--backend onnxruntime needs onnxruntime: pip install activity_recognition[onnx]'
        )
    try:
        exported(checkpoint)
    except BackendError:
        return True
    return False


def _exported(checkpoint: Checkpoint, name: str, folder: Path) -> Checkpoint:
    """Export a network's steps into a folder, and return it with them beside it."""
    from activity_recognition.inference.backends.choice import ONNX_FOLDER
    from activity_recognition.models.exporting import export_steps

    print(f'exporting {name}: half a minute on an idle machine', file=sys.stderr, flush=True)
    export_steps(checkpoint.system, folder / ONNX_FOLDER, checkpoint=checkpoint.id)
    return dataclasses.replace(checkpoint, path=folder)


def _network(network: Path | str, seed: int) -> tuple[str, Checkpoint]:
    from activity_recognition.inference.artificial import untrained_checkpoint
    from activity_recognition.models.checkpoint import load_checkpoint

    if isinstance(network, Path):
        checkpoint = load_checkpoint(network)
        return checkpoint.id, checkpoint
    return Path(network).stem, untrained_checkpoint(network, seed=seed)


def _sizing(arguments: argparse.Namespace) -> SizingConfig:
    from activity_recognition.inference.sizing import SizingConfig

    return SizingConfig(
        headroom=arguments.headroom,
        decision_rate_hz=arguments.decision_rate,
        least_frame_rate_hz=arguments.least_frame_rate,
    )


def _text(content: Any) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + '\n'


def _from_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f'expected a number from 1 up, got {text!r}')
    return number


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition('x')
    try:
        return int(width), int(height)
    except ValueError:
        raise argparse.ArgumentTypeError(f'expected WxH, for example 640x480, got {text!r}')  # noqa: B904
