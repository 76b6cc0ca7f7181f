# SPDX-License-Identifier: Apache-2.0
"""Ticks on a fake clock: no drift, no bursts, skipped ticks counted."""

from __future__ import annotations

import numpy as np
import pytest

from sparsh_ros.errors import ParameterError
from sparsh_ros.sensors.schedule import Schedule


class FakeTime:
    """A clock that is also the stop event: waiting moves it on, a little too far."""

    def __init__(self, oversleep_s: float = 0.0) -> None:
        self.now_s = 100.0
        self.oversleep_s = oversleep_s
        self.stopped = False

    def __call__(self) -> float:
        return self.now_s

    def wait(self, seconds: float) -> bool:
        self.now_s += seconds + self.oversleep_s
        return self.stopped

    def is_set(self) -> bool:
        return self.stopped


def run(time: FakeTime, schedule: Schedule, work_s: list[float]) -> tuple[list[float], list[int]]:
    """Moments of the ticks and skips before them, with `work_s` done after each tick."""
    moments, skips = [], []
    for seconds in work_s:
        skips.append(schedule.wait())
        moments.append(time.now_s)
        time.now_s += seconds
    return moments, skips


def test_oversleeping_does_not_add_up() -> None:
    time = FakeTime(oversleep_s=0.001)
    moments, skips = run(time, Schedule(60, time, time), [0.004] * 600)
    assert sum(skips) == 0
    np.testing.assert_allclose(moments, 100 + np.arange(600) / 60, atol=0.0011)


def test_late_ticks_are_skipped_and_the_grid_is_kept() -> None:
    time = FakeTime()
    moments, skips = run(time, Schedule(10, time, time), [0.01, 0.37, 0.01, 0.01])
    np.testing.assert_allclose(moments, [100.0, 100.1, 100.5, 100.6])
    assert skips == [0, 0, 3, 0]


def test_a_little_late_is_not_skipped() -> None:
    time = FakeTime()
    moments, skips = run(time, Schedule(10, time, time), [0.14, 0.01, 0.01])
    np.testing.assert_allclose(moments, [100.0, 100.14, 100.2])
    assert skips == [0, 0, 0]


@pytest.mark.parametrize("seed", range(5))
def test_never_two_ticks_within_half_a_period_and_every_tick_accounted_for(seed: int) -> None:
    time = FakeTime()
    work = np.random.default_rng(seed).exponential(0.012, 2_000)
    moments, skips = run(time, Schedule(60, time, time), list(work))
    assert np.diff(moments).min() >= 0.5 / 60 - 1e-9
    elapsed = (moments[-1] - moments[0]) * 60
    assert len(moments) - 1 + sum(skips) == pytest.approx(elapsed, abs=1)


def test_pause_and_restart() -> None:
    time = FakeTime()
    schedule = Schedule(10, time, time)
    schedule.wait()
    schedule.pause(0.25)
    assert schedule.wait() == 0
    assert time.now_s == pytest.approx(100.35)
    time.now_s += 0.5
    schedule.pause(0.25)
    assert schedule.wait() == 0
    assert time.now_s == pytest.approx(101.1)
    time.now_s += 1_000
    schedule.restart()
    assert schedule.wait() == 0
    assert time.now_s == pytest.approx(1_101.1)


def test_stop_ends_the_wait() -> None:
    time = FakeTime()
    schedule = Schedule(10, time, time)
    assert schedule.wait() == 0
    time.stopped = True
    assert schedule.wait() is None


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf")])
def test_refuses_an_impossible_rate(rate: float) -> None:
    with pytest.raises(ParameterError, match="above 0 Hz"):
        Schedule(rate, FakeTime())
