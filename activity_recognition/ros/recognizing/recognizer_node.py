"""The lifecycle node ``recognizer``: camera, microphone and transcripts in, activities out.

The node is wiring. Configure loads the model, activate subscribes, and everything is undone in
reverse order; what is going on is reported on ``/diagnostics`` in every state.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import time
import traceback
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, cast

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn

from activity_recognition.config import RecognizerConfig
from activity_recognition.entry import remedy
from activity_recognition.errors import ActivityRecognitionError, MissingExtraError
from activity_recognition.ros.parameters import ConfigParameters
from activity_recognition.ros.qos import DIAGNOSTICS_QOS
from activity_recognition.ros.recognizing.diagnostics import Diagnosis, Snapshot
from activity_recognition.ros.recognizing.input_health import HEALTH_WINDOW_S
from activity_recognition.ros.recognizing.lifecycle import AsyncLifecycleNode

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.timer import Timer

    from activity_recognition.inference import MultiStreamEngine
    from activity_recognition.ros.recognizing.session import Session


class RecognizerNode(AsyncLifecycleNode):
    """Recognises activities while it is active.

    Parameters are the fields of :class:`~activity_recognition.config.RecognizerConfig`, dotted, and
    ``autostart``, which brings a node without a lifecycle manager to active by itself.
    """

    def __init__(self, node_name: str = 'recognizer', **options: Any) -> None:
        """Create the node, unconfigured.

        Args:
            node_name: its name before remapping.
            options: what :class:`rclpy.node.Node` takes by keyword.
        """
        super().__init__(node_name, **options)
        self._session: Session | None = None
        self._state = 'unconfigured'
        self._settings = ConfigParameters(
            self,
            RecognizerConfig,
            is_locked=lambda: self._session is not None or self.loading_since_s is not None,
            on_change=self._take_over,
        )
        self.autostart: bool = self.declare_parameter(
            'autostart',
            False,
            ParameterDescriptor(
                description='Configure and activate at the start, without a lifecycle manager.',
                read_only=True,
            ),
        ).value
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', DIAGNOSTICS_QOS)
        self._history: dict[str, deque[Snapshot]] = {}
        """What is judged, by stream, oldest first."""
        self._report_timer: Timer | None = None
        self._report_every(RecognizerConfig().diagnostics_rate_hz)

    def stop(self) -> None:
        """End recognising and give everything up, in whatever state the node is; NO_DATA first."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def destroy_node(self) -> None:
        """Take the node down; it leaves the graph at once, and must not be used any more."""
        self.stop()
        super().destroy_node()

    def make_loader(self) -> Callable[[], MultiStreamEngine]:
        """Return what loads the engine under the parameters of now.

        Raises:
            ConfigError: when they are wrong.
        """
        return partial(_load_engine, self._settings.read())

    def configuring(self) -> None:
        """Say on the console and in diagnostics what takes its time."""
        self.get_logger().info('loading the model; services are answered meanwhile')
        self._enter('configuring')

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Take the model, which a thread may have loaded and warmed up already."""
        return self._attempt('configured', super().on_configure, state, self._configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Activate the publishers, then subscribe and decide."""
        result = self._attempt('activated', super().on_activate, state, self._activate)
        if result == TransitionCallbackReturn.FAILURE:
            # The node stays inactive, and so must its publishers.
            super().on_deactivate(state)
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Publish NO_DATA, stop, then deactivate the publishers."""
        return self._undo('deactivated', self._deactivate, state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give the model up."""
        return self._undo('cleaned up', self._clean_up, state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop from any state."""
        return self._undo('shut down', self._shut_down, state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Clean up after an unexpected error, so that the node can be configured again."""
        self.stop()
        self._state = 'unconfigured'
        return super().on_error(state)

    def _attempt(
        self,
        done: str,
        inherited: Callable[[LifecycleState], TransitionCallbackReturn],
        state: LifecycleState,
        action: Callable[[], None],
    ) -> TransitionCallbackReturn:
        """Run a transition; rclpy would swallow its exceptions."""
        try:
            result = inherited(state)
            if result == TransitionCallbackReturn.SUCCESS:
                action()
        except ActivityRecognitionError as error:
            self._fail(error)
            self.get_logger().error(f'not {done}: {error}')
            return TransitionCallbackReturn.FAILURE
        except Exception as error:
            self._fail(error)
            self.get_logger().fatal(f'not {done}: {traceback.format_exc()}')
            return TransitionCallbackReturn.ERROR
        return result

    def _undo(
        self,
        done: str,
        action: Callable[[LifecycleState], TransitionCallbackReturn],
        state: LifecycleState,
    ) -> TransitionCallbackReturn:
        """Run a transition that takes something down; what it fails at ends in ``on_error``."""
        try:
            return action(state)
        except Exception as error:
            self._fail(error)
            self.get_logger().fatal(f'not {done}: {traceback.format_exc()}')
            return TransitionCallbackReturn.ERROR

    def _deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        if self._session is not None:
            self._session.stop()
        self._enter('inactive')
        return super().on_deactivate(state)

    def _clean_up(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.stop()
        self._enter('unconfigured')
        return super().on_cleanup(state)

    def _shut_down(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.stop()
        self._enter('finalized')
        return super().on_shutdown(state)

    def _configure(self) -> None:
        engine = cast('MultiStreamEngine', self.loaded())
        from activity_recognition.ros.recognizing.session import Session

        # Read after loading: what is live may have been set meanwhile.
        config = self._settings.read()
        self._session = Session(self, config, engine)
        self._report_every(config.diagnostics_rate_hz)
        self.get_logger().info(
            f'checkpoint {engine.checkpoint_id} with {len(engine.labels)} activities '
            f'on {engine.device_name}; {engine.num_threads} thread(s); {engine.choice.reason}'
        )
        if engine.choice.problem:
            self.get_logger().error(engine.choice.problem)
        if engine.remark:
            self.get_logger().warning(engine.remark)
        self._enter('inactive')

    def _activate(self) -> None:
        assert self._session is not None
        try:
            self._session.start()
        except Exception:
            self._session.stop()
            raise
        self._enter('active')

    def _enter(self, state: str) -> None:
        self._state = state
        self.failure = None
        snapshots = {} if self._session is None else self._session.snapshots()
        self._history = {name: deque([snapshot]) for name, snapshot in snapshots.items()}

    def _fail(self, error: Exception) -> None:
        """Keep why a transition failed; that of configuring ends where it began."""
        self.failure = error
        if self._state == 'configuring':
            self._state = 'unconfigured'

    def _take_over(self, config: RecognizerConfig) -> None:
        """Apply parameters that were set; those that are not live wait for configure."""
        if self._session is not None:
            self._session.update(config)

    def _report_every(self, rate_hz: float) -> None:
        """Report on a steady clock: a paused simulation must not silence the diagnostics."""
        if self._report_timer is not None:
            self.destroy_timer(self._report_timer)
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._report_timer = self.create_timer(1.0 / rate_hz, self._report, clock=clock)

    def _report(self) -> None:
        message = DiagnosticArray()
        message.header.stamp = self.get_clock().now().to_msg()
        session = self._session
        engine = session.engine if session is not None else None
        diagnosis = Diagnosis(
            node_name=self.get_fully_qualified_name(),
            hardware_id=engine.device_name if engine is not None else '',
            backend_problem=engine.choice.problem if engine is not None else '',
            checkpoint_remark=engine.remark if engine is not None else '',
            silent_after_s=self.get_parameter('silent_after_s').value,
        )
        if session is None or session.active is None:
            message.status = [self._idle(diagnosis)]
        else:
            for name, now in session.snapshots().items():
                history = self._history.setdefault(name, deque([Snapshot(time_s=0.0)]))
                message.status += dataclasses.replace(diagnosis, stream=name).statuses(
                    now, history, checkpoint=session.engine.checkpoint_id
                )
                history.append(now)
                while history[1].time_s <= now.time_s - HEALTH_WINDOW_S:
                    history.popleft()
        self._diagnostics.publish(message)

    def _idle(self, diagnosis: Diagnosis) -> DiagnosticStatus:
        """Return the status of a node that does not recognise."""
        since_s = self.loading_since_s
        if since_s is not None:
            sentence = f'configuring: loading the model for {time.monotonic() - since_s:.0f} s'
            return diagnosis.idle(self._state, sentence, failed=False)
        sentence = str(self.failure) if self.failure else ''
        return diagnosis.idle(self._state, sentence, failed=self.failure is not None)


def _load_engine(config: RecognizerConfig) -> MultiStreamEngine:
    # Loads torch, which takes seconds; settings are refused before.
    try:
        from activity_recognition.ros.recognizing.session import load_engine
    except ModuleNotFoundError as error:
        raise MissingExtraError(remedy(error.name or str(error))) from error
    return load_engine(config)


def main(args: list[str] | None = None) -> int:
    """Run the node until Ctrl-C; returns the exit status."""
    from activity_recognition.ros.executor import run

    return run(RecognizerNode, args, start=RecognizerNode.start_in_background)


def program() -> NoReturn:
    """Be the executable: run the node, then end at once.

    Everything is given up by then, and the interpreter's own teardown of the loaded libraries
    takes longer than all of it.
    """
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == '__main__':
    program()
