"""SIGTERM ends any command as Ctrl-C does, and says so by its exit status."""

from __future__ import annotations

import os
import signal
import types

import pytest

from activity_recognition import cli
from activity_recognition.commands import check
from activity_recognition.training.run.interruption import Interruption


def raising(number: int):
    """A command that a signal meets while it works, and what it cleaned up."""
    cleaned: list[str] = []

    def run(_: object) -> int:
        try:
            os.kill(os.getpid(), number)
            signal.pause()
        finally:
            cleaned.append('cleaned')
        return 0

    return run, cleaned


@pytest.mark.parametrize(
    ('number', 'status', 'word'),
    [(signal.SIGINT, 130, 'interrupted'), (signal.SIGTERM, 143, 'terminated')],
)
def test_a_command_cleans_up_and_says_what_ended_it(monkeypatch, capsys, number, status, word):
    run, cleaned = raising(number)
    monkeypatch.setattr(check, 'run', run)
    before = signal.getsignal(signal.SIGTERM)
    assert cli.main(['check', 'recordings']) == status
    assert capsys.readouterr().err == f'activity-recognition check: {word}\n'
    assert cleaned == ['cleaned']
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_handler_of_somebody_else_stays(monkeypatch):
    seen: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: seen.append(number))
    try:

        def run(_: types.SimpleNamespace) -> int:
            os.kill(os.getpid(), signal.SIGTERM)
            return 0

        monkeypatch.setattr(check, 'run', run)
        assert cli.main(['check', 'recordings']) == 0
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == [signal.SIGTERM]


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_neither_signal_ends_an_optimiser_halfway(number):
    """Weights of which half have stepped would be saved."""
    steps: list[str] = []

    def train() -> None:
        interruption = Interruption()
        with cli._terminable(), interruption.handled():
            with interruption.held():
                os.kill(os.getpid(), number)
                steps.append('whole')
            steps.append('next')

    with pytest.raises(KeyboardInterrupt) as caught:
        train()
    assert steps == ['whole']
    assert isinstance(caught.value, cli.Terminated) == (number == signal.SIGTERM)
