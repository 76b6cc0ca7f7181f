# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros lifecycle`: states and transitions of the managed nodes, without the ROS tools."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from sparsh_ros.errors import LifecycleError
from sparsh_ros.nodes.runtime.services import ASK_AGAIN_S, ask, service_client

# Transition: state to start from, state to reach.
_TRANSITIONS = {
    "configure": ("unconfigured", "inactive"),
    "activate": ("inactive", "active"),
    "deactivate": ("active", "inactive"),
    "cleanup": ("inactive", "unconfigured"),
    "shutdown": ("", "finalized"),
}
_SERVICE = "/change_state"
_KIND = "lifecycle_msgs/srv/ChangeState"

_POLL_S, _ANSWER_S = 0.1, 10.0
# Nodes turn up one by one: all are there once no more came for a while.
_QUIET_S, _GIVE_UP_S = 2.0, 5.0
# A large model may have to be read from a slow disk.
_TRANSITION_S = 300.0
_MOST_SEEN_AT_START = 2


def run(options: argparse.Namespace) -> int:
    """Change, then show, the state of each node.

    Raises:
        LifecycleError: There is no such node, or one did not do as asked; the others have.
    """
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("lifecycle_client")
    failures = []
    try:
        for name in _find(node, options.namespace.strip("/"), options.node):
            try:
                _visit(node, name, options.transition)
            except LifecycleError as error:
                failures.append(str(error))
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    if failures:
        raise LifecycleError("; ".join(failures))
    return 0


def _find(node: Node, namespace: str, wanted: Sequence[str]) -> list[str]:
    """Full names of the managed nodes in the namespace, sensors first; only those wanted, if any.

    Raises:
        LifecycleError: There are none, or one that is wanted is not among them.
    """
    root = f"/{namespace}/" if namespace else "/"
    names = {name if name.startswith("/") else root + name for name in wanted}
    found = _managed_nodes(node, root, names)
    if missing := sorted(names - found) or ([] if found else [f"{root}*"]):
        known = ", ".join(sorted(found)) or "none"
        raise LifecycleError(
            f"managed nodes: wanted {', '.join(missing)}, found {known}; start them with "
            "`sparsh-ros run`, or check --namespace and ROS_DOMAIN_ID"
        )
    return sorted(names or found, key=lambda name: (not name.endswith("sensor"), name))


def _managed_nodes(node: Node, root: str, wanted: set[str]) -> set[str]:
    """Full names of the managed nodes below `root`, once all wanted or no more turn up."""
    found: set[str] = set()
    deadline_s = time.monotonic() + _GIVE_UP_S
    while time.monotonic() < deadline_s and not (wanted and wanted <= found):
        time.sleep(_POLL_S)
        before = found
        found = {
            name.removesuffix(_SERVICE)
            for name, kinds in node.get_service_names_and_types()
            if name.startswith(root) and name.endswith(_SERVICE) and _KIND in kinds
        }
        if found != before and not wanted:
            deadline_s = time.monotonic() + _QUIET_S
    return found


def _visit(node: Node, name: str, transition: str | None) -> None:
    try:
        if transition:
            _change(node, name, transition)
    finally:
        sys.stdout.write(f"{name}: {_state(node, name)}\n")


def _change(node: Node, name: str, transition: str) -> None:
    """Let a node go through a transition; one that is where it leads already stays as it is."""
    start, goal = _TRANSITIONS[transition]
    state = _state(node, name)
    if state == goal:
        return
    if start and state != start:
        raise LifecycleError(f"{name}: {transition} wants state {start}, found {state}")
    if not _request_change(node, name, transition, goal):
        raise LifecycleError(f"{name}: {transition} failed; its log and /diagnostics say why")


def _request_change(node: Node, name: str, transition: str, goal: str) -> bool:
    """Ask for a transition and wait for its end; whether it succeeded.

    The answer may be lost, and so may the request: the state tells then. Made twice a request would
    be refused the second time, so it is only repeated for a node that twice was seen not to act.
    """
    service = f"{name}{_SERVICE}"
    request = ChangeState.Request(transition=Transition(label=transition))
    start = _state(node, name)
    deadline_s = time.monotonic() + _TRANSITION_S
    with service_client(node, ChangeState, service) as client:
        if not client.wait_for_service(_ANSWER_S):
            raise LifecycleError(f"{service}: not there; does its process run?")
        futures, seen_at_start = [client.call_async(request)], 0
        while time.monotonic() < deadline_s:
            rclpy.spin_until_future_complete(node, futures[-1], timeout_sec=ASK_AGAIN_S)
            for future in futures:
                if future.done():
                    return future.result().success
            with suppress(LifecycleError):  # busy with the transition, a node answers nothing
                state = _state(node, name)
                if state == goal:
                    return True
                seen_at_start += state == start
            if seen_at_start == _MOST_SEEN_AT_START:
                futures.append(client.call_async(request))
                seen_at_start = 0
    raise LifecycleError(f"{service}: no answer within {_TRANSITION_S:.0f} s; does it hang?")


def _state(node: Node, name: str) -> str:
    answer = ask(node, GetState, f"{name}/get_state", GetState.Request(), _ANSWER_S)
    if answer is None:
        raise LifecycleError(
            f"{name}/get_state: no answer within {_ANSWER_S:.0f} s; does its process run?"
        )
    return answer.current_state.label
