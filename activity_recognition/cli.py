"""The command line: ``activity-recognition <command>``."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

from activity_recognition import __version__
from activity_recognition.entry import wait_passively
from activity_recognition.errors import MESSAGE_LIMIT, ActivityRecognitionError, printable

COMMANDS = {
    'simulate': 'simulate',
    'import': 'import_clip',
    'check': 'check',
    'prepare': 'prepare',
    'show': 'show',
    'evaluate': 'evaluate',
    'train': 'train',
    'describe': 'describe',
    'teach': 'teach',
    'run': 'run',
    'replay': 'replay',
    'monitor': 'monitor',
    'health': 'health',
    'shared-memory': 'shared_memory',
    'demo': 'demo',
    'verify': 'verify',
    'bench': 'bench',
    'export': 'export',
    'weights': 'weights',
    'watch': 'watch',
}
"""Commands and their modules under ``activity_recognition.commands``."""

ROS_ARGS = '--ros-args'
INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM
_DESCRIPTION = """\
Recognises what a person is doing while it happens, for a robot: from camera, microphone and speech
transcripts, over ROS 2."""
_EPILOG = f"""\
`activity-recognition COMMAND --help` explains a command. The commands run, replay, monitor and
health hand what follows {ROS_ARGS} on to their node, for example:
{ROS_ARGS} -p sync.decision_rate_hz:=5.0
The exit status is 0 on success, 1 when something cannot be used or done, 2 for a wrong argument or
configuration, {INTERRUPTED} after Ctrl-C and {TERMINATED} after SIGTERM, which ends a command as
Ctrl-C does."""


class Terminated(KeyboardInterrupt):
    """SIGTERM came: what is under way is saved, reported and cleaned up as after Ctrl-C."""


class Command(Protocol):
    """A module of :mod:`activity_recognition.commands`."""

    HELP: str
    """What it does, one sentence."""
    TAKES_ROS_ARGUMENTS: bool

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare its arguments."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it and return the exit status; ``arguments.ros`` are the ROS arguments."""
        ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; its errors and those of files are sentences."""
    wait_passively()
    _escape_what_cannot_be_encoded()
    given = list(sys.argv[1:] if argv is None else argv)
    given, ros = split_ros_arguments(given)
    parser = build_parser()
    arguments = parser.parse_args(given)
    command: Command = arguments.module
    arguments.ros = ros
    if ros and not command.TAKES_ROS_ARGUMENTS:
        instead = getattr(command, 'INSTEAD_OF_ROS_ARGUMENTS', 'leave them out')
        parser.error(f'{arguments.command} takes no {ROS_ARGS}: {instead}')
    arguments.given = given
    try:
        with _terminable():
            return command.run(arguments)
    except ActivityRecognitionError as error:
        _say(arguments.command, str(error))
        return error.exit_code
    except Terminated as end:
        _say(arguments.command, str(end) or 'terminated')
        return TERMINATED
    except KeyboardInterrupt as end:
        _say(arguments.command, str(end) or 'interrupted')
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output is gone; Python would complain once more at its own end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ActivityRecognitionError.exit_code
    except OSError as error:
        # A name that is too long, a folder that may not be read, a disk that is full.
        _say(arguments.command, f'{_names(error)}{error.strerror or error}')
        return ActivityRecognitionError.exit_code
    except (MemoryError, UnicodeError) as error:
        # Files without bounds, and names that no locale can write.
        _say(arguments.command, f'{type(error).__name__}: {str(error) or "not enough"}')
        return ActivityRecognitionError.exit_code


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end a command as Ctrl-C does, unless somebody handles or ignores it."""
    mine = threading.current_thread() is threading.main_thread()
    if not mine or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated


def _escape_what_cannot_be_encoded() -> None:
    """Let stdout and stderr write any text, whatever the locale and the names of files are."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, 'reconfigure', None)
        if reconfigure is not None:
            reconfigure(errors='backslashreplace')


def _say(command: str, sentence: str) -> None:
    print(printable(f'activity-recognition {command}: {sentence}', MESSAGE_LIMIT), file=sys.stderr)


def _names(error: OSError) -> str:
    files = (error.filename, error.filename2)
    return ''.join(f'{printable(str(file), 300)}: ' for file in files if file is not None)


def split_ros_arguments(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the command's own arguments and those of ROS, which begin with ``--ros-args``.

    As everywhere in ROS, a lone ``--`` ends the ROS arguments.
    """
    words = list(argv)
    if ROS_ARGS not in words:
        return words, []
    first = words.index(ROS_ARGS)
    rest = words[first:]
    if '--' not in rest:
        return words[:first], rest
    last = first + rest.index('--')
    return words[:first] + words[last + 1 :], words[first:last]


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog='activity-recognition',
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--version', action='version', version=f'%(prog)s {version()}')
    commands = parser.add_subparsers(dest='command', metavar='COMMAND', required=True)
    for name, module_name in COMMANDS.items():
        module = importlib.import_module(f'activity_recognition.commands.{module_name}')
        command = commands.add_parser(
            name,
            help=module.HELP,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(module=module)
    return parser


def version() -> str:
    """Return the version of the package."""
    return __version__
