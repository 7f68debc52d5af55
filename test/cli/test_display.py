"""What a run looks like, on a terminal and elsewhere."""

import dataclasses
import io
import math
import os
import pty
import signal
import subprocess
import sys
import time

import pytest
from rich.console import Console
from rich.table import Table

from activity_recognition.commands.display import (
    LiveTable,
    Moment,
    PlainLines,
    Silence,
    make_display,
    plain_line,
    render,
    weight_bar,
)
from activity_recognition.console import PlainConsole
from activity_recognition.reporting.run_log import ReceivedDecision, View
from activity_recognition.reporting.scores import account_frames
from activity_recognition.types import Modality, ModalityEvidence, Status
from factories.timing import PATIENCE_S

EVIDENCE = (
    ModalityEvidence(
        modality=Modality.VIDEO, present=True, age_s=0.04, label='walking', confidence=0.61
    ),
    ModalityEvidence(modality=Modality.AUDIO, present=False),
)


def view(answer='walking', truth='walking', elapsed_s=12.0):
    newest = ReceivedDecision(
        t_ns=0,
        status=Status.OK,
        label=answer,
        confidence=0.87,
        evidence=EVIDENCE,
        latency_s=0.031,
    )
    return View(
        newest=newest,
        truth=truth,
        elapsed_s=elapsed_s,
        decisions=120,
        right=90,
        scored=100,
        latencies_s=(0.02, 0.03, 0.04, math.nan),
        weights={'video': 0.5},
        changes=((0.5, 'none'), (3.25, 'walking')),
    )


def moment(**more):
    frames = account_frames(published=180, received=179, used=170, dropped={'overload': 9})
    given = {'title': 'a title', 'view': view(), 'state': 'playing', 'frames': frames}
    return Moment(**{**given, 'position_s': 30.0, 'length_s': 120.0, **more})


def text_of(renderable):
    console = Console(width=110, file=io.StringIO(), record=True)
    console.print(renderable)
    return console.export_text()


def test_the_table_shows_everything():
    text = text_of(render(moment(said=('Hello!',))))
    for part in ('a title', 'playing', 'truth', 'walking', '87 %', 'video', '0.04 s', '61 %'):
        assert part in text
    for part in ('absent', '+0.50', '30 ms, 95 % below', '120, 90.0 % right so far'):
        assert part in text
    for part in ('180 published, 170 used, 9 dropped, 1 lost', '30 of 120 s', 'Hello!'):
        assert part in text
    assert '0.5 s none  3.2 s walking' in text


def test_the_table_is_there_before_anything_is_decided():
    text = text_of(render(Moment(title='a', view=View(), state='waiting for decisions')))
    assert 'none yet' in text
    assert 'waiting for decisions' in text
    assert 'truth' not in text
    assert 'frames' not in text


def test_everybody_who_is_told_apart_has_a_row():
    people = {'ann': view('none'), 'ben': view(), 'nobody': View()}
    text = text_of(render(moment(people=people)))
    rows = {line.split()[1]: line for line in text.splitlines() if len(line.split()) > 3}
    assert 'right so far' in rows['person']
    assert rows['ann'].split()[2:] == ['none', '87', '%', 'walking', '90', '%', '│']
    assert rows['ben'].split()[2:] == ['walking', '87', '%', 'walking', '90', '%', '│']
    assert 'nobody' not in text
    unknown = dataclasses.replace(view(), truth=None, scored=0)
    text = text_of(render(moment(view=unknown, people={'ann': unknown})))
    assert 'person' in text
    assert 'right so far' not in text
    assert 'person' not in text_of(render(moment()))


@pytest.mark.parametrize(('weight', 'blocks'), [(0.0, 0), (1.0, 16), (-0.5, 8), (7.0, 16)])
def test_weights_are_bars(weight, blocks):
    bar = weight_bar(weight).plain
    assert bar.count('█') == blocks
    assert bar.startswith(f'{weight:+.2f}')


@pytest.fixture
def printed():
    return io.StringIO()


def test_without_a_terminal_only_news_is_printed(printed):
    with PlainLines(Console(file=printed)) as display:
        display.update(moment(view=View(), state='waiting'))
        display.update(moment(view=View(), state='waiting'))
        for elapsed_s in (0.1, 0.2, 5.0):
            display.update(moment(view=view(elapsed_s=elapsed_s)))
        display.update(moment(view=view('none', elapsed_s=5.1), said=('Hello!',)))
        display.update(moment(view=view('none', elapsed_s=5.2), said=('Hello!',)))
        display.update(moment(view=view('none', elapsed_s=15.3), said=('Hello!',)))
    lines = printed.getvalue().splitlines()
    assert lines[0] == 'waiting'
    assert lines[1].startswith('    0.1 s  truth walking')
    assert lines[1].endswith('87 %     31 ms  video +0.50')
    assert lines[2] == 'the robot says: Hello!'
    assert 'decision none' in lines[3]
    assert lines[4].startswith('   15.3 s')
    assert len(lines) == 5


class Interrupted(io.StringIO):
    """A file that Ctrl-C meets when a line has just been written."""

    def flush(self):
        super().flush()
        if self.getvalue().endswith('waiting\n'):
            raise KeyboardInterrupt


def test_a_line_that_is_interrupted_does_not_come_twice():
    printed = Interrupted()
    display = PlainLines(Console(file=printed))
    with pytest.raises(KeyboardInterrupt):
        display.update(moment(view=View(), state='waiting'))
    display.update(moment(view=View(), state='waiting'))
    display.update(moment(view=View(), state='done'))
    assert printed.getvalue().splitlines() == ['waiting', 'done']


def test_without_truth_none_is_printed(printed):
    with PlainLines(Console(file=printed)) as display:
        display.update(moment(view=view(truth=None)))
    assert 'truth' not in printed.getvalue()


def test_the_display_suits_the_console(printed):
    plain = Console(file=printed)
    terminal = Console(file=printed, force_terminal=True)
    assert isinstance(make_display(plain, quiet=False), PlainLines)
    assert isinstance(make_display(terminal, quiet=False), LiveTable)
    assert type(make_display(terminal, quiet=True)) is Silence


def test_a_terminal_is_drawn_and_left_with_the_last_moment(printed):
    console = Console(file=printed, force_terminal=True, width=110, height=40)
    with make_display(console, quiet=False) as display:
        display.update(moment())
        display.update(moment(view=view('none')))
    last = printed.getvalue().rpartition('╭')[2]
    assert 'none' in last
    assert last.count('╰') == 1


def test_quiet_prints_nothing(capsys):
    with make_display(Console(), quiet=True) as display:
        display.update(moment())
    assert capsys.readouterr().out == ''


def test_a_moment_just_before_the_first_truth_is_not_minus_zero():
    early = view(elapsed_s=-0.04)
    assert plain_line(early, early.newest).startswith('    0.0 s  truth')


SHOWS = """
import time
from activity_recognition.commands.display import Moment, make_display
from activity_recognition.console import PlainConsole
from activity_recognition.reporting.run_log import View
with make_display(PlainConsole(), quiet=False) as display:
    while True:
        display.update(Moment(title='a run', view=View(), state='waiting'))
        time.sleep(0.02)
"""
HIDDEN, SHOWN = b'\x1b[?25l', b'\x1b[?25h'


class Terminal:
    """A program on a terminal of its own, as a job of a shell."""

    def __init__(self, script):
        self._ours, theirs = pty.openpty()
        os.set_blocking(self._ours, False)
        environment = {**os.environ, 'TERM': 'xterm', 'COLUMNS': '80', 'LINES': '40'}
        self.process = subprocess.Popen(
            [sys.executable, '-c', script],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
            process_group=0,
        )
        os.close(theirs)
        self.written = b''

    def read(self):
        """Read what there is."""
        try:
            while part := os.read(self._ours, 65536):
                self.written += part
        except BlockingIOError:
            time.sleep(0.01)
        return self.written

    def wait_for(self, condition):
        until_s = time.monotonic() + PATIENCE_S
        while not condition(self.read()):
            assert time.monotonic() < until_s, self.written[-500:]
            assert self.process.poll() is None

    def wait_until_stopped(self):
        until_s = time.monotonic() + PATIENCE_S
        while True:
            self.read()
            found, status = os.waitpid(self.process.pid, os.WUNTRACED | os.WNOHANG)
            if found:
                assert os.WIFSTOPPED(status)
                return
            assert time.monotonic() < until_s

    def close(self):
        self.process.kill()
        self.process.wait(PATIENCE_S)
        os.close(self._ours)


def test_ctrl_z_leaves_the_terminal_as_it_was_and_fg_comes_back():
    """Twice: what is hidden is the cursor, which the shell needs."""
    terminal = Terminal(SHOWS)
    try:
        for _ in range(2):
            terminal.wait_for(lambda text: HIDDEN in text and b'waiting' in text)
            assert SHOWN not in terminal.written
            os.killpg(terminal.process.pid, signal.SIGTSTP)
            terminal.wait_until_stopped()
            # Nothing is drawn after that. What it wrote last may take a moment to come through.
            terminal.wait_for(lambda text: text.endswith(SHOWN))
            terminal.written = b''
            os.killpg(terminal.process.pid, signal.SIGCONT)
    finally:
        terminal.close()


SENTENCE = 'alone, epoch 2: right in training / in validation: together 48 % / 41 %; alone video 60'


@pytest.mark.parametrize('is_terminal', [False, True], ids=['file', 'terminal'])
def test_a_sentence_is_one_line_where_no_terminal_shows_it(is_terminal):
    printed = io.StringIO()
    console = PlainConsole(file=printed, width=40, force_terminal=is_terminal, no_color=True)
    console.print(SENTENCE, markup=False, highlight=False)
    assert (printed.getvalue().strip() == SENTENCE) is not is_terminal
    assert ' '.join(printed.getvalue().split()) == SENTENCE


def test_a_table_keeps_to_the_width_in_a_file_as_well():
    printed = io.StringIO()
    table = Table('what is said')
    table.add_row(SENTENCE)
    PlainConsole(file=printed, width=40).print(table)
    assert max(map(len, printed.getvalue().splitlines())) == 40


def test_without_a_terminal_it_is_printed_what_somebody_else_does_now(printed):
    with PlainLines(Console(file=printed)) as display:
        for answer in ('walking', 'walking', 'none'):
            people = {'ann': view(answer), 'ben': View()}
            display.update(moment(view=View(), state='', people=people))
    lines = printed.getvalue().splitlines()
    assert [line.split()[-1] for line in lines] == ['ann', 'ann']
    assert 'decision walking' in lines[0]
    assert 'decision none' in lines[1]
