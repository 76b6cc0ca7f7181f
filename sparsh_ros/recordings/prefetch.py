# SPDX-License-Identifier: Apache-2.0
"""Reading ahead on a thread: who reads and decodes never makes the encoder wait."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from queue import Full, Queue
from typing import TypeVar

Item = TypeVar("Item")

_POLL_S = 0.1


def prefetch(items: Iterator[Item], depth: int) -> Iterator[Item]:
    """The same items, of which up to `depth` are made in advance on a thread.

    An exception of `items` is raised here, after the items before it. The thread ends with the
    iteration, also when that is given up early (`close`, or the end of the generator's life).
    """
    queue: Queue[tuple[Item | None, BaseException | None]] = Queue(depth)
    stop = threading.Event()

    def offer(entry: tuple[Item | None, BaseException | None]) -> None:
        while not stop.is_set():
            try:
                queue.put(entry, timeout=_POLL_S)
                return
            except Full:
                continue

    def work() -> None:
        end = StopIteration()
        try:
            for item in items:
                offer((item, None))
                if stop.is_set():
                    break
        except BaseException as error:  # belongs to whoever iterates
            end = error
        offer((None, end))

    thread = threading.Thread(target=work, name="read ahead")
    thread.start()
    try:
        while True:
            item, end = queue.get()
            if isinstance(end, StopIteration):
                return
            if end is not None:
                raise end
            yield item
    finally:
        stop.set()
        thread.join()
