# SPDX-License-Identifier: Apache-2.0
"""On what machine something was timed, and what else that machine did meanwhile.

A time in milliseconds says little on a machine that is shared. So a fixed piece of work, the unit,
is timed in between, on one thread: a result is also told as a multiple of it, which stays
comparable between machines and between hours of one machine.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import cv2
import numpy as np

import sparsh_ros
from sparsh_ros.errors import SparshError

UNIT_SIZE = 256
UNIT = f"product of two {UNIT_SIZE} x {UNIT_SIZE} float32 matrices by OpenCV, one thread"
BUSY_CORES, STOLEN, HELD_UP = 0.25, 0.02, 0.01
"""A machine is too loaded where others keep more cores busy, or the host takes a larger share, or
holds up a larger share of the units of work."""

_HELD_UP_TIMES = 3.0
"""A unit that takes so many times the computing time of the median one was held up by the host."""
_LOOK_S, _LOOK_RUNS = 1.0, 300
_PAUSE_S = 2e-3
_UNIT_RUNS = 50
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PACKAGES = ("numpy", "opencv-python-headless", "onnxruntime", "openvino", "torch", "rclpy")


@dataclass(frozen=True)
class CpuTimes:
    """Seconds since some moment, over all cores.

    Attributes:
        busy: That the cores worked, for whomever.
        stolen: That the host gave to other machines while a core here wanted to work.
        own: That this process, its children and theirs worked; those that ended included, once
            somebody has waited for them.
    """

    busy: float
    stolen: float
    own: float

    @classmethod
    def now(cls, proc: Path = Path("/proc")) -> CpuTimes:
        """Read them from the kernel."""
        user, nice, system, _, _, irq, soft, stolen, *_ = (
            int(ticks) / _TICKS_PER_S
            for ticks in (proc / "stat").read_text().split("\n", 1)[0].split()[1:]
        )
        return cls(user + nice + system + irq + soft, stolen, _own_s(proc))

    def __sub__(self, other: CpuTimes) -> CpuTimes:
        return CpuTimes(self.busy - other.busy, self.stolen - other.stolen, self.own - other.own)


def _own_s(proc: Path) -> float:
    """CPU seconds of this process and of all that descend from it."""
    parents, ticks = {}, {}
    for path in proc.glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        number = int(path.parent.name)
        parents[number], ticks[number] = int(fields[1]), sum(map(int, fields[11:15]))
    me = os.getpid()
    return sum(ticks[n] for n in ticks if _descends(n, me, parents)) / _TICKS_PER_S


def _descends(number: int, ancestor: int, parents: dict[int, int]) -> bool:
    while number != ancestor and number in parents:
        number = parents[number]
    return number == ancestor


@dataclass
class Conditions:
    """What the machine did while something was timed on it.

    Attributes:
        seconds: How long that took.
        others: Cores that others kept busy, on average.
        stolen: Share of the machine that its host gave to others.
        own: Cores that this process and its children kept busy, on average.
        units_ms: Each time that the unit of work took, the median of some runs.
        held_up: How many runs of the unit took several times the median, though its thread had the
            core: a virtual machine's host does that, and need not call it stolen.
        runs: How many runs of the unit there were.
    """

    seconds: float = 0.0
    others: float = 0.0
    stolen: float = 0.0
    own: float = 0.0
    units_ms: list[float] = field(default_factory=list)
    held_up: int = 0
    runs: int = 0

    @property
    def unit_ms(self) -> float:
        """Median time of the unit of work; NaN where it was never timed."""
        return float(np.median(self.units_ms)) if self.units_ms else float("nan")

    def time_unit(self) -> None:
        """Time the unit of work, in between."""
        self._take(time_units(_UNIT_RUNS))

    def _take(self, times: UnitTimes) -> None:
        self.units_ms.append(float(np.median(times.elapsed_ms)))
        self.held_up += times.held_up
        self.runs += len(times.computing_ms)

    def sentence(self) -> str:
        """In words."""
        low, high = min(self.units_ms), max(self.units_ms)
        return (
            f"meanwhile others kept {self.others:.2f} cores busy, {self.stolen:.1%} stolen; "
            f"unit of work ({UNIT}): {self.unit_ms:.2f} ms ({low:.2f} to {high:.2f}), "
            f"{self.held_up} of {self.runs} held up by the host"
        )


@dataclass(frozen=True)
class UnitTimes:
    """What runs of the unit of work took.

    Attributes:
        elapsed_ms: (n,) on the clock.
        computing_ms: (n,) of the thread's own time, in which others that take the core do not show.
    """

    elapsed_ms: np.ndarray
    computing_ms: np.ndarray

    @property
    def held_up(self) -> int:
        """How many took several times as much computing as the median."""
        return int((self.computing_ms > _HELD_UP_TIMES * np.median(self.computing_ms)).sum())


def time_units(runs: int, pause: Callable[[], None] = lambda: None) -> UnitTimes:
    """Time the unit of work.

    Args:
        runs: How often.
        pause: Called after each run.
    """
    matrix = np.random.default_rng(0).random((UNIT_SIZE, UNIT_SIZE), np.float32)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        taken = []
        for _ in range(runs):
            began = time.perf_counter(), time.thread_time()
            cv2.gemm(matrix, matrix, 1.0, None, 0.0)
            taken.append((time.perf_counter() - began[0], time.thread_time() - began[1]))
            pause()
    finally:
        cv2.setNumThreads(threads)
    elapsed, computing = 1e3 * np.array(taken).T
    return UnitTimes(elapsed, computing)


@contextmanager
def watching() -> Iterator[Conditions]:
    """Conditions that are known in full at the end of the block."""
    conditions, before, started = Conditions(), CpuTimes.now(), time.perf_counter()
    conditions.time_unit()
    yield conditions
    conditions.time_unit()
    _fill(conditions, CpuTimes.now() - before, time.perf_counter() - started)


def _fill(conditions: Conditions, spent: CpuTimes, seconds: float) -> None:
    conditions.seconds = seconds
    conditions.own = spent.own / seconds
    conditions.others = max(0.0, (spent.busy - spent.own) / seconds)
    conditions.stolen = spent.stolen / seconds / (os.cpu_count() or 1)


def refuse_loaded(wait: Callable[[float], None] = time.sleep) -> None:
    """Refuse to measure on a machine that is busy with something else, or held up by its host.

    Args:
        wait: For so many seconds.

    Raises:
        SparshError: It is.
    """
    conditions, before = Conditions(), CpuTimes.now()
    wait(_LOOK_S)
    _fill(conditions, CpuTimes.now() - before, _LOOK_S)
    if conditions.others > BUSY_CORES or conditions.stolen > STOLEN:
        raise SparshError(
            f"bench: wanted a quiet machine, found others at work on {conditions.others:.2f} cores "
            f"and {conditions.stolen:.1%} stolen; end them, or measure all the same with --anyway"
        )
    times = time_units(_LOOK_RUNS, pause=lambda: wait(_PAUSE_S))
    if times.held_up > HELD_UP * _LOOK_RUNS:
        raise SparshError(
            f"bench: wanted a machine of even speed, found one whose host held up {times.held_up} "
            f"of {_LOOK_RUNS} units of work, at worst {times.computing_ms.max():.0f} ms of "
            f"computing in place of {np.median(times.computing_ms):.1f}; late frames would be the "
            "host's. Measure elsewhere or at another time, or all the same with --anyway"
        )


def describe_machine() -> dict[str, object]:
    """Processor, cores, clock, memory, system and versions."""
    info = _cpu_info()
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": info.get("model name", platform.machine()),
        "cores": len(os.sched_getaffinity(0)),
        "clock_mhz": float(info.get("cpu MHz", "nan")),
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or "none",
        "memory_gb": round(pages / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "versions": {
            "sparsh_ros": sparsh_ros.__version__,
            "python": platform.python_version(),
            **{name: version for name in _PACKAGES if (version := _version(name))},
        },
    }


def _cpu_info() -> dict[str, str]:
    lines = _read("/proc/cpuinfo").partition("\n\n")[0].splitlines()
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
