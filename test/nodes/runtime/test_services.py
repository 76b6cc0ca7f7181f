# SPDX-License-Identifier: Apache-2.0
"""Answers that are lost are asked for again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from lifecycle_msgs.srv import GetState

from sparsh_ros.nodes.graph import lifecycle
from sparsh_ros.nodes.runtime import services
from sparsh_ros.nodes.runtime.services import ask_again_until_answered


class Server:
    """A client of a server whose first answers never arrive."""

    def __init__(self, lost: int, is_there: bool = True) -> None:
        self.requests = 0
        self._lost, self._is_there = lost, is_there

    def wait_for_service(self, _timeout_s: float) -> bool:
        return self._is_there

    def call_async(self, request: object) -> SimpleNamespace:
        self.requests += 1
        is_answered = self.requests > self._lost
        return SimpleNamespace(done=lambda: is_answered, result=lambda: request)


def _wait(*_: object) -> None: ...


def test_an_answer_is_asked_for_until_it_comes() -> None:
    server = Server(lost=3)
    assert ask_again_until_answered(server, "state?", 60.0, _wait) == "state?"
    assert server.requests == 4


@pytest.mark.parametrize("server", [Server(10**9), Server(0, is_there=False)])
def test_there_is_an_end_to_asking(server: Server) -> None:
    assert ask_again_until_answered(server, "state?", 0.05, _wait) is None


@pytest.fixture
def deaf_once(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """The first answer that any client gets is dropped, as if its reader was not matched yet."""
    from rclpy.client import Client

    monkeypatch.setattr(services, "ASK_AGAIN_S", 0.2)
    real, dropped = Client.call_async, []

    def call_async(client: Client, request: object) -> object:
        future = real(client, request)
        if not dropped:
            dropped.append(future)
            client._pending_requests.clear()
        return future

    monkeypatch.setattr(Client, "call_async", call_async)
    return lambda: len(dropped)


def test_a_real_service_whose_first_answer_is_lost(outsider, deaf_once) -> None:
    def answer(_request: object, response: GetState.Response) -> GetState.Response:
        response.current_state.label = "active"
        return response

    service = outsider.node.create_service(GetState, "/shy/get_state", answer)
    node = services.rclpy.create_node("asker", context=outsider.node.context)
    executor = services.rclpy.executors.SingleThreadedExecutor(context=outsider.node.context)
    executor.add_node(node)

    def wait(future: object, seconds: float) -> None:
        executor.spin_until_future_complete(future, seconds)

    with services.service_client(node, GetState, "/shy/get_state") as client:
        found = ask_again_until_answered(client, GetState.Request(), 30.0, wait)
    assert found.current_state.label == "active" and deaf_once() == 1
    executor.shutdown()
    node.destroy_node()
    outsider.between_callbacks(lambda: outsider.node.destroy_service(service))


class Managed:
    """A managed node whose answers to change_state never arrive."""

    def __init__(self, carried_out: bool) -> None:
        self.state, self.changes = "unconfigured", 0
        self._carried_out = carried_out

    def call_async(self, _request: object) -> SimpleNamespace:
        self.changes += 1
        if self._carried_out or self.changes > 1:
            self.state = "inactive"
        is_answered = not self._carried_out and self.changes > 1
        answer = SimpleNamespace(success=True)
        return SimpleNamespace(done=lambda: is_answered, result=lambda: answer)


@pytest.mark.parametrize(("carried_out", "changes"), [(True, 1), (False, 2)])
def test_a_transition_is_made_once(monkeypatch, carried_out: bool, changes: int) -> None:
    managed = Managed(carried_out)
    monkeypatch.setattr(lifecycle, "_state", lambda *_: managed.state)
    monkeypatch.setattr(lifecycle.rclpy, "spin_until_future_complete", lambda *_, **__: None)
    wait_for_service = threading.Event().is_set
    node = SimpleNamespace(
        create_client=lambda *_: SimpleNamespace(
            wait_for_service=lambda _s: not wait_for_service(), call_async=managed.call_async
        ),
        destroy_client=lambda _client: None,
    )
    lifecycle._change(node, "/hand/sensor", "configure")
    assert (managed.state, managed.changes) == ("inactive", changes)
