# SPDX-License-Identifier: Apache-2.0
"""Running `ros2` commands and launches from a script, for check_ros2.py."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import rclpy
from std_srvs.srv import Trigger

GIVE_UP_S = 120.0
_NODES = tuple(
    f"sparsh_ros{name}" for name in ("/sensor", "/perception", ".nodes", "/player", "/bead_maze_")
)


class FailError(Exception):
    """A promise that does not hold; the text says what was found."""


def wanted(condition: object, found: object) -> None:
    """Raises FailError with what was found unless the condition holds."""
    if not condition:
        raise FailError(" ".join(str(found).split())[-300:])


def ros2(*words: str, timeout_s: float = GIVE_UP_S) -> str:
    """The output of a `ros2` command that ends by itself, or is interrupted after a while."""
    return run("ros2", *words, timeout_s=timeout_s)[1]


def run(*words: str, timeout_s: float = GIVE_UP_S) -> tuple[int, str]:
    """Exit code and output of a command."""
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        timer = threading.Timer(timeout_s, lambda: os.killpg(process.pid, signal.SIGINT))
        timer.start()
        output = process.communicate()[0]
        timer.cancel()
    return process.returncode, output


def asked_until_done(service: str) -> tuple[str, int]:
    """Asks a std_srvs/Trigger as fast as a program can, until it succeeds or time is up.

    The `ros2` command takes a second to start, and a simulated gel is seldom free for so long.

    Returns:
        What it said in the end, and how often it refused.
    """
    refusals, give_up = 0, time.monotonic() + GIVE_UP_S
    with rclpy.init():
        node = rclpy.create_node("asks")
        client = node.create_client(Trigger, service)
        wanted(client.wait_for_service(GIVE_UP_S), f"no service {service}")
        while True:
            future = client.call_async(Trigger.Request())
            rclpy.spin_until_future_complete(node, future, timeout_sec=GIVE_UP_S)
            wanted(future.done(), f"{service}: no answer")
            if future.result().success or time.monotonic() > give_up:
                node.destroy_node()
                return future.result().message, refusals
            refusals += 1


def processes() -> set[int]:
    """The nodes of this package in this ROS domain."""
    domain = f"ROS_DOMAIN_ID={os.environ.get('ROS_DOMAIN_ID', '')}".encode()
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            is_ours = domain in (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if is_ours and any(name in line for name in _NODES) and "ros2 " not in line:
            found.add(int(folder.name))
    return found


def until(condition: Callable[[], object], what: str, timeout_s: float = GIVE_UP_S) -> None:
    """Waits; FailError if it never comes."""
    end_s = time.monotonic() + timeout_s
    while not condition():
        wanted(time.monotonic() < end_s, f"never came within {timeout_s:g} s: {what}")
        time.sleep(0.1)


class Graph:
    """A launch that runs, and what it prints."""

    def __init__(self, *words: str) -> None:
        """Starts it."""
        self._log = tempfile.NamedTemporaryFile("w+", suffix=".log")  # noqa: SIM115
        self._others = processes()
        self.process = subprocess.Popen(
            words, stdout=self._log, stderr=subprocess.STDOUT, start_new_session=True
        )

    @property
    def output(self) -> str:
        """All that it printed so far."""
        return Path(self._log.name).read_text()

    def until(self, pattern: str) -> None:
        """Waits until it prints this."""
        until(lambda: re.search(pattern, self.output) or self.process.poll() is not None, pattern)
        wanted(re.search(pattern, self.output), self.output)

    def stop(self, number: int = signal.SIGINT) -> int:
        """Sends it a signal; its exit code. FailError if a node outlives it for long."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(GIVE_UP_S)
        until(lambda: processes() <= self._others, "the end of its nodes", 30.0)
        return code


@contextmanager
def graph(*words: str) -> Iterator[Graph]:
    """A launch that is stopped at the end."""
    started = Graph(*words)
    try:
        yield started
    finally:
        started.stop()
