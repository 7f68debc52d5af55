"""What is installed, what the messages promise, and other ways to build."""

import ast
import importlib.metadata
import importlib.util
import itertools
import json
import math
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path

import pytest

from activity_recognition.sensors.cdr import STAND_IN, TypeRegistry
from activity_recognition.sensors.definitions import KNOWN_DEFINITIONS

ROOT = Path(__file__).resolve().parents[1]

HRI_MESSAGES = {
    name.rpartition('/')[2]: text
    for types in KNOWN_DEFINITIONS.values()
    for name, text in types.items()
    if name.startswith('hri_msgs/')
}

MESSAGES = {
    'ActivityScore': {'label': 'string', 'class_id': 'int32', 'probability': 'float'},
    'ModalityEvidence': {
        'modality': 'string',
        'present': 'boolean',
        'age_s': 'float',
        'label': 'string',
        'confidence': 'float',
        'weight': 'float',
    },
    'ActivityStamped': {
        'header': 'std_msgs/Header',
        'status': 'uint8',
        'subject_id': 'string',
        'label': 'string',
        'class_id': 'int32',
        'confidence': 'float',
        'scores': 'sequence<activity_recognition/ActivityScore>',
        'evidence': 'sequence<activity_recognition/ModalityEvidence>',
        'window_start': 'builtin_interfaces/Time',
        'stable_since': 'builtin_interfaces/Time',
        'latency_s': 'float',
        'processing_s': 'float',
    },
    'ActivityLabels': {
        'header': 'std_msgs/Header',
        'labels': 'sequence<string>',
        'checkpoint_id': 'string',
        'label_set_version': 'string',
    },
    'KeyPoints': {
        'header': 'std_msgs/Header',
        'width': 'uint32',
        'height': 'uint32',
        'names': 'sequence<string>',
        'x': 'sequence<float>',
        'y': 'sequence<float>',
        'scores': 'sequence<float>',
    },
}
"""Frozen: a change breaks type hashes and old bags."""

WIRE_TYPES = {'bool': 'boolean', 'float32': 'float'}


def installed_package() -> Path:
    spec = importlib.util.find_spec('activity_recognition')
    return Path(spec.origin).parent


def install_prefix() -> Path:
    """The ament prefix of the package under test."""
    marker = 'share/ament_index/resource_index/packages/activity_recognition'
    return next(path for path in installed_package().parents if (path / marker).exists())


def definition(message: str) -> list[str]:
    return (ROOT / 'msg' / f'{message}.msg').read_text(encoding='utf-8').splitlines()


def fields_of(message: str) -> dict[str, str]:
    """Fields of a definition, with the types as the generated Python names them."""
    result = {}
    for line in definition(message):
        found = re.fullmatch(r'([\w/]+)(\[\])? (\w+)', line)
        if found:
            kind, is_list, name = found.groups()
            kind = WIRE_TYPES.get(kind, kind)
            result[name] = f'sequence<{kind}>' if is_list else kind
    return result


@pytest.mark.parametrize('message', MESSAGES)
def test_messages_are_frozen(message):
    assert list(fields_of(message).items()) == list(MESSAGES[message].items())


@pytest.mark.ros
@pytest.mark.parametrize('message', MESSAGES)
def test_generated_messages_have_the_frozen_fields(message):
    import activity_recognition.msg

    generated = getattr(activity_recognition.msg, message).get_fields_and_field_types()
    assert list(generated.items()) == list(MESSAGES[message].items())


@pytest.mark.parametrize('message', MESSAGES)
def test_every_field_and_constant_is_explained(message):
    lines = definition(message)
    for before, line in itertools.pairwise(lines):
        if re.match(r'\w', line) and not re.match(r'\w+ MODALITY_(AUDIO|TEXT)=', line):
            assert before.startswith('# '), f'{message}: {line} has no comment above it'


@pytest.mark.ros
def test_the_constants_of_the_messages():
    from activity_recognition.msg import ActivityStamped, ModalityEvidence

    statuses = [ActivityStamped.STATUS_OK, ActivityStamped.STATUS_UNKNOWN]
    assert [*statuses, ActivityStamped.STATUS_NO_DATA] == [0, 1, 2]
    assert ActivityStamped.CLASS_ID_NONE == -1
    assert ModalityEvidence.MODALITY_VIDEO == 'video'
    assert ModalityEvidence.MODALITY_AUDIO == 'audio'
    assert ModalityEvidence.MODALITY_TEXT == 'text'
    assert math.isnan(ModalityEvidence(weight=math.nan).weight)


@pytest.mark.ros
def test_audio_messages_are_those_of_ros_drivers():
    messages = pytest.importorskip('audio_common_msgs.msg')
    assert list(messages.AudioDataStamped.get_fields_and_field_types().items()) == [
        ('header', 'std_msgs/Header'),
        ('audio', 'audio_common_msgs/AudioData'),
    ]
    assert list(messages.AudioInfo.get_fields_and_field_types().items()) == [
        ('channels', 'uint8'),
        ('sample_rate', 'uint32'),
        ('sample_format', 'string'),
        ('bitrate', 'uint32'),
        ('coding_format', 'string'),
    ]


@pytest.mark.ros
@pytest.mark.parametrize('name', ['IdsList', 'NormalizedRegionOfInterest2D'])
def test_messages_about_people_are_those_of_rep_155(name):
    pytest.importorskip('hri_msgs.msg')
    type_name = f'hri_msgs/msg/{name}'
    installed = TypeRegistry().resolve(type_name)
    known = TypeRegistry(prefixes=()).resolve(type_name)
    hashes = [kind.store.hash_rihs01(type_name) for kind in (installed, known)]
    assert hashes[0] == hashes[1]


@pytest.mark.parametrize('name', sorted(HRI_MESSAGES))
def test_the_stand_in_for_hri_msgs_has_the_published_definitions(name):
    prefix = ROOT / 'interfaces' / 'hri_msgs' / 'msg'
    text = (prefix / f'{name}.msg').read_text(encoding='utf-8')
    assert text.startswith(STAND_IN)
    fields = [line for line in text.splitlines() if not set('#=') & set(line)]
    assert fields == HRI_MESSAGES[name].splitlines()


@pytest.mark.ros
@pytest.mark.parametrize('name', ['activity-recognition', 'player', 'recognizer', 'simulator'])
def test_executables_are_installed_and_start_what_exists(name):
    program = install_prefix() / 'lib' / 'activity_recognition' / name
    assert os.access(program, os.X_OK)
    tree = ast.parse(program.read_text(encoding='utf-8'))
    modules = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert all(importlib.util.find_spec(module) for module in modules)


@pytest.mark.ros
def test_the_command_line_is_on_the_path():
    prefix = install_prefix()
    assert Path(shutil.which('activity-recognition')).is_relative_to(prefix / 'bin')


@pytest.mark.ros
@pytest.mark.parametrize('folder', ['config', 'deploy', 'launch'])
def test_share_holds_every_file_of(folder):
    names = data_files(ROOT / folder)
    assert names
    assert names == data_files(install_prefix() / 'share' / 'activity_recognition' / folder)


def data_files(folder: Path) -> set[Path]:
    """Files under a folder, by their names from there."""
    files = (path for path in folder.rglob('*') if path.is_file() and path.suffix != '.pyc')
    return {path.relative_to(folder) for path in files}


def test_the_package_finds_its_presets_checkpoints_and_types():
    package = installed_package()
    assert list((package / '_config').rglob('*.yaml'))
    assert (package / 'weights' / 'weights.yaml').is_file()
    assert list((package / 'checkpoints').rglob('*.safetensors'))
    assert (package / 'py.typed').exists()
    assert (package / 'training' / '__init__.py').exists()


def imported_packages(*folders: str) -> set[str]:
    """The names of all packages that the Python files of some folders import."""
    found = set()
    for path in (path for folder in folders for path in (ROOT / folder).rglob('*.py')):
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.ImportFrom) and not node.level:
                found.add((node.module or '').partition('.')[0])
            elif isinstance(node, ast.Import):
                found |= {name.name.partition('.')[0] for name in node.names}
    return found


def test_package_xml_declares_every_ros_package_that_is_imported():
    declared = {
        node.text for node in ET.parse(ROOT / 'package.xml').iter() if node.tag.endswith('depend')
    }
    imported = imported_packages('activity_recognition', 'training', 'launch')
    ros = {'cv_bridge', 'launch', 'launch_ros', 'message_filters', 'py_trees', 'rclpy'} & imported
    ros |= {name for name in imported if re.search('_(msgs|srvs|interfaces)$', name)}
    assert {'rclpy', 'sensor_msgs', 'std_srvs', 'rcl_interfaces'} <= ros
    assert ros - declared == set()


def test_the_lock_for_a_distribution_holds_what_package_xml_leaves_out():
    lock = (ROOT / 'requirements' / 'jazzy-run.lock').read_text(encoding='utf-8')
    distributions = {'yaml': 'pyyaml', 'cv2': None, 'cv_bridge': None}
    here = importlib.metadata.packages_distributions()
    manifest = (ROOT / 'package.xml').read_text(encoding='utf-8')
    for name in imported_packages('activity_recognition', 'training') - {'activity_recognition'}:
        if name in sys.stdlib_module_names or name not in here or f'>{name}<' in manifest:
            continue
        distribution = distributions.get(name, here[name][0].lower().replace('_', '-'))
        if distribution is not None:
            assert re.search(rf'^{distribution}==', lock, re.MULTILINE), name


def test_one_version():
    import activity_recognition

    version = ET.parse(ROOT / 'package.xml').findtext('version')
    assert activity_recognition.__version__ == version
    assert importlib.metadata.version('activity_recognition') == version


def test_licence_is_the_one_declared():
    assert ET.parse(ROOT / 'package.xml').findtext('license') == 'Apache-2.0'
    assert 'Apache License' in (ROOT / 'LICENSE').read_text(encoding='utf-8')


@pytest.mark.parametrize(
    'lock', sorted((ROOT / 'requirements').glob('*.lock')), ids=lambda p: p.stem
)
def test_locks_name_exact_versions_and_no_place(lock):
    lines = lock.read_text(encoding='utf-8').splitlines()
    assert lines
    assert [x for x in lines if not re.match(r'[a-z0-9.\-]+(\[\w+\])?==[\w.+!]+( ; .*)?$', x)] == []


def test_the_locks_hold_what_the_package_asks_for():
    for lock in ('wheels-run.lock', 'jazzy-run.lock'):
        text = (ROOT / 'requirements' / lock).read_text(encoding='utf-8')
        assert re.search(r'^torch==2\.11\.0$', text, re.MULTILINE)
        assert re.search(r'^torchaudio==2\.11\.0$', text, re.MULTILINE)
    assert re.search(r'^numpy==1\.26\.4$', text, re.MULTILINE)
    assert not re.search(r'^(ros-|opencv)', text, re.MULTILINE)


def copy_of_the_sources(target: Path) -> Path:
    """Copy what a checkout holds, apart from what was built in it."""
    made = shutil.ignore_patterns('.*', 'build', 'install', 'log', 'demo', 'runs', '__pycache__')
    return shutil.copytree(ROOT, target, ignore=made)


def run(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        command, cwd=folder, env=environment, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_pip_installs_the_part_without_ros(tmp_path):
    source = copy_of_the_sources(tmp_path / 'source')
    options = ['--quiet', '--no-deps', '--no-build-isolation', '--no-index']
    command = [sys.executable, '-m', 'pip', 'wheel', *options, '--wheel-dir', str(tmp_path), '.']
    run(command, source, dict(os.environ))
    (wheel,) = tmp_path.glob('*.whl')
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / 'site')
    package = tmp_path / 'site' / 'activity_recognition'
    parts = {path.name for path in package.iterdir()}
    assert {'training', '_config', 'checkpoints', 'models', 'sensors', 'py.typed'} <= parts
    assert not parts & {'ros', 'behaviours', 'msg'}
    assert Path('weights/weights.yaml') in data_files(package)
    assert data_files(package / '_config') == data_files(ROOT / 'config')
    assert data_files(package / 'training') == data_files(ROOT / 'training')
    own = data_files(ROOT / 'activity_recognition')
    missing = own - data_files(package)
    assert {path.parts[0] for path in missing} <= {'ros', 'behaviours'}, missing
    environment = {**os.environ, 'PYTHONPATH': str(tmp_path / 'site')}
    script = (
        'import activity_recognition.cli, activity_recognition.training as t; print(t.__file__)'
    )
    printed = run([sys.executable, '-c', script], tmp_path, environment)
    assert printed.strip() == str(package / 'training' / '__init__.py')
    listed = run(
        [sys.executable, '-m', 'activity_recognition', 'weights', 'list', '--json'],
        tmp_path,
        environment,
    )
    assert 'movenet_lightning' in {row['name'] for row in json.loads(listed)}


def workspace_environment() -> dict[str, str]:
    """The environment of a normal workspace: ROS, and nothing of ours."""
    environment = dict(os.environ)
    for name in ('AMENT_PREFIX_PATH', 'CMAKE_PREFIX_PATH', 'PYTHONPATH', 'LD_LIBRARY_PATH', 'PATH'):
        entries = environment.get(name, '').split(':')
        kept = [entry for entry in entries if entry and not entry.startswith(str(ROOT / 'install'))]
        environment[name] = ':'.join(kept)
    environment['CMAKE_PREFIX_PATH'] = environment['AMENT_PREFIX_PATH']
    return environment


@pytest.mark.ros
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize('options', [[], ['--symlink-install']], ids=['copied', 'linked'])
def test_colcon_builds_it_in_a_workspace(tmp_path, options):
    copy_of_the_sources(tmp_path / 'src' / 'activity_recognition')
    environment = workspace_environment()
    run(['colcon', 'build', *options], tmp_path, environment)
    script = (
        'import activity_recognition, activity_recognition.msg as m, activity_recognition.training;'
        'print(activity_recognition.__file__, m.ActivityStamped().status)'
    )
    command = f'. install/local_setup.sh && python -c "{script}" && activity-recognition --help'
    printed = run(['sh', '-c', command], tmp_path, environment)
    assert printed.startswith(str(tmp_path / 'install' / 'activity_recognition'))
    listed = run(['colcon', 'test', '--ctest-args', '--show-only'], tmp_path, environment)
    assert 'activity_recognition' in listed
