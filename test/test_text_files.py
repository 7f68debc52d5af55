"""Text files of others: what is refused and how, and mutations of every format that is read."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from torch import nn

from activity_recognition.bags import RecordingReader, read_labels, scan_labels
from activity_recognition.bags.label_studio import scan_label_studio
from activity_recognition.bags.subtitles import read_subtitles
from activity_recognition.commands.bench import read_record
from activity_recognition.commands.verify import read_reference
from activity_recognition.config import ModelConfig, RecognizerConfig
from activity_recognition.config_io import (
    build_config,
    load_config,
    load_model_config,
    read_yaml,
    shipped_file,
    to_mapping,
)
from activity_recognition.errors import (
    MESSAGE_LIMIT,
    ActivityRecognitionError,
    ConfigError,
    RecordingError,
    printable,
    quoted,
)
from activity_recognition.inference.trace_file import read_trace
from activity_recognition.models.tokenizer import TextTokenizer, train_tokenizer
from activity_recognition.parameter_files import parameter_text
from activity_recognition.reporting.metrics import read_metrics
from activity_recognition.simulation.config import SimulationConfig
from activity_recognition.text_files import (
    exists,
    label_fault,
    parse_json,
    parse_yaml,
    read_json,
    read_rows,
    read_text,
)
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.data.splits import scan_splits
from activity_recognition.training.data.store import Store
from activity_recognition.training.evaluation import schema
from activity_recognition.training.evaluation.gate import read_acceptance
from activity_recognition.training.run.state import Progress, load_state, save_state
from activity_recognition.training.sharding.manifest import read_manifest
from factories.mutations import BOMB, mutations
from factories.parameters import read_parameter_file


class TestQuoted:
    @pytest.mark.parametrize(
        'value', ['a', 'it\'s "x"', 3, -2.5, None, True, ['a', 1], {'a': [1]}, ('x',), b'x', set()]
    )
    def test_what_is_short_is_shown_as_it_is(self, value):
        assert quoted(value) == repr(value)

    @pytest.mark.parametrize(
        'value',
        ['a' * 10**7, [['a' * 10**6] * 1000] * 1000, {str(n): 'x' * 99 for n in range(10**4)}],
    )
    def test_what_is_long_is_cut(self, value):
        assert len(quoted(value)) <= 105

    def test_a_number_that_python_refuses_to_write(self):
        assert quoted(10**6000) == 'an integer of 19932 bits'

    def test_the_work_is_bounded_too(self):
        bomb = ['x']
        for _ in range(40):
            bomb = [bomb] * 9
        assert len(quoted(bomb)) <= 105

    @pytest.mark.parametrize(
        'text', ['\x1b[2J', '\x07', '\x9b', '\u202e', '\u2028', '\udcff', '\r']
    )
    def test_nothing_that_steers_a_terminal_is_left(self, text):
        for shown in (quoted(text), printable(f'a{text}b'), str(RecordingError(text))):
            assert text not in shown
            shown.encode('utf-8')

    def test_messages_are_bounded_and_keep_both_ends(self):
        message = str(RecordingError('file.csv: ' + 'x' * 10**6 + '; convert it'))
        assert len(message) == MESSAGE_LIMIT
        assert message.startswith('file.csv: xxx')
        assert message.endswith('xxx; convert it')
        assert printable('a\tb\nc – ü 👋') == 'a\tb\nc – ü 👋'


class TestText:
    def test_names_that_cannot_be(self, tmp_path):
        for name in ('a' * 300, 'a\0b', 'nothing'):
            assert not exists(tmp_path / name)
            with pytest.raises(ConfigError, match='cannot read the words'):
                read_text(tmp_path / name, ConfigError, what='the words')
        for unreadable in (read_yaml, read_labels, read_subtitles, read_metrics):
            with pytest.raises(ActivityRecognitionError):
                unreadable(tmp_path / f'{"a" * 300}.srt')
        assert scan_splits(tmp_path / ('a' * 300)) == ({}, [])

    def test_what_is_no_file_is_not_waited_for(self, tmp_path):
        os.mkfifo(tmp_path / 'pipe')
        for name, kind in (('pipe', 'a pipe'), ('.', 'a folder')):
            with pytest.raises(ConfigError, match=f'expected a file, found {kind}'):
                read_text(tmp_path / name, ConfigError, what='the words')
        with pytest.raises(ConfigError, match='found a device'):
            read_text('/dev/zero', ConfigError, what='the words')

    def test_a_file_may_be_as_large_as_its_reader_says(self, tmp_path):
        (tmp_path / 'a').write_bytes(b'12345')
        assert read_text(tmp_path / 'a', ConfigError, what='it', limit_bytes=5) == '12345'
        with pytest.raises(ConfigError, match='expected at most 4 bytes'):
            read_text(tmp_path / 'a', ConfigError, what='it', limit_bytes=4)

    def test_marks_of_byte_order(self, tmp_path):
        for encoding in ('utf-8-sig', 'utf-16'):
            (tmp_path / 'a').write_text('é,b\n', encoding=encoding)
            assert read_rows(tmp_path / 'a', RecordingError, what='it') == ([(1, ['é', 'b'])], None)
        with pytest.raises(ConfigError, match=r'it is not UTF-8: .* at byte 0; convert it'):
            read_text(tmp_path / 'a', ConfigError, what='it')

    @pytest.mark.parametrize(
        ('label', 'fault'),
        [
            (' ', 'empty'),
            ('a' * 201, 'at most 200 characters, got 201'),
            ('a\x1b[31m', 'control characters'),
            ('a\nb', 'on one line'),
            ('a\ud800', 'control characters'),
        ],
    )
    def test_labels_that_go_nowhere(self, label, fault):
        assert fault in label_fault(label)
        with pytest.raises(ConfigError, match='labels: '):
            ModelConfig(labels=('none', label))
        assert label_fault('[/x] große Geste 👋 <b>') is None


class TestYaml:
    @pytest.mark.parametrize(
        ('text', 'line', 'reason'),
        [
            ('a: 1\nb: 2026-99-99', 2, "'2026-99-99' cannot be read as timestamp"),
            ('a: 0x_', 1, "'0x_' cannot be read as int"),
            ('a: 0b_', 1, 'cannot be read as int'),
            (f'a: {"9" * 5000}', 1, 'cannot be read as int'),
            (f'a: {"9" * 60}', 1, 'expected integers of 64 bits'),
            (f'a: {"1:" * 4000}1', 1, 'cannot be read as int'),
            ('a: !!bool maybe', 1, "'maybe' cannot be read as bool"),
            ('a: !!timestamp soon', 1, "'soon' cannot be read as timestamp"),
            ('a: !!int ""', 1, 'cannot be read as int'),
            ('a: !!float x', 1, "'x' cannot be read as float"),
            ('a: ' + '[' * 5000, 1, 'nested more than 40 levels deep'),
            ('- ' * 5000, 1, 'nested more than 40 levels deep'),
            ('a: ' + '{b: ' * 60, 1, 'nested more than 40 levels deep'),
            ('a: 1\n\na: 2', 3, "the key 'a' stands twice"),
            ('a: &b [*b]', 1, 'an alias inside of what it stands for'),
            ('a: *b', 1, 'found undefined alias'),
            ('a: "\\ud800"', 1, 'half of a pair'),
            ('a: !!python/name:os.system x', 1, 'could not determine a constructor'),
            ('[a]: b', 1, None),
            ('a: 1\n--- {}\n', 2, 'but found another document'),
        ],
    )
    def test_what_it_cannot_hold_is_refused_with_a_line(self, tmp_path, text, line, reason):
        path = tmp_path / 'recipe.yaml'
        path.write_text(text, encoding='utf-8')
        with pytest.raises(ConfigError) as caught:
            load_config(TrainConfig, path)
        assert str(caught.value).startswith(f'{path}:{line} is not YAML: ')
        assert reason is None or reason in str(caught.value)
        assert len(str(caught.value)) < 1000

    def test_aliases_are_bounded_written_out(self, tmp_path):
        path = tmp_path / 'recipe.yaml'
        path.write_bytes(BOMB)
        assert len(BOMB) < 500
        with pytest.raises(ConfigError, match='more than 50000 values, aliases') as caught:
            load_config(TrainConfig, path)
        assert len(str(caught.value)) < 1000
        with pytest.raises(ConfigError, match='more than 50000 values'):
            parse_yaml(BOMB.decode().replace('preset: *i', '<<: [*h, *h]'), ConfigError, where='x')

    def test_merged_keys_may_be_overridden(self):
        text = 'base: &base {a: 1, b: 2}\nother: {<<: *base, b: 3}\nagain: *base\n'
        value = parse_yaml(text, ConfigError, where='x')
        base = {'a': 1, 'b': 2}
        assert value == {'base': base, 'other': {**base, 'b': 3}, 'again': base}

    @pytest.mark.parametrize(
        ('text', 'fault'),
        [
            ('epochs: 2026-01-01', r'epochs: expected int, got datetime.date\(2026, 1, 1\)'),
            ('learning_rate: .inf', 'learning_rate: expected a finite number, got inf'),
            ('learning_rate: .nan', 'learning_rate: expected a finite number, got nan'),
            ('learning_rate: 1e999', 'learning_rate: expected a finite number, got inf'),
            ('learning_rate: 1.0e+999', 'learning_rate: expected a finite number, got inf'),
            ('epochs: [[[[1]]]]', 'epochs: expected int, got'),
            ('3: 4', "unknown key '3'"),
            ('"\\e[2J": 4', r"unknown key '\\x1b\[2J'"),
        ],
    )
    def test_values_of_another_kind_are_named(self, tmp_path, text, fault):
        path = tmp_path / 'recipe.yaml'
        path.write_text(text, encoding='utf-8')
        with pytest.raises(ConfigError, match=fault):
            load_config(TrainConfig, path)

    def test_an_architecture_holds_what_json_can(self, tmp_path):
        path = tmp_path / 'model.yaml'
        for value in ('2026-01-01', '.nan', '!!set {x}', '!!binary aGk='):
            path.write_text(f'text: {{architecture: {{a: {value}}}}}', encoding='utf-8')
            with pytest.raises(ConfigError, match='expected an architecture that JSON can hold'):
                load_model_config(str(path))

    @pytest.mark.parametrize(
        'text',
        [
            '/**/recognizer: text',
            '/**/recognizer: [ros__parameters]',
            '/**/recognizer: {ros__parameters: text}',
            '/**/recognizer: {ros__parameters: [1]}',
            '/**/recognizer: {ros__parameters: {3: 4}}',
            '/**/recognizer: {ros__parameters: {sync: 3, sync.decision_rate_hz: 5.0}}',
            '/**/recognizer: {ros__parameters: {sync: {decision_rate_hz: {a: 1}}}}',
        ],
    )
    def test_parameter_files_of_another_shape(self, tmp_path, text):
        path = tmp_path / 'robot.yaml'
        path.write_text(text, encoding='utf-8')
        with pytest.raises(ConfigError, match=re.escape(str(path))):
            read_parameter_file(path, RecognizerConfig)


class TestJson:
    @pytest.mark.parametrize(
        ('text', 'reason'),
        [
            ('[' * 100_000, 'nested too deep'),
            ('{"a":' * 100_000, 'nested too deep'),
            ('9' * 5000, '5000 digits'),
            ('[1e999]', "'1e999' is too large"),
            ('[NaN]', 'got NaN'),
            ('{"a": 1, "a": 2}', "the key 'a' stands twice"),
            ('["\\ud800"]', 'half of a pair'),
            ('[\n\n1,]', 'line 3'),
            (b'["\xff"]', 'not UTF-8'),
        ],
    )
    def test_what_json_takes_and_we_do_not(self, text, reason):
        with pytest.raises(RecordingError) as caught:
            parse_json(text, RecordingError, where='x.json', advice='write it again')
        assert str(caught.value).startswith('x.json: cannot read it (not JSON: ')
        assert str(caught.value).endswith('; write it again')
        assert reason in str(caught.value)

    def test_the_rest_is_read(self):
        text = '{"a": [1, -2.5e3, "\\ud83d\\ude00", null], "b": 9223372036854775807}'
        assert parse_json(text, RecordingError, where='x') == json.loads(text)


# --- Mutations of every format ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Format:
    """A format that is read, a good file of it, and what reads it."""

    file: str
    """Name of the file in a folder of its own."""
    seed: bytes
    read: Callable[[Path], Sequence[str]]
    """Reads the file; returns what it says is wrong instead of raising."""


def table() -> bytes:
    return b'start_s,end_s,label\n0,2.5,none\n2.5,4,"wave, both"\n4,7,[/x]\n'


def export() -> bytes:
    ranges = [{'start': 1, 'end': 25}, {'start': 30, 'end': 50}]
    results = [
        {'id': 'a', 'type': 'timelinelabels', 'value': {'ranges': [r], 'timelinelabels': ['wave']}}
        for r in ranges
    ]
    annotations = [{'id': 1, 'was_cancelled': False, 'result': results}]
    data = {'video': 'x', 'frame_rate': '30000/1001'}
    return json.dumps([{'id': 1, 'data': data, 'annotations': annotations}]).encode()


SRT = b"""\
1
00:00:01,000 --> 00:00:02,500
<i>Could</i> you

2
00:01:00,250 --> 00:01:02,000
x &amp; y
"""
VTT = b"""\
WEBVTT

NOTE x

a
00:01.000 --> 00:02.500 line:0
<v Ann>Could &lt;3

00:03.000 --> 00:04.000
you
"""


def write_bag(folder: Path) -> bytes:
    """Write a recording of one message; return its metadata."""
    types, name = get_typestore(Stores.ROS2_JAZZY), 'std_msgs/msg/String'
    with Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection('/a', name, typestore=types)
        writer.write(connection, 5, types.serialize_cdr(types.types[name](data='x'), name))
    return (folder / 'metadata.yaml').read_bytes()


def bag_opener(bag: Path) -> Callable[[Path], object]:
    def open_bag(path: Path) -> None:
        for storage in bag.glob('*.mcap'):
            if not (path.parent / storage.name).exists():
                shutil.copy(storage, path.parent)
        with RecordingReader(path.parent) as reader:
            assert isinstance(reader.topics, tuple)

    return open_bag


def trace() -> bytes:
    head = {'trace': 1, 'checkpoint': 'abc', 'labels': ['none', 'a'], 'device': 'cpu'}
    head = {**head, 'smoothing': {}}
    window = {
        'reset': False,
        'samples': [['video', 5, 6, 'ff'], ['text', 7, 8, 'ab']],
        'decision': [5, 6, 0, 1],
        'logits': [0.5, -0.25],
    }
    count = {'received': 3, 'dropped': {'late': 1}}
    counts = {'counts': dict.fromkeys(('video', 'audio', 'text'), count)}
    end = {**counts, 'decisions_skipped': 0, 'failed_steps': 0}
    return b''.join(json.dumps(line).encode() + b'\n' for line in (head, window, end))


def manifest() -> bytes:
    shard = {'name': 'a/00000.tar', 'sha256': 'ab', 'size_bytes': 3, 'samples': 1}
    recording = {'name': 'a', 'key': 'k', 'start_ns': 5, 'dropped': 0, 'labels': [[0, 1.5, 'wave']]}
    recordings = [{**recording, 'split': 'train', 'group': '', 'shards': [shard]}]
    left_out = [{'name': 'b', 'reason': 'damaged'}]
    content = {'schema': 1, 'preprocessing': {'a': 1}, 'wide_px': 0}
    return json.dumps({**content, 'recordings': recordings, 'left_out': left_out}).encode()


def tokenizer(folder: Path) -> bytes:
    trained = train_tokenizer(['set the table', 'wave'], vocab_size=64, max_length=8)
    trained.save(folder / 'tokenizer.json')
    return (folder / 'tokenizer.json').read_bytes()


def network() -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    module = nn.Linear(2, 2)
    optimiser = torch.optim.AdamW(module.parameters())
    module(torch.ones(1, 2)).sum().backward()
    optimiser.step()
    return module, optimiser


def state(folder: Path) -> bytes:
    module, optimiser = network()
    save_state(folder / 'state', Progress(fingerprint='abc', step=3), {'model': module}, optimiser)
    return (folder / 'state').read_bytes()


def read_state(path: Path) -> None:
    module, optimiser = network()
    load_state(path, {'model': module}, optimiser)
    # What is loaded has to carry a step, too.
    module(torch.ones(1, 2)).sum().backward()
    optimiser.step()


def raising(read: Callable[[Path], object]) -> Callable[[Path], Sequence[str]]:
    def problems(path: Path) -> Sequence[str]:
        try:
            read(path)
        except ActivityRecognitionError as error:
            return [str(error)]
        return []

    return problems


def splits(path: Path) -> Sequence[str]:
    for name in ('a', 'b'):
        (path.parent / name).mkdir(exist_ok=True)
        (path.parent / name / 'metadata.yaml').touch()
    return scan_splits(path.parent)[1]


def formats(folder: Path) -> dict[str, Format]:
    """Return every format, with a good file of it."""
    evaluation = json.dumps(
        {key: {'a': [1, None]} for key in schema.SECTIONS}
        | {'schema_version': schema.SCHEMA_VERSION}
    ).encode()
    sharded = raising(lambda path: read_manifest(Store(path.parent)))
    model = json.dumps(to_mapping(ModelConfig())).encode()
    preset = shipped_file('models/clips.yaml').read_bytes()
    recipe = shipped_file('train/nano_simulated.yaml').read_bytes()
    metadata = write_bag(folder / 'bag')
    parameters = parameter_text(RecognizerConfig(subject_id='x', streams=('a', 'b')))
    return {
        'labels': Format('labels.csv', table(), lambda p: scan_labels(p).problems),
        'label studio': Format('labels.json', export(), lambda p: scan_label_studio(p).problems),
        'srt': Format('a.srt', SRT, raising(read_subtitles)),
        'vtt': Format('a.vtt', VTT, raising(read_subtitles)),
        'splits': Format('splits.csv', b'recording,split,group\na,train,\nb,test,g\n', splits),
        'recipe': Format('a.yaml', recipe, raising(lambda p: load_config(TrainConfig, p))),
        'preset': Format('a.yaml', preset, raising(lambda p: load_model_config(str(p)))),
        'scene': Format(
            'a.yaml',
            b'seed: 3\nduration_s: 20.0\nactivities: [none, walking]\n',
            raising(lambda p: load_config(SimulationConfig, p)),
        ),
        'acceptance': Format(
            'a.yaml', shipped_file('acceptance.yaml').read_bytes(), raising(read_acceptance)
        ),
        'parameters': Format(
            'a.yaml',
            parameters.encode(),
            raising(lambda p: read_parameter_file(p, RecognizerConfig)),
        ),
        'model': Format(
            'config.json',
            model,
            raising(lambda p: build_config(ModelConfig, _object(p))),
        ),
        'evaluation': Format(
            'metrics.json', evaluation, raising(lambda p: schema.read_metrics(p.parent))
        ),
        'reference': Format(
            'a.json',
            shipped_file('verification_reference.json').read_bytes(),
            raising(read_reference),
        ),
        'costs': Format('a.json', b'{"schema": 1, "a": [1, 2]}', raising(read_record)),
        'trace': Format('a.jsonl', trace(), raising(read_trace)),
        'manifest': Format('manifest.json', manifest(), sharded),
        'tokenizer': Format(
            'tokenizer.json',
            tokenizer(folder),
            raising(lambda p: TextTokenizer.load(p, max_length=8)),
        ),
        'state': Format('state', state(folder), raising(read_state)),
        'metadata': Format('metadata.yaml', metadata, raising(bag_opener(folder / 'bag'))),
    }


def _object(path: Path) -> dict[str, object]:
    value = read_json(path, ConfigError, what='it')
    if not isinstance(value, dict):
        raise ConfigError(f'expected an object, got {quoted(value)}')
    return value


@pytest.fixture(scope='module')
def every_format(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Format]:
    return formats(tmp_path_factory.mktemp('good'))


NAMES = (
    *('labels', 'label studio', 'srt', 'vtt', 'splits', 'recipe', 'preset', 'scene', 'acceptance'),
    *('parameters', 'model', 'evaluation', 'reference', 'costs', 'trace', 'manifest', 'tokenizer'),
    *('state', 'metadata'),
)
STEERING = re.compile(r'[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\u2028\ud800-\udfff]')


def run_mutations(chosen: Format, folder: Path, count: int, number: int) -> tuple[int, int]:
    """Read mutations; return how many were refused and how many were read."""
    refused = 0
    path = folder / chosen.file
    for content in mutations(chosen.seed, count, number):
        path.write_bytes(content)
        problems = chosen.read(path)
        refused += bool(problems)
        for problem in problems:
            assert len(problem) <= 1000 + len(str(folder)), (content, problem)
            assert not STEERING.search(problem), (content, problem)
    return refused, count - refused


def test_a_recording_whose_metadata_explodes(every_format, tmp_path):
    chosen = every_format['metadata']
    bomb = BOMB.replace(b'preset: *i\n', b'')
    for key in (b'storage_identifier: mcap', b'version: 9'):
        assert key in chosen.seed
        alias = key.partition(b':')[0] + b': *h'
        (tmp_path / chosen.file).write_bytes(bomb + chosen.seed.replace(key, alias))
        (problem,) = chosen.read(tmp_path / chosen.file)
        assert 'aliases written out' in problem
        assert '`ros2 bag reindex' in problem
        assert len(problem) < 1000


def test_every_format_is_named(every_format):
    assert set(NAMES) == set(every_format)


@pytest.mark.parametrize('name', NAMES)
def test_mutations_end_in_nothing_but_sentences(name, every_format, tmp_path):
    chosen = every_format[name]
    (tmp_path / chosen.file).write_bytes(chosen.seed)
    good = chosen.read(tmp_path / chosen.file)
    assert not good, 'the file is refused before it is changed'
    refused, _ = run_mutations(chosen, tmp_path, 30, NAMES.index(name))
    assert refused


@pytest.mark.slow
@pytest.mark.parametrize('name', NAMES)
def test_many_mutations_end_in_nothing_but_sentences(name, every_format, tmp_path):
    refused, read = run_mutations(every_format[name], tmp_path, 400, 100 + NAMES.index(name))
    assert refused
    assert read
