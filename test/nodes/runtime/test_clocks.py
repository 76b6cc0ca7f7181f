# SPDX-License-Identifier: Apache-2.0
"""Clocks under simulated time."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from sparsh_ros.nodes.runtime.clocks import SlowerClock, stale_clock
from sparsh_ros.nodes.runtime.diagnostics import SendTimes

STEP_S = 0.01


def passed_s(rate: float, steps: int, tick_s: float = STEP_S) -> float:
    """What a SlowerClock counts while real time passes, simulated time in ticks of real seconds."""
    real = [3.0]
    began_s = real[0]

    def simulated() -> float:
        ticks = int((real[0] - began_s) / tick_s + 1e-6)
        return 1e9 + ticks * tick_s * rate

    clock = SlowerClock(simulated, lambda: real[0])
    for _ in range(steps):
        real[0] += STEP_S
        clock()
    return clock()


@pytest.mark.parametrize(("rate", "expected"), [(0.2, 0.2), (1.0, 1.0), (3.0, 1.0), (0.0, 0.0)])
def test_it_follows_whichever_is_slower(rate: float, expected: float) -> None:
    assert passed_s(rate, 200) == pytest.approx(2.0 * expected, rel=1e-3, abs=1e-6)


def test_coarse_ticks_cost_no_time() -> None:
    assert passed_s(1.0, 200, tick_s=0.05) == pytest.approx(2.0, abs=0.06)


def test_a_pause_after_fast_play_stands_still_soon() -> None:
    real, simulated = [0.0], [0.0]
    clock = SlowerClock(lambda: simulated[0], lambda: real[0])
    for _ in range(100):
        real[0], simulated[0] = real[0] + 0.01, simulated[0] + 0.1
        clock()
    before_s = clock()
    real[0] += 60.0
    assert clock() - before_s <= 0.1 + 1e-9
    assert clock() == clock()


def test_jumps_of_simulated_time_are_no_time() -> None:
    real, simulated = [0.0], [0.0]
    clock = SlowerClock(lambda: simulated[0], lambda: real[0])
    simulated[0] = 1.7e9
    assert clock() == 0.0
    simulated[0] = 5.0
    real[0] = 0.01
    assert clock() <= 0.01


def node(simulated: bool) -> SimpleNamespace:
    clock = SimpleNamespace(
        ros_time_is_active=simulated, now=lambda: SimpleNamespace(nanoseconds=0)
    )
    return SimpleNamespace(get_clock=lambda: clock)


def test_without_simulated_time_frames_go_stale_by_real_time() -> None:
    assert stale_clock(node(False)) is time.monotonic
    assert stale_clock(node(True))() == 0.0


def test_a_recorded_frame_is_as_old_as_its_message_and_a_live_one_as_its_stamp() -> None:
    live, played = SendTimes(node(False)), SendTimes(node(True))
    for times in (live, played):
        times.note(5, 1_000)
    assert (live.of(5), played.of(5)) == (5, 1_000)
    for stamp_ns in range(10, 1_000):
        played.note(stamp_ns, 7)
    assert played.of(5) == 5 and played.of(999) == 7
