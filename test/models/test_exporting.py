"""Steps as ONNX files: what the folder says of itself, and which folders are refused."""

import importlib.util
import json
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from activity_recognition import __version__
from activity_recognition.errors import BackendError, MissingExtraError
from activity_recognition.models import exporting
from activity_recognition.models.examples import example_inputs
from activity_recognition.models.exporting import (
    DESCRIPTION,
    SCHEMA,
    cache_folder,
    export_steps,
    read_description,
    weights_digest,
)
from activity_recognition.models.step_spec import Sizes
from activity_recognition.models.steps import Steps
from factories.networks import MOVING, STEPS, TINY, WRAPPING, make_system

# The first that needs the export waits for it.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope='module')
def system():
    return make_system()


@pytest.fixture
def copied(tiny_export, tmp_path):
    """A copy of the export, to be damaged."""
    return Path(shutil.copytree(tiny_export, tmp_path / 'onnx'))


def describe(folder, **changes):
    """Change what ``steps.json`` says."""
    path = folder / DESCRIPTION
    found = json.loads(path.read_text(encoding='utf-8')) | changes
    path.write_text(json.dumps(found), encoding='utf-8')


def test_the_description_says_what_the_graphs_are_of(tiny_export, system):
    found = read_description(tiny_export, system)
    assert found['schema_version'] == SCHEMA
    assert found['activity_recognition'] == __version__
    assert found['torch'] == torch.__version__
    assert found['opset'] == 23
    assert found['checkpoint'] == 'made-up'
    assert found['labels'] == list(TINY.labels)
    assert found['windows_s'] == {'video': 1.0, 'audio': 1.0, 'text': 5.0}
    assert found['max_tokens'] == {'video': 24, 'audio': 26, 'text': 4}
    assert tuple(found['steps']) == STEPS
    assert sorted(path.name for path in tiny_export.iterdir()) == sorted(
        [DESCRIPTION, *(f'{step}.onnx' for step in STEPS)]
    )


def test_the_description_says_what_goes_in_and_comes_out(tiny_export, system):
    """As the files themselves have it."""
    onnxruntime = pytest.importorskip('onnxruntime')
    described = read_description(tiny_export, system)['steps']
    inputs = example_inputs(system, Sizes())
    for step in STEPS:
        session = onnxruntime.InferenceSession(
            tiny_export / described[step]['file'], providers=['CPUExecutionProvider']
        )
        names = [entry['name'] for entry in described[step]['inputs']]
        assert names == [entry.name for entry in session.get_inputs()]
        assert described[step]['outputs'] == [entry.name for entry in session.get_outputs()]
        for entry, taken, tensor in zip(
            described[step]['inputs'], session.get_inputs(), inputs[step], strict=True
        ):
            assert entry['dtype'] == str(tensor.dtype).removeprefix('torch.')
            assert entry['dimensions'] == tensor.dim() == len(taken.shape)
    assert [entry['name'] for entry in described['chunk']['inputs']] == ['spectrogram', 'past']
    assert described['decision']['outputs'] == ['logits']


def test_the_digest_is_of_weights_and_architecture():
    digest = weights_digest(make_system())
    assert len(digest) == 16
    int(digest, 16)
    assert weights_digest(make_system()) == digest
    others = [
        make_system(seed=1),
        make_system(WRAPPING),
        make_system(MOVING),
        make_system(dtype=torch.float64),
    ]
    with torch.no_grad():
        slightly = make_system()
        slightly.classifier.bias[-1] += 1e-6
    assert len({digest, *map(weights_digest, [*others, slightly])}) == 6


def test_other_weights_are_refused(tiny_export, system):
    other = make_system(seed=1)
    with pytest.raises(BackendError, match='expected the steps of weights') as refusal:
        read_description(tiny_export, other)
    for words in (weights_digest(other), weights_digest(system), 'activity-recognition export'):
        assert words in str(refusal.value)


def test_a_folder_without_an_export_is_refused(tmp_path, system):
    for folder in (tmp_path, tmp_path / 'nowhere'):
        with pytest.raises(BackendError, match=r'steps in .*, found none; export it'):
            read_description(folder, system)


@pytest.mark.parametrize('text', ['', '{"schema_version": 1', 'steps', '\x00'])
def test_a_damaged_description_is_refused(copied, system, text):
    (copied / DESCRIPTION).write_text(text, encoding='utf-8')
    with pytest.raises(BackendError, match=r'steps.json cannot be read: .*; export it .*once more'):
        read_description(copied, system)


def test_a_description_that_is_no_text_is_refused(copied, system):
    (copied / DESCRIPTION).write_bytes(b'\xff\xfe\x00')
    with pytest.raises(BackendError, match='cannot be read'):
        read_description(copied, system)


@pytest.mark.parametrize('schema', [0, 1, str(SCHEMA), None])
def test_another_schema_is_refused(copied, system, schema):
    describe(copied, schema_version=schema)
    expected = f'expected schema_version {SCHEMA}, got {schema!r}; export'
    with pytest.raises(BackendError, match=expected):
        read_description(copied, system)


def test_a_description_that_is_a_list_is_refused(copied, system):
    (copied / DESCRIPTION).write_text('[1]', encoding='utf-8')
    with pytest.raises(BackendError, match=f'expected schema_version {SCHEMA}, got None'):
        read_description(copied, system)


def test_a_folder_with_other_files_is_not_replaced(tmp_path, system):
    letter = tmp_path / 'letter.txt'
    letter.write_text('dear robot', encoding='utf-8')
    for place in (tmp_path, letter):
        with pytest.raises(BackendError, match='found other files; choose another folder'):
            export_steps(system, place, checkpoint='made-up')
    assert list(tmp_path.iterdir()) == [letter]
    assert letter.read_text(encoding='utf-8') == 'dear robot'


@pytest.mark.parametrize(
    ('missing', 'words'),
    [(('onnx',), 'onnx'), (('onnx', 'onnxscript'), 'onnx and onnxscript')],
)
def test_missing_packages_are_named(tmp_path, system, monkeypatch, missing, words):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, 'find_spec', lambda name, *rest: None if name in missing else find(name)
    )
    with pytest.raises(MissingExtraError, match=rf'needs {words}: pip install .*\[onnx\]'):
        export_steps(system, tmp_path / 'onnx', checkpoint='made-up')
    assert not list(tmp_path.iterdir())


class Stop(BaseException):
    """What ends an export in the middle, as Ctrl-C does."""


@pytest.mark.parametrize('before', [False, True], ids=['first', 'again'])
def test_an_export_that_ends_in_the_middle_leaves_what_there_was(
    tiny_export, tmp_path, system, monkeypatch, before
):
    folder = tmp_path / 'below' / 'onnx'
    if before:
        shutil.copytree(tiny_export, folder)
    written = []

    def export(spec, step, arguments, staged, opset):
        if len(written) == 2:
            raise Stop
        (staged / f'{spec.name}.onnx').write_bytes(b'half')
        written.append(spec.name)
        return {}

    monkeypatch.setattr(exporting, '_export', export)
    with pytest.raises(Stop):
        export_steps(system, folder, checkpoint='made-up')
    assert len(written) == 2
    assert list(folder.parent.iterdir()) == ([folder] if before else [])
    if before:
        assert read_description(folder, system)['checkpoint'] == 'made-up'
        assert (folder / 'frame.onnx').read_bytes() == (tiny_export / 'frame.onnx').read_bytes()


def test_steps_that_took_other_inputs_are_refused(copied, tiny_export):
    """As those of key points that an earlier version exported."""
    system = make_system()
    steps = read_description(tiny_export, system)['steps']
    steps['frame']['inputs'][0]['name'] = 'pictures'
    describe(copied, steps=steps)
    with pytest.raises(BackendError) as caught:
        read_description(copied, system)
    assert "the step 'frame' with the inputs images, got 'pictures'" in str(caught.value)
    assert 'activity-recognition export' in str(caught.value)


def test_an_export_replaces_an_older_one(copied, monkeypatch):
    (copied / 'int8').mkdir()
    monkeypatch.setattr(exporting, '_export', lambda *_: {'file': 'new'})
    newer = make_system(seed=1)
    assert export_steps(newer, copied, checkpoint='newer') == copied
    assert read_description(copied, newer)['checkpoint'] == 'newer'
    assert [path.name for path in copied.iterdir()] == [DESCRIPTION], 'what was of the older one'
    assert [path.name for path in copied.parent.iterdir()] == ['onnx']


class AsksItsInput(nn.Module):
    """Goes another way for dark images, which no graph can follow."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, images):
        tokens = self.inner(images)
        return -tokens if images.float().mean() < 10 else tokens


class Factorises(AsksItsInput):
    """Uses an operator that ONNX lacks."""

    def forward(self, images):
        tokens = self.inner(images)
        return tokens + torch.linalg.lu_factor(tokens[:, :, None] * tokens[:, None])[0][..., 0]


@pytest.mark.parametrize(
    ('kind', 'words'),
    [(AsksItsInput, 'data-dependent'), (Factorises, 'linalg_lu_factor')],
)
def test_what_cannot_be_exported_is_one_sentence(tmp_path, system, monkeypatch, kind, words):
    class OtherSteps(Steps):
        def __init__(self, system):
            super().__init__(system)
            self.frame = kind(self.frame)

    monkeypatch.setattr(exporting, 'Steps', OtherSteps)
    with pytest.raises(BackendError, match="the step 'frame' of this network cannot") as refusal:
        export_steps(system, tmp_path / 'onnx', checkpoint='made-up')
    told = str(refusal.value)
    assert words in told
    assert told.endswith("it runs with engine.backend 'torch'")
    assert '\n' not in told
    assert '\x1b' not in told
    assert not list(tmp_path.iterdir())


@pytest.fixture
def home(monkeypatch, tmp_path):
    monkeypatch.setattr(Path, 'home', lambda: tmp_path)
    return tmp_path


@pytest.mark.parametrize('unset', [True, False], ids=['unset', 'empty'])
def test_the_cache_is_in_the_home_folder(home, monkeypatch, system, unset):
    if unset:
        monkeypatch.delenv('XDG_CACHE_HOME')
    else:
        monkeypatch.setenv('XDG_CACHE_HOME', '')
    expected = home / '.cache' / 'activity_recognition' / 'onnx' / weights_digest(system)
    assert cache_folder(system) == expected


def test_the_cache_follows_the_xdg_variable(monkeypatch, tmp_path, system):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    folder = cache_folder(system)
    assert folder == tmp_path / 'activity_recognition' / 'onnx' / weights_digest(system)
    assert cache_folder(make_system(seed=1)).parent == folder.parent != folder


def test_the_tests_have_a_cache_of_their_own(own_cache, system):
    assert cache_folder(system).is_relative_to(own_cache)
    assert not cache_folder(system).exists()
