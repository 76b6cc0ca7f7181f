# SPDX-License-Identifier: Apache-2.0
"""Stopping a process: loops poll a flag, instead of being interrupted by an exception."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


PARENT = "SPARSH_ROS_PARENT"
"""In the environment of a process: the number of the one that started it and that stops it."""


class StopRequest:
    """Becomes true on SIGINT, SIGTERM or SIGHUP, or when the parent process is gone.

    Create it on the main thread.
    """

    def __init__(self) -> None:
        self._is_requested = False
        self._parent = int(os.environ.get(PARENT, 0))
        for number in _SIGNALS:
            signal.signal(number, self._request)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)

    def __bool__(self) -> bool:
        return self._is_requested or self._parent not in (0, os.getppid())

    def _request(self, _number: int, _frame: object) -> None:
        self._is_requested = True


@contextmanager
def block_signals() -> Iterator[None]:
    """Block the signals in processes started here until they create a StopRequest.

    Otherwise a signal during their imports would end them with a traceback.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def request_stop() -> None:
    """Ask this process to stop, as Ctrl-C does. May be called from any thread."""
    os.kill(os.getpid(), signal.SIGINT)
