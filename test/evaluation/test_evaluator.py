# SPDX-License-Identifier: Apache-2.0
"""The clock by which perception goes offline, and what is noted of labels."""

from __future__ import annotations

import numpy as np
import pytest

from sparsh_ros.evaluation.evaluator import StampClock, _beyond_range
from sparsh_ros.sensors import load_profile

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


def test_forces_beyond_what_a_model_is_made_for_are_said_to_be() -> None:
    digit = load_profile("digit")
    force_n = np.zeros((10, 3), np.float32)
    assert not list(_beyond_range(force_n, digit))
    force_n[:2, 2] = digit.maximum_load_n + 1
    force_n[9] = np.nan
    (sentence,) = _beyond_range(force_n, digit)
    assert sentence.startswith("force: 22.2% of the labelled frames press harder than 15 N")
    assert not list(_beyond_range(force_n, None))
