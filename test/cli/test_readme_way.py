"""The README's way from recordings to a checkpoint that the node runs, command by command."""

import os
import shlex
from contextlib import closing
from pathlib import Path

import pytest

pytest.importorskip('rclpy')

from factories.live_nodes import Ears

pytestmark = [
    pytest.mark.ros,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning"),
]

README = Path(__file__).resolve().parents[2] / 'README.md'
SMALLER = {'--count': '6', '--seconds': '12'}
"""So that it takes a minute; the rest is run as it stands."""
PATIENCE_S = 600.0


def commands():
    """Return the words of each command after the README's sentence on the whole way."""
    _, _, after = README.read_text(encoding='utf-8').partition('The whole way in a few minutes')
    _, _, block = after.partition('```sh\n')
    for line in block.partition('```')[0].replace('\\\n', '').splitlines():
        runner, program, *words = shlex.split(line, comments=True)
        assert (runner, program) == ('tools/run', 'activity-recognition')
        yield [SMALLER.get(words[i - 1], word) if i else word for i, word in enumerate(words)]


def test_every_command_works_and_the_node_loads_what_was_trained(start, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = {}
    for words in commands():
        process = start(*words)
        out, errors = process.communicate(timeout=PATIENCE_S)
        # Some minutes of training do not reach the limits, and the gate has to say so.
        wanted = 1 if '--gate' in words else 0
        assert process.returncode == wanted, f'{words}: {errors}'
        assert 'Traceback' not in errors
        said[words[0]] = out
    assert list(said) == ['simulate', 'check', 'show', 'prepare', 'train', 'evaluate', 'verify']
    assert '6 of 6 recordings can be used' in said['check']
    assert 'fused_macro_f1' in said['evaluate']
    namespace = f'test_readme_{os.getpid()}'
    checkpoint = tmp_path / 'runs' / 'first' / 'checkpoint'
    start('run', '--checkpoint', checkpoint, '--device', 'cpu', '--namespace', namespace)
    with closing(Ears(namespace)) as ears:
        assert ears.heard.wait(PATIENCE_S), 'the recogniser did not become active'
