# SPDX-License-Identifier: Apache-2.0
"""A managed node of this package: what the transitions mean, and what happens when one fails.

    unconfigured --configure--> inactive --activate--> active
                 <--cleanup---          <--deactivate--

The transitions come over the standard services of a managed node, on the executor's thread. With
the parameter `autostart` a node goes through the first two by itself.
"""

from __future__ import annotations

import os
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace

from rclpy.lifecycle import LifecycleNode, LifecycleState
from rclpy.lifecycle import TransitionCallbackReturn as Result

from sparsh_ros.arguments import Setting
from sparsh_ros.errors import SparshError
from sparsh_ros.names import RESTARTS
from sparsh_ros.nodes.runtime import spin
from sparsh_ros.nodes.runtime.diagnostics import ERROR, OK, WARN, Diagnostics, Report
from sparsh_ros.nodes.runtime.parameters import Parameters

_RESTART_SHOWN_S = 60.0


class ManagedNode(LifecycleNode):
    """A node with something to hold (a camera, a model) and something to do while it is active.

    A node implements the four steps below. `_configure` and `_activate` may raise a SparshError:
    the node then stays where it was, logs the sentence, and may be asked again. After any other
    exception everything is released and the node is unconfigured. `_deactivate` and `_cleanup` also
    run after a step that failed halfway, and where there is nothing to do.

    Topics and services that `_configure` makes exist until the node is cleaned up.
    """

    def __init__(self, name: str, settings: Mapping[str, Setting]) -> None:
        """Declare the parameters in `settings`, of which `autostart` is one.

        Raises:
            ParameterError: a value given at start is of the wrong type or not allowed.
        """
        super().__init__(name)
        self._params = Parameters(
            *(self, settings),
            is_locked=lambda: self.state != "unconfigured",
            on_change=self._on_parameters,
        )
        self._created_s = time.monotonic()
        self._failure: Exception | None = None
        self._is_starting = False
        self._diagnostics = Diagnostics(self, self._state_reports)
        self._lasting = set(self._entities())

    @abstractmethod
    def _configure(self) -> None:
        """Get hold of what is needed, and make the topics."""

    @abstractmethod
    def _activate(self) -> None:
        """Begin to work and to publish."""

    @abstractmethod
    def _deactivate(self) -> None:
        """Stop publishing, join the threads, let others have the device."""

    @abstractmethod
    def _cleanup(self) -> None:
        """Let go of everything."""

    def _on_parameters(self, names: set[str]) -> None:
        """Take into use what has changed at run time; for nodes that read a setting only once."""

    @abstractmethod
    def _reports(self) -> Mapping[str, Report]:
        """How each sensor fares, by its name, in any state; of interest while active."""

    @property
    def state(self) -> str:
        """Where the node is in its life: "active", "inactive"; on its way: "activating"."""
        return self._state_machine.current_state[1]

    def start(self) -> None:
        """Configure and activate, unless parameter `autostart` is false.

        Raises:
            SparshError: one of them failed.
        """
        if not self._params["autostart"]:
            self.get_logger().info("unconfigured: waiting for the transition configure")
            return
        self._is_starting = True
        steps = (self.trigger_configure, self.trigger_activate)
        is_active = all(step() == Result.SUCCESS for step in steps)
        self._is_starting = False
        if not is_active:
            raise self._failure

    def close(self) -> None:
        """Stop working, publish the final counts, let go of everything."""
        if self.state != "finalized":
            self.trigger_shutdown()

    def on_configure(self, _state: LifecycleState) -> Result:
        """Called by rclpy."""
        return self._attempt(self._configure, self._release)

    def on_activate(self, _state: LifecycleState) -> Result:
        """Called by rclpy."""
        return self._attempt(self._begin, self._halt)

    def on_deactivate(self, _state: LifecycleState) -> Result:
        """Called by rclpy."""
        return self._attempt(self._halt)

    def on_cleanup(self, _state: LifecycleState) -> Result:
        """Called by rclpy."""
        return self._attempt(self._release)

    def on_shutdown(self, _state: LifecycleState) -> Result:
        """Called by rclpy, from any state."""
        return self._attempt(self._end)

    def on_error(self, _state: LifecycleState) -> Result:
        """Called by rclpy where one of the above went wrong in a way that nobody foresaw."""
        self._release()
        return Result.SUCCESS

    def _attempt(self, step: Callable[[], None], undo: Callable[[], None] | None = None) -> Result:
        """Do a step. rclpy would drop whatever it raises without a word."""
        self._failure = None
        try:
            step()
        except Exception as error:
            self._fail(error)
            if undo is None or not isinstance(error, SparshError):
                return Result.ERROR
            undo()
            return Result.FAILURE
        return Result.SUCCESS

    def _begin(self) -> None:
        self._activate()
        spin.freeze_gc()

    def _halt(self) -> None:
        self._deactivate()
        spin.unfreeze_gc()

    def _fail(self, error: Exception) -> None:
        """Say what went wrong, here and on /diagnostics, until the next transition."""
        self._failure = error
        if not self._is_starting:
            self.get_logger().error(_sentence(error))

    def _end(self) -> None:
        self._halt()
        self._diagnostics.publish()
        # The topics stay: what was published last may still be on its way.
        self._cleanup()

    def _release(self) -> None:
        self._halt()
        self._cleanup()
        for entity, destroy in self._entities().items():
            if entity not in self._lasting:
                destroy(entity)

    def _entities(self) -> dict[object, Callable[[object], bool]]:
        """All that this node has in the middleware, each with what destroys it."""
        return {
            **dict.fromkeys(self.publishers, self.destroy_publisher),
            **dict.fromkeys(self.subscriptions, self.destroy_subscription),
            **dict.fromkeys(self.services, self.destroy_service),
            **dict.fromkeys(self.timers, self.destroy_timer),
        }

    def _state_reports(self) -> dict[str, Report]:
        return {name: self._with_state(report) for name, report in self._reports().items()}

    def _with_state(self, report: Report) -> Report:
        state = self.state
        report = replace(report, values={"state": state} | dict(report.values) | _restarts())
        if self._failure is not None:
            return replace(report, level=ERROR, message=f"{state}: {_sentence(self._failure)}")
        if state != "active":
            return replace(report, level=OK, message=state)
        if _restarts() and time.monotonic() - self._created_s < _RESTART_SHOWN_S:
            return report.with_more(Report(WARN, "started again after its process had died"))
        return report


def _restarts() -> dict[str, object]:
    """How often the process died and was started again by what watches over it."""
    count = os.environ.get(RESTARTS, "")
    return {"restarts": int(count)} if count.isdecimal() else {}


def _sentence(error: Exception) -> str:
    return str(error) if isinstance(error, SparshError) else f"{type(error).__name__}: {error}"
