# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros lifecycle`: states and transitions of the managed nodes, without the ROS tools."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from sparsh_ros.errors import LifecycleError

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

_POLL_S = 0.1
# Nodes turn up one by one: all are there once no more came for a while.
_QUIET_S = 2.0
_GIVE_UP_S = 5.0
_ANSWER_S = 10.0
# A large model may have to be read from a slow disk.
_TRANSITION_S = 300.0


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
    request = ChangeState.Request(transition=Transition(label=transition))
    answer = _call(node, ChangeState, f"{name}{_SERVICE}", request, _TRANSITION_S)
    if not answer.success:
        raise LifecycleError(f"{name}: {transition} failed; its log and /diagnostics say why")


def _state(node: Node, name: str) -> str:
    answer = _call(node, GetState, f"{name}/get_state", GetState.Request(), _ANSWER_S)
    return answer.current_state.label


def _call(node: Node, kind: type, service: str, request: object, patience_s: float) -> object:
    client = node.create_client(kind, service)
    try:
        if client.wait_for_service(_ANSWER_S):
            future = client.call_async(request)
            rclpy.spin_until_future_complete(node, future, timeout_sec=patience_s)
            if future.done():
                return future.result()
    finally:
        node.destroy_client(client)
    raise LifecycleError(f"{service}: no answer within {patience_s:.0f} s; does its process run?")
