"""What the launch files are made of; needs launch and launch_ros, as on any robot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from launch import Action, Event, EventHandler, LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
)
from launch.event_handlers import OnProcessExit
from launch.events import matches_action
from launch.events.process import ProcessExited
from launch_ros.actions import LifecycleNode, Node
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import ExecutableInPackage
from lifecycle_msgs.msg import Transition

from activity_recognition.arguments import Argument, Value
from activity_recognition.errors import ActivityRecognitionError
from activity_recognition.ros.sources.recording_source import values_for_recognizer
from activity_recognition.ros.transport import image_transport
from activity_recognition.startup import (
    NodeSpec,
    absolute_name,
    demo_values,
    describe_end,
    people_parameters,
    player_spec,
    recognizer_spec,
    respawn_delay_of,
)

Start = Callable[[Mapping[str, Value]], Sequence[Action]]
"""Turns the arguments' values into what is to be started."""


class Failure(Event):  # type: ignore[misc]
    """Something has failed: the launch ends with it, and its exit status says so."""

    name = 'activity_recognition.Failure'

    def __init__(self, sentence: str) -> None:
        """Create the event; ``sentence`` says what failed."""
        self.sentence = sentence


def describe(arguments: Sequence[Argument], start: Start) -> LaunchDescription:
    """Return a launch description that declares ``arguments`` and starts what ``start`` returns.

    What is wrong with a value, or with a file that one names, ends the launch before anything of
    the description is started.

    Args:
        arguments: to declare.
        start: returns what is started for their values.
    """

    def begin(context: LaunchContext) -> Sequence[Action]:
        given = context.launch_configurations
        read = {item.name: item.read(given[item.name]) for item in arguments}
        values = {name: value for name, value in read.items() if value is not None}
        namespace = _full_namespace(context, str(values['namespace']))
        return [_raise_failures(), *start({**values, 'namespace': namespace})]

    return LaunchDescription([*map(_declare, arguments), OpaqueFunction(function=begin)])


def recognizer_actions(values: Mapping[str, Value], *, use_sim_time: bool | None) -> list[Action]:
    """Return the recogniser, what brings it to active with ``autostart``, and what its end means.

    One that cannot be configured stays, for its operator to put right. One that ends is started
    again with ``respawn``, and is the end of the launch without it.

    Args:
        values: of RUN_ARGUMENTS or REPLAY_ARGUMENTS, by name.
        use_sim_time: as of :func:`~activity_recognition.startup.recognizer_spec`.
    """
    if values['respawn']:
        return _respawned(values, use_sim_time=use_sim_time)
    node, actions = _recognizer(values, use_sim_time=use_sim_time, on_refusal=_say)
    return [_end_with(node, 'the recogniser'), *actions]


def replay_actions(values: Mapping[str, Value]) -> list[Action]:
    """Return the recogniser, and the player, whose end is the end of the launch."""
    warnings, player = _player(player_spec(values))
    return [
        *_listener(values_for_recognizer(values), use_sim_time=bool(values['clock'])),
        _end_with(player, 'the player', at_end='the recording has ended'),
        *warnings,
        player,
    ]


def demo_actions(given: Mapping[str, Value]) -> list[Action]:
    """Return what the demo consists of: a simulated recording, played while it is watched.

    The recording is written while the recogniser loads its model, then played; the watcher writes
    the report when all is worked off, and ends the launch.
    """
    values = demo_values(given)
    scene = [f'--{name}={given[name]}' for name in ('seed', 'seconds', 'difficulty', 'people')]
    simulate = _command('simulate', *scene, '--out', str(values['bag']), '--overwrite', '--quiet')
    watch = _command(
        *('monitor', '--report', str(given['out'])),
        *('--ros-args', '-r', f'__ns:={absolute_name(str(values["namespace"]))}'),
    )
    spec = player_spec(values).with_parameters({'playback.exit_at_end': False})
    warnings, player = _player(spec)
    return [
        *_listener(values, use_sim_time=False, parameters=people_parameters(int(given['people']))),
        _go_on_after(simulate, [*warnings, player]),
        _end_with(watch, 'monitor', at_end='the demo has ended'),
        # It stays until it is asked to end.
        _end_with(player, 'the player'),
        simulate,
        watch,
    ]


def _listener(
    values: Mapping[str, Value],
    *,
    use_sim_time: bool,
    parameters: Mapping[str, Value] = MappingProxyType({}),
) -> list[Action]:
    """Return the recogniser of something played: without it there is nothing to play for."""
    node, actions = _recognizer(
        values, use_sim_time=use_sim_time, on_refusal=_fail, parameters=parameters
    )
    return [_end_with(node, 'the recogniser'), *actions]


def _respawned(values: Mapping[str, Value], *, use_sim_time: bool | None) -> list[Action]:
    """Return a recogniser that is started again whenever it ends.

    With ``autostart`` it brings itself to active: asked by a service, launch could take the one
    that was killed, which stays visible for some seconds, for its successor, and wait for ever.
    """
    spec = recognizer_spec(values, use_sim_time=use_sim_time)
    spec = spec.with_parameters({'autostart': values['autostart']})
    environment, warnings = _transport(spec)
    node = LifecycleNode(
        **_settings(spec),
        additional_env=environment,
        respawn=True,
        respawn_delay=respawn_delay_of(values),
    )
    return [*warnings, node]


def _recognizer(
    values: Mapping[str, Value],
    *,
    use_sim_time: bool | None,
    on_refusal: Callable[[str], list[Action]],
    parameters: Mapping[str, Value] = MappingProxyType({}),
) -> tuple[LifecycleNode, list[Action]]:
    spec = recognizer_spec(values, use_sim_time=use_sim_time).with_parameters(parameters)
    environment, warnings = _transport(spec)
    node = LifecycleNode(**_settings(spec), additional_env=environment)
    if not values.get('autostart', True):
        return node, [*warnings, node]
    return node, [
        *warnings,
        node,
        # Registered before the first transition, which may be quick.
        _activate_once_configured(node, spec.full_name, on_refusal),
        EmitEvent(event=_change(node, Transition.TRANSITION_CONFIGURE)),
    ]


def _go_on_after(process: ExecuteProcess, then: list[Action]) -> RegisterEventHandler:
    """Return what goes on when a process has succeeded, and ends the launch when it has not."""

    def judge(event: ProcessExited, context: LaunchContext) -> list[Action]:
        if context.is_shutdown:
            return []
        return then if event.returncode == 0 else _failed(event.process_name, event.returncode)

    return RegisterEventHandler(OnProcessExit(target_action=process, on_exit=judge))


def _end_with(process: ExecuteProcess, name: str, *, at_end: str = '') -> RegisterEventHandler:
    """Return what ends the launch with a process, unless it is ending already.

    Args:
        process: the process.
        name: what to call it where it failed.
        at_end: what to say where it has ended with status 0.
    """

    def end(event: ProcessExited, context: LaunchContext) -> list[Action]:
        if context.is_shutdown:
            return []
        if event.returncode == 0:
            return _shut_down(at_end or f'{name} has ended')
        return _failed(name, event.returncode)

    return RegisterEventHandler(OnProcessExit(target_action=process, on_exit=end))


def _failed(name: str, returncode: int) -> list[Action]:
    return _fail(f'{name} {describe_end(returncode)}; see its own output')


def _fail(sentence: str) -> list[Action]:
    """Return what ends the launch as failed."""
    return [EmitEvent(event=Failure(sentence))]


def _raise_failures() -> RegisterEventHandler:
    """Return what gives the launch another exit status than 0: an exception in a handler.

    It has an event of its own, because the exception keeps what else waits for the event, such as
    the last lines of a process, from being done.
    """

    def refuse(context: LaunchContext) -> None:
        raise ActivityRecognitionError(context.locals.event.sentence)

    return RegisterEventHandler(
        EventHandler(
            matcher=lambda event: isinstance(event, Failure),
            entities=[OpaqueFunction(function=refuse)],
        )
    )


def _say(sentence: str) -> list[Action]:
    return [LogInfo(msg=sentence)]


def _shut_down(reason: str) -> list[Action]:
    # Launch keeps the reason to itself.
    return [LogInfo(msg=reason), Shutdown(reason=reason)]


def _player(spec: NodeSpec) -> tuple[list[Action], Node]:
    """Return the player, and what is to be said of its transport."""
    environment, warnings = _transport(spec)
    return warnings, Node(**_settings(spec), additional_env=environment)


def _transport(spec: NodeSpec) -> tuple[dict[str, str], list[Action]]:
    environment, warning = image_transport(name=spec.name, spare_segments=spec.spare_segments)
    return environment, [LogInfo(msg=warning)] if warning else []


def _full_namespace(context: LaunchContext, given: str) -> str:
    """Return a namespace with what groups around it push, as launch_ros resolves it."""
    pushed = '' if given.startswith('/') else context.launch_configurations.get('ros_namespace', '')
    full = absolute_name(pushed, given)
    return '' if full == '/' else full


def _command(*words: str) -> ExecuteProcess:
    """Return a command of ``activity-recognition``, from wherever the package is installed."""
    program = ExecutableInPackage('activity-recognition', 'activity_recognition')
    return ExecuteProcess(cmd=[program, *words], name=words[0], output='screen')


def _declare(item: Argument) -> DeclareLaunchArgument:
    options: dict[str, object] = {} if item.required else {'default_value': item.text}
    if item.choices:
        options['choices'] = list(item.choices)
    return DeclareLaunchArgument(item.name, description=item.description, **options)


def _settings(spec: NodeSpec) -> dict[str, object]:
    # Typed, because launch takes a text that looks like a number for one.
    parameters = {
        key: ParameterValue(value, value_type=type(value)) for key, value in spec.parameters.items()
    }
    return {
        'package': 'activity_recognition',
        'executable': spec.name,
        'name': spec.name,
        'namespace': spec.namespace,
        'parameters': [*spec.parameter_files, *([parameters] if parameters else [])],
        'remappings': list(spec.remappings.items()),
        'ros_arguments': ['--log-level', f'{spec.logger_name}:={spec.log_level}'],
        'output': 'screen',
    }


def _change(node: LifecycleNode, transition_id: int) -> ChangeState:
    return ChangeState(lifecycle_node_matcher=matches_action(node), transition_id=transition_id)


def _activate_once_configured(
    node: LifecycleNode, name: str, on_refusal: Callable[[str], list[Action]]
) -> RegisterEventHandler:
    """Return what activates a node after its first attempt to be configured, and never again.

    Where that fails, ``on_refusal`` gets a sentence that says what to do. Whatever that comes
    to, the node is the operator's from then on.
    """

    def judge(context: LaunchContext) -> list[Action]:
        if context.locals.event.goal_state == 'inactive':
            return [EmitEvent(event=_change(node, Transition.TRANSITION_ACTIVATE))]
        return on_refusal(f'{name} could not be configured; its own log says why')

    return RegisterEventHandler(
        OnStateTransition(
            target_lifecycle_node=node,
            start_state='configuring',
            entities=[OpaqueFunction(function=judge)],
            handle_once=True,
        )
    )
