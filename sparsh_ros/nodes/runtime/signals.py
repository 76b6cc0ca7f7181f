# SPDX-License-Identifier: Apache-2.0
"""When a process has to stop, as a question that a loop asks, instead of an exception anywhere."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


PARENT = "SPARSH_ROS_PARENT"
"""In the environment of a process: the number of the one that started it and that stops it."""


class StopRequest:
    """True once SIGINT, SIGTERM or SIGHUP has come, or who should send it was killed.

    Made on the main thread.
    """

    def __init__(self) -> None:
        self._asked = False
        self._parent = int(os.environ.get(PARENT, 0))
        for number in _SIGNALS:
            signal.signal(number, self._ask)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)

    def __bool__(self) -> bool:
        return self._asked or self._parent not in (0, os.getppid())

    def _ask(self, _number: int, _frame: object) -> None:
        self._asked = True


@contextmanager
def held_back() -> Iterator[None]:
    """Processes started here get the signals only once they have made a StopRequest.

    Before that, while they still import, a signal would end them with a traceback.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ask_to_stop() -> None:
    """Ask this process to stop, as Ctrl-C does; from any thread."""
    os.kill(os.getpid(), signal.SIGINT)
