# SPDX-License-Identifier: Apache-2.0
"""Which threads go first, asked of the kernel in a process of its own."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest

SCRIPT = """
import os, threading
from sparsh_ros.errors import ParameterError
from sparsh_ros.scheduling import go_first, yield_to_others

started = threading.Barrier(4)

def policy():
    return os.sched_getscheduler(0), os.sched_getparam(0).sched_priority

def before():
    started.wait(); changed.wait(); found["before"] = policy()

def humble():
    yield_to_others(); started.wait(); changed.wait(); found["humble"] = policy()

def late():
    yield_to_others(); found["late"] = policy()

found, changed = {}, threading.Event()
threads = [threading.Thread(target=one) for one in (before, humble)]
third = threading.Thread(target=started.wait)
for one in (*threads, third):
    one.start()
started.wait()
try:
    go_first(3)
except ParameterError as error:
    found["error"] = str(error)
changed.set()
found["main"] = policy()
threads.append(threading.Thread(target=lambda: found.update(after=policy())))
threads.append(threading.Thread(target=late))
for one in threads[2:]:
    one.start()
for one in threads:
    one.join()
print(repr(found))
"""
ORDINARY, FIRST, SECOND = (os.SCHED_OTHER, 0), (os.SCHED_RR, 3), (os.SCHED_RR, 2)


def run_script(command: str = SCRIPT) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True
    )
    return eval(done.stdout)


def may_go_first() -> bool:
    return os.geteuid() == 0 or resource.getrlimit(resource.RLIMIT_RTPRIO)[0] >= 3


@pytest.mark.skipif(not may_go_first(), reason="this user may not ask for real-time priority")
def test_all_threads_go_first_and_those_that_yielded_second() -> None:
    found = run_script()
    if "error" in found:  # root of a container without the capability
        pytest.skip(str(found["error"]))
    assert (found["main"], found["before"], found["after"]) == (FIRST,) * 3
    assert (found["humble"], found["late"]) == (SECOND,) * 2


def test_who_may_not_is_told_how_to_be_allowed() -> None:
    drop = (
        "import os, resource; resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0));"
        "os.geteuid() or os.setuid(65534)\n"
    )
    # Imports first: another user may not read the files of this one.
    imports, rest = SCRIPT.split("\n\n", 1)
    found = run_script(imports + "\n" + drop + rest)
    assert "limits.conf" in str(found["error"]) and found["main"] == ORDINARY


def test_the_kernel_knows_the_names_of_threads() -> None:
    name = run_script(
        """
import threading
from pathlib import Path
from sparsh_ros.scheduling import show_name

def work():
    show_name()
    path = Path(f"/proc/self/task/{threading.get_native_id()}/comm")
    names.append(path.read_text().strip())

names = []
thread = threading.Thread(target=work, name="capture a long name")
thread.start()
thread.join()
print(repr(names))
"""
    )
    assert name == ["capture a long "] or name == ["capture a long"]
