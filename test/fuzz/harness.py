# SPDX-License-Identifier: Apache-2.0
"""One input, one process, one budget: no crash, no hang, no memory, no error that is not ours.

A test of a reader names a target, a function of bytes in an importable module, and feeds it:

    run = Budgeted("fuzz.target.checkpoints:checkpoint")

    @fuzz(mutated(SEEDS))
    def test_checkpoints(data: bytes) -> None:
        run.check(data)

The number of inputs is FUZZ_EXAMPLES, a few dozen where that is not set. They are the same in every
run; FUZZ_SEED=7 gives others.
"""

from __future__ import annotations

import atexit
import importlib
import multiprocessing
import os
import resource
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

from sparsh_ros.errors import SparshError

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "20"))
SEED = int(os.environ.get("FUZZ_SEED", "0"))
_START_S = 300.0  # for the imports of a target
TARGETS: list[Budgeted] = []
"""All that were made, in their order."""
_PATIENCE = 12  # times as long as it may compute, on a busy machine or asleep


@dataclass(frozen=True)
class Outcome:
    """What came of one input: "ok", "refused" (SparshError), or what must not be.

    Attributes:
        kind: "ok", "refused", "error", "crash", "hang" or "memory".
        text: The refusal, the traceback, or how far it went.
        seconds, megabytes: What it took.
    """

    kind: str
    text: str = ""
    seconds: float = 0.0
    megabytes: int = 0

    @property
    def sound(self) -> bool:
        """Whether the input was read or refused in a sentence."""
        return self.kind in ("ok", "refused")


class Budgeted:
    """Runs a target on one input after the other, in a process that is replaced when it dies."""

    def __init__(self, target: str, seconds: float = 10.0, megabytes: int = 500) -> None:
        """Take a target "module:function"; the limits hold for each input by itself."""
        self._target, self._seconds, self._megabytes = target, seconds, megabytes
        self._process: Any = None
        self._pipe: Connection | None = None
        self._counts: Counter[str] = Counter()
        self._slowest_s, self._largest_mb = 0.0, 0
        TARGETS.append(self)
        atexit.register(self.close)

    @property
    def summary(self) -> str:
        """How many inputs there were, and what became of them; "" before the first."""
        if not self._counts:
            return ""
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self._counts.items()))
        return (
            f"{self._target}: {self._counts.total()} inputs, {kinds}; "
            f"slowest {self._slowest_s:.2f} s, largest {self._largest_mb} MB"
        )

    def __call__(self, data: Any) -> Outcome:
        """Run it on one input."""
        outcome = self._run(data)
        self._counts[outcome.kind] += 1
        self._slowest_s = max(self._slowest_s, outcome.seconds)
        self._largest_mb = max(self._largest_mb, outcome.megabytes)
        return outcome

    def _run(self, data: Any) -> Outcome:
        if self._process is None:
            self._start()
        self._pipe.send(data)
        if not self._answers():
            self.close()
            return Outcome("hang", f"more than {self._seconds} s", self._seconds)
        try:
            return self._pipe.recv()
        except EOFError:
            self._process.join()
            code = self._process.exitcode
            self.close()
            return Outcome("crash", f"exit code {code}")

    def check(self, data: Any) -> Outcome:
        """Run it on one input and fail unless that was read or refused in a sentence."""
        outcome = self(data)
        assert outcome.sound, f"{outcome.kind}: {outcome.text}"
        return outcome

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
            self._process = None

    def _answers(self) -> bool:
        """Wait as long as it computes no longer than allowed; others may keep it from computing."""
        began_s, until_s = self._cpu_s(), time.monotonic() + _PATIENCE * self._seconds
        while not self._pipe.poll(0.2):
            if self._cpu_s() - began_s > self._seconds or time.monotonic() > until_s:
                return False
        return True

    def _cpu_s(self) -> float:
        """Seconds that the process has computed."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, far_end = context.Pipe()
        arguments = (far_end, self._target, self._megabytes)
        self._process = context.Process(target=_work, args=arguments, daemon=True)
        self._process.start()
        far_end.close()
        assert self._pipe.poll(_START_S) and self._pipe.recv() == "ready", self._target


def fuzz(*strategies: SearchStrategy) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Let a test take `EXAMPLES` inputs drawn from the strategies, the same ones in every run."""

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        chosen = settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        return chosen(seed(SEED)(given(*strategies)(test)))

    return decorate


def _work(pipe: Connection, target: str, megabytes: int) -> None:
    # Threads that wait for each other by computing would spend the time of the input.
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    module, _, name = target.partition(":")
    run = getattr(importlib.import_module(module), name)
    run_limit = megabytes << 20
    in_use = _status("VmData") << 10
    # Twice the budget: the limit keeps the machine alive, the budget is measured.
    resource.setrlimit(resource.RLIMIT_DATA, (in_use + 2 * run_limit,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pipe.send("ready")
    while True:
        try:
            data = pipe.recv()
        except EOFError:
            return
        pipe.send(_run_once(run, data, megabytes))


def _run_once(run: Callable[[Any], Any], data: Any, megabytes: int) -> Outcome:
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts from here
    before, began_s = _status("VmRSS"), time.process_time()
    try:
        run(data)
        kind, text = "ok", ""
    except SparshError as error:
        kind, text = "refused", str(error)
    except BaseException:
        kind, text = "error", traceback.format_exc()
    used = (_status("VmHWM") - before) >> 10
    if used > megabytes:
        kind, text = "memory", f"{used} MB"
    return Outcome(kind, text, time.process_time() - began_s, used)


def _status(name: str) -> int:
    """A figure of this process in kB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise ValueError(name)


def check_seeds(runs: Mapping[str, Budgeted], seeds: Mapping[str, Sequence[bytes]]) -> None:
    """Files that are as they should be are read."""
    kinds = {name: [runs[name].check(data).kind for data in seeds[name]] for name in seeds}
    assert kinds == {name: ["ok"] * len(seeds[name]) for name in seeds}
