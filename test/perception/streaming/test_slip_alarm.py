# SPDX-License-Identifier: Apache-2.0
"""Slip begins late and ends low."""

from __future__ import annotations

from sparsh_ros.perception.streaming.slip_alarm import SlipAlarm

NAN = float("nan")


def run(confirm_s: float, *probabilities: float, rate_hz: float = 60.0) -> list[bool]:
    alarm = SlipAlarm(confirm_s)
    stamps = (round(1e9 + index * 1e9 / rate_hz) for index in range(len(probabilities)))
    values = zip(stamps, probabilities, strict=True)
    return [alarm.update(stamp_ns, value, 0.6, 0.3) for stamp_ns, value in values]


def test_it_ends_lower_than_it_begins() -> None:
    found = run(0.0, 0.1, 0.7, 0.5, 0.31, 0.29, 0.5, 0.7, NAN, 0.5)
    assert found == [False, True, True, True, False, False, True, False, False]


def test_it_begins_once_the_probability_has_stayed_high() -> None:
    assert run(2 / 60, 0.7, 0.7, 0.5, 0.7, 0.7, 0.7, 0.4) == [False] * 5 + [True] * 2


def test_what_counts_is_time_not_frames() -> None:
    assert run(2 / 60, 0.7, 0.7, rate_hz=25.0) == [False, True]


def test_a_step_back_of_the_clock_starts_the_wait_again() -> None:
    alarm = SlipAlarm(0.05)
    assert not alarm.update(5_000_000_000, 0.9, 0.6, 0.3)
    assert not alarm.update(1_000_000_000, 0.9, 0.6, 0.3)
    assert not alarm.update(1_020_000_000, 0.9, 0.6, 0.3)
    assert alarm.update(1_060_000_000, 0.9, 0.6, 0.3)


def test_an_end_forgets_slip() -> None:
    alarm = SlipAlarm(0.0)
    assert alarm.update(1, 0.9, 0.6, 0.3)
    alarm.end()
    assert not alarm.update(2, 0.5, 0.6, 0.3)
