"""Show the whole of it: a simulated recording, played through real ROS 2 topics.

Writes a recording of a seed that training never saw, plays it as camera, microphone and transcript
topics into the recogniser in a process of its own, shows a live table of truth and decisions, and
writes report.html, metrics.json and timeline.svg into the folder OUT. The exit status is 1 when the
balanced accuracy is too low, too many frames were lost, or one is not accounted for. With --people,
several are there, each is recognised apart, and people.json says how well.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from activity_recognition.arguments import Value
from activity_recognition.checkpoint_folder import OF_RUN, checkpoint_folder, shipped_checkpoint
from activity_recognition.commands.display import make_display
from activity_recognition.commands.judging import judge
from activity_recognition.commands.live_run import monitored, play, prepare, ticking_tree
from activity_recognition.commands.options import add_options, need_ros, values_of
from activity_recognition.commands.processes import Processes
from activity_recognition.commands.run import demand_named
from activity_recognition.commands.watching import Watch, run_metrics, write_pages
from activity_recognition.config_io import (
    build_config,
    read_yaml,
    shipped_file,
    stored_model_config,
)
from activity_recognition.default_checkpoint import REAL_PEOPLE
from activity_recognition.errors import ConfigError
from activity_recognition.reporting.metrics import PersonScores, RunMetrics, write_people
from activity_recognition.reporting.page import milliseconds
from activity_recognition.reporting.run_log import RunLog
from activity_recognition.startup import (
    DEMO_ARGUMENTS,
    DemoConfig,
    demo_values,
    people_parameters,
)

if TYPE_CHECKING:
    from rich.console import Console

    from activity_recognition.ros.monitor_node import MonitorNode

HELP = 'show the whole of it on a simulated recording'
TAKES_ROS_ARGUMENTS = False
INSTEAD_OF_ROS_ARGUMENTS = (
    'give its nodes parameters with --params-file and a namespace with --namespace, or play the '
    'recording it leaves in its folder with `activity-recognition replay`'
)
"""What the command line answers to --ros-args, which would not say to which node it speaks."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what to play and where to write."""
    add_options(parser, DEMO_ARGUMENTS)
    parser.add_argument(
        '--tree', action='store_true', help='let the example behaviour tree react as well'
    )
    parser.add_argument('--quiet', action='store_true', help='print the results only')


def run(arguments: argparse.Namespace) -> int:
    """Run the demo and say how it went."""
    need_ros()
    from activity_recognition.console import PlainConsole

    values = values_of(arguments, DEMO_ARGUMENTS)
    config = read_config(values)
    console = PlainConsole()
    metrics, people = perform(config, values, console, quiet=arguments.quiet, tree=arguments.tree)
    folder = Path(str(values['out']))
    report = write_pages(folder, metrics)
    if people:
        write_people(folder / 'people.json', people)
    print_people(people, console)
    print_results(metrics, report, console)
    return 0 if all(check['passed'] for check in metrics['checks']) else 1


def read_config(values: Mapping[str, Value]) -> DemoConfig:
    """Return the demo's configuration: config/demo.yaml and the options, which go before it.

    Raises:
        ConfigError: when a value is out of range.
    """
    names = {item.name for item in dataclasses.fields(DemoConfig)}
    given = {name: value for name, value in values.items() if name in names}
    return build_config(DemoConfig, {**read_yaml(shipped_file('demo.yaml')), **given}, where='demo')


def perform(
    config: DemoConfig, given: Mapping[str, Value], console: Console, *, quiet: bool, tree: bool
) -> tuple[RunMetrics, dict[str, PersonScores]]:
    """Simulate, play, watch; return what came of it, and of each of several people.

    Args:
        config: of the demo.
        given: options of the command line, by name.
        console: where to show it.
        quiet: show nothing before the results.
        tree: whether the example behaviour tree reacts as well.
    """
    values = demo_values(given)
    demand_named(values)
    remark = about_real_people(str(values['checkpoint'])) if 'checkpoint' in values else ''
    if remark and not quiet:
        console.print(remark, soft_wrap=True)
    namespace, recording = str(values['namespace']), Path(str(values['bag']))
    with Processes() as processes:
        parameters = people_parameters(config.people)
        live = prepare(processes, values, recording.parent / 'logs', parameters)
        write_recording(config, recording, None if quiet else console)
        with monitored(namespace) as node:
            title = f'Activity recognition: simulated recording of seed {config.seed}'
            watch = Watch(node, title=title, length_s=config.seconds)
            ticking = ticking_tree(node, watch.say) if tree else contextlib.nullcontext()
            with ticking, make_display(console, quiet=quiet) as display:
                play(live, watch, display)
            summary = ' '.join(filter(None, (_summary(config), remark)))
            metrics = run_metrics(watch, node, title=title, summary=summary, checks=[])
            people = scores_of_people(node, recording) if config.people > 1 else {}
    if remark and quiet:
        console.print(remark, soft_wrap=True)
    checks = judge(
        config,
        metrics['scores'],
        metrics['frames'],
        demands_accuracy=not remark,
        people=people,
    )
    return {**metrics, 'checks': checks}, people


def scores_of_people(node: MonitorNode, recording: Path) -> dict[str, PersonScores]:
    """Return how well each person in a recording was recognised, by subject.

    Args:
        node: heard the decisions and the truth.
        recording: says who is there; whom nobody spoke of has no decisions.
    """
    from activity_recognition.bags import labels_path, read_label_tracks

    logs, subjects = node.logs_of_people(), read_label_tracks(labels_path(recording))
    return {subject: score_person(node.log, logs.get(subject)) for subject in subjects}


def score_person(scene: RunLog, person: RunLog | None) -> PersonScores:
    """Return how well one person was recognised.

    Args:
        scene: decisions about the scene.
        person: decisions and truth about the person; None where there were none.
    """
    log = person or RunLog()
    scores = log.scores(log.received())
    possible = log.scores(scene.received())['decisions']
    return PersonScores(decisions=scores['decisions'], possible=possible, scores=scores)


def about_real_people(checkpoint: str) -> str:
    """Return what to know of a checkpoint for real people that is shown simulated ones.

    Args:
        checkpoint: folder or name; of one that neither is the shipped one nor finds people by a
            pose network there is nothing to say, nor of one that cannot be read.
    """
    from activity_recognition.simulation.config import ACTIVITIES

    folder = checkpoint_folder(checkpoint)
    try:
        model = stored_model_config(folder)
    except ConfigError:
        return ''
    finds = 'video' in model.modalities and model.video.finds_key_points
    if folder != shipped_checkpoint(REAL_PEOPLE) and not finds:
        return ''
    name = folder.parent.name if folder.name == OF_RUN else folder.name
    sentences = [
        f'The checkpoint {name} is made for real people, and these are drawn, so nothing is '
        'demanded of its answers.'
    ]
    if finds:
        sentences.append(
            f'It sees by {model.video.backbone}, which was trained on photographs: the joints that '
            'it finds in drawn figures are less exact, or none.'
        )
    if lacking := sorted(set(ACTIVITIES) - set(model.labels)):
        sentences.append(f'It does not know {", ".join(lacking)}.')
    return ' '.join(sentences)


def write_recording(config: DemoConfig, path: Path, console: Console | None) -> None:
    """Simulate the recording, with raw images, as a camera driver publishes them.

    Args:
        config: seed, length and difficulty.
        path: the recording to write.
        console: where to show progress; None shows none.
    """
    from activity_recognition.commands.simulate import Job, widened, write_one
    from activity_recognition.simulation import SimulationConfig

    scene = SimulationConfig(
        seed=config.seed,
        duration_s=config.seconds,
        difficulty=config.difficulty,
        people=config.people,
    )
    job = Job(path=path, config=widened(scene), storage='mcap', image='raw', overwrite=True)
    write_one(job, console)


def print_people(people: Mapping[str, PersonScores], console: Console) -> None:
    """Print how much was decided about each person, a line each.

    Args:
        people: what came of each, by subject.
        console: where to print.
    """
    for subject, item in people.items():
        right = round((item['scores']['accuracy'] or 0.0) * item['decisions'])
        line = (
            f'{subject}: {item["decisions"]} decisions, {right} of them right; '
            f'{item["possible"]} about the scene while {subject} was there'
        )
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def print_results(metrics: RunMetrics, report: Path, console: Console) -> None:
    """Print how the demo went, in a few lines.

    Args:
        metrics: of the run.
        report: path of the page with them.
        console: where to print.
    """
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
    people = f' with {config.people} people' if config.people > 1 else ''
    return (
        f'{config.seconds:g} seconds{people} simulated from seed {config.seed}, which training '
        'never saw, '
        'played as camera, microphone and transcript topics over DDS into the recogniser in a '
        'process of its own.'
    )
