# SPDX-License-Identifier: Apache-2.0
"""What threads compute, from the kernel's own counts."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from sparsh_ros.bench.threads import thread_seconds
from sparsh_ros.scheduling import show_name


def task(folder: Path, name: str, seconds: float) -> None:
    folder.mkdir(parents=True)
    (folder / "comm").write_text(f"{name}\n")
    (folder / "schedstat").write_text(f"{round(seconds * 1e9)} 77 5\n")


def test_threads_of_one_name_are_added_and_others_have_none(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7/comm").write_text("python\n")
    for number, name, seconds in (
        (7, "python", 1.0),
        (8, "encoder", 2.0),
        (9, "dds.shm.7000", 0.25),
        (10, "dds.shm.12411", 0.5),
        (11, "python", 4.0),
        (12, "python", 8.0),
    ):
        task(tmp_path / "7/task" / str(number), name, seconds)
    found = thread_seconds({"perception": 7, "gone": 6}, tmp_path)
    assert found == pytest.approx(
        {
            "perception: main": 1.0,
            "perception: encoder": 2.0,
            "perception: dds.shm": 0.75,
            "perception: others": 12.0,
        }
    )


def test_a_thread_that_works_is_seen() -> None:
    worked, looked = threading.Event(), threading.Event()

    def work() -> None:
        show_name()
        while time.thread_time() < 0.05:
            pass
        worked.set()
        looked.wait(30.0)

    thread = threading.Thread(target=work, name="works")
    thread.start()
    assert worked.wait(30.0)
    found = thread_seconds({"here": os.getpid()})
    looked.set()
    thread.join()
    assert 0.04 < found["here: works"] < 5.0 and found["here: main"] > 0.0
