# SPDX-License-Identifier: Apache-2.0
"""Whether estimates are valid, and what the processes of the graph hold.

Moments are seconds since the epoch.
"""

from __future__ import annotations

import math
import os
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geometry_msgs.msg import WrenchStamped

from sparsh_ros.msg import PoseChange, Slip

_RATE_FRAMES = 20
_KINDS = {
    "slip": (Slip, lambda message: message.valid),
    "pose_change": (PoseChange, lambda message: message.valid),
    "force": (WrenchStamped, lambda message: math.isfinite(message.wrench.force.z)),
}


class Watch:
    """The estimates of one namespace: how many, and when the last valid ones came."""

    def __init__(self, outsider: Any, namespace: str) -> None:
        """Listen with the outside node."""
        self.count = self.valid = 0
        self._valid_s: dict[str, deque[float]] = {}
        for name, (message_type, is_valid) in _KINDS.items():
            moments_s = self._valid_s[name] = deque(maxlen=_RATE_FRAMES)
            outsider.node.create_subscription(
                message_type,
                f"{namespace}/{name}",
                lambda message, info, is_valid=is_valid, moments_s=moments_s: self._take(
                    is_valid(message), info, moments_s
                ),
                10,
            )

    def _take(self, is_valid: bool, info: dict[str, Any], moments_s: deque[float]) -> None:
        self.count += 1
        if is_valid:
            self.valid += 1
            moments_s.append(info["source_timestamp"] * 1e-9)  # as it was sent

    def valid_between(self, begin_s: float, end_s: float) -> list[str]:
        """Which estimates were valid then, as far as the last twenty of each tell."""
        return [
            name
            for name, moments_s in self._valid_s.items()
            if any(begin_s < moment_s < end_s for moment_s in list(moments_s))
        ]

    def is_valid_since(self, moment_s: float) -> bool:
        """Whether a slip was valid after that moment."""
        return any(valid_s > moment_s for valid_s in list(self._valid_s["slip"]))


@dataclass(frozen=True)
class Held:
    """What one process holds."""

    memory_mb: int
    threads: int
    files: int
    cpu_s: float

    @classmethod
    def by(cls, pid: int) -> Held:
        """Read it; raises OSError when the process is gone."""
        status = Path(f"/proc/{pid}/status").read_text()
        values = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return cls(
            memory_mb=int(values["VmRSS"].split()[0]) >> 10,
            threads=int(values["Threads"]),
            files=len(os.listdir(f"/proc/{pid}/fd")),
            cpu_s=(int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"),
        )


def graph_processes() -> dict[str, list[int]]:
    """The nodes of this run's ROS domain, "/namespace name" -> their processes."""
    found: dict[str, list[int]] = {}
    ours = f"ROS_DOMAIN_ID={os.environ['ROS_DOMAIN_ID']}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # processes come and go
            if ours not in (process / "environ").read_bytes().split(b"\0"):
                continue
            words = (process / "cmdline").read_bytes().decode().split("\0")
            module = next((w for w in words if w.startswith("sparsh_ros.nodes.")), "")
            spaces = [w.removeprefix("__ns:=") for w in words if w.startswith("__ns:=")]
            if module and spaces:
                name = f"{spaces[-1]} {module.rpartition('.')[2]}"
                found.setdefault(name, []).append(int(process.name))
    return found


def waits_s() -> dict[tuple[str, str], float]:
    """How long each thread of the graph, and of this process, was ready and had no core."""
    waited = {}
    for name, pids in {**graph_processes(), "this process": [os.getpid()]}.items():
        for pid in pids:
            for thread in Path(f"/proc/{pid}/task").glob("*"):
                with suppress(OSError, IndexError):
                    fields = (thread / "schedstat").read_text().split()
                    waited[name, thread.name] = int(fields[1]) * 1e-9
    return waited


def longest_wait(before: dict[tuple[str, str], float]) -> tuple[float, str]:
    """The longest of these waits since then, in seconds, and whose it was."""
    now = waits_s().items()
    grown = [(waited - before.get(key, waited), key[0]) for key, waited in now]
    return max(grown, default=(0.0, ""))


def held_by_all() -> dict[tuple[str, int], Held]:
    """What each process of the graph holds."""
    held = {}
    for name, pids in graph_processes().items():
        for pid in pids:
            with suppress(OSError, KeyError):
                held[name, pid] = Held.by(pid)
    return held
