"""What every test shares: the markers' skips, and that the installed package is under test."""

import importlib.util
import os
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]

# Where several processes test, what one publishes is nothing to the others.
if worker := os.environ.get('PYTEST_XDIST_WORKER'):
    number = int(os.environ.get('ROS_DOMAIN_ID') or 0) + 1 + int(worker.removeprefix('gw'))
    os.environ['ROS_DOMAIN_ID'] = str(number % 101)

# The machine may be slow or shared: no time limits for single examples.
settings.register_profile('shared-machine', deadline=None)
settings.load_profile('shared-machine')


# A shell that starts the tests in the background has them, and all they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to test the source folder, which lacks the messages and training/."""
    spec = importlib.util.find_spec('activity_recognition')
    found = Path(spec.origin).parent if spec and spec.origin else None
    if found in (None, ROOT / 'activity_recognition'):
        pytest.exit(
            f'expected the installed activity_recognition, got {found}: '
            'run `make test`, or `tools/run pytest`',
            returncode=4,
        )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what this machine cannot run."""
    for item in items:
        for marker in item.iter_markers():
            reason = REASONS_TO_SKIP.get(marker.name, lambda: None)()
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope='session', autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give the tests, and all they start, a cache of their own: no export of the user's is found.

    What other programs cache is linked, so that nothing is downloaded or built again. The verdict
    on the executor is copied: it is on the installation, and without it every node starts a trial.
    """
    users = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache')
    folder = tmp_path_factory.mktemp('cache')
    ours = folder / 'activity_recognition'
    ours.mkdir()
    for path in users.iterdir() if users.is_dir() else ():
        if path.name != ours.name:
            (folder / path.name).symlink_to(path)
    for path in (users / ours.name).glob('events_executor-*'):
        shutil.copy(path, ours)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(folder))
        yield folder


@pytest.fixture(scope='session')
def tiny_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the exported steps of the tiny network, never to be changed."""
    pytest.importorskip('onnxscript')
    from activity_recognition.models.exporting import export_steps
    from factories.networks import make_system

    folder = tmp_path_factory.mktemp('exported') / 'onnx'
    return export_steps(make_system(), folder, checkpoint='made-up')


@pytest.fixture(scope='session')
def real_recordings() -> Path:
    """Folder with recordings of real scenes; tests that use it carry the marker `real`."""
    return recordings_folder()


@pytest.fixture(scope='session')
def shared_case() -> Callable[[str], Path]:
    """Return the folder of a named input that broke something; tests carry the marker `real`."""

    def find(name: str) -> Path:
        folder = recordings_folder().parent / 'cases' / name
        if not folder.is_dir():
            pytest.skip(f'no folder {folder}: set ACTIVITY_RECOGNITION_DATA to the one beside it')
        return folder

    return find


@pytest.fixture
def weights_folder(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder with pretrained networks, which is then looked through; tests carry `real`."""
    return _look_for_weights(monkeypatch)


@pytest.fixture(scope='module')
def weights_of_module() -> Iterator[Path]:
    """The same for all tests of a module."""
    with pytest.MonkeyPatch.context() as patch:
        yield _look_for_weights(patch)


def _look_for_weights(patch: pytest.MonkeyPatch) -> Path:
    named = os.environ.get('ACTIVITY_RECOGNITION_WEIGHTS')
    folder = Path(named) if named else recordings_folder().parent / 'weights'
    if not folder.is_dir():
        pytest.skip(f'no pretrained networks at {folder}: set ACTIVITY_RECOGNITION_WEIGHTS')
    patch.setenv('ACTIVITY_RECOGNITION_WEIGHTS', str(folder))
    return folder


@pytest.fixture
def small_files() -> AbstractContextManager[None]:
    """A context in which no file grows beyond 16 KiB, as on a disk that is full."""

    @contextmanager
    def limited() -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (16 * 1024, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited()


def recordings_folder() -> Path:
    """Where recordings of real scenes are: ACTIVITY_RECOGNITION_DATA, or beside the checkout."""
    return Path(os.environ.get('ACTIVITY_RECOGNITION_DATA', ROOT.parent / 'shared' / 'data'))


def _without_gpu() -> str | None:
    import torch

    return None if torch.cuda.is_available() else 'no CUDA device'


def _without_ros() -> str | None:
    return None if importlib.util.find_spec('rclpy') else 'no ROS 2: rclpy is not installed'


def _without_recordings() -> str | None:
    folder = recordings_folder()
    found = folder.is_dir()
    return None if found else f'no recordings at {folder}: set ACTIVITY_RECOGNITION_DATA'


REASONS_TO_SKIP = {'gpu': _without_gpu, 'ros': _without_ros, 'real': _without_recordings}
