# SPDX-License-Identifier: Apache-2.0
"""The ROS example hears slip from another process."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from sparsh_ros.msg import Slip

EXAMPLE = Path(__file__).parents[2] / "examples" / "listen_to_slip.py"


def test_listener_tells_a_beginning_slip(outsider) -> None:
    publisher = outsider.node.create_publisher(Slip, "/tactile/slip", 10)
    listener = subprocess.Popen(
        [sys.executable, EXAMPLE], cwd=EXAMPLE.parents[1], stderr=subprocess.PIPE, text=True
    )
    heard: list[str] = []
    told = threading.Event()

    def read() -> None:
        for line in listener.stderr:
            heard.append(line)
            told.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(600):
            publisher.publish(Slip(valid=True, slipping=True, probability=0.75))
            if told.wait(0.1):
                break
        assert told.is_set()
    finally:
        listener.terminate()
        listener.wait(timeout=30)
        reader.join()
        outsider.destroy(publisher)
    assert "slip begins, probability 0.75" in heard[0]
