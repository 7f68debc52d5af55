"""The record of the smallest example, and how two of them are compared."""

import copy
import json
import math
import os
import sys

import pytest

from activity_recognition.commands import verification
from activity_recognition.commands.comparison import compare
from activity_recognition.commands.machine import conditions, package_versions
from activity_recognition.commands.processes import Processes
from activity_recognition.commands.verify import compact, conclude, read_reference
from activity_recognition.config_io import shipped_file
from activity_recognition.errors import ConfigError
from activity_recognition.reporting.scores import account_frames
from activity_recognition.types import Decision, LabelSpan, Status


def record():
    return {
        'schema': 1,
        'example': {'recording': {'sha256': 'd1'}},
        'environment': {'python': '3.11', 'processor': 'a'},
        'checkpoint': {'id': 'c1'},
        'output': {
            'decisions': 3,
            'answers': [[0.1, 'a'], [0.2, 'a'], [0.3, 'b']],
            'probabilities': [[0.9, 0.1], [0.2, 0.8]],
        },
        'run': {'device': 'cpu, fp32', 'decisions_per_second': 100.0, 'peak_memory_mib': 900},
        'ros': {
            'agreement': 1.0,
            'frames': account_frames(published=10, received=10, used=10, dropped={}),
        },
    }


def changed(path, value, original=None):
    made = copy.deepcopy(original or record())
    *outer, last = path.split('.')
    inner = made
    for key in outer:
        inner = inner[key]
    inner[last] = value
    return made


def sentences(found):
    findings = compare(record(), found)
    return ' | '.join(f.sentence for f in findings), any(f.failure for f in findings)


def test_equal_records_agree():
    text, failed = sentences(record())
    assert not failed
    assert 'all 3 answers are those of the reference' in text
    assert '1.00 times the reference' in text


def test_a_reference_agrees_with_itself(capsys):
    reference = read_reference(shipped_file('verification_reference.json'))
    assert [f.sentence for f in compare(reference, reference) if f.failure] == []
    assert conclude(reference, reference) == 0
    assert capsys.readouterr().out.splitlines()[-1] == 'the record agrees with the reference'


@pytest.mark.parametrize(
    ('changes', 'status', 'last_line'),
    [
        ({}, 0, 'the record agrees with the reference'),
        ({'environment.processor': 'b'}, 0, 'the record agrees with the reference'),
        ({'output.decisions': 2}, 1, 'the record differs from the reference'),
        (
            {'example.recording.sha256': 'd2'},
            0,
            'the record is not comparable with the reference: another recording',
        ),
        (
            {'checkpoint.id': 'c2'},
            0,
            'the record is not comparable with the reference: another checkpoint',
        ),
        (
            {'example.recording.sha256': 'd2', 'checkpoint.id': 'c2'},
            0,
            'the record is not comparable with the reference: another recording and another '
            'checkpoint',
        ),
        (
            {'checkpoint.id': 'c2', 'ros.agreement': 0.5},
            1,
            'the record differs from the reference',
        ),
    ],
)
def test_the_verdict_is_one_of_three(capsys, changes, status, last_line):
    found = record()
    for path, value in changes.items():
        found = changed(path, value, found)
    assert conclude(record(), found) == status
    assert capsys.readouterr().out.splitlines()[-1] == last_line


def test_another_machine_is_told_and_is_no_failure():
    text, failed = sentences(changed('environment.processor', 'b'))
    assert not failed
    assert 'processor: b; the reference had a' in text


@pytest.mark.parametrize(
    ('path', 'value', 'words'),
    [
        ('example.recording.sha256', 'd2', 'differs in its bytes'),
        ('checkpoint.id', 'c2', 'checkpoint c2 is not the one of the reference, c1'),
    ],
)
def test_other_inputs_are_told_and_outputs_not_compared(path, value, words):
    found = changed(path, value)
    found['output']['answers'] = [[0.1, 'b'], [0.2, 'b'], [0.3, 'b']]
    text, failed = sentences(found)
    assert not failed
    assert words in text
    assert 'answers differ' not in text
    assert 'probabilities' not in text


@pytest.mark.parametrize(
    ('path', 'value', 'words'),
    [
        ('output.decisions', 2, '2 decisions; the reference has 3'),
        ('output.probabilities', [[0.9, 0.1], [0.22, 0.78]], 'at most 2.0e-02 (1e-03'),
        ('output.probabilities', [[0.9, 0.1], [0.2, math.nan]], 'at most nan (1e-03'),
        ('output.probabilities', [[math.nan, 0.1], [0.2, 0.8]], 'at most nan (1e-03'),
        ('output.answers', [[0.1, 'a'], [0.2, 'b'], [0.3, 'b']], '1 of 3 answers differ'),
        ('ros.agreement', 0.5, '50.0 % of the answers'),
        ('ros.agreement', None, 'no decision speaks of a moment'),
        ('ros.frames', None, 'no account of the frames'),
        (
            'ros.frames',
            account_frames(published=10, received=8, used=8, dropped={}),
            '2 of 10 frames were lost',
        ),
        (
            'ros.frames',
            account_frames(published=10, received=10, used=9, dropped={}),
            '1 are not accounted for',
        ),
    ],
)
def test_faults_fail(path, value, words):
    text, failed = sentences(changed(path, value))
    assert failed
    assert words in text


def test_half_precision_may_differ_more():
    found = changed('output.probabilities', [[0.9, 0.1], [0.22, 0.78]])
    found['run']['device'] = 'cuda, bf16'
    assert not sentences(found)[1]


def test_a_run_without_ros_is_no_failure():
    text, failed = sentences(changed('ros', {'skipped': 'rclpy is not here'}))
    assert not failed
    assert 'not run over ROS: rclpy is not here' in text


def test_records_are_written_for_people_and_read_back():
    made = {'a': [[0.5, 'x y'], [1.0, 'z']], 'b': {'c': [], 'd': None}}
    assert json.loads(compact(made)) == made
    assert '[0.5, "x y"]' in compact(made)


def test_decisions_are_described_by_second_and_answer():
    decisions = [
        Decision(
            t_ns=5_000_000_000 + n * 100_000_000,
            arrival_ns=0,
            status=Status.OK if n % 2 else Status.UNKNOWN,
            class_id=0,
            label='walking',
            confidence=0.5,
            probabilities=[0.25, 0.75],
            logits=[],
            evidence=(),
            window_start_ns=0,
            stable_since_ns=0,
        )
        for n in range(11)
    ]
    truth = [LabelSpan(start_s=0.0, end_s=1.0, label='walking')]
    found = verification.describe(decisions, 5_000_000_000, truth)
    assert found['decisions'] == 11
    assert found['answers'][:2] == [[0.0, '(unknown)'], [0.1, 'walking']]
    assert found['probabilities'] == [[0.25, 0.75]] * 2
    assert found['balanced_accuracy'] == pytest.approx(0.5)


def test_the_example_is_the_same_every_time_and_described_by_its_contents(tmp_path, monkeypatch):
    monkeypatch.setattr(verification, 'SECONDS', 1.0)
    first = verification.example(tmp_path / 'a')['recording']
    again = verification.example(tmp_path / 'b')['recording']
    assert first['sha256'] == again['sha256']
    assert first['messages'] == again['messages'] > 20
    monkeypatch.setattr(verification, 'SEED', 2)
    assert verification.example(tmp_path / 'c')['recording']['sha256'] != first['sha256']


HOLDS_MEMORY = """
import subprocess, sys
pipe, mebibytes, more = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
held = bytearray(b'x') * (mebibytes << 20)
del held
if more:
    subprocess.Popen([sys.executable, '-c', open('/proc/self/cmdline').read().split(chr(0))[2],
                      pipe, *more])
else:
    open(pipe, 'w').close()
sys.stdin.close()
import signal
signal.pause()
"""


def test_memory_is_that_of_the_running_processes_and_what_they_started(tmp_path):
    pipe = tmp_path / 'ready'
    os.mkfifo(pipe)
    with Processes() as processes:
        for name, sizes in (('large', ['200']), ('small', ['20']), ('two', ['150', '50'])):
            processes.start(name, [sys.executable, '-c', HOLDS_MEMORY, str(pipe), *sizes])
            pipe.read_bytes()  # until the last one has opened it
        found = verification.peak_memory_mib(processes)
    assert list(found) == ['large', 'small', 'two']
    assert 200 <= found['large'] < 300
    assert 20 <= found['small'] < 120
    assert 200 <= found['two'] < 400
    assert verification.peak_memory_mib(processes) == {}


@pytest.mark.ros
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_run_over_topics_is_compared_and_its_cost_recorded(start, tmp_path):
    from activity_recognition.models.checkpoint import save_checkpoint
    from factories.networks import TINY, make_system, tokenizer_for

    checkpoint = tmp_path / 'tiny'
    save_checkpoint(checkpoint, make_system(), tokenizer_for(TINY))
    words = ('verify', '--checkpoint', checkpoint, '--device', 'cpu', '--work', tmp_path / 'work')
    first, second = tmp_path / 'first.json', tmp_path / 'second.json'

    alone = start(*words, '--no-ros', '--out', first)
    printed, errors = alone.communicate()
    assert alone.returncode == 0, errors
    assert 'not comparable with the reference: another checkpoint' in printed

    live = start(*words, '--reference', first, '--out', second)
    printed, errors = live.communicate()
    assert 'answers are those of the reference' in printed, errors
    memory = json.loads(second.read_text())['ros']['peak_memory_mib']
    assert set(memory) == {'recognizer', 'player'}
    assert min(memory.values()) > 20


def test_conditions_name_what_results_depend_on():
    found = conditions()
    keys = ('activity_recognition', 'python', 'system', 'processor', 'accelerator', 'memory', 'ros')
    for key in (*keys, 'packages'):
        assert found[key]
    assert 'torch' in package_versions()
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize('content', ['{}', '[]', 'none', '{"schema": 2}'])
def test_a_reference_of_another_kind_is_refused(tmp_path, content):
    path = tmp_path / 'reference.json'
    path.write_text(content)
    with pytest.raises(ConfigError, match=r'reference\.json'):
        read_reference(path)


def test_the_shipped_reference_is_of_this_schema_and_the_shipped_checkpoint():
    from activity_recognition.checkpoint_folder import shipped_checkpoint
    from activity_recognition.models.checkpoint import load_checkpoint

    reference = read_reference(shipped_file('verification_reference.json'))
    assert reference['checkpoint']['id'] == load_checkpoint(shipped_checkpoint('nano')).id
    assert reference['output']['decisions'] > 100
    assert 'skipped' not in reference['ros']
    assert set(reference['depends_on']) == set(verification.DEPENDS_ON)
