# SPDX-License-Identifier: Apache-2.0
"""Work done ahead of the moment at which its result is wanted."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from sparsh_ros.scheduling import show_name, yield_to_others

AHEAD = 2
"""Results kept ready: one that takes three periods instead of a part of one delays nothing."""

T = TypeVar("T")


class Ahead(Generic[T]):
    """Makes results on a thread of lower priority, before they are asked for.

    Who works with the results on the same few cores goes first: while one is still in stock, the
    next is begun only some time after the last was taken.
    """

    def __init__(self, make: Callable[[], T], pause_s: float) -> None:
        """Prepare; nothing is made before `start`.

        Args:
            make: Makes the next result.
            pause_s: Seconds from taking a result to the beginning of the next one.
        """
        self._make = make
        self._pause_s = pause_s
        self._ready: deque[T | BaseException] = deque()
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to work, after what is in stock; does nothing while it works."""
        if self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(target=self._work, name="ahead", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Finish the result at hand and wake whoever waits; what is in stock stays."""
        self.wake()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def wake(self) -> None:
        """Ask for the end, from any thread, and do not wait for it."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()

    def take(self) -> T | None:
        """The next result, once it is there; None when stopped.

        Raises:
            Exception: What making it raised.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._stop.is_set())
            if self._stop.is_set():
                return None
            result = self._ready.popleft()
            self._changed.notify_all()
        if isinstance(result, BaseException):
            raise result
        return result

    def _work(self) -> None:
        show_name()
        yield_to_others()
        while self._is_wanted():
            try:
                result: T | BaseException = self._make()
            except Exception as error:  # of whatever is made; it belongs to who takes it
                result = error
            with self._changed:
                self._ready.append(result)
                self._changed.notify_all()

    def _is_wanted(self) -> bool:
        """Wait until another result is wanted; False when stopped."""
        stopped, ready = self._stop.is_set, self._ready
        with self._changed:
            self._changed.wait_for(lambda: stopped() or len(ready) < AHEAD)
            self._changed.wait_for(lambda: stopped() or not ready, self._pause_s)
        return not stopped()
