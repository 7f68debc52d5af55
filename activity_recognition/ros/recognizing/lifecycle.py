"""A lifecycle node that answers while it is being configured, and refuses what is impossible.

rclpy runs a transition inside the callback of ``change_state``: until it has ended the executor
serves nobody, and a transition that the state does not allow raises there, so that whoever asked
waits for ever. ADR 28 says what is done here instead.
"""

from __future__ import annotations

import threading
import time
from abc import abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from lifecycle_msgs.msg import Transition
from rclpy.exceptions import InvalidHandle
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from activity_recognition.errors import ActivityRecognitionError

if TYPE_CHECKING:
    from lifecycle_msgs.srv import ChangeState

Loader = Callable[[], object]


class AsyncLifecycleNode(LifecycleNode):
    """Configures in two parts: what takes long in a thread, the rest in the executor's.

    Meanwhile the state is ``configuring``, services are answered, timers run, and every other
    transition is refused. ``change_state`` is answered when the transition has ended. The
    ``trigger_…`` methods block until it has, as rclpy's do.
    """

    def __init__(self, node_name: str, **options: Any) -> None:
        """Create the node, unconfigured.

        Args:
            node_name: its name before remapping.
            options: what :class:`rclpy.lifecycle.LifecycleNode` takes by keyword.
        """
        self._loading: _Loading | None = None
        self.failure: Exception | None = None
        """Why the last transition failed; None after one that did not."""
        super().__init__(node_name, **options)
        service = self._service_change_state
        service.callback = self._answer_change_state
        # Both executors of rclpy look it up when they send; neither lets a callback answer later.
        self._send_response = service.send_response
        service.send_response = self._send_when_done

    @abstractmethod
    def make_loader(self) -> Loader:
        """Return what loads, without touching the node, what :meth:`on_configure` needs.

        Called when a configuration begins; :meth:`loaded` then gives its result.
        """

    def loaded(self) -> object:
        """Return what the loader gave, running it now unless a thread has; for ``on_configure``.

        Raises:
            Exception: what the loader raised.
        """
        if self._loading is not None:
            return self._loading.result.result()
        return self.make_loader()()

    @property
    def loading_since_s(self) -> float | None:
        """When the configuration in progress began, on the steady clock; None without one."""
        return None if self._loading is None else self._loading.since_s

    def start(self) -> None:
        """Configure and activate; returns when that is done.

        Raises:
            ActivityRecognitionError: the sentence that was logged, when either fails.
        """
        for trigger in (self.trigger_configure, self.trigger_activate):
            if trigger() != TransitionCallbackReturn.SUCCESS:
                raise ActivityRecognitionError(str(self.failure)) from self.failure

    def start_in_background(self) -> Future[None]:
        """Begin to configure, then activate; needs an executor that spins the node.

        Returns:
            A future that is done when the node is active; it holds an ActivityRecognitionError
            with the sentence that was logged where it did not come so far.
        """
        started: Future[None] = Future()

        def activate(is_configured: bool) -> None:
            if is_configured and self.trigger_activate() == TransitionCallbackReturn.SUCCESS:
                started.set_result(None)
                return
            error = ActivityRecognitionError(str(self.failure))
            error.__cause__ = self.failure
            started.set_exception(error)

        self._begin_configuring(activate)
        return started

    def destroy_node(self) -> None:
        """Take the node down; what is being loaded is dropped when it is there."""
        self._loading = None
        super().destroy_node()
        # rclpy leaves this to the garbage collector, and until then the participant lives on. It
        # has no public name for it.
        self._state_machine.destroy_when_not_in_use()

    def _answer_change_state(
        self, request: ChangeState.Request, response: ChangeState.Response
    ) -> ChangeState.Response | _Deferred:
        """Begin, or refuse, what a client asks for; the answer may come later."""
        transition_id = self._allowed(request.transition)
        if transition_id is None:
            response.success = False
            return response
        if transition_id != Transition.TRANSITION_CONFIGURE:
            done = self._trigger(transition_id) == TransitionCallbackReturn.SUCCESS
            response.success = done
            return response
        answer = _Deferred(response)
        self._begin_configuring(answer.give)
        return answer

    def _allowed(self, asked: Transition) -> int | None:
        """Return the id of a transition that is possible now; log what is not, and return None."""
        _, state = self._state_machine.current_state
        expected, remedy = 'no other transition', '; ask again when it has ended'
        if self._loading is None:
            possible = {item[1]: item[0] for item in self._state_machine.available_transitions}
            # As in rclpy and rclcpp a label goes before an id.
            wanted = possible.get(asked.label) if asked.label else asked.id
            if wanted in possible.values():
                return wanted
            expected, remedy = ' or '.join(possible) or 'no transition', ''
        self.get_logger().warning(
            f'change_state: refused: expected {expected} while {state}, '
            f'got {asked.label[:40]!r} (id {asked.id}){remedy}'
        )
        return None

    def _trigger(self, transition_id: int) -> TransitionCallbackReturn:
        triggers = {
            Transition.TRANSITION_CLEANUP: self.trigger_cleanup,
            Transition.TRANSITION_ACTIVATE: self.trigger_activate,
            Transition.TRANSITION_DEACTIVATE: self.trigger_deactivate,
        }
        trigger = triggers.get(transition_id) or self.trigger_shutdown
        return trigger()

    def _begin_configuring(self, on_end: Callable[[bool], None]) -> None:
        """Enter ``configuring`` and load in a thread; ``on_end`` learns whether it succeeded."""
        state_id, label = self._state_machine.current_state
        self._state_machine.trigger_transition_by_id(Transition.TRANSITION_CONFIGURE, True)
        loading = _Loading(LifecycleState(label=label, state_id=state_id), on_end)
        self._loading, executor = loading, self.executor
        try:
            loader = self.make_loader()
        except Exception as error:
            loader = _raiser(error)
        self.configuring()

        def load() -> None:
            loading.run(loader)
            if executor is not None and self._loading is loading:
                with suppress(InvalidHandle):  # it has shut down, and nobody waits any more
                    executor.create_task(self._end_configuring, loading)

        threading.Thread(target=load, name='loader', daemon=True).start()

    def configuring(self) -> None:
        """Take notice that a configuration goes on in the background; does nothing here."""

    def _end_configuring(self, loading: _Loading) -> None:
        """Leave ``configuring`` as rclpy would have; called in the executor's thread."""
        if self._loading is not loading:
            return  # the node was destroyed meanwhile
        result = self.on_configure(loading.state)
        self._loading = None
        machine = self._state_machine
        machine.trigger_transition_by_label(result.to_label(), True)
        if result == TransitionCallbackReturn.ERROR:
            machine.trigger_transition_by_label(self.on_error(loading.state).to_label(), True)
        loading.on_end(result == TransitionCallbackReturn.SUCCESS)

    def _send_when_done(self, response: ChangeState.Response | _Deferred, header: object) -> None:
        if isinstance(response, _Deferred):
            response.send_by(lambda answer: self._send_response(answer, header))
        else:
            self._send_response(response, header)


class _Loading:
    """A configuration in progress."""

    def __init__(self, state: LifecycleState, on_end: Callable[[bool], None]) -> None:
        self.state = state
        """The one it began in."""
        self.on_end = on_end
        self.since_s = time.monotonic()
        self.result: Future[object] = Future()

    def run(self, loader: Loader) -> None:
        """Load; an error is kept for ``on_configure``, which knows what to say of it."""
        try:
            self.result.set_result(loader())
        except Exception as error:
            self.result.set_exception(error)
        except BaseException as error:
            # A library that exits ends this thread alone: without a result nobody would know.
            self.result.set_exception(RuntimeError(f'loading ended by {error!r}'))


class _Deferred:
    """A response that is sent when its outcome is known."""

    def __init__(self, response: ChangeState.Response) -> None:
        self._response = response
        self._outcome: Future[bool] = Future()

    def give(self, success: bool) -> None:
        """Note the outcome."""
        self._outcome.set_result(success)

    def send_by(self, send: Callable[[ChangeState.Response], None]) -> None:
        """Send with ``send`` as soon as the outcome is known."""

        def complete(outcome: Future[bool]) -> None:
            self._response.success = outcome.result()
            send(self._response)

        self._outcome.add_done_callback(complete)


def _raiser(error: Exception) -> Loader:
    def fail() -> object:
        raise error

    return fail
