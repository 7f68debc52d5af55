"""The launch files: their arguments, and what they start where launch is installed."""

import ast
import importlib.util
from pathlib import Path

import pytest

from activity_recognition import startup
from activity_recognition.errors import ConfigError

FOLDER = Path(__file__).resolve().parents[2] / 'launch'
FILES = {
    'activity_recognition.launch.py': 'RUN_ARGUMENTS',
    'replay.launch.py': 'REPLAY_ARGUMENTS',
    'demo.launch.py': 'DEMO_ARGUMENTS',
}

pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")

needs_launch = pytest.mark.skipif(
    importlib.util.find_spec('launch_ros') is None, reason='launch_ros is not installed'
)


def test_there_are_no_others():
    assert {path.name for path in FOLDER.iterdir() if path.suffix == '.py'} == set(FILES)


@pytest.mark.parametrize(('name', 'arguments'), FILES.items())
def test_a_file_describes_the_shared_arguments_and_nothing_of_its_own(name, arguments):
    tree = ast.parse((FOLDER / name).read_text(encoding='utf-8'))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    described = [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == 'describe']
    assert len(described) == 1
    assert isinstance(described[0].args[0], ast.Name)
    assert described[0].args[0].id == arguments
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert functions == ['generate_launch_description']


def description(name):
    spec = importlib.util.spec_from_file_location('launch_file', FOLDER / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.generate_launch_description()


@needs_launch
@pytest.mark.parametrize(('name', 'arguments'), FILES.items())
def test_every_argument_is_declared_as_the_command_line_has_it(name, arguments):
    declared = {item.name: item for item in description(name).get_launch_arguments()}
    expected = getattr(startup, arguments)
    assert list(declared) == [item.name for item in expected]
    for item in expected:
        found = declared[item.name]
        assert found.description.startswith(item.description)
        default = found.default_value
        text = None if default is None else ''.join(part.text for part in default)
        assert text == (None if item.required else item.text)
        assert (found.choices or []) == list(item.choices)


def started(name, **given):
    """Return the names of what a launch file starts for some arguments."""
    from launch import LaunchContext
    from launch.actions import ExecuteProcess, OpaqueFunction

    context = LaunchContext()
    context.launch_configurations.update(given)
    launched = description(name)
    for item in launched.get_launch_arguments():
        default = ''.join(part.text for part in item.default_value or [])
        context.launch_configurations[item.name] = given.get(item.name, default)
    (begin,) = [entity for entity in launched.entities if isinstance(entity, OpaqueFunction)]
    actions = begin.execute(context)
    return actions, [action for action in actions if isinstance(action, ExecuteProcess)]


@needs_launch
def test_autostart_brings_the_node_to_active_and_can_be_left():
    with_events, nodes = started('activity_recognition.launch.py')
    without_events, same = started('activity_recognition.launch.py', autostart='false')
    assert len(nodes) == len(same) == 1
    # Two that judge the node's end are always there.
    assert len(without_events) == 3
    assert len(with_events) == 5


@needs_launch
def test_replay_starts_both_nodes_and_the_demo_its_parts():
    assert len(started('replay.launch.py', bag='x.mcap')[1]) == 2
    # The player comes when the recording is written.
    assert len(started('demo.launch.py')[1]) == 3


@needs_launch
def test_a_wrong_value_is_refused_in_words():
    with pytest.raises(ValueError, match='rate must be of type float'):
        started('replay.launch.py', bag='x.mcap', rate='fast')


@needs_launch
@pytest.mark.parametrize(
    ('pushed', 'given', 'full'),
    [
        ('', 'robot', '/robot'),
        ('', '//robot/', '/robot'),
        ('', '', '/'),
        ('/fleet', 'robot', '/fleet/robot'),
        ('/fleet', '/robot', '/robot'),
    ],
)
def test_nodes_have_the_namespace_that_their_log_level_names(pushed, given, full):
    from launch import LaunchContext

    around = {'ros_namespace': pushed} if pushed else {}
    _, (node,) = started('activity_recognition.launch.py', namespace=given, **around)
    context = LaunchContext()
    context.launch_configurations.update(around)
    node._perform_substitutions(context)
    assert node.expanded_node_namespace == full
    words = [''.join(getattr(part, 'text', '') for part in word) for word in node.cmd]
    logger = '.'.join(word for word in [*full.split('/'), 'recognizer'] if word)
    assert f'{logger}:=info' in words


def event_handlers(actions):
    """Return the event handlers that actions register, and a context that has them."""
    from launch import LaunchContext
    from launch.actions import RegisterEventHandler

    context = LaunchContext()
    for action in actions:
        if isinstance(action, RegisterEventHandler):
            action.execute(context)
    return context


def answers(context, event):
    """Return what the handlers of an event want done."""
    from launch.actions import OpaqueFunction

    wanted = []
    for handler in tuple(context._event_handlers):
        if handler.matches(event):
            context._push_locals()
            for entity in handler.handle(event, context) or []:
                opaque = isinstance(entity, OpaqueFunction)
                wanted += entity.execute(context) if opaque else [entity]
            context._pop_locals()
    return wanted


def transition(node, start, goal):
    """Return the event that a lifecycle node went from one state to another."""
    from launch_ros.events.lifecycle import StateTransition
    from lifecycle_msgs.msg import TransitionEvent

    message = TransitionEvent()
    message.start_state.label, message.goal_state.label = start, goal
    return StateTransition(action=node, msg=message)


@needs_launch
@pytest.mark.parametrize('first', ['inactive', 'unconfigured', 'errorprocessing'])
def test_the_first_configure_alone_is_followed_by_activating(first):
    from launch.actions import EmitEvent, LogInfo

    actions, (node,) = started('activity_recognition.launch.py')
    context = event_handlers(actions)
    assert answers(context, transition(node, 'unconfigured', 'configuring')) == []
    (answer,) = answers(context, transition(node, 'configuring', first))
    assert isinstance(answer, EmitEvent if first == 'inactive' else LogInfo)
    # From here on an operator cleans up and configures; the node is not activated behind his back.
    assert answers(context, transition(node, 'configuring', 'inactive')) == []


def ended(process, returncode):
    """Return the event that a process ended."""
    from launch.events.process import ProcessExited

    return ProcessExited(
        action=process, name='p', cmd=['p'], cwd=None, env=None, pid=1, returncode=returncode
    )


def failure_of(context, answer):
    """Return the sentence of an answer that makes the launch fail."""
    from activity_recognition.errors import ActivityRecognitionError

    (emit,) = answer
    with pytest.raises(ActivityRecognitionError) as caught:
        answers(context, emit.event)
    return str(caught.value)


NAMES = {
    'activity_recognition.launch.py': ['the recogniser'],
    'replay.launch.py': ['the recogniser', 'the player'],
    'demo.launch.py': ['the recogniser', 'p', 'monitor'],
}
"""What each launch file calls the processes it starts at once, in their order."""


@needs_launch
@pytest.mark.parametrize('autostart', ['true', 'false'])
@pytest.mark.parametrize('name', FILES)
@pytest.mark.parametrize(
    ('returncode', 'words'), [(1, 'failed with status 1'), (-9, 'was ended by SIGKILL')]
)
def test_a_process_that_fails_is_a_launch_that_fails(name, autostart, returncode, words):
    autostart = {} if name == 'demo.launch.py' else {'autostart': autostart}
    actions, processes = started(name, bag='x.mcap', **autostart)
    context = event_handlers(actions)
    assert len(processes) == len(NAMES[name])
    for process, called in zip(processes, NAMES[name], strict=True):
        sentence = failure_of(context, answers(context, ended(process, returncode)))
        assert sentence.startswith(f'{called} {words}')
        assert sentence.endswith('; see its own output')


@needs_launch
@pytest.mark.parametrize(
    ('name', 'number', 'reason'),
    [
        ('activity_recognition.launch.py', 0, 'the recogniser has ended'),
        ('replay.launch.py', 0, 'the recogniser has ended'),
        ('replay.launch.py', 1, 'the recording has ended'),
        ('demo.launch.py', 0, 'the recogniser has ended'),
        ('demo.launch.py', 2, 'the demo has ended'),
    ],
)
def test_a_process_that_ends_well_ends_the_launch(name, number, reason):
    from launch.actions import Shutdown

    actions, processes = started(name, bag='x.mcap')
    _said, over = answers(event_handlers(actions), ended(processes[number], 0))
    assert isinstance(over, Shutdown)
    assert over.event.reason == reason


@needs_launch
@pytest.mark.parametrize('name', FILES)
def test_what_ends_while_the_launch_ends_means_nothing(name):
    actions, processes = started(name, bag='x.mcap')
    context = event_handlers(actions)
    context._set_is_shutdown(True)
    assert [answers(context, ended(process, -9)) for process in processes] == [[]] * len(processes)


@needs_launch
@pytest.mark.parametrize('name', ['replay.launch.py', 'demo.launch.py'])
def test_nothing_is_played_to_a_recogniser_that_cannot_listen(name):
    actions, processes = started(name, bag='x.mcap')
    context = event_handlers(actions)
    refused = answers(context, transition(processes[0], 'configuring', 'unconfigured'))
    sentence = failure_of(context, refused)
    assert sentence.endswith('/recognizer could not be configured; its own log says why')


@needs_launch
def test_the_demo_plays_what_was_simulated_and_nothing_older():
    from launch_ros.actions import Node

    actions, processes = started('demo.launch.py')
    simulate = processes[-2]
    (player,) = answers(event_handlers(actions), ended(simulate, 0))
    assert isinstance(player, Node)
    context = event_handlers([*actions, *answers(event_handlers(actions), ended(simulate, 0))])
    sentence = failure_of(context, answers(context, ended(player, -9)))
    assert sentence.startswith('the player was ended by SIGKILL')


@needs_launch
@pytest.mark.parametrize(('autostart', 'itself'), [('true', True), ('false', False)])
def test_a_respawned_recogniser_ends_nothing_and_brings_itself_to_active(autostart, itself):
    from launch import LaunchContext

    actions, (node,) = started(
        'activity_recognition.launch.py', respawn='true', autostart=autostart, respawn_delay='0.5'
    )
    context = event_handlers(actions)
    assert answers(context, ended(node, -9)) == []
    assert answers(context, transition(node, 'configuring', 'inactive')) == []
    node._perform_substitutions(LaunchContext())
    files = [Path(file) for file, is_file in node._Node__expanded_parameter_arguments if is_file]
    (given,) = [file for file in files if file.name.startswith('launch_params_')]
    assert f'autostart: {str(itself).lower()}' in given.read_text()


@needs_launch
def test_a_delay_that_is_none_is_refused():
    with pytest.raises(ConfigError, match=r'respawn_delay must be 0 s or more .* got -1'):
        started('activity_recognition.launch.py', respawn='true', respawn_delay='-1')


@needs_launch
@pytest.mark.parametrize('name', FILES)
def test_a_parameter_file_that_is_not_there_is_refused_before_anything_starts(name):
    with pytest.raises(ConfigError, match=r'expected a file of ROS parameters at /nowhere\.yaml'):
        started(name, bag='x.mcap', params_file='/nowhere.yaml')


@needs_launch
def test_the_topics_move_with_the_namespace():
    _, (node,) = started('activity_recognition.launch.py', namespace='robot', audio='/mic')
    topics = {
        ''.join(part.text for part in source): ''.join(part.text for part in target)
        for source, target in node._Node__remappings
    }
    assert (topics['image'], topics['audio']) == ('camera/image_raw', '/mic')


@needs_launch
def test_all_nodes_that_publish_images_get_the_transport(monkeypatch):
    from activity_recognition.ros import launching

    monkeypatch.setattr(launching, 'image_transport', lambda **_: ({'PROFILE': 'x'}, ''))
    _, nodes = started('replay.launch.py', bag='x.mcap')
    variables = [
        [''.join(part.text for part in word) for word in variable]
        for node in nodes
        for variable in node.additional_env
    ]
    assert variables == [['PROFILE', 'x']] * 2
