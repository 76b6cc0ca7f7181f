# SPDX-License-Identifier: Apache-2.0
"""How long the threads of some processes have computed, told from the kernel's own counts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

_MAIN = "main"


def thread_seconds(processes: Mapping[str, int], proc: Path = Path("/proc")) -> Counter[str]:
    """Seconds of computing of each thread, "<process>: <thread>"; those of one name are added up.

    The numbers at the end of a name, which DDS gives its threads, are left out. A thread that
    has no name of its own counts as "others".

    Args:
        processes: Name in words -> its number. One that has ended is left out.
        proc: Where the kernel tells it.
    """
    seconds: Counter[str] = Counter()
    for name, number in processes.items():
        try:
            inherited = _name(proc / str(number))
            tasks = list((proc / str(number) / "task").iterdir())
        except OSError:
            continue
        for task in tasks:
            try:
                own = _MAIN if int(task.name) == number else _name(task)
                nanoseconds = int((task / "schedstat").read_text().split()[0])
            except OSError:  # it has just ended
                continue
            seconds[f"{name}: {'others' if own == inherited else own}"] += nanoseconds * 1e-9
    return seconds


def _name(task: Path) -> str:
    return re.sub(r"[.\d]+$", "", (task / "comm").read_text().strip())
