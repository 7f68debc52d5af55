"""Imports point downwards only, and nothing but `ros` and `behaviours` needs ROS."""

import ast
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = 'activity_recognition'

LAYERS = [
    {'__main__'},
    {'cli'},
    {'commands'},
    {'ros', 'behaviours', 'training'},
    {'bags', 'simulation', 'reporting', 'inference'},
    {'startup'},
    {'recorded', 'activities'},
    {'front_ends', 'media'},
    {'streams', 'sensors', 'models'},
    {'persons'},
    {'default_checkpoint'},
    {'frozen_networks'},
    {'parameter_files', 'weights'},
    {'config_io'},
    {'config'},
    {'modalities'},
    {'modality_spec'},
    {'model_config', 'types'},
    {'encoder_config'},
    {
        *('arguments', 'settings', 'channel_choice', 'console', 'scratch', 'text_files'),
        *('keypoints', 'checkpoint_folder'),
    },
    {'errors', 'entry', 'cache_dir', '__init__'},
]
"""From the top; those on a line do not know each other."""

ROOMS = [
    {'shipped', 'described', 'people'},
    {'preview', 'pretraining', 'teaching'},
    {'run'},
    {'evaluation'},
    {'augmentation', 'sharding'},
    {'data'},
    {'config', 'pool', '__init__'},
    {'augmentation_config'},
]
"""Of training, from the top; those on a line do not know each other."""

ROOM_LEVEL = {name: len(ROOMS) - i for i, names in enumerate(ROOMS) for name in names}

LEVEL = {name: len(LAYERS) - i for i, names in enumerate(LAYERS) for name in names}

NEED_ROS = {'ros', 'behaviours'}

ROS_MODULES = {
    'ament_index_python',
    'audio_common_msgs',
    'builtin_interfaces',
    'cv_bridge',
    'diagnostic_msgs',
    'geometry_msgs',
    'launch',
    'launch_ros',
    'lifecycle_msgs',
    'message_filters',
    'py_trees_ros',
    'rcl_interfaces',
    'rclpy',
    'rosgraph_msgs',
    'rosidl_generator_py',
    'rosidl_parser',
    'rosidl_runtime_py',
    'rpyutils',
    'sensor_msgs',
    'std_msgs',
    'std_srvs',
    f'{PACKAGE}.msg',
}

IMPORT_ALL = """
import importlib, sys
blocked, modules = (argument.split(',') for argument in sys.argv[1:])
sys.modules.update(dict.fromkeys(blocked))
for module in modules:
    importlib.import_module(module)
"""


def source_files() -> list[Path]:
    folders = (ROOT / PACKAGE, ROOT / 'training')
    return sorted(path for folder in folders for path in folder.rglob('*.py'))


def module_of(path: Path) -> str:
    """Name of the module once installed, for example activity_recognition.training.run.losses."""
    parts = path.relative_to(ROOT).with_suffix('').parts
    parts = parts if parts[0] == PACKAGE else (PACKAGE, *parts)
    return '.'.join(parts).removesuffix('.__init__')


def unit_of(module: str) -> str:
    """The part of the package that a module belongs to, for example training."""
    parts = module.split('.')
    return parts[1] if len(parts) > 1 else '__init__'


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """Lines and modules of all imports of a file, also those inside functions."""
    module = module_of(path)
    package = module if path.name == '__init__.py' else module.rpartition('.')[0]
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = absolute(package, node.level, node.module or '')
            if base == PACKAGE:
                yield from ((node.lineno, f'{base}.{alias.name}') for alias in node.names)
            else:
                yield node.lineno, base


def absolute(package: str, level: int, name: str) -> str:
    """Name of a module imported with `level` leading dots from inside a package."""
    if not level:
        return name
    parts = package.split('.')
    return '.'.join([*parts[: len(parts) - level + 1], *filter(None, [name])])


def fault(module: str, imported: str) -> str | None:
    """What is wrong with one import, if anything is."""
    own, top = unit_of(module), imported.split('.', maxsplit=1)[0]
    is_message = imported.startswith(f'{PACKAGE}.msg')
    if (top in ROS_MODULES or is_message) and own not in NEED_ROS:
        return 'only ros and behaviours may need ROS'
    if top != PACKAGE or is_message:
        return None
    other = unit_of(imported)
    other = other if other in LEVEL else '__init__'  # else a name that the package itself defines
    if own == other == 'training':
        return room_fault(module, imported)
    if own != other and LEVEL[own] <= LEVEL[other]:
        return f'{own} must not know {other}'
    return None


def room_of(module: str) -> str:
    """Room of training that a module belongs to."""
    parts = module.split('.')
    return parts[2] if len(parts) > 2 else '__init__'


def room_fault(module: str, imported: str) -> str | None:
    """What is wrong with an import within training, if anything is."""
    own, other = room_of(module), room_of(imported)
    if own != other and ROOM_LEVEL[own] <= ROOM_LEVEL[other]:
        return f'training/{own} must not know training/{other}'
    return None


def test_every_room_of_training_has_a_place():
    modules = [module_of(path) for path in source_files()]
    rooms = {room_of(module) for module in modules if unit_of(module) == 'training'}
    assert rooms == set(ROOM_LEVEL), 'give the new room a line in ROOMS'


def test_every_part_has_a_layer():
    units = {unit_of(module_of(path)) for path in source_files()}
    assert units <= set(LEVEL), 'give the new part a line in LAYERS, and in docs/architecture.md'


def test_imports_point_downwards():
    faults = [
        f'{path.relative_to(ROOT)}:{line}: {imported}: {message}'
        for path in source_files()
        for line, imported in imports_of(path)
        if (message := fault(module_of(path), imported))
    ]
    assert not faults, '\n'.join(faults)


@pytest.mark.parametrize(
    ('module', 'imported', 'allowed'),
    [
        ('activity_recognition.models.fusion', 'activity_recognition.config', True),
        (
            'activity_recognition.models.fusion',
            'activity_recognition.models.attention',
            True,
        ),
        ('activity_recognition.training.run.train', 'activity_recognition.inference.engine', True),
        ('activity_recognition.ros.recognizing.recognizer_node', 'activity_recognition.msg', True),
        ('activity_recognition.models.fusion', 'activity_recognition.sensors.audio', False),
        (
            'activity_recognition.models.fusion',
            'activity_recognition.training.run.losses',
            False,
        ),
        ('activity_recognition.training.run.train', 'activity_recognition.ros.qos', False),
        ('activity_recognition.training.run.x', 'activity_recognition.training.data.x', True),
        ('activity_recognition.training.data.x', 'activity_recognition.training.run.x', False),
        ('activity_recognition.training.data.x', 'activity_recognition.training.sharding.x', False),
        ('activity_recognition.bags.reader', 'rclpy.serialization', False),
        ('activity_recognition.bags.reader', 'activity_recognition.msg', False),
        ('activity_recognition.config', 'activity_recognition.cli', False),
    ],
)
def test_the_rule_itself(module, imported, allowed):
    assert (fault(module, imported) is None) == allowed


def import_without(blocked: set[str], modules: list[str]) -> subprocess.CompletedProcess[str]:
    arguments = [','.join(sorted(blocked)), ','.join(modules)]
    command = [sys.executable, '-W', 'ignore', '-c', IMPORT_ALL, *arguments]
    elsewhere = tempfile.gettempdir()  # where no folder is called activity_recognition
    return subprocess.run(command, cwd=elsewhere, capture_output=True, text=True, check=False)


def modules_of(*units: str) -> list[str]:
    modules = (module_of(path) for path in source_files())
    return [module for module in modules if unit_of(module) in units]


def test_everything_but_ros_and_behaviours_imports_without_ros():
    done = import_without(ROS_MODULES, modules_of(*(set(LEVEL) - NEED_ROS)))
    assert done.returncode == 0, done.stderr


def test_what_runs_beside_the_network_imports_without_torch():
    units = ('__init__', 'errors', 'types', 'config', 'config_io', 'sensors', 'streams')
    units += ('startup', 'parameter_files', 'weights', 'commands', 'cli')
    heavy = {'torch', 'torchaudio', 'transformers'}
    done = import_without(ROS_MODULES | heavy, modules_of(*units))
    assert done.returncode == 0, done.stderr
