# SPDX-License-Identifier: Apache-2.0
"""Calling services so that a lost answer is asked for again.

A server may answer before the reader of a client that is new has been matched: the request was
carried out and the answer is lost, for good. Under load that happens every few hundred calls.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import rclpy
from rclpy.client import Client
from rclpy.node import Node
from rclpy.task import Future

ASK_AGAIN_S = 1.0
"""How long an answer is waited for before the request is made again."""


@contextmanager
def service_client(node: Node, service_type: type, service: str) -> Any:
    """A client that is destroyed at the end, with the requests that were never answered."""
    client = node.create_client(service_type, service)
    try:
        yield client
    finally:
        node.destroy_client(client)


def ask(
    node: Node, service_type: type, service: str, request: object, timeout_s: float
) -> Any | None:
    """Call a service that may be called twice, such as one that only tells; spins the node.

    Args:
        node: Asks; nobody else may spin it meanwhile.
        service_type: Class of the service.
        service: Its name.
        request: What to send, again each second until one answer has come.
        timeout_s: When to give up, seconds.

    Returns:
        The answer; None if none came in time.
    """

    def spin(future: Future, seconds: float) -> None:
        rclpy.spin_until_future_complete(node, future, timeout_sec=seconds)

    with service_client(node, service_type, service) as client:
        return ask_again_until_answered(client, request, timeout_s, spin)


def ask_again_until_answered(
    client: Client, request: object, timeout_s: float, wait: Callable[[Future, float], None]
) -> Any | None:
    """As `ask`, with a client, and with `wait` to wait for a future some seconds at most."""
    deadline_s = time.monotonic() + timeout_s
    if not client.wait_for_service(timeout_s):
        return None
    futures: list[Future] = []
    while (left_s := deadline_s - time.monotonic()) > 0:
        futures.append(client.call_async(request))
        wait(futures[-1], min(ASK_AGAIN_S, left_s))
        for future in futures:
            if future.done():
                return future.result()
    return None
