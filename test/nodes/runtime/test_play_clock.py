# SPDX-License-Identifier: Apache-2.0
"""The time of a recording while it is played."""

from __future__ import annotations

import pytest
from fixtures.waiting import Clock

from sparsh_ros.nodes.runtime.clocks import PlayClock

START_NS = 5_000_000_000
STEP_NS = 100_000_000


@pytest.fixture
def real() -> Clock:
    return Clock(77.0)


def started(rate: float, real: Clock) -> PlayClock:
    clock = PlayClock(rate, real)
    assert clock.left_s(START_NS) == 0
    assert clock.now_ns == START_NS
    return clock


@pytest.mark.parametrize("rate", [0.2, 1.0, 3.0])
def test_time_passes_at_the_rate_and_waits_for_whoever_asks(rate: float, real: Clock) -> None:
    clock = started(rate, real)
    assert clock.left_s(START_NS + STEP_NS) == pytest.approx(0.1 / rate)
    real.now_s += 0.05 / rate
    assert clock.now_ns == pytest.approx(START_NS + STEP_NS // 2, abs=10)
    assert clock.left_s(START_NS + STEP_NS) == pytest.approx(0.05 / rate)
    real.now_s += 10.0
    assert clock.now_ns == START_NS + STEP_NS


def test_a_small_delay_is_made_up_for(real: Clock) -> None:
    clock = started(1.0, real)
    clock.left_s(START_NS + STEP_NS)
    real.now_s += 0.115
    assert clock.left_s(START_NS + STEP_NS) == 0
    assert clock.left_s(START_NS + 2 * STEP_NS) == pytest.approx(0.085)


def test_a_large_delay_is_not(real: Clock) -> None:
    clock = started(1.0, real)
    real.now_s += 1.0
    assert clock.left_s(START_NS + STEP_NS) == 0
    assert clock.left_s(START_NS + 2 * STEP_NS) == pytest.approx(0.1)
    assert clock.now_ns == START_NS + STEP_NS


def test_it_stands_still_on_request(real: Clock) -> None:
    clock = started(1.0, real)
    clock.left_s(START_NS + STEP_NS)
    real.now_s += 0.04
    clock.stand_still()
    real.now_s += 5.0
    assert clock.now_ns == pytest.approx(START_NS + 40_000_000, abs=10)
    assert clock.left_s(START_NS + STEP_NS) == pytest.approx(0.06)


def test_stamps_a_little_out_of_order_are_due_and_do_not_turn_time_back(real: Clock) -> None:
    clock = started(1.0, real)
    clock.left_s(START_NS + STEP_NS)
    real.now_s += 0.1
    assert clock.left_s(START_NS + STEP_NS - 5_000_000) == 0
    assert clock.now_ns == pytest.approx(START_NS + STEP_NS, abs=10)


def test_stamps_that_step_back_take_time_with_them(real: Clock) -> None:
    clock = started(1.0, real)
    real.now_s += 2.0
    clock.left_s(START_NS + 20 * STEP_NS)
    assert clock.left_s(START_NS) == 0
    assert clock.now_ns == START_NS
    assert clock.left_s(START_NS + STEP_NS) == pytest.approx(0.1)
