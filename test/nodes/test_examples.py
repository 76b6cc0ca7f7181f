# SPDX-License-Identifier: Apache-2.0
"""The ROS examples hear slip from another process, and answer."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from builtin_interfaces.msg import Time
from std_msgs.msg import Float64, Header

from sparsh_ros.msg import Slip

EXAMPLES = Path(__file__).parents[2] / "examples"


@contextmanager
def running(name: str) -> Iterator[subprocess.Popen[str]]:
    """One example as a program."""
    command = [sys.executable, EXAMPLES / name]
    program = subprocess.Popen(
        command, cwd=EXAMPLES.parent, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    try:
        yield program
    finally:
        program.terminate()
        program.wait(timeout=120)


def slip(number: int, **fields) -> Slip:
    """A message, 1/60 s after the one before."""
    stamp = Time(nanosec=number * 16_666_667)
    return Slip(header=Header(stamp=stamp), **{"valid": True, **fields})


def test_listener_tells_a_beginning_slip_and_silence(outsider) -> None:
    publisher = outsider.node.create_publisher(Slip, "/tactile/slip", 10)
    heard: list[str] = []
    told, missed = threading.Event(), threading.Event()

    def read(program: subprocess.Popen[str]) -> None:
        for line in program.stderr:
            heard.append(line)
            if "slip begins" in line:
                told.set()
            elif told.is_set() and "no slip messages: unknown" in line:
                missed.set()

    with running("listen_to_slip.py") as program:
        reader = threading.Thread(target=read, args=(program,))
        reader.start()
        for _ in range(600):
            publisher.publish(slip(0, slipping=True, probability=0.75))
            if told.wait(0.1):
                break
        assert missed.wait(60)
    reader.join()
    outsider.destroy(publisher)
    assert any("slip begins, probability 0.75" in line for line in heard)


def test_the_reflex_grips_harder_while_it_slips_and_only_then(outsider) -> None:
    publisher = outsider.node.create_publisher(Slip, "/tactile/slip", 10)
    answered = threading.Event()
    forces = outsider.listen(Float64, "/grip_force", then=lambda _: answered.set())

    def say(*messages: Slip) -> None:
        for message in messages:
            publisher.publish(message)

    with running("grip_on_slip.py"):
        for _ in range(600):  # until each hears the other
            say(slip(0))
            if answered.wait(0.1):
                break
        say(slip(1, valid=False, slipping=True), slip(2), slip(3, slipping=True))
        outsider.wait_for(lambda: forces[-1].data > 2.0, "a harder grip")
        held = len(forces) + 3
        say(slip(4), slip(5, valid=False), slip(6))
        outsider.wait_for(lambda: len(forces) >= held, "answers")
    outsider.destroy(publisher)
    raised_n = 2.0 + 10.0 / 60.0
    assert forces[0].data == 2.0
    assert [force.data for force in forces[-4:]] == pytest.approx([raised_n] * 4)
