"""Measure a checkpoint on labelled recordings and write a report.

Recordings are found below --data; of those, the ones that splits.csv calls test, or where it names
none, all but those that the checkpoint was trained on.
Labels that the checkpoint does not know count as unknown activities. OUT receives metrics.json,
figures, and report.html, which needs nothing else to be shown. docs/metrics.md says what every
number means. Example:
    activity-recognition evaluate --checkpoint runs/first --data recordings --out reports/first

DATA may also be shards that `prepare` made for the checkpoint's preset: the decisions are those on
the recordings, and what a decision costs is not measured, for which limits are then not reached.

With --live, which needs ROS 2, the same recordings are then played, in real time, through topics
into the recogniser node, and its decisions are compared with those of the network on what the node
admitted.

With --gate the report is compared with a file of limits, the one shipped (config/acceptance.yaml)
where none is named; the exit status is 1 when something falls short. With --gate and without --data
nothing is computed: the report that OUT already holds is looked at. Example:
    activity-recognition evaluate --out reports/first --gate my_limits.yaml
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from activity_recognition.commands.options import (
    CACHE_OF_SHARDS,
    add_recorded_options,
    need_ros,
    recorded_overrides,
)
from activity_recognition.errors import ConfigError
from activity_recognition.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console
    from rich.table import Table

    from activity_recognition.reporting.metrics import Check
    from activity_recognition.training.evaluation.gate import Acceptance
    from activity_recognition.training.evaluation.live import Play
    from activity_recognition.training.evaluation.measuring import Evaluation

HELP = 'measure a checkpoint on labelled recordings and write a report'
TAKES_ROS_ARGUMENTS = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is measured and where the report goes."""
    parser.add_argument(
        '--checkpoint',
        type=Path,
        metavar='RUN',
        help='folder of a checkpoint or of a training run, or people or nano (default: people '
        'where its networks are found, else nano)',
    )
    parser.add_argument(
        '--data', help='folder with labelled recordings, or folder or URL of shards'
    )
    parser.add_argument('--out', type=Path, required=True, help='folder of the report')
    parser.add_argument(
        '--gate',
        nargs='?',
        type=Path,
        const=Path(),
        metavar='FILE',
        help='fail unless the report is within the limits (default: config/acceptance.yaml)',
    )
    parser.add_argument(
        '--split',
        choices=('train', 'validation', 'test'),
        help="part of --data by its splits.csv, or where it names none by the run's own draw "
        '(default: test if the table names one, else all that it was not trained on)',
    )
    parser.add_argument(
        '--strict', action='store_true', help='fail where any recording cannot be used'
    )
    parser.add_argument(
        '--live',
        action='store_true',
        help='also play the recordings through the ROS node and compare its decisions',
    )
    parser.add_argument(
        '--cache',
        type=Path,
        help='folder to keep prepared recordings in, for the next time (default: not kept; '
        f'{CACHE_OF_SHARDS})',
    )
    parser.add_argument('--device', default='auto', help='cpu, cuda, … (default: auto)')
    parser.add_argument(
        '--timed', type=int, default=600, metavar='N', help='decisions to time (default: 600)'
    )
    parser.add_argument(
        '--resamples',
        type=int,
        default=1000,
        metavar='N',
        help='of the bootstrap for confidence intervals (default: 1000)',
    )
    parser.add_argument('--seed', type=int, default=0, help='of the bootstrap (default: 0)')
    parser.add_argument('--jobs', type=int, default=0, help='processes; 0 takes one per core')
    parser.add_argument(
        '--overwrite', action='store_true', help='replace a report that OUT already holds'
    )
    parser.add_argument('--quiet', action='store_true', help='show no progress')
    add_recorded_options(parser, before="what the checkpoint's training used")


def run(arguments: argparse.Namespace) -> int:
    """Measure, write, compare with the limits."""
    from activity_recognition.training.evaluation.gate import check, left_open

    # A wrong file of limits is refused before anything is computed.
    acceptance = _limits(arguments.gate)
    if arguments.data is None:
        return _look_at_report(arguments, acceptance)
    if arguments.live:
        need_ros()
    evaluation = _measure(arguments)
    checks = check(evaluation.metrics, acceptance)
    print(_write(arguments, evaluation, checks))
    if arguments.gate is None:
        return 0
    return _conclude(checks, left_open(evaluation.metrics, acceptance))


def _limits(gate: Path | None) -> Acceptance:
    from activity_recognition.config_io import shipped_file
    from activity_recognition.training.evaluation.gate import ACCEPTANCE, read_acceptance

    shipped = gate is None or gate == Path()
    return read_acceptance(shipped_file(ACCEPTANCE) if shipped or gate is None else gate)


def _look_at_report(arguments: argparse.Namespace, acceptance: Acceptance) -> int:
    from activity_recognition.training.evaluation.gate import check, left_open
    from activity_recognition.training.evaluation.schema import read_metrics

    if arguments.gate is None:
        raise ConfigError(
            'expected --data with recordings to measure on, or --gate to hold the report in '
            f'{arguments.out} against limits; got neither'
        )
    if arguments.live:
        raise ConfigError(
            'expected --data with recordings to play, got --live alone; leave --live out to look '
            'at a report'
        )
    if arguments.checkpoint is not None:
        raise ConfigError(
            f'expected --data with recordings to measure {arguments.checkpoint} on, got none; '
            'leave --checkpoint out to look at a report'
        )
    metrics = read_metrics(arguments.out)
    return _conclude(check(metrics, acceptance), left_open(metrics, acceptance))


def _measure(arguments: argparse.Namespace) -> Evaluation:
    from activity_recognition.commands.machine import conditions
    from activity_recognition.config import EngineConfig
    from activity_recognition.console import make_console
    from activity_recognition.default_checkpoint import choose_checkpoint
    from activity_recognition.frozen_networks import demand_checkpoint
    from activity_recognition.models.checkpoint import load_checkpoint
    from activity_recognition.training.evaluation.measuring import (
        EvaluationConfig,
        evaluate_checkpoint,
    )
    from activity_recognition.training.evaluation.report import refuse_to_replace
    from activity_recognition.training.sharding.manifest import holds_shards
    from activity_recognition.training.sharding.opening import usual_cache

    config = EvaluationConfig(
        split=arguments.split or '',
        strict=arguments.strict,
        seed=arguments.seed,
        resamples=arguments.resamples,
        cost_decisions=arguments.timed,
        num_workers=arguments.jobs,
        recorded=recorded_overrides(arguments),
        engine=EngineConfig(device=arguments.device),
    )
    refuse_to_replace(arguments.out, overwrite=arguments.overwrite)
    choice = choose_checkpoint(arguments.checkpoint or '')
    if not holds_shards(arguments.data):
        demand_checkpoint(choice.path)
    checkpoint = load_checkpoint(choice.path)
    console = make_console(quiet=arguments.quiet)
    if console is not None and choice.remark:
        console.print(choice.remark, style='yellow')
    with scratch_folder() as temporary:
        evaluation = evaluate_checkpoint(
            checkpoint,
            arguments.data,
            cache=arguments.cache or usual_cache(arguments.data, temporary / 'cache'),
            config=config,
            conditions=conditions(),
            console=console,
            play=_player(arguments, checkpoint.path, temporary / 'live', console),
        )
    _say_what_to_know(evaluation, console)
    if console is not None:
        console.print(_scores(evaluation.metrics))
    return evaluation


def _player(
    arguments: argparse.Namespace, checkpoint: Path, folder: Path, console: Console | None
) -> Play | None:
    if not arguments.live:
        return None
    from activity_recognition.commands.live_evaluation import TracedReplay

    folder.mkdir()
    return TracedReplay(
        checkpoint=checkpoint, device=arguments.device, folder=folder, console=console
    ).play


def _say_what_to_know(evaluation: Evaluation, console: Console | None) -> None:
    """Name what could not be used, and what the numbers do not stand for."""
    from activity_recognition.training.evaluation.cautions import (
        cautions,
        findings,
        smoothing_advice,
    )

    if console is None:
        return
    data, advice = evaluation.metrics['data'], smoothing_advice(evaluation.metrics)
    left_out = [f'left out: {reason}' for reason in data['skipped']]
    found = findings(evaluation.metrics)
    for sentence in (*left_out, *cautions(data), *found, *filter(None, [advice])):
        console.print(sentence, style='yellow', markup=False, highlight=False)


def _scores(metrics: Mapping[str, Any]) -> Table:
    """Return the balanced accuracy of every combination: of decisions, smoothed, of whole clips."""
    from rich.table import Table

    clips, intervals = metrics['clips'], metrics['confidence_intervals']['combinations']
    table = Table('modalities', box=None, pad_edge=False)
    heads = ['decisions', 'smoothed', *([f'{clips["clips"]} clips'] if clips else [])]
    for head in heads:
        table.add_column(f'{head}, %', justify='right')
    for name, found in metrics['combinations'].items():
        cells = [_percent(found), _percent(found['smoothed'])]
        if clips:
            interval = intervals[name]['clips']['balanced_accuracy']
            low_high = (
                ''
                if interval is None
                else ' ({:.0f}–{:.0f})'.format(*(100 * bound for bound in interval))
            )
            cells.append(f'{_percent(found["clips"])}{low_high}')
        table.add_row(name, *cells)
    table.caption = 'balanced accuracy' + (
        f', {clips["decisions_per_clip"]["median"]:g} decisions a clip' if clips else ''
    )
    return table


def _percent(scores: Mapping[str, Any]) -> str:
    value = scores['balanced_accuracy']
    return '–' if value is None else f'{100 * value:.1f}'


def _write(arguments: argparse.Namespace, evaluation: Evaluation, checks: list[Check]) -> Path:
    from activity_recognition.training.evaluation.report import write_report

    return write_report(arguments.out, evaluation, checks, overwrite=arguments.overwrite)


def _conclude(checks: list[Check], left_open: list[str]) -> int:
    """Print what passed, what failed and what nobody looked at; return the exit status."""
    from rich.table import Table

    from activity_recognition.console import PlainConsole

    table = Table('what', 'found', 'wanted', '', box=None, pad_edge=False)
    for item in checks:
        mark = 'passed' if item['passed'] else 'FAILED'
        table.add_row(item['name'], item['found'], item['wanted'], mark)
    console = PlainConsole()
    console.print(table)
    live = [name for name in left_open if name.startswith('live_')]
    steady = [name for name in left_open if name == 'changes_ratio']
    absent = [name for name in left_open if name not in (*live, *steady)]
    if live:
        console.print(f'not looked at without --live: {", ".join(live)}')
    if steady:
        console.print(f'not looked at, every recording has one label: {", ".join(steady)}')
    if absent:
        console.print(f'not looked at, the checkpoint has no such input: {", ".join(absent)}')
    return 0 if all(item['passed'] for item in checks) else 1
