# SPDX-License-Identifier: Apache-2.0
"""What a machine did while something was timed on it, told from the kernel's own counts."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from sparsh_ros.bench import conditions
from sparsh_ros.bench.conditions import (
    Conditions,
    CpuTimes,
    UnitTimes,
    describe_machine,
    refuse_loaded,
)
from sparsh_ros.errors import SparshError

HZ = os.sysconf("SC_CLK_TCK")


def kernel(folder: Path, busy_s: float, stolen_s: float, processes: dict[int, tuple]) -> Path:
    """A /proc: of each process its parent and its seconds of CPU."""
    # user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice
    ticks = [busy_s * HZ, 0, 0, 9999, 7, 0, 0, stolen_s * HZ, 3, 0]
    folder.mkdir(exist_ok=True)
    (folder / "stat").write_text(f"cpu  {' '.join(str(round(t)) for t in ticks)}\ncpu0 1\n")
    for number, (parent, seconds) in processes.items():
        (folder / str(number)).mkdir(exist_ok=True)
        own = [str(round(seconds * HZ)), "0", "0", "0"]
        fields = ["S", str(parent), *["0"] * 9, *own, "20"]
        (folder / str(number) / "stat").write_text(f"{number} (a) b) {' '.join(fields)}\n")
    return folder


def test_what_children_do_is_not_the_work_of_others(tmp_path: Path) -> None:
    me = os.getpid()
    family = {1: (0, 500.0), me: (1, 3.0), me + 1: (me, 2.0), me + 2: (me + 1, 1.5)}
    times = CpuTimes.now(kernel(tmp_path, 700.0, 4.0, family | {me + 3: (1, 90.0)}))
    assert times == CpuTimes(busy=700.0, stolen=4.0, own=6.5)
    assert times - CpuTimes(600.0, 1.0, 6.0) == CpuTimes(100.0, 3.0, 0.5)


@pytest.mark.parametrize(
    ("spent", "found"),
    [
        (CpuTimes(0.2, 0.0, 0.1), ""),
        (CpuTimes(1.9, 0.0, 1.8), ""),
        (CpuTimes(1.2, 0.0, 0.1), "1.10 cores and 0.0% stolen"),
        (CpuTimes(0.0, 0.05 * (os.cpu_count() or 1), 0.0), "0.00 cores and 5.0% stolen"),
    ],
)
def test_a_machine_that_is_busy_with_something_else_is_refused(
    monkeypatch: pytest.MonkeyPatch, spent: CpuTimes, found: str
) -> None:
    before = CpuTimes(50.0, 2.0, 1.0)
    readings = iter([before, before - (CpuTimes(0.0, 0.0, 0.0) - spent)])
    monkeypatch.setattr(CpuTimes, "now", lambda: next(readings))
    monkeypatch.setattr(conditions, "time_units", lambda *_, **__: taking([1.0] * 300))
    if not found:
        refuse_loaded(wait=lambda _: None)
        return
    with pytest.raises(SparshError, match=f"others at work on {found}; .* --anyway"):
        refuse_loaded(wait=lambda _: None)


def taking(computing_ms: list[float]) -> UnitTimes:
    """Units of work; on the clock they took twice that."""
    return UnitTimes(2.0 * np.array(computing_ms), np.array(computing_ms))


@pytest.mark.parametrize(("slow", "refused"), [(3, False), (4, True)])
def test_a_machine_that_its_host_holds_up_is_refused(
    monkeypatch: pytest.MonkeyPatch, slow: int, refused: bool
) -> None:
    times = taking([1.0] * (300 - slow) + [40.0] * slow)
    monkeypatch.setattr(conditions, "time_units", lambda *_, **__: times)
    readings = iter([CpuTimes(0.0, 0.0, 0.0)] * 2)
    monkeypatch.setattr(CpuTimes, "now", lambda: next(readings))
    if not refused:
        refuse_loaded(wait=lambda _: None)
        return
    with pytest.raises(
        SparshError, match=r"held up 4 of 300 .* 40 ms .* in place of 1\.0; .*--any"
    ):
        refuse_loaded(wait=lambda _: None)


def test_a_unit_whose_core_others_take_was_not_held_up() -> None:
    times = UnitTimes(np.array([1.0, 1.0, 90.0]), np.array([1.0, 1.1, 0.9]))
    assert times.held_up == 0


def test_units_that_were_held_up_are_counted_over_all_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = Conditions()
    for slow in (1, 2):
        times = taking([1.0] * (50 - slow) + [3.1] * slow)
        monkeypatch.setattr(conditions, "time_units", lambda *_, times=times: times)
        found.time_unit()
    assert (found.held_up, found.runs, found.unit_ms) == (3, 100, 2.0)
    assert "3 of 100 held up by the host" in found.sentence()


def test_the_work_of_this_process_is_its_own() -> None:
    with conditions.watching() as found:
        for _ in range(3):
            found.time_unit()
    assert len(found.units_ms) == 5 and min(found.units_ms) > 0.0
    assert found.own > 0.0 and found.seconds > 0.0
    assert f"unit of work ({conditions.UNIT})" in found.sentence()


def test_the_unit_is_the_median_of_those_in_between() -> None:
    assert Conditions(units_ms=[3.0, 1.0, 2.0]).unit_ms == 2.0


def test_the_machine_is_described() -> None:
    machine = describe_machine()
    assert machine["cores"] >= 1 and machine["processor"] and machine["memory_gb"] > 0
    assert {"sparsh_ros", "python", "onnxruntime"} <= machine["versions"].keys()
