"""Check an installation with the smallest end-to-end example.

Simulates 15 seconds, recognises them with the engine alone and, where ROS 2 is, over real topics,
writes a record of versions, machine, data, checkpoint, output, time and memory, and says how it
differs from the reference record shipped with the package: it agrees, it differs, or it is not
comparable, because recording or checkpoint are others. The exit status is 1 when the output differs
though data and checkpoint are the same, or frames were lost.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

from activity_recognition.commands.options import ros_missing
from activity_recognition.errors import ConfigError, printable, quoted

HELP = 'check an installation with the smallest end-to-end example'
TAKES_ROS_ARGUMENTS = False

REFERENCE = 'verification_reference.json'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare where to write and what to run."""
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('verification.json'),
        help='record to write (default: verification.json)',
    )
    parser.add_argument(
        '--work',
        type=Path,
        default=Path('verification'),
        help='folder for the recording and logs (default: verification)',
    )
    parser.add_argument('--checkpoint', default='', help='(default: nano)')
    parser.add_argument('--device', default='auto', help='where the network runs (default: auto)')
    parser.add_argument('--no-ros', action='store_true', help='leave the run over topics out')
    parser.add_argument('--reference', type=Path, help='(default: the record shipped)')


def run(arguments: argparse.Namespace) -> int:
    """Make the record and compare it."""
    from activity_recognition.frozen_networks import demand_checkpoint

    reference = read_reference(arguments.reference)
    if arguments.checkpoint:
        demand_checkpoint(arguments.checkpoint)
    record = make_record(arguments)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(compact(record) + '\n', encoding='utf-8')
    status = conclude(reference, record)
    print(f'written: {arguments.out}')
    return status


def conclude(reference: dict[str, Any], record: dict[str, Any]) -> int:
    """Say how a record differs from the reference, and the verdict; return the exit status.

    Args:
        reference: record that is expected.
        record: record of this machine.
    """
    from activity_recognition.commands.comparison import Verdict, compare, summary, verdict

    findings = compare(reference, record)
    for finding in findings:
        print(f'{"FAILED: " if finding.failure else ""}{finding.sentence}')
    print(f'the record {summary(findings)}')
    return 1 if verdict(findings) is Verdict.DIFFERS else 0


def make_record(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run the example and return its record."""
    from activity_recognition.commands.machine import conditions
    from activity_recognition.commands.verification import DEPENDS_ON, SCHEMA, example, recognise

    print('simulating 15 seconds', flush=True)
    made = example(arguments.work)
    recording = Path(made['recording']['path'])
    print('recognising them with the engine alone', flush=True)
    result = recognise(recording, arguments.checkpoint, arguments.device)
    return {
        'schema': SCHEMA,
        'example': made,
        'environment': conditions(),
        **result,
        'ros': _ros_part(arguments, recording, result['output']),
        'depends_on': DEPENDS_ON,
    }


def _ros_part(
    arguments: argparse.Namespace, recording: Path, output: dict[str, Any]
) -> dict[str, Any]:
    """Run the example over topics, or say why not."""
    missing = ros_missing()
    if arguments.no_ros or missing:
        return {'skipped': f'{missing} is not here' if missing else 'not wanted'}
    from activity_recognition.commands.processes import Processes
    from activity_recognition.commands.verification import over_ros

    print('recognising them over ROS topics', flush=True)
    given = {'checkpoint': arguments.checkpoint, 'device': arguments.device}
    with Processes() as processes:
        return over_ros(processes, recording, output, **given)


def compact(record: dict[str, Any]) -> str:
    """Return a record as JSON that people can read: lists of numbers and words on one line."""
    text = json.dumps(record, indent=1, ensure_ascii=False)
    return re.sub(r'\[([^][{}]*)\]', lambda inner: f'[{" ".join(inner[1].split())}]', text)


def read_reference(path: Path | None) -> dict[str, Any]:
    """Read the record to compare with.

    Raises:
        ConfigError: when there is none or it is of another schema.
    """
    from activity_recognition.commands.comparison import compare
    from activity_recognition.commands.verification import SCHEMA
    from activity_recognition.config_io import shipped_file
    from activity_recognition.text_files import read_json

    chosen = path or shipped_file(REFERENCE)
    record = read_json(chosen, ConfigError, what='the reference record')
    schema = record.get('schema') if isinstance(record, dict) else None
    if schema != SCHEMA:
        raise ConfigError(f'{chosen}: expected a record of schema {SCHEMA}, got {quoted(schema)}')
    try:
        # What a comparison needs of it is what it needs to be compared with itself.
        compare(record, record)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise ConfigError(
            f'{chosen}: expected a record that `verify` wrote, got something else '
            f'({type(error).__name__}: {printable(str(error), 100)})'
        ) from error
    return dict(record)
