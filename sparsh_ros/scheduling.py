# SPDX-License-Identifier: Apache-2.0
"""Which threads of a process go first where there are fewer cores than threads that want one."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from sparsh_ros.errors import ParameterError

_NICENESS = 5


def yield_to_others() -> None:
    """Lower the priority of the calling thread, where threads have one of their own."""
    if sys.platform != "linux":
        return
    thread = threading.get_native_id()
    with suppress(OSError):
        own = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, own + _NICENESS)
        if os.sched_getscheduler(thread) == os.SCHED_RR:
            go_first(os.sched_getparam(thread).sched_priority, [thread])


def go_first(priority: int, threads: Sequence[int] = ()) -> None:
    """Schedule this process before all that have no real-time priority, or a lower one.

    All its threads, and those they will start, take turns with others of their priority
    (SCHED_RR); those that yield to others get the one below. Linux keeps a twentieth of each core
    for who has none.

    Args:
        priority: 1 to 99; what controls a robot usually runs at 50.
        threads: Native identifiers; empty: all there are.

    Raises:
        ParameterError: The system has none, or the user may not ask for it.
    """
    if sys.platform != "linux":
        raise ParameterError("realtime_priority: wanted Linux, which alone has it; leave it at 0")
    for thread in threads or _threads():
        try:
            has_yielded = os.getpriority(os.PRIO_PROCESS, thread) >= _NICENESS
            wanted = os.sched_param(max(priority - has_yielded, 1))
            os.sched_setscheduler(thread, os.SCHED_RR, wanted)
        except PermissionError:
            raise ParameterError(
                f"realtime_priority: wanted {priority}, which this user may not ask for; allow it "
                f"by a line `USER - rtprio {priority}` in /etc/security/limits.conf and a new "
                "login, or leave it at 0"
            ) from None
        except ProcessLookupError:  # it has just ended
            continue


def show_name() -> None:
    """Let `top -H` and the bench see the name of the calling thread; Python 3.14 does by itself."""
    if sys.platform == "linux":
        thread = threading.current_thread()
        with suppress(OSError):
            Path(f"/proc/self/task/{thread.native_id}/comm").write_text(thread.name[:15])


def _threads() -> list[int]:
    return [int(entry.name) for entry in Path("/proc/self/task").iterdir()]
