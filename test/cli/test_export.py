"""`activity-recognition export`, in this process."""

import json
import shutil

import pytest

from activity_recognition.commands import export as command_module
from activity_recognition.config import EngineConfig
from activity_recognition.inference import StreamingEngine
from activity_recognition.inference.backends.onnx_runtime import OnnxRuntimeBackend
from activity_recognition.models import exporting
from activity_recognition.models.checkpoint import load_checkpoint, save_checkpoint
from activity_recognition.models.exporting import DESCRIPTION, cache_folder
from factories.networks import STEPS, TINY, make_system, tokenizer_for

pytest.importorskip('onnxruntime')
pytest.importorskip('onnxscript')

# Exporting takes long.
pytestmark = pytest.mark.timeout(900)

GRAPHS = sorted(f'{step}.onnx' for step in STEPS)


@pytest.fixture
def saved(tmp_path, monkeypatch):
    """Folder of a tiny checkpoint; the cache is empty."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    folder = tmp_path / 'tiny'
    save_checkpoint(folder, make_system(), tokenizer_for(TINY))
    return folder


@pytest.fixture
def ready(monkeypatch, tiny_export):
    """Spare the minute of exporting once more: the graphs are those of the same weights."""

    def export(system, folder, *, checkpoint):
        exporting._refuse_to_replace(folder)
        exporting.read_description(tiny_export, system)
        return shutil.copytree(tiny_export, folder)

    monkeypatch.setattr(exporting, 'export_steps', export)


def engine_of(saved, backend):
    return StreamingEngine.load(saved, EngineConfig(device='cpu', backend=backend))


def test_into_the_checkpoint_with_eight_bits(command, saved):
    """For real; the engine finds both."""
    folder = saved / 'onnx'
    status, out, _ = command('export', '--checkpoint', saved, '--out', folder, '--int8')
    assert status == 0
    checkpoint = load_checkpoint(saved)
    assert out.splitlines() == [
        f'exporting checkpoint {checkpoint.id}: half a minute on an idle machine',
        f'written: {folder}; its numbers equal those of PyTorch',
        f'written: {folder / "int8"}; `evaluate` measures what 8 bits cost in accuracy',
    ]
    assert sorted(path.name for path in folder.iterdir()) == sorted([*GRAPHS, DESCRIPTION, 'int8'])
    assert sorted(path.name for path in (folder / 'int8').iterdir()) == GRAPHS
    described = json.loads((folder / DESCRIPTION).read_text(encoding='utf-8'))
    assert described['checkpoint'] == checkpoint.id
    for backend in ('onnxruntime', 'onnxruntime-int8'):
        engine = engine_of(saved, backend)
        engine.warm_up()
        assert engine.backend.name == backend
        assert not engine.choice.problem
    assert not cache_folder(checkpoint.system).exists()


def test_by_default_into_the_cache(command, saved, ready, tmp_path):
    status, out, _ = command('export', '--checkpoint', saved)
    folder = cache_folder(make_system())
    assert status == 0
    assert folder.is_relative_to(tmp_path / 'cache')
    assert f'written: {folder}; its numbers equal those of PyTorch\n' in out
    assert 'int8' not in out
    assert sorted(path.name for path in folder.iterdir()) == sorted([*GRAPHS, DESCRIPTION])
    assert engine_of(saved, 'onnxruntime').backend.name == 'onnxruntime'


def test_other_numbers_are_no_success(command, saved, ready, tmp_path, monkeypatch):
    run = OnnxRuntimeBackend.run
    monkeypatch.setattr(
        OnnxRuntimeBackend, 'run', lambda *call: tuple(x + 1e-3 for x in run(*call))
    )
    status, out, err = command(
        'export', '--checkpoint', saved, '--out', tmp_path / 'onnx', '--int8'
    )
    assert status != 0
    assert 'written' not in out
    assert "the step 'frame' by onnxruntime differs from PyTorch" in ' '.join(err.split())


def test_a_wrong_checkpoint_is_one_sentence(command, tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    status, out, err = command('export', '--checkpoint', tmp_path / 'nowhere')
    assert status not in (0, None)
    assert not out
    assert 'expected a checkpoint folder' in err
    assert 'Traceback' not in err
    assert not list(tmp_path.iterdir())


def test_a_folder_with_other_files_is_left_alone(command, saved):
    status, _, err = command('export', '--checkpoint', saved, '--out', saved)
    assert status not in (0, None)
    assert 'found other files; choose another folder' in ' '.join(err.split())
    load_checkpoint(saved)


def test_another_format_is_refused(command):
    status, _, err = command('export', '--format', 'tensorrt')
    assert status == 2
    assert "invalid choice: 'tensorrt'" in err
    assert not command_module.TAKES_ROS_ARGUMENTS
