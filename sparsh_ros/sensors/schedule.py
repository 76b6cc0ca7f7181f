# SPDX-License-Identifier: Apache-2.0
"""Ticks at a fixed rate, without drift and without bursts."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from sparsh_ros.errors import ParameterError


class Schedule:
    """A grid of moments on the monotonic clock, `rate_hz` to the second.

    Ticks stay on the grid, so an oversleep does not shift the later ones. A tick that is more than
    half a period past when it is asked for is skipped rather than made up for: two ticks are never
    closer than half a period.
    """

    def __init__(
        self,
        rate_hz: float,
        stop: threading.Event,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make a schedule whose first tick is due when first asked for.

        Args:
            rate_hz: Ticks per second.
            stop: Ends every wait at once when set.
            monotonic: Clock in seconds that never steps back.

        Raises:
            ParameterError: `rate_hz` is no number above 0.
        """
        if not (math.isfinite(rate_hz) and rate_hz > 0):
            raise ParameterError(f"frame rate: wanted a number above 0 Hz, found {rate_hz}")
        self._period_s = 1.0 / rate_hz
        self._stop = stop
        self._monotonic = monotonic
        self._due_s: float | None = None

    def wait(self) -> int | None:
        """Wait for the next tick.

        Returns:
            How many ticks were skipped before it, None when stopped while waiting.
        """
        now = self._monotonic()
        if self._due_s is None:
            self._due_s = now
        skipped = max(0, math.ceil((now - self._due_s) / self._period_s - 0.5))
        self._due_s += skipped * self._period_s
        # Waits may end early, and a tick must not.
        while (left_s := self._due_s - self._monotonic()) > 0:
            if self._stop.wait(left_s):
                return None
        self._due_s += self._period_s
        return None if self._stop.is_set() else skipped

    def restart(self) -> None:
        """Begin again: the next tick is due when it is asked for."""
        self._due_s = None

    def pause(self, seconds: float) -> None:
        """Put off the next tick, and with it the grid, by at least `seconds` from now."""
        now = self._monotonic()
        self._due_s = seconds + (now if self._due_s is None else max(now, self._due_s))
