"""What runs on robots: image, units and parameter files name what exists, and say it rightly."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from activity_recognition import cli
from activity_recognition.config import RecognizerConfig
from activity_recognition.config_io import dotted_overrides
from activity_recognition.startup import RUN_ARGUMENTS
from factories.parameters import read_parameter_file

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / 'deploy'
WORKSPACE = '/opt/activity_recognition'
CHECKOUT = f'{WORKSPACE}/src/activity_recognition'
MACHINES = sorted((ROOT / 'config' / 'machines').glob('*.yaml'))
UNITS = sorted((DEPLOY / 'systemd').glob('*.service'))
README = (ROOT / 'README.md').read_text(encoding='utf-8')
DOCKERFILE = (DEPLOY / 'Dockerfile').read_text(encoding='utf-8')


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile with their arguments, continuation lines joined."""
    lines = [line for line in DOCKERFILE.splitlines() if line and not line.startswith('#')]
    joined = re.sub(r'\\\n\s*', '', '\n'.join(lines))
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines()]


def settings(unit: Path) -> dict[str, dict[str, list[str]]]:
    """The settings of a unit by section; one may be given several times."""
    parser = configparser.RawConfigParser(
        strict=False, delimiters=('=',), dict_type=_Several, empty_lines_in_values=False
    )
    parser.optionxform = str
    parser.read(unit, encoding='utf-8')
    return {
        section: {key: value.split('\n') for key, value in parser.items(section)}
        for section in parser.sections()
    }


class _Several(dict):
    """Keeps what is given again instead of replacing it."""

    def __setitem__(self, key, value):
        if isinstance(value, list) and key in self:
            self[key].extend(value)
        else:
            super().__setitem__(key, value)


def commands(unit: Path, name: str) -> list[list[str]]:
    return [shlex.split(line) for line in settings(unit)['Service'].get(name, [])]


@pytest.mark.parametrize('path', MACHINES, ids=lambda path: path.stem)
def test_a_machines_file_holds_settings_that_exist(path):
    config = read_parameter_file(path, RecognizerConfig)
    assert {'sync.max_frame_rate_hz'} <= set(dotted_overrides(config))
    assert config.sync.decision_rate_hz <= config.sync.max_frame_rate_hz


def test_there_is_a_file_for_every_machine_that_is_spoken_of():
    assert [path.stem for path in MACHINES] == ['jetson', 'laptop', 'server']


@pytest.mark.parametrize(('name', 'factor'), [('laptop', 1.0), ('server', 1.0), ('jetson', 4.0)])
def test_a_machines_rates_are_those_that_the_record_sustains(name, factor):
    from activity_recognition.commands.bench import read_record
    from activity_recognition.inference.findings import findings
    from activity_recognition.inference.sizing import SizingConfig, busy, slower

    (path,) = (ROOT / 'docs' / 'benchmarks').glob('cost_model_*.json')
    config = read_parameter_file(ROOT / 'config' / 'machines' / f'{name}.yaml', RecognizerConfig)
    asked = SizingConfig(
        decision_rate_hz=config.sync.decision_rate_hz,
        evidence_every=config.engine.evidence_every,
    )
    costs = findings(read_record(path), asked, cores=None).costs
    (nano,) = [c for c in costs if (c.network, c.threads) == ('nano', config.engine.num_threads)]
    share = busy(slower(nano, factor), config.sync.max_frame_rate_hz, asked)
    assert share <= 1.0 - asked.headroom


@pytest.mark.ros
@pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")
@pytest.mark.parametrize('path', MACHINES, ids=lambda path: path.stem)
@pytest.mark.parametrize('namespace', ['/', '/robot/left'])
def test_the_real_node_reads_the_same_from_a_machines_file(path, namespace):
    rclpy = pytest.importorskip('rclpy')
    from activity_recognition.ros.recognizing.recognizer_node import RecognizerNode

    context = rclpy.Context()
    rclpy.init(context=context)
    try:
        node = RecognizerNode(
            context=context,
            namespace=namespace,
            cli_args=['--ros-args', '--params-file', str(path)],
            use_global_arguments=False,
        )
        read = node._settings.read()
        node.destroy_node()
    finally:
        context.try_shutdown()
    assert read == read_parameter_file(path, RecognizerConfig)


def in_fake_workspace(tmp_path: Path) -> Path:
    """A workspace whose scripts say in which order they are read, and a ROS of its own."""
    script = (DEPLOY / 'in_workspace').read_text(encoding='utf-8')
    for name, where in (
        ('ros', 'ros/jazzy/setup.sh'),
        ('venv', 'workspace/venv/bin/activate'),
        ('install', 'workspace/install/setup.sh'),
    ):
        place = tmp_path / where
        place.parent.mkdir(parents=True)
        place.write_text(f'READ="$READ {name}"; export READ\n', encoding='utf-8')
    program = tmp_path / 'in_workspace'
    program.write_text(script.replace('/opt/ros/', f'{tmp_path}/ros/'), encoding='utf-8')
    program.chmod(0o755)
    return program


def test_the_workspace_is_entered_in_the_order_of_the_readme(tmp_path):
    program = in_fake_workspace(tmp_path)
    environment = {'PATH': os.environ['PATH']}
    environment['ACTIVITY_RECOGNITION_WORKSPACE'] = str(tmp_path / 'workspace')
    command = [str(program), 'sh', '-c', 'echo $READ; exit 3']
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, ' ros venv install\n'.lstrip())
    order = ['. /opt/ros/jazzy/setup.sh', 'venv/bin/activate', '. install/setup.sh']
    places = [README.index(text) for text in order]
    assert places == sorted(places)


def test_a_workspace_that_is_not_there_is_an_error(tmp_path):
    program = in_fake_workspace(tmp_path)
    environment = {'PATH': os.environ['PATH'], 'ACTIVITY_RECOGNITION_WORKSPACE': '/nowhere'}
    done = subprocess.run([str(program), 'true'], env=environment, capture_output=True, check=False)
    assert done.returncode != 0
    assert b'/nowhere' in done.stderr


def test_scripts_can_be_executed():
    assert os.access(DEPLOY / 'in_workspace', os.X_OK)


def test_the_image_is_built_by_the_steps_of_the_readme():
    runs = ' '.join(argument for name, argument in instructions() if name == 'RUN')
    for step in (
        'rosdep install --from-paths src --ignore-src -y',
        'python3 -m venv --system-site-packages venv',
        'touch venv/COLCON_IGNORE',
        'colcon build --packages-select activity_recognition',
    ):
        assert step in README
        assert step in runs
    assert 'pip install --no-deps -r requirements/jazzy-run.lock' in README
    assert '-m pip install --no-cache-dir --no-deps' in runs
    assert '-r src/activity_recognition/requirements/jazzy-run.lock' in runs


def test_the_image_copies_what_exists_and_what_cmake_installs():
    ignored = (DEPLOY / 'Dockerfile.dockerignore').read_text(encoding='utf-8').splitlines()
    kept = {line.removeprefix('!') for line in ignored if line.startswith('!')}
    assert all((ROOT / name).exists() for name in kept)
    for name, argument in instructions():
        if name == 'COPY':
            source = argument.split()[0]
            assert source == '.' or source.split('/')[0] in kept
            assert (ROOT / source).exists()
    cmake = (ROOT / 'CMakeLists.txt').read_text(encoding='utf-8')
    folders = set(re.findall(r'^install_tree\((\w+) ', cmake, re.MULTILINE))
    folders |= set(re.findall(r'^  (scripts)/', cmake, re.MULTILINE))
    folders |= {'msg', 'package.xml', 'CMakeLists.txt'}
    assert folders <= kept


def test_the_image_ends_by_the_signal_that_launch_hands_on():
    given = dict(instructions())
    assert given['STOPSIGNAL'] == 'SIGINT'
    entry = Path(re.findall(r'"([^"]+)"', given['ENTRYPOINT'])[0])
    assert given['WORKDIR'] == WORKSPACE
    assert (ROOT / entry.relative_to('src/activity_recognition')).is_file()
    assert 'cuda' in [a.split()[-1] for name, a in instructions() if name == 'FROM']


def test_the_image_is_named_without_a_place():
    assert re.search(r'^ARG ROS_IMAGE=ros:jazzy-ros-base$', DOCKERFILE, re.MULTILINE)
    assert not re.search(r'https?:', DOCKERFILE)


def all_commands() -> list[list[str]]:
    """Every command that units and image run in the workspace, without what enters it."""
    found = [words[1:] for unit in UNITS for words in commands(unit, 'ExecStart')]
    for name, argument in instructions():
        if name in ('CMD', 'HEALTHCHECK'):
            words = re.findall(r'"([^"]+)"', argument)
            found.append(words[1:] if words[0].endswith('in_workspace') else words)
    return found


def test_all_that_is_started_exists():
    assert len(all_commands()) == 4
    for words in all_commands():
        if words[0] == 'activity-recognition':
            arguments = cli.build_parser().parse_args(words[1:])
            assert arguments.command == 'health'
            continue
        assert words[:3] == ['ros2', 'launch', 'activity_recognition']
        assert (ROOT / 'launch' / words[3]).is_file()
        names = {word.split(':=')[0] for word in words[4:] if ':=' in word}
        assert names <= {item.name for item in RUN_ARGUMENTS}


@pytest.mark.parametrize('unit', UNITS, ids=lambda unit: unit.stem)
def test_units_start_what_the_checkout_holds(unit):
    for words in commands(unit, 'ExecStart'):
        program = Path(words[0])
        assert os.access(ROOT / program.relative_to(CHECKOUT), os.X_OK)


def test_the_service_ends_its_nodes_and_comes_back():
    service = settings(DEPLOY / 'systemd' / 'activity-recognition.service')
    assert service['Service']['KillSignal'] == ['SIGINT']
    assert service['Service']['KillMode'] == ['mixed']
    assert service['Service']['Restart'] == ['always']
    assert service['Unit']['StartLimitIntervalSec'] == ['0']


def test_the_service_first_frees_what_a_killed_one_has_left():
    (words,) = commands(DEPLOY / 'systemd' / 'activity-recognition.service', 'ExecStartPre')
    # A failure of it keeps nothing from starting.
    assert words[0] == f'-{CHECKOUT}/deploy/in_workspace'
    assert words[1] == 'activity-recognition'
    arguments = cli.build_parser().parse_args(words[2:])
    assert (arguments.command, arguments.clean) == ('shared-memory', True)


@pytest.mark.skipif(shutil.which('systemd-analyze') is None, reason='no systemd-analyze')
def test_systemd_understands_the_units(tmp_path):
    for unit in (DEPLOY / 'systemd').iterdir():
        # Without an install in /opt, where it looks for the programs.
        text = unit.read_text(encoding='utf-8').replace(CHECKOUT, str(ROOT))
        (tmp_path / unit.name).write_text(text, encoding='utf-8')
    for unit in tmp_path.iterdir():
        done = subprocess.run(
            ['systemd-analyze', 'verify', '--man=no', str(unit)],
            env={**os.environ, 'SYSTEMD_UNIT_PATH': f'{tmp_path}:'},
            capture_output=True,
            text=True,
            check=False,
        )
        complaints = [x for x in done.stderr.splitlines() if 'activity-recognition' in x]
        assert not complaints, done.stderr


def test_the_shell_understands_the_script():
    done = subprocess.run(['sh', '-n', str(DEPLOY / 'in_workspace')], check=False)
    assert done.returncode == 0
