"""Shows a run while it happens: a live table on a terminal, plain lines elsewhere, or nothing."""

from __future__ import annotations

import math
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType, TracebackType
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from activity_recognition.console import plain
from activity_recognition.errors import printable
from activity_recognition.reporting.metrics import FrameAccount
from activity_recognition.reporting.run_log import ReceivedDecision, View
from activity_recognition.types import MODALITIES, ModalityEvidence

PLAIN_EVERY_S = 10.0
"""Without a terminal a line is printed at every change, and at least this often in run time."""
_BAR_WIDTH = 16
_CHANGES = 6
_PEOPLE = 8
"""Who are shown; of more the last who came."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """All there is to show at one moment."""

    title: str
    view: View
    state: str
    """What the run is doing, a few words."""
    frames: FrameAccount | None = None
    position_s: float | None = None
    """How far the recording has been played; None where none is."""
    length_s: float = 0.0
    said: Sequence[str] = ()
    """What the behaviour tree said lately."""
    people: Mapping[str, View] = field(default_factory=dict)
    """Of each person who is told apart, by subject."""


class Display(Protocol):
    """Something that shows moments."""

    def __enter__(self) -> Display:
        """Begin to show."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the last moment on the screen."""

    def update(self, moment: Moment) -> None:
        """Show a moment."""


def make_display(console: Console, *, quiet: bool) -> Display:
    """Return a live table on a terminal, plain lines elsewhere, nothing when ``quiet``.

    Args:
        console: where to draw.
        quiet: show nothing.
    """
    if quiet:
        return Silence()
    return LiveTable(console) if console.is_terminal else PlainLines(console)


class Silence:
    """Shows nothing."""

    def __enter__(self) -> Silence:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return

    def update(self, moment: Moment) -> None:
        """Show nothing."""


class LiveTable(Silence):
    """Redraws a table in place."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, auto_refresh=False)
        self._handles_suspension = False

    def __enter__(self) -> LiveTable:
        self._live.start()
        # A shell without job control has it ignored, and only the main thread may handle signals.
        if threading.current_thread() is threading.main_thread():
            self._handles_suspension = signal.getsignal(signal.SIGTSTP) == signal.SIG_DFL
        if self._handles_suspension:
            signal.signal(signal.SIGTSTP, self._suspend)
        return self

    def _suspend(self, number: int, frame: FrameType | None) -> None:
        """Leave the terminal, also its cursor, to the shell as it was; come back after ``fg``."""
        del frame
        self._live.stop()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        # Here it goes on.
        signal.signal(number, self._suspend)
        self._live.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._handles_suspension:
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        self._live.stop()

    def update(self, moment: Moment) -> None:
        """Redraw."""
        self._live.update(render(moment), refresh=True)


class PlainLines(Silence):
    """Prints a line when the answer changes, and now and then."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._answer = ''
        self._printed_s = -math.inf
        self._state = ''
        self._said = 0
        self._answers_of: dict[str, str] = {}

    def update(self, moment: Moment) -> None:
        """Print what is new."""
        # Noted before it is printed: Ctrl-C after a line must not have it printed again.
        said, self._said = moment.said[self._said :], len(moment.said)
        for sentence in said:
            self._print(f'the robot says: {sentence}')
        for subject, view in moment.people.items():
            if view.newest is not None and view.newest.answer != self._answers_of.get(subject):
                self._answers_of[subject] = view.newest.answer
                self._print(f'{plain_line(view, view.newest)}  {subject}')
        newest = moment.view.newest
        if newest is None:
            if moment.state != self._state:
                self._state = moment.state
                self._print(moment.state)
            return
        elapsed_s = moment.view.elapsed_s
        due = not 0 <= elapsed_s - self._printed_s < PLAIN_EVERY_S
        if newest.answer != self._answer or due:
            self._answer, self._printed_s = newest.answer, elapsed_s
            self._print(plain_line(moment.view, newest))

    def _print(self, line: str) -> None:
        # The console would print again what Ctrl-C interrupts before it has forgotten it.
        file = self._console.file
        file.write(f'{printable(line)}\n')
        file.flush()


def plain_line(view: View, newest: ReceivedDecision) -> str:
    """Return a decision in one line.

    Args:
        view: the run as it stands.
        newest: the decision.
    """
    truth = '' if view.truth is None else f'  truth {view.truth:<17}'
    weights = ' '.join(f'{name} {weight:+.2f}' for name, weight in view.weights.items())
    latency_s = newest.latency_s
    latency = f'{latency_s * 1e3:5.0f} ms  ' if math.isfinite(latency_s) else ''
    elapsed_s = round(view.elapsed_s, 1) + 0.0  # no negative zero
    return (
        f'{elapsed_s:7.1f} s{truth}  decision {newest.answer:<17}'
        f' {newest.confidence * 100:3.0f} %  {latency}{weights}'
    ).rstrip()


def render(moment: Moment) -> RenderableType:
    """Return the live table of a moment."""
    parts: list[RenderableType] = [_answer(moment.view), Text()]
    if moment.people:
        parts += [_people(moment.people), Text()]
    parts += [_evidence(moment.view), Text(), _numbers(moment)]
    if moment.position_s is not None:
        parts.append(_progress(moment.position_s, moment.length_s))
    parts.append(_changes(moment.view))
    parts += [plain(f'the robot says: {sentence}') for sentence in moment.said[-3:]]
    return Panel(
        Group(*parts), title=plain(moment.title), subtitle=plain(moment.state), padding=(1, 2)
    )


def _people(people: Mapping[str, View]) -> Table:
    """Return what each person does, a row each."""
    shown = {name: view for name, view in list(people.items())[-_PEOPLE:] if view.newest}
    has_truth = any(view.scored for view in shown.values())
    table = Table(box=None, padding=(0, 2, 0, 0), header_style='dim')
    for name in ('person', 'decision', '', *(['truth', 'right so far'] if has_truth else [])):
        table.add_column(name, min_width=6)
    for name, view in shown.items():
        newest = view.newest
        assert newest is not None
        row = [plain(name), plain(newest.answer, _style_of(view, newest))]
        row.append(Text(f'{newest.confidence * 100:.0f} %'))
        if has_truth:
            share = f'{100 * view.right / view.scored:.0f} %' if view.scored else '–'
            row += [plain(view.truth or '–'), Text(share)]
        table.add_row(*row)
    return table


def _style_of(view: View, newest: ReceivedDecision) -> str:
    """Return how a decision is printed: coloured where the truth is known."""
    if view.truth is None:
        return 'bold'
    return 'bold green' if newest.answer == view.truth else 'bold red'


def _answer(view: View) -> Table:
    table = Table.grid(padding=(0, 2))
    newest = view.newest
    if view.scored:
        table.add_row(Text('truth', 'dim'), plain(view.truth or '–', 'bold'))
    if newest is None:
        table.add_row(Text('decision', 'dim'), Text('none yet', 'dim'))
        return table
    style = _style_of(view, newest)
    confidence = f'{newest.confidence * 100:.0f} %'
    table.add_row(Text('decision', 'dim'), plain(newest.answer, style), confidence)
    return table


def _evidence(view: View) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style='dim')
    for name in ('modality', 'age', 'says', 'by itself'):
        table.add_column(name, min_width=10)
    table.add_column('weight', min_width=_BAR_WIDTH + 7)
    known = {str(item.modality): item for item in (view.newest.evidence if view.newest else ())}
    for name in known or MODALITIES:
        table.add_row(str(name), *_contribution(known.get(name), view))
    return table


def _contribution(item: ModalityEvidence | None, view: View) -> tuple[RenderableType, ...]:
    if item is None or not item.present:
        return (Text('absent', 'dim'), '', '', '')
    weight = view.weights.get(str(item.modality))
    return (
        f'{item.age_s:.2f} s',
        plain(item.label),
        f'{item.confidence * 100:.0f} %',
        Text('–', 'dim') if weight is None else weight_bar(weight),
    )


def weight_bar(weight: float) -> Text:
    """Return a weight as a bar: what the modality gives to the decision, or takes from it."""
    filled = round(min(abs(weight), 1.0) * _BAR_WIDTH)
    colour = 'cyan' if weight >= 0 else 'yellow'
    return Text(f'{weight:+.2f} ') + Text('█' * filled, colour)


def _numbers(moment: Moment) -> Table:
    table = Table.grid(padding=(0, 2))
    view, frames = moment.view, moment.frames
    latencies = sorted(value for value in view.latencies_s if math.isfinite(value))
    if latencies:
        middle, high = (latencies[int(share * (len(latencies) - 1))] for share in (0.5, 0.95))
        table.add_row(
            Text('latency', 'dim'), f'{middle * 1e3:.0f} ms, 95 % below {high * 1e3:.0f} ms'
        )
    right = f', {100 * view.right / view.scored:.1f} % right so far' if view.scored else ''
    table.add_row(Text('decisions', 'dim'), f'{view.decisions}{right}')
    if frames is not None:
        dropped = sum(frames['dropped'].values())
        table.add_row(
            Text('frames', 'dim'),
            f'{frames["published"]} published, {frames["used"]} used, {dropped} dropped, '
            f'{max(frames["lost"], 0)} lost or on their way',
        )
    return table


def _progress(position_s: float, length_s: float) -> Table:
    table = Table.grid(padding=(0, 2))
    bar = ProgressBar(total=max(length_s, 1e-3), completed=position_s, width=50)
    table.add_row(Text('played', 'dim'), bar, f'{position_s:.0f} of {length_s:.0f} s')
    return table


def _changes(view: View) -> Text:
    shown = view.changes[-_CHANGES:]
    return plain('  '.join(f'{t_s:.1f} s {answer}' for t_s, answer in shown), 'dim')
