# SPDX-License-Identifier: Apache-2.0
"""The clock by which perception goes offline."""

from __future__ import annotations

import pytest

from sparsh_ros.evaluation.evaluator import StampClock

SECOND_NS = 1_000_000_000
START_NS = 1_700_000_000 * SECOND_NS


def test_it_goes_as_the_stamps_do_and_not_back_with_a_late_frame() -> None:
    clock = StampClock()
    times = []
    for seconds in (0, 1, 0.99, 1.5):  # the third is of another sensor
        clock.advance(START_NS + round(seconds * SECOND_NS))
        times.append(clock())
    assert times == pytest.approx([0, 1, 1, 1.5])


def test_it_goes_on_after_the_recorders_clock_was_set_back() -> None:
    clock = StampClock()
    for seconds in (100, 101, 5, 6):
        clock.advance(START_NS + seconds * SECOND_NS)
    assert clock() == pytest.approx(2)


def test_the_next_recording_takes_up_where_the_last_one_ended() -> None:
    clock = StampClock()
    clock.advance(START_NS)
    clock.advance(START_NS + SECOND_NS)
    clock.forget()
    clock.advance(5 * START_NS)
    clock.advance(5 * START_NS + SECOND_NS)
    assert clock() == pytest.approx(2)
