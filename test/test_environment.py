"""The decisions and repairs of the set-up, with a made-up machine."""

import dataclasses
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from environment import build, command, host, packages, plan, stamps, wheels, workplace
from environment.errors import SetupError

ROOT = Path(__file__).resolve().parents[1]

GOOD_HOST = host.Host(
    python=(3, 12),
    machine='x86_64',
    system='Linux',
    distribution=None,
    compiler='/usr/bin/cc',
    has_cxx=True,
    has_headers=True,
    has_venv=True,
    free_bytes=10**11,
)


@pytest.fixture
def machine():
    """Make a host that lacks nothing but what is said."""
    return lambda **facts: dataclasses.replace(GOOD_HOST, **facts)


@pytest.fixture
def distribution(tmp_path):
    """Make the prefix of a ROS distribution with some packages."""

    def make(name='jazzy', python='3.12', ros_packages=('rclpy',)):
        prefix = tmp_path / 'opt' / 'ros' / name
        (prefix / f'lib/python{python}/site-packages/rclpy').mkdir(parents=True)
        index = prefix / 'share/ament_index/resource_index/packages'
        index.mkdir(parents=True)
        for package in ros_packages:
            (index / package).touch()
        return host.Distribution(name, (prefix,))

    return make


# What is missing


@pytest.mark.parametrize(
    ('facts', 'sentence'),
    [
        ({'compiler': None}, r'no C compiler found.*apt install build-essential'),
        ({'has_cxx': False}, r'no C\+\+ compiler found.*apt install build-essential'),
        (
            {'has_headers': False},
            r'Python\.h of Python 3\.12 not found.*apt install python3\.12-dev',
        ),
        ({'has_venv': False}, r'cannot make virtual environments.*apt install python3\.12-venv'),
        ({'machine': 'aarch64'}, r'no ROS wheels for aarch64.*install ROS 2 Jazzy.*setup\.sh'),
        ({'system': 'Darwin'}, r'expected Linux, got Darwin'),
    ],
)
def test_what_is_missing_is_one_sentence(machine, facts, sentence):
    with pytest.raises(SetupError, match=sentence) as caught:
        host.check(machine(**facts))
    assert '\n' not in str(caught.value)


def test_a_complete_machine_passes(machine):
    host.check(machine())
    host.check_disk(machine(), Path('/somewhere'))


def test_too_little_disk(machine):
    with pytest.raises(SetupError, match=r'3\.5 GB free, and the environment needs 8 GB'):
        host.check_disk(machine(free_bytes=3_500_000_000), Path('/somewhere'))


def test_arm_with_a_distribution_passes(machine, distribution):
    host.check(machine(machine='aarch64', distribution=distribution()))


def test_python_that_the_distribution_is_not_built_for(machine, distribution):
    with pytest.raises(SetupError, match=r'built for python3\.12, got python3\.11.*PYTHON='):
        host.check(machine(python=(3, 11), distribution=distribution()))


@pytest.mark.parametrize('version', [(3, 9), (3, 14)])
def test_unsupported_python_is_one_sentence(monkeypatch, version):
    monkeypatch.setattr(sys, 'version_info', version)
    with pytest.raises(SystemExit, match=r'expected Python 3\.10 to 3\.13, got 3\.\d+: install'):
        runpy.run_path(str(ROOT / 'tools' / 'setup'))


def test_compiler_is_looked_for_on_the_path(tmp_path):
    assert host.inspect(tmp_path, {'PATH': str(tmp_path)}).compiler is None
    for name in ('my-gcc', 'c++'):
        (tmp_path / name).write_text('#!/bin/sh\n')
        (tmp_path / name).chmod(0o755)
    found = host.inspect(tmp_path, {'PATH': str(tmp_path), 'CC': 'my-gcc -m64'})
    assert found.compiler == str(tmp_path / 'my-gcc')
    assert found.has_cxx


# Wheels or a distribution


def test_nothing_sourced_means_wheels(machine):
    choice = plan.choose(machine())
    assert choice.locks(Path('r')) == [Path('r/wheels-run.lock'), Path('r/wheels-dev.lock')]
    assert not choice.system_site_packages
    assert set(plan.STAND_INS) < set(choice.packages)
    assert choice.warnings == ()


def test_sourced_jazzy_is_used(machine, distribution):
    jazzy = distribution(ros_packages=('rclpy', 'audio_common_msgs', 'hri_msgs'))
    choice = plan.choose(machine(distribution=jazzy))
    assert choice.locks(Path('r')) == [Path('r/jazzy-run.lock'), Path('r/jazzy-dev.lock')]
    assert choice.system_site_packages
    assert '--system-site-packages' in plan.venv_command(choice, 'python3.12', Path('/v'))
    assert choice.packages == (Path(),), 'the distribution has all messages'
    assert choice.warnings == ()


@pytest.mark.parametrize(
    ('here', 'built'),
    [
        (('rclpy',), plan.STAND_INS),
        (('rclpy', 'audio_common_msgs'), (Path('interfaces/hri_msgs'),)),
    ],
)
def test_jazzy_gets_ours_of_the_messages_that_it_lacks(machine, distribution, here, built):
    choice = plan.choose(machine(distribution=distribution(ros_packages=here)))
    assert choice.packages == (Path(), *built)


def test_other_distributions_are_said_to_be_untested(machine, distribution):
    choice = plan.choose(machine(distribution=distribution('kilted')))
    assert choice.system_site_packages
    assert 'ROS kilted is sourced, which is untested' in choice.warnings[0]


@pytest.mark.parametrize(
    ('environ', 'expected'),
    [
        ({}, None),
        ({'ROS_DISTRO': 'jazzy'}, None),
        ({'ROS_DISTRO': 'jazzy', 'AMENT_PREFIX_PATH': ''}, None),
        ({'AMENT_PREFIX_PATH': '/opt/ros/jazzy'}, None),
        ({'ROS_DISTRO': 'jazzy', 'AMENT_PREFIX_PATH': '{root}/install/a:{root}/.venv'}, None),
        (
            {
                'ROS_DISTRO': 'jazzy',
                'AMENT_PREFIX_PATH': '{root}/install/a:/overlay:/opt/ros/jazzy',
            },
            host.Distribution('jazzy', (Path('/overlay'), Path('/opt/ros/jazzy'))),
        ),
    ],
)
def test_a_distribution_is_what_is_not_ours(tmp_path, environ, expected):
    environ = {key: value.format(root=tmp_path) for key, value in environ.items()}
    assert host.sourced_distribution(tmp_path, environ) == expected


def test_build_on_wheels_sees_one_prefix(machine):
    choice = plan.choose(machine())
    environ = {'PATH': '/bin', 'PYTHONPATH': '/x', '_ROS_WHEELS_BOOTSTRAP_COMPLETE': '1'}
    result = plan.build_environment(choice, Path('/v'), environ)
    assert result == {
        'VIRTUAL_ENV': '/v',
        'PATH': '/v/bin:/bin',
        'CMAKE_PREFIX_PATH': '/v',
        'AMENT_PREFIX_PATH': '/v',
    }


def test_build_on_a_distribution_keeps_its_variables(machine, distribution):
    jazzy = distribution()
    choice = plan.choose(machine(distribution=jazzy))
    environ = {'PATH': '/bin', 'PYTHONPATH': '/x', 'LD_LIBRARY_PATH': '/l', 'ROS_DISTRO': 'jazzy'}
    result = plan.build_environment(choice, Path('/v'), environ)
    assert result['PYTHONPATH'] == '/x'
    assert result['LD_LIBRARY_PATH'] == '/l'
    assert result['AMENT_PREFIX_PATH'] == str(jazzy.prefixes[0])


def test_colcon_builds_what_the_plan_says(machine, distribution):
    jazzy = distribution(ros_packages=('audio_common_msgs',))
    command = plan.colcon_command(plan.choose(machine(distribution=jazzy)), Path('/r'), Path('/v'))
    assert '--symlink-install' in command
    assert '-DPython3_EXECUTABLE=/v/bin/python' in command
    assert '/r/interfaces/audio_common_msgs' not in command
    command = plan.colcon_command(plan.choose(machine()), Path('/r'), Path('/v'))
    assert '/r/interfaces/audio_common_msgs' in command


def test_the_installer_follows_the_index_of_pip_but_no_extra_ones(monkeypatch, tmp_path):
    monkeypatch.setattr(plan, 'SYSTEM_CERTIFICATES', tmp_path)
    environ = {
        'PIP_INDEX_URL': 'https://mirror.example/simple',
        'PIP_CERT': '/c.pem',
        'PIP_FIND_LINKS': '/wheels',
        'PIP_EXTRA_INDEX_URL': 'https://other.example',
    }
    result = plan.installer_environment(environ)
    added = {key: value for key, value in result.items() if key not in environ}
    assert added == {
        'UV_DEFAULT_INDEX': 'https://mirror.example/simple',
        'SSL_CERT_FILE': '/c.pem',
        'UV_PYTHON_DOWNLOADS': 'never',
        'UV_SYSTEM_CERTS': 'true',
    }
    assert (
        plan.installer_environment({**environ, 'UV_DEFAULT_INDEX': 'u'})['UV_DEFAULT_INDEX'] == 'u'
    )


# Locks


def test_the_installer_itself_is_locked():
    for family in ('wheels', 'jazzy'):
        locks = [ROOT / 'requirements' / f'{family}-{group}.lock' for group in ('run', 'dev')]
        assert packages.locked_requirement(locks, 'uv').startswith('uv==')


def test_a_package_that_no_lock_holds(tmp_path):
    lock = tmp_path / 'a.lock'
    lock.write_text('uvloop==1\n')
    with pytest.raises(
        SetupError, match=r'expected uv==… in .*a\.lock, found none: run `make lock`'
    ):
        packages.locked_requirement([lock], 'uv')


def test_changed_locks_make_the_environment_from_scratch(monkeypatch, machine, tmp_path):
    place, choice, commands = workplace.Workplace(tmp_path), plan.choose(machine()), []
    monkeypatch.setattr(packages, 'run', lambda command, *_: commands.append(command) or '/numpy')
    place.requirements.mkdir()
    for lock in choice.locks(place.requirements):
        lock.write_text('uv==1\n')
    assert packages.ensure(place, choice, machine())
    assert not packages.ensure(place, choice, machine())
    (place.venv / 'left-over').touch()
    choice.locks(place.requirements)[0].write_text('uv==2\n')
    assert packages.ensure(place, choice, machine())
    assert not (place.venv / 'left-over').exists()
    assert [command[1:3] for command in commands if 'venv' in command] == [['-m', 'venv']] * 2


# Repairs

HEADERS = '/opt/python/cp312-cp312/include/python3.12'
NUMPY = '/opt/python/cp312-cp312/lib/python3.12/site-packages/numpy/_core/include'


def test_cmake_files_of_the_wheels_are_repaired(tmp_path):
    folder = tmp_path / 'share' / 'std_msgs' / 'cmake'
    folder.mkdir(parents=True)
    broken, other = folder / 'std_msgsExport.cmake', folder / 'other.cmake'
    broken.write_text(f'INCLUDE "{HEADERS};{NUMPY};${{_IMPORT_PREFIX}}/include"\n')
    other.write_text('nothing to mend\n')
    in_cache = tmp_path / 'cached'
    os.link(broken, in_cache)
    assert wheels.repair_cmake_files(tmp_path, Path('/py/include'), Path('/np/include')) == 1
    assert broken.read_text() == 'INCLUDE "/py/include;/np/include;${_IMPORT_PREFIX}/include"\n'
    assert HEADERS in in_cache.read_text(), "the installer's cache stays as it was"
    assert wheels.repair_cmake_files(tmp_path, Path('/py/include'), Path('/np/include')) == 0


def test_no_path_of_the_build_host_is_left_in_the_environment():
    left = [
        path
        for path in (ROOT / '.venv').glob('share/*/cmake/*.cmake')
        if '/opt/python/cp' in path.read_text(encoding='utf-8')
    ]
    assert left == []


# Stamps


@pytest.fixture
def sources(tmp_path):
    """A small tree with the folders that the build looks at."""
    for name in ('msg/A.msg', 'activity_recognition/a.py', 'scripts/run', 'package.xml'):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text('one')
    return tmp_path


def test_edits_of_python_need_no_build(sources):
    before = stamps.of_compiled(sources), stamps.of_linked(sources)
    (sources / 'activity_recognition' / 'a.py').write_text('two')
    (sources / 'activity_recognition' / '__pycache__').mkdir()
    (sources / 'activity_recognition' / '__pycache__' / 'a.pyc').touch()
    assert (stamps.of_compiled(sources), stamps.of_linked(sources)) == before


@pytest.mark.parametrize('change', ['add', 'remove', 'permit', 'new folder'])
def test_other_files_are_linked_again(sources, change):
    compiled, linked = stamps.of_compiled(sources), stamps.of_linked(sources)
    match change:
        case 'add':
            (sources / 'activity_recognition' / 'b.py').touch()
        case 'remove':
            (sources / 'activity_recognition' / 'a.py').unlink()
        case 'permit':
            (sources / 'scripts' / 'run').chmod(0o755)
        case 'new folder':
            (sources / 'launch').mkdir()
            (sources / 'launch' / 'demo.launch.py').touch()
    assert stamps.of_linked(sources) != linked
    assert stamps.of_compiled(sources) == compiled


@pytest.mark.parametrize('name', ['msg/A.msg', 'msg/B.msg', 'package.xml', 'CMakeLists.txt'])
def test_messages_and_build_files_are_compiled_again(sources, name):
    compiled = stamps.of_compiled(sources)
    (sources / name).write_text('two')
    assert stamps.of_compiled(sources) != compiled


def test_a_stamp_says_what_was_done(tmp_path):
    stamp = tmp_path / 'new' / 'stamp'
    assert not stamps.is_current(stamp, 'a')
    stamps.write(stamp, 'a')
    assert stamps.is_current(stamp, 'a')
    assert not stamps.is_current(stamp, 'b')


def test_another_lock_python_folder_or_distribution_makes_it_anew(tmp_path, machine, distribution):
    choice = plan.choose(machine())
    jazzy = plan.choose(machine(distribution=distribution()))
    prints = []
    for folder, text in (('a', 'x==1\n'), ('a', 'x==2\n'), ('b', 'x==2\n')):
        place = workplace.Workplace(tmp_path / folder)
        place.requirements.mkdir(parents=True, exist_ok=True)
        for lock in (*choice.locks(place.requirements), *jazzy.locks(place.requirements)):
            lock.write_text(text)
        prints += [packages.fingerprint(place, choice), packages.fingerprint(place, jazzy)]
    assert len(set(prints)) == len(prints)


def test_links_to_removed_files_go(tmp_path):
    (tmp_path / 'kept').touch()
    (tmp_path / 'good').symlink_to(tmp_path / 'kept')
    (tmp_path / 'bad').symlink_to(tmp_path / 'gone')
    build.remove_dangling_links(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {'kept', 'good'}


# Commands


def test_a_failing_program_is_quoted(tmp_path, capsys):
    with pytest.raises(SetupError, match=r'`sh -c .*` ended with status 3: .*run make setup again'):
        workplace.run(['sh', '-c', 'echo the reason; exit 3'], os.environ, tmp_path)
    assert 'the reason' in capsys.readouterr().err


def test_a_long_program_is_said_to_run(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(workplace, '_SILENCE_S', 0.01)
    program = 'print("done")'
    assert workplace.run([sys.executable, '-c', program], os.environ, tmp_path) == 'done'
    assert 'still at it after' in capsys.readouterr().out


@pytest.mark.parametrize(('load', 'said'), [(0.4, ''), (9.2, 'is busy: 9 processes for 2 cores')])
def test_a_busy_machine_is_named_for_what_takes_long(monkeypatch, load, said):
    monkeypatch.setattr(workplace.os, 'getloadavg', lambda: (load, load, load))
    monkeypatch.setattr(workplace.os, 'sched_getaffinity', lambda _: {0, 1})
    assert workplace._busy().removeprefix('; the machine ') == said


def test_errors_end_with_one_line_and_a_status(monkeypatch, tmp_path, capsys):
    def refuse(place, chosen):
        raise SetupError('no compiler: install one')

    monkeypatch.setattr(command, 'ROOT', tmp_path)
    monkeypatch.setitem(command.COMMANDS, 'setup', refuse)
    assert command.main([]) == 1
    assert capsys.readouterr().err == 'setup: no compiler: install one\n'


def test_run_refuses_what_is_not_built(tmp_path):
    (tmp_path / 'tools').mkdir()
    script = tmp_path / 'tools' / 'run'
    script.write_bytes((ROOT / 'tools' / 'run').read_bytes())
    done = subprocess.run(['sh', script, 'true'], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert 'run `make setup` first' in done.stderr


@pytest.fixture
def paths(tmp_path):
    """Run `tools/run` in a built tree of wheels; return the two paths that it gives a command."""
    root = tmp_path / 'tree'
    for folder in ('tools', 'install', '.venv/share/rclpy', '.venv/lib/python3.11/site-packages'):
        (root / folder).mkdir(parents=True)
    script = root / 'tools' / 'run'
    script.write_bytes((ROOT / 'tools' / 'run').read_bytes())
    for name in ('.linked-stamp', 'local_setup.sh'):
        (root / 'install' / name).touch()

    def run(ament, python):
        environ = {'PATH': os.environ['PATH'], 'AMENT_PREFIX_PATH': ament, 'PYTHONPATH': python}
        print_both = 'printf "%s\\n%s\\n" "$AMENT_PREFIX_PATH" "${PYTHONPATH-unset}"'
        done = subprocess.run(
            ['sh', script, 'sh', '-c', print_both],
            env=environ,
            capture_output=True,
            text=True,
            check=True,
        )
        ament, python = (line.replace(str(root), 'root') for line in done.stdout.splitlines())
        return ament, python, done.stderr

    return run


OVERLAY_MODULES = '/overlay/lib/python3.11/site-packages'


def test_run_keeps_an_overlay_behind_its_own(paths):
    ament, python, errors = paths('/overlay', f'{OVERLAY_MODULES}:/work space/build/linked')
    assert ament == 'root/.venv:/overlay'
    assert python == (
        f'root/.venv/lib/python3.11/site-packages:{OVERLAY_MODULES}:/work space/build/linked'
    )
    assert errors == ''


def test_run_within_run_changes_nothing(paths, tmp_path):
    ament, python, _ = paths('/overlay', OVERLAY_MODULES)
    again = [text.replace('root', str(tmp_path / 'tree')) for text in (ament, python)]
    ours = f'{tmp_path}/tree/install/activity_recognition'
    assert paths(f'{ours}:{again[0]}', f'{ours}/lib:{again[1]}')[:2] == (ament, python)


@pytest.mark.parametrize('ament', ['', '/nothing:'])
def test_run_takes_no_modules_for_another_python_and_none_without_an_overlay(paths, ament):
    others = '/nothing/lib/python3.12/site-packages' if ament else '/somebody/modules'
    kept, python, _ = paths(ament, others)
    assert kept == 'root/.venv' + ament.rstrip(':').replace('/', ':/', 1)
    assert python == 'unset'


def test_run_leaves_a_distribution_out_that_is_not_the_one_of_the_environment(paths, tmp_path):
    other = tmp_path / 'other distribution'
    (other / 'share' / 'rclpy').mkdir(parents=True)
    modules = f'{other}/lib/python3.11/site-packages'
    ament, python, errors = paths(f'/overlay:{other}', f'{OVERLAY_MODULES}:{modules}')
    assert ament == 'root/.venv:/overlay'
    assert python == f'root/.venv/lib/python3.11/site-packages:{OVERLAY_MODULES}'
    assert f'{other} has an rclpy of its own and is left out; to use it, run `make setup`' in errors


@pytest.mark.skipif(not (ROOT / 'install' / '.linked-stamp').exists(), reason='built elsewhere')
def test_modules_of_an_overlay_are_found_and_those_of_the_environment_go_first(tmp_path):
    modules = tmp_path / 'lib' / f'python3.{sys.version_info[1]}' / 'site-packages'
    modules.mkdir(parents=True)
    (modules / 'only_in_the_overlay.py').write_text('FOUND = True\n')
    (modules / 'numpy.py').write_text('raise ImportError("of the overlay")\n')
    script = 'import numpy, only_in_the_overlay; print(only_in_the_overlay.FOUND)'
    done = subprocess.run(
        [ROOT / 'tools' / 'run', 'python', '-c', script],
        env={**os.environ, 'AMENT_PREFIX_PATH': str(tmp_path), 'PYTHONPATH': str(modules)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ['True']


@pytest.mark.skipif(not (ROOT / 'install' / '.linked-stamp').exists(), reason='built elsewhere')
@pytest.mark.parametrize('isolated', [True, False])
def test_run_gives_the_environment(isolated):
    script = 'import os; print(os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE"), os.getcwd())'
    options = ['--isolated'] if isolated else []
    environ = {key: value for key, value in os.environ.items() if not key.startswith('ROS_')}
    done = subprocess.run(
        [ROOT / 'tools' / 'run', *options, 'python', '-c', script],
        env=environ,
        cwd='/',
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ['LOCALHOST' if isolated else 'None', '/']
