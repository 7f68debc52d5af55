"""Networks are found in the user's folder and in the cache, and only the registered ones."""

import hashlib
import os
from pathlib import Path

import pytest

from activity_recognition.errors import WeightsError
from activity_recognition.weights import entries, find_weights
from activity_recognition.weights import finding as module
from activity_recognition.weights.entries import register
from activity_recognition.weights.finding import FOLDER_VARIABLE, places
from factories.weights import FILES, entry, file_entry, install, package_source, put, write_register

pytestmark = pytest.mark.usefixtures('made_up')


def test_what_is_nowhere_is_answered_with_the_command(cache):
    with pytest.raises(WeightsError) as caught:
        find_weights('pose')
    assert str(caught.value) == (
        'pose is not on this machine: run `activity-recognition weights fetch pose`, or give a '
        'folder that has it with ACTIVITY_RECOGNITION_WEIGHTS'
    )
    assert not cache.exists()


def test_a_file_and_a_folder_of_the_cache(cache):
    path = put(cache, 'pose.tflite')
    assert find_weights('pose') == path
    with pytest.raises(WeightsError, match='words is not on this machine'):
        find_weights('words')
    put(cache / 'words', 'config.json')
    with pytest.raises(WeightsError, match=r'words/model\.safetensors: expected a file of 45000 b'):
        find_weights('words')
    put(cache / 'words', 'model.safetensors')
    assert find_weights('words') == cache / 'words'


@pytest.mark.parametrize('name', ['pose.tflite', 'pose'])
def test_the_users_folder_goes_first(tmp_path, cache, monkeypatch, name):
    put(cache, 'pose.tflite')
    path = put(tmp_path / 'mine', name, FILES['pose.tflite'])
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / 'mine'))
    assert find_weights('pose') == path


def test_a_folder_that_lacks_the_file_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / 'nowhere'))
    with pytest.raises(WeightsError, match=f'or put it into {tmp_path}/nowhere, which ACTIVITY_'):
        find_weights('pose')


def test_a_file_in_place_of_the_folder_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(put(tmp_path, 'pose.tflite')))
    with pytest.raises(WeightsError, match=r'WEIGHTS, which names .*pose\.tflite, where no f'):
        find_weights('pose')


def test_a_home_in_the_name_of_the_folder(tmp_path, monkeypatch):
    path = put(tmp_path / 'weights', 'pose.tflite')
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.setenv(FOLDER_VARIABLE, '~/weights')
    assert find_weights('pose') == path


def test_a_folder_in_a_home_that_is_not_there(monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, '~nobody-/weights')
    with pytest.raises(WeightsError) as caught:
        find_weights('pose')
    assert str(caught.value) == (
        "ACTIVITY_RECOGNITION_WEIGHTS: expected a path, got '~nobody-/weights', whose ~ stands for "
        'no home on this machine; write the path out'
    )


def test_a_wrong_file_is_refused_with_what_was_expected_and_what_came(cache):
    content = FILES['pose.tflite'][::-1]
    path = put(cache, 'pose.tflite', content)
    with pytest.raises(WeightsError) as caught:
        find_weights('pose')
    expected, got = (hashlib.sha256(c).hexdigest() for c in (FILES['pose.tflite'], content))
    assert str(caught.value) == (
        f'{path}: expected a file of SHA-256 {expected}, got {got}; get the registered one by '
        '`activity-recognition weights fetch pose`'
    )


def test_a_truncated_file_is_refused_before_it_is_read(cache, monkeypatch):
    path = put(cache, 'pose.tflite', FILES['pose.tflite'][:-1])
    monkeypatch.setattr(module, '_hash_unchanged', None)
    with pytest.raises(WeightsError, match=f'{path}: expected 20000 bytes, got 19999'):
        find_weights('pose')


def test_a_wrong_file_of_the_user_does_not_hide_the_right_one_of_the_cache(
    tmp_path, cache, monkeypatch
):
    put(tmp_path / 'mine', 'pose.tflite', b'something else')
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / 'mine'))
    with pytest.raises(WeightsError, match=r'mine/pose\.tflite: expected 20000 bytes, got 14'):
        find_weights('pose')
    path = put(cache, 'pose.tflite')
    assert find_weights('pose') == path


def test_a_file_is_hashed_once_and_again_when_it_has_changed(cache):
    path = put(cache, 'pose.tflite')
    find_weights('pose')
    hashed = module._hash_unchanged.cache_info().misses
    find_weights('pose')
    assert module._hash_unchanged.cache_info().misses == hashed
    state = path.stat()
    path.write_bytes(FILES['pose.tflite'][::-1])
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    with pytest.raises(WeightsError, match='expected a file of SHA-256'):
        find_weights('pose')


def test_what_is_no_file_is_not_opened(cache):
    cache.mkdir(parents=True)
    os.mkfifo(cache / 'pose.tflite')
    with pytest.raises(WeightsError, match=r'expected the file pose\.tflite, found something else'):
        find_weights('pose')


def test_without_a_home_there_is_a_sentence(monkeypatch):
    monkeypatch.delenv('XDG_CACHE_HOME')
    monkeypatch.setattr(module, 'cache_dir', _no_home)
    with pytest.raises(WeightsError, match='no place for weights: no home; set XDG_CACHE_HOME'):
        find_weights('pose')


def _no_home():
    raise RuntimeError('no home')


def test_a_registry_package_that_is_installed_has_it(tmp_path, cache, monkeypatch, made_up):
    member = 'networks/pose/pose.tflite'
    source = package_source(member)
    write_register(made_up, pose=entry(file_entry('pose.tflite', source)))
    register.cache_clear()
    monkeypatch.syspath_prepend(install(tmp_path / 'site', {member: FILES['pose.tflite']}))
    assert find_weights('pose') == tmp_path / 'site' / member
    path = put(cache, 'pose.tflite')
    assert find_weights('pose') == path


def test_the_files_of_a_folder_have_to_lie_together_in_the_package(tmp_path, monkeypatch, made_up):
    names = ('config.json', 'model.safetensors')
    for folders, expected in ((('model', 'model'), True), (('model', 'weights'), False)):
        members = [f'networks/{folder}/{name}' for folder, name in zip(folders, names, strict=True)]
        files = [file_entry(n, package_source(m)) for n, m in zip(names, members, strict=True)]
        write_register(made_up, words=entry(*files))
        register.cache_clear()
        site = tmp_path / f'site-{expected}'
        contents = dict(zip(members, (FILES[name] for name in names), strict=True))
        with monkeypatch.context() as patch:
            patch.syspath_prepend(install(site, contents))
            found = list(places(register()['words']))
        assert [place.path for place in found] == ([site / 'networks/model'] if expected else [])


def test_another_version_of_a_package_is_nobodys_mistake(tmp_path, monkeypatch, made_up):
    member = 'networks/pose.tflite'
    write_register(made_up, pose=entry(file_entry('pose.tflite', package_source(member))))
    register.cache_clear()
    monkeypatch.syspath_prepend(install(tmp_path / 'site', {member: b'newer'}))
    with pytest.raises(WeightsError, match='pose is not on this machine: run'):
        find_weights('pose')


@pytest.mark.parametrize('name', ['movenet_lightning', 'yamnet', 'yamnet_class_map'])
def test_the_real_files_are_the_registered_ones(weights_folder, monkeypatch, name):
    monkeypatch.setattr(entries, 'REGISTER', Path(entries.__file__).parent / 'weights.yaml')
    entries.register.cache_clear()
    monkeypatch.setenv(FOLDER_VARIABLE, str(weights_folder))
    path = find_weights(name)
    assert path.parent == weights_folder
    assert hashlib.sha256(path.read_bytes()).hexdigest() == entries.identity(name)
    if path.suffix == '.csv':
        rows = path.read_text(encoding='utf-8').splitlines()
        assert (rows[0], len(rows)) == ('index,mid,display_name', 522)
    else:
        assert path.read_bytes()[4:8] == b'TFL3'
