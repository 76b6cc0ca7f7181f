# SPDX-License-Identifier: Apache-2.0
"""Working ahead on a thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from sparsh_ros.recordings.prefetch import prefetch


def test_the_same_items_in_the_same_order() -> None:
    assert list(prefetch(iter(range(100)), depth=3)) == list(range(100))


def test_an_exception_comes_after_the_items_before_it() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    items = prefetch(broken(), depth=3)
    assert next(items) == 1
    with pytest.raises(ValueError, match="broken"):
        next(items)


def test_it_works_ahead_but_not_further_than_it_may() -> None:
    made: list[int] = []
    reached = threading.Event()

    def source() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            if number == 4:
                reached.set()
            yield number

    items = prefetch(source(), depth=4)
    assert next(items) == 0
    assert reached.wait(10)  # without anybody asking for more
    assert len(made) <= 6  # one was taken, four wait, one is offered
    items.close()


def test_giving_up_ends_the_thread_and_closes_the_source() -> None:
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            closed.set()

    before = threading.active_count()
    items = prefetch(endless(), depth=2)
    next(items)
    items.close()
    assert threading.active_count() == before
    assert closed.wait(10)
