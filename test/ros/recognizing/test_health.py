"""`health`: how a real recogniser is, over real diagnostics."""

from __future__ import annotations

import threading

import pytest

pytest.importorskip('rclpy')

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]


@pytest.fixture
def health(world, capsys):
    """Ask as a watchdog does; return the exit status and the sentence."""
    from activity_recognition import cli

    def ask(seconds=60.0):
        name = f'{world.namespace}/recognizer'
        status = cli.main(['health', '--recognizer', name, '--seconds', str(seconds)])
        printed = capsys.readouterr().out
        assert printed.startswith(f'{name}: ')
        return status, printed.removeprefix(f'{name}: ').strip()

    return ask


def test_nobody_there_is_ill(health):
    assert health(0.3) == (1, 'no word on /diagnostics for 0.3 s')


def test_one_that_is_not_active_is_ill(world, health):
    world.make_recognizer()
    assert health() == (1, 'unconfigured: not recognising')


def test_one_that_could_not_be_configured_says_why(world, health, tmp_path):
    node = world.make_recognizer(checkpoint=str(tmp_path / 'nowhere'))
    world.there(node.trigger_configure)
    status, sentence = health()
    assert status == 1
    assert 'expected a checkpoint folder' in sentence


def test_an_active_one_is_well_though_nothing_comes(world, health):
    world.recognize()
    status, sentence = health()
    assert status == 0
    assert sentence.endswith('decisions/s')


def test_one_that_loads_is_waited_for(world, health, monkeypatch):
    from activity_recognition.commands import health as command
    from activity_recognition.inference import MultiStreamEngine

    loaded, warm_up = threading.Event(), MultiStreamEngine.warm_up

    def wait_and_warm_up(self):
        assert loaded.wait(600)
        warm_up(self)

    monkeypatch.setattr(MultiStreamEngine, 'warm_up', wait_and_warm_up)
    node = world.make_recognizer()
    world.there(node.start_in_background)
    diagnoses = world.diagnoses()
    world.spin_until(lambda: diagnoses.says('state', 'configuring'))
    status, sentence = health(20.0)
    assert status == 1
    assert sentence.startswith('configuring: loading the model')
    ask = command.ask

    def load_and_ask(*args, **options):
        loaded.set()
        return ask(*args, **options)

    monkeypatch.setattr(command, 'ask', load_and_ask)
    assert health()[0] == 0


@pytest.mark.parametrize(('level', 'status'), [(0, 0), (1, 0), (2, 1), (3, 1)])
def test_errors_of_the_engine_are_ill_and_warnings_are_not(world, health, level, status):
    from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

    publisher = world.node.create_publisher(DiagnosticArray, '/diagnostics', 10)
    told = DiagnosticStatus(
        level=bytes([level]), name=f'{world.namespace}/recognizer: engine', message='so it is'
    )
    message, ended = DiagnosticArray(status=[told]), threading.Event()

    def publish():
        while not ended.wait(0.05):
            publisher.publish(message)

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        assert health() == (status, 'so it is')
    finally:
        ended.set()
        thread.join()
