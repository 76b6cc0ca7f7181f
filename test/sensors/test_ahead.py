# SPDX-License-Identifier: Apache-2.0
"""Results made ahead: in order, so many and no more, kept over a stop, errors handed on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest
from fixtures.waiting import until

from sparsh_ros.sensors.ahead import AHEAD, Ahead

LONG_S = 30.0


@contextmanager
def running(ahead: Ahead) -> Iterator[Ahead]:
    ahead.start()
    try:
        yield ahead
    finally:
        ahead.stop()


def test_so_many_are_made_before_anybody_asks_and_come_in_order() -> None:
    made = []
    numbers = count()

    def make() -> int:
        made.append(next(numbers))
        return made[-1]

    with running(Ahead(make, pause_s=0.0)) as ahead:
        until(lambda: len(ahead._ready) == AHEAD)
        assert [ahead.take() for _ in range(5)] == [0, 1, 2, 3, 4]
        until(lambda: len(ahead._ready) == AHEAD)
        assert len(made) == 5 + AHEAD


def test_while_one_is_in_stock_the_next_is_put_off_and_without_one_it_is_not() -> None:
    numbers = count()
    with running(Ahead(lambda: next(numbers), pause_s=LONG_S)) as ahead:
        assert [ahead.take() for _ in range(3)] == [0, 1, 2]
        until(lambda: len(ahead._ready) == 1)
        assert next(numbers) == 4


def test_what_is_in_stock_outlives_a_stop() -> None:
    numbers = count()
    ahead = Ahead(lambda: next(numbers), pause_s=0.0)
    with running(ahead):
        until(lambda: len(ahead._ready) == AHEAD)
    with running(ahead):
        assert [ahead.take() for _ in range(AHEAD + 1)] == list(range(AHEAD + 1))


def test_an_error_reaches_who_takes_it_and_work_goes_on() -> None:
    answers = iter([1, ValueError("broken"), 3])

    def make() -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with running(Ahead(make, pause_s=0.0)) as ahead:
        assert ahead.take() == 1
        with pytest.raises(ValueError, match="broken"):
            ahead.take()
        assert ahead.take() == 3


def test_who_waits_is_woken_by_a_stop() -> None:
    go_on = threading.Event()
    ahead = Ahead(lambda: go_on.wait(LONG_S), pause_s=0.0)
    ahead.start()
    found = []
    taker = threading.Thread(target=lambda: found.append(ahead.take()))
    taker.start()
    ahead.wake()
    taker.join(LONG_S)
    go_on.set()
    ahead.stop()
    assert found == [None]
