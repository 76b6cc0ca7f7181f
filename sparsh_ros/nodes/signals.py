# SPDX-License-Identifier: Apache-2.0
"""SIGINT, SIGTERM and SIGHUP as a question that a loop asks, instead of an exception anywhere."""

from __future__ import annotations

import signal


class StopRequest:
    """True once one of the signals has come. Made on the main thread."""

    def __init__(self) -> None:
        self._asked = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask)

    def __bool__(self) -> bool:
        return self._asked

    def _ask(self, _number: int, _frame: object) -> None:
        self._asked = True
