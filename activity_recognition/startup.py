"""What is started, with which arguments: the one source for launch files and the command line.

Needs neither rclpy nor launch, so that both can read it.
"""

from __future__ import annotations

import json
import math
import signal
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from activity_recognition.arguments import Argument, ArgumentList, Value, defaults
from activity_recognition.config_io import load_config, shipped_file, stored_modalities
from activity_recognition.default_checkpoint import SIMULATED_PEOPLE
from activity_recognition.errors import ConfigError
from activity_recognition.modalities import ROLE_SPEC
from activity_recognition.parameter_files import check_names_node
from activity_recognition.recorded import ROLES, SETTINGS, RecordedConfig
from activity_recognition.settings import Ranged, field_docstrings, setting

TOPIC_ARGUMENTS = tuple(
    Argument(name=spec.role.value, default=spec.default_topic, description=spec.description)
    for spec in ROLE_SPEC.values()
)
"""Topics by role; the same names for what is played and recognised.

They are relative, so that they lie in the namespace of the nodes; one that begins with a slash
stays where it is.
"""


def _recorded_arguments() -> tuple[Argument, ...]:
    texts = field_docstrings(RecordedConfig)
    return tuple(
        Argument(
            name=name,
            default=None,
            kind=kind,
            description=texts.get(name, f'{name} of the recording.'),
        )
        for name, kind in SETTINGS.items()
    )


RECORDED_ARGUMENTS = ArgumentList(_recorded_arguments)
"""Which topics of a recording are played, and what they mean; by name settings of the player."""
LIVE_ARGUMENTS = tuple(
    replace(
        item,
        name=f'live_{item.name}',
        description=f'Name under which {item.name} is played and recognised.',
    )
    for item in TOPIC_ARGUMENTS
)
"""The same topics where ``image``, ``audio``, … name those of a recording."""
_MEANINGS = tuple(name for name in SETTINGS if name not in ROLES)
"""Settings of the player that are parameters of the recogniser as well, in its ``topics``."""

_MODEL_ARGUMENTS = (
    Argument(
        name='checkpoint',
        default=None,
        description='Checkpoint folder, that of a training run, or people or nano, which are '
        'shipped; without it that of params_file, else people where its networks are found, else '
        'nano.',
    ),
    Argument(
        name='device',
        default=None,
        description='Where the network runs: auto, cpu, cuda or cuda:N; without it what '
        'params_file says, else auto.',
    ),
    Argument(
        name='params_file',
        default='',
        description='Parameter file of the recogniser, before which other arguments go; empty '
        'takes the one shipped, config/recognizer.yaml.',
    ),
)

_NODE_ARGUMENTS = (
    Argument(
        name='namespace',
        default='',
        description='Namespace of the nodes, and of topics that do not begin with a slash.',
    ),
    Argument(
        name='log_level',
        default='info',
        description='What the nodes log.',
        choices=('debug', 'info', 'warn', 'error', 'fatal'),
    ),
)

_AUTOSTART = Argument(
    name='autostart',
    default=True,
    description='Configure and activate the lifecycle node; false leaves that to a manager.',
)

_RESPAWN_ARGUMENTS = (
    Argument(
        name='respawn',
        default=False,
        description='Start the recogniser again when it ends, and with autostart bring it to '
        'active each time; without it all ends with it.',
    ),
    Argument(
        name='respawn_delay',
        default=2.0,
        description='Wait this long before it is started again, seconds.',
    ),
)

_DETECTIONS = Argument(
    name='detections',
    default='detections',
    description='Topic of a tracker that tells people apart, vision_msgs/Detection2DArray or '
    'yolo_msgs/DetectionArray.',
)

RUN_ARGUMENTS = (
    *_MODEL_ARGUMENTS[:1],
    *TOPIC_ARGUMENTS,
    _DETECTIONS,
    *_MODEL_ARGUMENTS[1:],
    _AUTOSTART,
    Argument(
        name='use_sim_time',
        default=None,
        kind=bool,
        description='Take the time from /clock, for simulators and played recordings; without it '
        'what params_file says, else false.',
    ),
    *_RESPAWN_ARGUMENTS,
    *_NODE_ARGUMENTS,
)
"""Arguments of activity_recognition.launch.py and of ``activity-recognition run``."""


def _replay_arguments() -> tuple[Argument, ...]:
    return (
        Argument(
            name='bag',
            default=None,
            required=True,
            description='The recording: a rosbag2 folder, or a .mcap, .db3 or ROS 1 .bag file.',
        ),
        Argument(name='rate', default=1.0, description='Seconds played per second.'),
        Argument(name='offset', default=0.0, description='Begin this far into it, seconds.'),
        Argument(name='duration', default=0.0, description='Play this much of it, seconds; 0 all.'),
        Argument(name='loop', default=False, description='Begin again at the end.'),
        Argument(
            name='clock',
            default=True,
            description="Publish the recording's time on /clock and recognise in that time; false "
            'moves the stamps to now.',
        ),
        *_MODEL_ARGUMENTS,
        *RECORDED_ARGUMENTS,
        *LIVE_ARGUMENTS,
        _AUTOSTART,
        *_NODE_ARGUMENTS,
    )


REPLAY_ARGUMENTS = ArgumentList(_replay_arguments)
"""Arguments of replay.launch.py and of ``activity-recognition replay``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoConfig(Ranged):
    """What the demo plays and what it must reach; ``config/demo.yaml`` holds overrides."""

    seed: int = setting(0, low=0, high=2**31 - 1)
    """Of the simulated recording."""
    seconds: float = setting(120.0, low=5.0, high=3600.0)
    """Length of the recording."""
    difficulty: float = setting(0.5, low=0.0, high=1.0)
    """Camera noise, occlusion, background sound and recogniser errors."""
    people: int = setting(1, low=1, high=4)
    """How many people are there; several are told apart."""
    min_balanced_accuracy: float = setting(0.85, low=0.0, high=1.0)
    """Of the decisions about the scene, where one person is there."""
    min_person_accuracy: float = setting(0.25, low=0.0, high=1.0)
    """Balanced accuracy of the decisions about each of several people."""
    max_lost_fraction: float = setting(0.01, low=0.0, high=1.0)
    """Of the frames published, in transport."""


def _demo_arguments() -> tuple[Argument, ...]:
    demo = load_config(DemoConfig, shipped_file('demo.yaml'))
    return (
        Argument(name='seed', default=demo.seed, description='Seed of the simulated recording.'),
        Argument(name='seconds', default=demo.seconds, description='Length of the recording.'),
        Argument(
            name='difficulty',
            default=demo.difficulty,
            description='Camera noise, occlusion, background sound and recogniser errors, 0 to 1.',
        ),
        Argument(
            name='people',
            default=demo.people,
            description='How many people are there, 1 to 4; several are recognised each apart.',
        ),
        Argument(name='out', default='demo', description='Folder for recording, logs and report.'),
        *_MODEL_ARGUMENTS,
        *(
            replace(item, default='demo') if item.name == 'namespace' else item
            for item in _NODE_ARGUMENTS
        ),
    )


DEMO_ARGUMENTS = ArgumentList(_demo_arguments)
"""Arguments of demo.launch.py and of ``activity-recognition demo``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeSpec:
    """One node to be started."""

    name: str
    """Its name, and that of its executable in lib/activity_recognition."""
    module: str
    """Python module that runs it."""
    namespace: str = ''
    parameter_files: tuple[str, ...] = ()
    parameters: Mapping[str, Value] = field(default_factory=dict)
    """Overrides that go before the files."""
    remappings: Mapping[str, str] = field(default_factory=dict)
    log_level: str = 'info'
    publishes_images: bool = False
    """Whether it needs the transport of :mod:`activity_recognition.ros.transport`."""
    spare_segments: int = 0
    """Segments of shared memory that it leaves to others whose images matter more."""

    @property
    def full_name(self) -> str:
        """Name of the node with its namespace."""
        return absolute_name(self.namespace, self.name)

    @property
    def logger_name(self) -> str:
        """Name of the node's logger: the full name with dots."""
        return self.full_name.strip('/').replace('/', '.')

    def with_parameters(self, parameters: Mapping[str, Value]) -> NodeSpec:
        """Return the same node with more overrides."""
        return replace(self, parameters={**self.parameters, **parameters})

    def command(self, extra: Iterable[str] = ()) -> list[str]:
        """Return the command that starts it, for where there is no launch.

        Args:
            extra: ROS arguments to add; they go before all others.
        """
        given = [f'__node:={self.name}']
        namespace = absolute_name(self.namespace)
        given += [f'__ns:={namespace}'] if namespace != '/' else []
        given += [f'{role}:={topic}' for role, topic in self.remappings.items()]
        command = [sys.executable, '-m', self.module, '--ros-args']
        command += [word for rule in given for word in ('-r', rule)]
        command += [word for file in self.parameter_files for word in ('--params-file', file)]
        for key, value in self.parameters.items():
            # JSON is YAML, and keeps a text that looks like a number a text.
            command += ['-p', f'{key}:={json.dumps(value)}']
        return [*command, '--log-level', f'{self.logger_name}:={self.log_level}', *extra]


def absolute_name(*parts: str) -> str:
    """Return parts of a ROS name as one absolute name, with single slashes."""
    return '/' + '/'.join(word for part in parts for word in part.split('/') if word)


def describe_end(returncode: int) -> str:
    """Return how a process ended, as the verb of a sentence.

    Args:
        returncode: its exit status, negative for the number of the signal that ended it.
    """
    if returncode >= 0:
        return 'has ended' if returncode == 0 else f'failed with status {returncode}'
    try:
        name = signal.Signals(-returncode).name
    except ValueError:
        name = f'signal {-returncode}'
    why = ', by somebody or because memory ran out' if -returncode == signal.SIGKILL else ''
    return f'was ended by {name}{why}'


def recognizer_spec(values: Mapping[str, Value], *, use_sim_time: bool | None) -> NodeSpec:
    """Return the recogniser for the values of RUN_ARGUMENTS or REPLAY_ARGUMENTS.

    What is not given is left to the parameter file.

    Args:
        values: by name.
        use_sim_time: whether the time comes from /clock; None leaves it to the parameter file.

    Raises:
        ConfigError: the parameter file is not there, is not YAML, or has nothing for the node.
    """
    parameters: dict[str, Value] = {}
    for name, parameter in (('checkpoint', 'checkpoint'), ('device', 'engine.device')):
        if values.get(name):
            parameters[parameter] = values[name]
    if use_sim_time is not None:
        parameters['use_sim_time'] = use_sim_time
    parameters |= {f'topics.{name}': values[name] for name in _MEANINGS if name in values}
    spec = NodeSpec(
        name='recognizer',
        module='activity_recognition.ros.recognizing.recognizer_node',
        namespace=str(values['namespace']),
        parameter_files=(str(values['params_file'] or shipped_file('recognizer.yaml')),),
        parameters=parameters,
        remappings=_topics(values) | _of_people(values),
        log_level=str(values['log_level']),
        # The overlay, which must not take the room of the camera driver or the player.
        publishes_images=True,
        spare_segments=1,
    )
    if values['params_file']:
        check_names_node(Path(str(values['params_file'])), spec.full_name)
    return spec


def sim_time_of(values: Mapping[str, Value]) -> bool | None:
    """Return what RUN_ARGUMENTS say of sim time; None where they leave it to the parameter file."""
    return bool(values['use_sim_time']) if 'use_sim_time' in values else None


def respawn_delay_of(values: Mapping[str, Value]) -> float:
    """Return how long RUN_ARGUMENTS want to wait before the recogniser is started again, seconds.

    Raises:
        ConfigError: it is negative, or no number.
    """
    delay_s = float(values['respawn_delay'])
    if not 0.0 <= delay_s < math.inf:
        raise ConfigError(f'respawn_delay must be 0 s or more and finite, got {delay_s:g}')
    return delay_s


def player_spec(values: Mapping[str, Value]) -> NodeSpec:
    """Return the player for the values of REPLAY_ARGUMENTS; it publishes what is recognised.

    It waits for subscribers, so it plays nothing that the checkpoint does not take.
    """
    recorded = {name: values[name] for name in SETTINGS if name in values}
    if values.get('checkpoint'):
        modalities = stored_modalities(Path(str(values['checkpoint'])))
        played = RecordedConfig().with_overrides(recorded).for_player(modalities)
        recorded |= {name: value for name, value in played.overrides.items() if name in ROLES}
    return NodeSpec(
        name='player',
        module='activity_recognition.ros.playing.player_node',
        namespace=str(values['namespace']),
        parameter_files=(str(shipped_file('player.yaml')),),
        parameters={
            'bag': values['bag'],
            'offset_s': values['offset'],
            'duration_s': values['duration'],
            'playback.rate': values['rate'],
            'playback.loop': values['loop'],
            'playback.clock': values['clock'],
            **{f'recorded.{name}': value for name, value in recorded.items()},
        },
        remappings=_topics(values),
        log_level=str(values['log_level']),
        publishes_images=True,
    )


def namespaced_values(namespace: str, given: Mapping[str, Value]) -> dict[str, Value]:
    """Return values of REPLAY_ARGUMENTS with nodes and topics in a namespace of their own.

    Args:
        namespace: where nothing else is met.
        given: what goes before the defaults; names that REPLAY_ARGUMENTS lacks are left out.
    """
    values = defaults(REPLAY_ARGUMENTS)
    values |= {item.name: absolute_name(namespace, item.text) for item in LIVE_ARGUMENTS}
    names = {item.name for item in REPLAY_ARGUMENTS}
    return {**values, **{k: v for k, v in given.items() if k in names}, 'namespace': namespace}


def demo_values(given: Mapping[str, Value]) -> dict[str, Value]:
    """Return values of REPLAY_ARGUMENTS for the values of DEMO_ARGUMENTS; stamps are live ones.

    Where no checkpoint is named it is the one that knows simulated people.
    """
    live = {**given, 'clock': False, 'bag': f'{given["out"]}/recording'}
    if not (given.get('checkpoint') or given.get('params_file')):
        live['checkpoint'] = SIMULATED_PEOPLE
    return namespaced_values(str(given['namespace']), live)


def people_parameters(people: int) -> dict[str, Value]:
    """Return the recogniser's parameters where a recording of several simulated people is played.

    Args:
        people: how many there are.
    """
    if people < 2:
        return {}
    # Relative, so that the topics lie in the namespace of the nodes.
    return {'people.source': 'humans', 'people.humans': 'humans', 'people.max': people}


def _topics(values: Mapping[str, Value]) -> dict[str, str]:
    """Return the topics by role; where a recording is played, their names begin with ``live_``."""
    return {
        item.name: str(values.get(f'live_{item.name}', values.get(item.name)))
        for item in TOPIC_ARGUMENTS
    }


def _of_people(values: Mapping[str, Value]) -> dict[str, str]:
    """Return the topics that say where people are, as far as they are given another name."""
    topic = str(values.get(_DETECTIONS.name, _DETECTIONS.default))
    return {} if topic == _DETECTIONS.default else {_DETECTIONS.name: topic}
