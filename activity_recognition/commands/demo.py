"""Show the whole of it: a simulated recording, played through real ROS 2 topics.

Writes a recording of a seed that training never saw, plays it as camera, microphone and transcript
topics into the recogniser in a process of its own, shows a live table of truth and decisions, and
writes report.html, metrics.json and timeline.svg into the folder OUT. The exit status is 1 when the
balanced accuracy is too low, too many frames were lost, or one is not accounted for.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from activity_recognition.commands.demo_config import DemoConfig, judge
from activity_recognition.commands.display import make_display
from activity_recognition.commands.live_run import monitored, play, prepare, tick_tree
from activity_recognition.commands.options import need_ros
from activity_recognition.commands.processes import Processes
from activity_recognition.commands.watching import Watch, run_metrics, write_pages
from activity_recognition.config_io import load_config, shipped_file
from activity_recognition.reporting.metrics import RunMetrics
from activity_recognition.reporting.page import milliseconds

if TYPE_CHECKING:
    from rich.console import Console

HELP = 'show the whole of it on a simulated recording'
TAKES_ROS_ARGUMENTS = False

NAMESPACE = 'demo'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what to play and where to write."""
    parser.add_argument('--seed', type=int, help='of the simulated recording')
    parser.add_argument('--seconds', type=float, help='length of the recording (default: 120)')
    parser.add_argument('--difficulty', type=float, help='0 (clean) to 1 (default: 0.5)')
    parser.add_argument(
        '--out', type=Path, default=Path('demo'), help='folder to write (default: demo)'
    )
    parser.add_argument('--checkpoint', default='', help='(default: the one shipped)')
    parser.add_argument('--device', default='auto', help='where the network runs (default: auto)')
    parser.add_argument(
        '--tree', action='store_true', help='let the example behaviour tree react as well'
    )
    parser.add_argument('--quiet', action='store_true', help='print the results only')
    parser.add_argument(
        '--config', type=Path, help='settings and demands (default: config/demo.yaml)'
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the demo and say how it went."""
    need_ros()
    from rich.console import Console

    config = read_config(arguments)
    console = Console()
    metrics = perform(config, arguments, console)
    report = write_pages(arguments.out, metrics)
    print_results(metrics, report, console)
    return 0 if all(check['passed'] for check in metrics['checks']) else 1


def read_config(arguments: argparse.Namespace) -> DemoConfig:
    """Return the demo's configuration, the options going before the file.

    Raises:
        ConfigError: when a value is out of range.
    """
    config = load_config(DemoConfig, arguments.config or shipped_file('demo.yaml'))
    given = {name: getattr(arguments, name) for name in ('seed', 'seconds', 'difficulty')}
    return dataclasses.replace(config, **{k: v for k, v in given.items() if v is not None})


def perform(config: DemoConfig, arguments: argparse.Namespace, console: Console) -> RunMetrics:
    """Simulate, play, watch; return what came of it."""
    recording = arguments.out / 'recording'
    given = {'checkpoint': arguments.checkpoint, 'device': arguments.device, 'clock': False}
    with Processes() as processes:
        live = prepare(processes, namespace=NAMESPACE, logs=arguments.out / 'logs', given=given)
        write_recording(config, recording, None if arguments.quiet else console)
        with monitored(NAMESPACE) as node:
            title = f'Activity recognition: simulated recording of seed {config.seed}'
            watch = Watch(node, title=title, length_s=config.seconds)
            end_tree = tick_tree(node, watch.say) if arguments.tree else None
            with make_display(console, quiet=arguments.quiet) as display:
                play(live, recording, watch, display)
            if end_tree is not None:
                end_tree()
            metrics = run_metrics(watch, node, title=title, summary=_summary(config), checks=[])
    checks = judge(config, metrics['scores'], metrics['frames'])
    return {**metrics, 'checks': checks}


def write_recording(config: DemoConfig, path: Path, console: Console | None) -> None:
    """Simulate the recording, with raw images, as a camera driver publishes them."""
    from activity_recognition.commands.simulate import Job, write_one
    from activity_recognition.simulation import SimulationConfig

    scene = SimulationConfig(
        seed=config.seed, duration_s=config.seconds, difficulty=config.difficulty
    )
    job = Job(path=path, config=scene, storage='mcap', image='raw', overwrite=True)
    write_one(job, console)


def print_results(metrics: RunMetrics, report: Path, console: Console) -> None:
    """Print how the demo went, in a few lines."""
    latency = metrics['latency']
    lines = [
        f'{check["name"]}: {check["found"]} ({check["wanted"]}): '
        f'{"passed" if check["passed"] else "FAILED"}'
        for check in metrics['checks']
    ]
    lines.append(
        f'latency, sensor stamp to decision: median {milliseconds(latency["p50_s"])}, '
        f'95 % below {milliseconds(latency["p95_s"])}, 99 % below {milliseconds(latency["p99_s"])}'
    )
    frames = metrics['frames']
    if frames is not None:
        dropped = ', '.join(f'{count} {reason}' for reason, count in frames['dropped'].items())
        lines.append(
            f'frames: {frames["published"]} published = {frames["used"]} used + '
            f'{sum(frames["dropped"].values())} dropped{f" ({dropped})" if dropped else ""} + '
            f'{frames["lost"]} lost in transport'
        )
    lines.append(f'report: {report}')
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _summary(config: DemoConfig) -> str:
    return (
        f'{config.seconds:g} seconds simulated from seed {config.seed}, which training never saw, '
        'played as camera, microphone and transcript topics over DDS into the recogniser in a '
        'process of its own.'
    )
