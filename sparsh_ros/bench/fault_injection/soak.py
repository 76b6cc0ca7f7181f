# SPDX-License-Identifier: Apache-2.0
"""A camera that fails every few seconds for minutes: what was lost, and what leaked."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sparsh_ros.bench.fault_injection.bench import FaultBench, Outage, running_bench
from sparsh_ros.bench.fault_injection.faults import TRIALS
from sparsh_ros.sensors.health.watchdog import EMPTY, FROZEN, GREEN, TORN, USB, WRONG_SIZE

PERIOD_S = 5.0

_FRAME_FAULTS = (EMPTY, TORN, GREEN, WRONG_SIZE, FROZEN, USB)
_TRIALS = [trial for trial in TRIALS if trial.repeats]
_TOLERATED_MB = 20  # the allocator's and the engine's own ups and downs


@dataclass(frozen=True)
class FrameTally:
    """The frames that a camera made, and what became of them."""

    made: int
    good: int
    broken: int
    lost: int

    @property
    def missing(self) -> int:
        """Frames that nobody accounts for."""
        return self.made - self.good - self.broken - self.lost

    def __str__(self) -> str:
        return (
            f"Frames made {self.made}: good {self.good}, broken {self.broken}, lost on the way or "
            f"passed over {self.lost}, unaccounted for {self.missing}."
        )


@dataclass(frozen=True)
class Soak:
    """What minutes of faults left behind.

    Attributes:
        outages: one for each fault.
        seconds: how long it took.
        reopened: how often the camera was opened again.
        frames: what became of them.
        estimates, valid: how many there were, and of these how many were valid.
        held: threads, open files and memory (MB) of the process, before and after.
    """

    outages: list[Outage]
    seconds: float
    reopened: int
    frames: FrameTally
    estimates: int
    valid: int
    held: dict[str, tuple[int, int]]

    @property
    def passed(self) -> bool:
        """Every frame is accounted for, no estimate was wrongly valid, and nothing leaked."""
        grown = {what: after - before for what, (before, after) in self.held.items()}
        leaked = grown["threads"] > 0 or grown["open files"] > 0
        wrong = sum(outage.wrong for outage in self.outages)
        return not (leaked or wrong or self.frames.missing or grown["memory, MB"] > _TOLERATED_MB)

    def report(self) -> str:
        """In words, with a table in Markdown."""
        wrong = sum(outage.wrong for outage in self.outages)
        back_s = max(outage.back_s for outage in self.outages)
        held = "\n".join(f"| {what} | {b} | {a} |" for what, (b, a) in self.held.items())
        return (
            f"{len(self.outages)} faults in {self.seconds:.0f} s; camera opened again "
            f"{self.reopened} times.\n"
            f"{self.frames}\n"
            f"Estimates {self.estimates}: valid {self.valid}, of these during a fault {wrong}. "
            f"Valid again after each fault, {back_s:.2f} s at most after the camera was well.\n\n"
            f"| | before | after |\n|---|---|---|\n{held}\n"
        )


def soak(minutes: float, seed: int, progress: Callable[[float], None]) -> Soak:
    """Let one random fault follow the other, one every 5 s.

    Args:
        minutes: how long.
        seed: draws the faults.
        progress: takes the seconds that went by.

    Raises:
        SensorError: estimates did not become valid again after a fault.
    """
    with running_bench(seed) as bench:
        time.sleep(PERIOD_S)
        before, outages = _held(), []
        start_s = time.monotonic()
        while (elapsed_s := time.monotonic() - start_s) < 60 * minutes:
            progress(elapsed_s)
            outages.append(_TRIALS[bench.random.integers(len(_TRIALS))].run(bench))
            due_s = start_s + len(outages) * PERIOD_S
            time.sleep(max(0.0, due_s - time.monotonic()))
        after = _held()
    return _summed_up(bench, outages, elapsed_s, before, after)


def _summed_up(
    bench: FaultBench,
    outages: list[Outage],
    seconds: float,
    before: dict[str, int],
    after: dict[str, int],
) -> Soak:
    status, camera = bench.sensor.status(), bench.camera
    broken = sum(status.faults.get(kind, 0) for kind in _FRAME_FAULTS) - camera.failed_reads
    return Soak(
        outages=outages,
        seconds=seconds,
        reopened=status.reopened,
        frames=FrameTally(camera.made, status.frames, broken, status.skipped),
        estimates=bench.estimator.made,
        valid=bench.estimator.valid,
        held={what: (before[what], after[what]) for what in before},
    )


def _held() -> dict[str, int]:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "threads": threading.active_count(),
        "open files": len(os.listdir("/proc/self/fd")),
        "memory, MB": pages * os.sysconf("SC_PAGE_SIZE") // 10**6,
    }
