# SPDX-License-Identifier: Apache-2.0
"""An hour of faults and attacks, one every 5 s: nothing leaks, and nothing is valid that is not.

`make soak` runs it, for another time with SOAK_MINUTES. The order of attacks is that of SOAK_SEED.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from fixtures.waiting import until
from nodes.soak.attacks import (
    FOREIGN,
    GRACE_S,
    HEAD,
    LONG_S,
    SERIAL,
    SOAK,
    Attack,
    ForeignSensor,
    Intruder,
    attacks,
)
from nodes.soak.watch import Held, Watch, held_by_all, longest_wait, waits_s

MINUTES = float(os.environ.get("SOAK_MINUTES", "0"))
SEED = int(os.environ.get("SOAK_SEED", "0"))
REPORT = os.environ.get("SOAK_REPORT", "")

_EVERY_S = 5.0
_SETTLED_S = 30.0  # of a process before what it holds is noted
_MOST_BACK_S = 60.0
_TOLERATED_MB, _TOLERATED_FILES = 20, 2
_STARVED_S = 1.0  # a thread without a core for so long is late by the machine, not by an attack


class Ledger:
    """What happened, and what each process held when it was young and when it was last seen."""

    def __init__(self) -> None:
        self.attacks: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.starved: list[str] = []
        self.slowest_back_s = 0.0
        self.first: dict[tuple[str, int], Held] = {}
        self.last: dict[tuple[str, int], Held] = {}
        self._seen_s: dict[tuple[str, int], float] = {}

    def note_held(self) -> None:
        """Look at all processes."""
        now_s = time.monotonic()
        for key, held in held_by_all().items():
            if now_s - self._seen_s.setdefault(key, now_s) >= _SETTLED_S:
                self.first.setdefault(key, held)
                self.last[key] = held

    def grown(self) -> list[str]:
        """What grew by more than it may."""
        grown = []
        for key, first in self.first.items():
            last = self.last[key]
            more = last.memory_mb - first.memory_mb, last.files - first.files
            threads = last.threads - first.threads
            if more[0] > _TOLERATED_MB or more[1] > _TOLERATED_FILES or threads > 0:
                grown.append(f"{key[0]}: {first} -> {last}")
        return grown

    def report(self, seconds: float, watches: dict[str, Watch]) -> str:
        """All of it, in Markdown."""
        lines = [
            f"{self.attacks.total()} attacks in {seconds:.0f} s: "
            + ", ".join(f"{name} {count}" for name, count in sorted(self.attacks.items())),
            f"valid again {self.slowest_back_s:.1f} s after an attack at most",
            f"wrong: {'; '.join(self.wrong) or 'none'}",
            f"not valid for want of a core: {'; '.join(self.starved) or 'none'}",
            *(f"{name}: {w.count} estimates, {w.valid} valid" for name, w in watches.items()),
            "",
            "| process | memory, MB | threads | files | CPU, s |\n|---|---|---|---|---|",
        ]
        for (name, pid), first in sorted(self.first.items()):
            last = self.last[name, pid]
            lines.append(
                f"| {name} ({pid}) | {first.memory_mb} -> {last.memory_mb} | "
                f"{first.threads} -> {last.threads} | {first.files} -> {last.files} | "
                f"{last.cpu_s - first.cpu_s:.0f} |"
            )
        return "\n".join(lines) + "\n"


@pytest.fixture
def processes_beside(outsider):
    """The head and the perception that `sparsh-ros run` does not start."""
    started = []

    def start(module: str, *arguments: str) -> None:
        line = [sys.executable, "-m", f"sparsh_ros.nodes.{module}", "--ros-args"]
        words = [word for argument in arguments for word in ("-r", argument)]
        started.append(subprocess.Popen([*line, *words], stderr=subprocess.DEVNULL))

    yield start
    for process in started:
        process.terminate()
        process.wait(30)


@pytest.mark.skipif(not MINUTES, reason="takes long; `make soak` runs it")
def test_soak(outsider, start_graph, cameras, processes_beside) -> None:
    random = np.random.default_rng(SEED)
    cameras.plug("digit", SERIAL, "1-1")
    start_graph(
        namespace=SOAK[1:],
        source="camera",
        serial=SERIAL,
        stream="VGA",
        fps="15",
        publish_features="true",
    )
    processes_beside("head", f"__ns:={HEAD}", f"features:={SOAK}/features")
    processes_beside("perception", f"__ns:={FOREIGN}")
    made: list[ForeignSensor] = []
    outsider.between_callbacks(lambda: made.append(ForeignSensor(outsider.node, random)))
    watches = {name: Watch(outsider, name) for name in (SOAK, HEAD, FOREIGN)}
    everything = attacks(cameras, made[0], Intruder(outsider, random))
    ledger, start_s = Ledger(), time.time()
    _wait_until_valid(watches, start_s)
    try:
        while time.time() - start_s < 60 * MINUTES:
            _run(everything[random.integers(len(everything))], watches, ledger)
            ledger.note_held()
            _tell(ledger.report(time.time() - start_s, watches))
    finally:
        report = ledger.report(time.time() - start_s, watches)
        _tell(report)
        sys.stdout.write(report)
    assert not ledger.wrong
    assert not ledger.grown()


def _run(attack: Attack, watches: dict[str, Watch], ledger: Ledger) -> None:
    begin_s, waits = time.time(), waits_s()
    ledger.attacks[attack.name] += 1
    attack.begin()
    time.sleep(LONG_S)
    now_s = time.time()
    for name in attack.silences:
        if which := watches[name].valid_between(begin_s + GRACE_S, now_s):
            ledger.wrong.append(f"{attack.name}: {name} {', '.join(which)}")
    for name in attack.keeps:
        if not watches[name].is_valid_since(now_s - GRACE_S):
            wait_s, whose = longest_wait(waits)
            page = ledger.starved if wait_s > _STARVED_S else ledger.wrong
            waited = f"{whose} waited {wait_s:.1f} s of {time.time() - begin_s:.1f} s for a core"
            page.append(f"{attack.name}: {name} not valid any more ({waited})")
    attack.end()
    over_s = time.time()
    ledger.slowest_back_s = max(ledger.slowest_back_s, _wait_until_valid(watches, over_s))
    time.sleep(max(0.0, begin_s + _EVERY_S - time.time()))


def _wait_until_valid(watches: dict[str, Watch], since_s: float) -> float:
    """Seconds until all were valid again."""
    until(
        lambda: all(watch.is_valid_since(since_s) for watch in watches.values()),
        timeout_s=_MOST_BACK_S,
    )
    return time.time() - since_s


def _tell(report: str) -> None:
    if REPORT:
        Path(REPORT).write_text(report)
