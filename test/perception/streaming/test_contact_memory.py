# SPDX-License-Identifier: Apache-2.0
"""What is remembered of a contact, and when it is forgotten."""

from __future__ import annotations

import numpy as np

from sparsh_ros.models.streaming.layout import HIDDEN
from sparsh_ros.perception.streaming.contact_memory import ContactMemory, Remembered
from sparsh_ros.perception.streaming.friction_observer import fresh_state

INTERVAL_S = 5 / 60
FRAME_NS = round(1e9 / 60)


def frame(number: int) -> Remembered:
    """Memory of the frame of that number at 60 frames/s."""
    hidden = np.full(HIDDEN, number, np.float32)
    return Remembered(number * FRAME_NS, fresh_state(np, 1), hidden, False)


def filled(*numbers: int) -> ContactMemory:
    memory = ContactMemory()
    for number in numbers:
        memory.keep(frame(number), INTERVAL_S)
    return memory


def test_chains_run_interleaved() -> None:
    memory = filled(*range(10, 20))
    for number in range(20, 25):
        assert memory.recall(number * FRAME_NS, INTERVAL_S).stamp_ns == (number - 5) * FRAME_NS
        memory.keep(frame(number), INTERVAL_S)


def test_before_its_partner_shows_contact_a_frame_has_no_past() -> None:
    memory = filled(10, 11, 12, 13, 14)
    assert memory.recall(14 * FRAME_NS, INTERVAL_S) is None
    assert memory.recall(15 * FRAME_NS, INTERVAL_S).stamp_ns == 10 * FRAME_NS


def test_heads_step_on_from_the_newest_frame() -> None:
    memory = filled(10, 11, 13)
    assert memory.latest(14 * FRAME_NS).stamp_ns == 13 * FRAME_NS
    assert memory.latest(13 * FRAME_NS).stamp_ns == 11 * FRAME_NS
    assert ContactMemory().latest(FRAME_NS) is None


def test_the_closest_frame_that_was_estimated_serves() -> None:
    memory = filled(10, 12, 14)
    assert memory.recall(18 * FRAME_NS, INTERVAL_S).stamp_ns in (12 * FRAME_NS, 14 * FRAME_NS)


def test_nothing_is_recalled_over_a_gap() -> None:
    memory = filled(10, 11, 12)
    assert memory.recall(30 * FRAME_NS, INTERVAL_S) is None


def test_the_end_of_contact_is_the_end_of_memory() -> None:
    memory = filled(10, 11, 12)
    memory.forget()
    assert memory.recall(15 * FRAME_NS, INTERVAL_S) is None


def test_a_clock_set_back_does_not_recall_the_future() -> None:
    memory = filled(100, 101, 102)
    memory.keep(frame(10), INTERVAL_S)
    assert memory.recall(15 * FRAME_NS, INTERVAL_S).stamp_ns == 10 * FRAME_NS
    assert memory.recall(107 * FRAME_NS, INTERVAL_S) is None


def test_memory_stays_small() -> None:
    assert len(filled(*range(1000))._frames) < 20
