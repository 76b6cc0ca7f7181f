# SPDX-License-Identifier: Apache-2.0
"""SIGINT, SIGTERM and SIGHUP as a question that a loop asks, instead of an exception anywhere."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequest:
    """True once one of the signals has come. Made on the main thread."""

    def __init__(self) -> None:
        self._asked = False
        for number in _SIGNALS:
            signal.signal(number, self._ask)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)

    def __bool__(self) -> bool:
        return self._asked

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
