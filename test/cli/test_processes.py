"""The supervisor: what it starts ends with it, whatever happens."""

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from activity_recognition.commands.processes import Processes
from factories.timing import PATIENCE_S, check_ends_in_time, seconds_of

READY = 'import sys; open(sys.argv[1], "w").close(); '
OBEDIENT = READY + 'import signal; signal.pause()'
STUBBORN = (
    'import signal; [signal.signal(n, signal.SIG_IGN) for n in (2, 15)]\n'
    + READY
    + '\nwhile True: signal.pause()'
)


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, 'this did not happen in time'


@pytest.fixture
def begin(tmp_path):
    """Start a Python script under a supervisor and wait until it runs."""

    def start(processes, name, script):
        flag = tmp_path / f'{name} runs'
        flag.unlink(missing_ok=True)
        child = processes.start(name, [sys.executable, '-c', script, str(flag)])
        wait_for(flag.exists)
        return child

    return start


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[0] == 'Z'


def test_it_tells_which_process_ended_and_how(begin):
    with Processes() as processes:
        waiting = begin(processes, 'waiting', OBEDIENT)
        begin(processes, 'short', READY + 'sys.exit(3)')
        ended = processes.wait(PATIENCE_S)
        assert (ended.name, ended.status) == ('short', 3)
        assert waiting.running
        assert processes.wait(0.01) is None
    assert not waiting.running


def test_a_signal_is_told_as_shells_do(begin):
    with Processes() as processes:
        child = begin(processes, 'killed', OBEDIENT)
        os.kill(child.process.pid, signal.SIGKILL)
        assert processes.wait(PATIENCE_S).status == 128 + signal.SIGKILL


def test_all_end_with_the_block_even_stubborn_ones(begin):
    with ExitStack() as block:
        processes = block.enter_context(Processes())
        children = [begin(processes, 'a', OBEDIENT), begin(processes, 'b', STUBBORN)]
        check_ends_in_time(seconds_of(block.close))
    assert [child.running for child in children] == [False, False]
    assert children[0].status == 128 + signal.SIGTERM
    assert children[1].status == 128 + signal.SIGKILL


def test_one_can_be_asked_to_end_while_the_others_go_on(begin):
    with Processes() as processes:
        first = begin(processes, 'first', OBEDIENT)
        second = begin(processes, 'second', OBEDIENT)
        stubborn = begin(processes, 'stubborn', STUBBORN)
        assert processes.end(first, within_s=PATIENCE_S)
        assert not processes.end(stubborn, within_s=0.1)
        assert processes.running == (second, stubborn)
        assert processes.end(first, within_s=0.0)


def test_what_a_child_has_started_ends_too(begin, tmp_path):
    script = (
        'import subprocess, sys\n'
        f'inner = subprocess.Popen([sys.executable, "-c", {OBEDIENT!r}, sys.argv[1] + " inner"])\n'
        'open(sys.argv[1] + " pid", "w").write(str(inner.pid))\n'
        'inner.wait()\n'
    )
    with Processes() as processes:
        flag = tmp_path / 'outer runs'
        processes.start('outer', [sys.executable, '-c', script, str(flag)])
        wait_for((tmp_path / 'outer runs inner').exists)
        wait_for((tmp_path / 'outer runs pid').exists)
        inner = int((tmp_path / 'outer runs pid').read_text())
    wait_for(lambda: gone(inner))


def test_output_goes_to_a_file_and_variables_are_added(tmp_path):
    log = tmp_path / 'deep' / 'a.log'
    script = 'import os, sys; print(os.environ["SAID"]); print("wrong", file=sys.stderr)'
    with Processes() as processes:
        command = [sys.executable, '-c', script]
        processes.start('a', command, environment={'SAID': 'hello'}, output=log)
        assert processes.wait(PATIENCE_S).status == 0
    assert sorted(log.read_text().split()) == ['hello', 'wrong']


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_signals_interrupt_the_block_and_are_given_back(number, begin):
    before = signal.getsignal(number)
    children = []

    def be_interrupted():
        with Processes() as processes:
            children.append(begin(processes, 'a', OBEDIENT))
            os.kill(os.getpid(), number)
            processes.wait(PATIENCE_S)

    with pytest.raises(KeyboardInterrupt):
        be_interrupted()
    assert not children[0].running
    assert signal.getsignal(number) is before


def test_children_do_not_outlive_a_killed_supervisor(tmp_path):
    script = (
        'import sys\n'
        'from activity_recognition.commands.processes import Processes\n'
        'with Processes() as processes:\n'
        f'    child = processes.start("a", [sys.executable, "-c", {STUBBORN!r}, sys.argv[1]])\n'
        '    print(child.process.pid, flush=True)\n'
        '    processes.wait()\n'
    )
    flag = tmp_path / 'runs'
    with subprocess.Popen(
        [sys.executable, '-c', script, str(flag)], stdout=subprocess.PIPE, text=True
    ) as supervisor:
        pid = int(supervisor.stdout.readline())
        wait_for(flag.exists)
        supervisor.kill()
    wait_for(lambda: gone(pid))
