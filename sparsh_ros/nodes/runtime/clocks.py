# SPDX-License-Identifier: Apache-2.0
"""Clocks for nodes whose time may be simulated: that of a recording which is played."""

from __future__ import annotations

import time
from collections.abc import Callable

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

_LEAD_S = 0.1
# Later than this, play goes on from here instead of catching up, which would lose frames.
_LATE_S = 0.02
# Frames of several sensors may come in another order than their stamps.
_BACK_NS = 100_000_000


def steady_clock() -> Clock:
    """For timers that go on while simulated time stands still."""
    return Clock(clock_type=ClockType.STEADY_TIME)


class SlowerClock:
    """Seconds that pass no faster than simulated time, and no faster than real time.

    By this clock frames go stale. Where a recording is paused or played slowly, no frame is late
    before its time; where it is played fast, the encoder has no less time than on a robot.
    """

    def __init__(
        self, simulated: Callable[[], float], real: Callable[[], float] = time.monotonic
    ) -> None:
        """Start at 0; `simulated` may jump, `real` is monotonic. Both in seconds."""
        self._simulated, self._real = simulated, real
        self._last = (simulated(), real())
        self._now_s = self._credit_s = 0.0

    def __call__(self) -> float:
        now = (self._simulated(), self._real())
        simulated_s, real_s = (new - old for new, old in zip(now, self._last, strict=True))
        self._last = now
        # Simulated time comes in ticks, so a little of it may be used up later.
        self._credit_s += max(0.0, simulated_s)
        passed_s = min(real_s, self._credit_s)
        self._credit_s = min(self._credit_s - passed_s, _LEAD_S)
        self._now_s += passed_s
        return self._now_s


def stale_clock(node: Node) -> Callable[[], float]:
    """The clock by which the frames that a node takes in go stale."""
    clock = node.get_clock()
    if not clock.ros_time_is_active:
        return time.monotonic
    return SlowerClock(lambda: clock.now().nanoseconds * 1e-9)


def stamp_clock(node: Node) -> Callable[[], int] | None:
    """The clock, in nanoseconds, that the stamps of a node's frames must agree with.

    None where time is simulated: a recording's clock steps as the recorded ones did.
    """
    clock = node.get_clock()
    return None if clock.ros_time_is_active else lambda: clock.now().nanoseconds


class PlayClock:
    """Passes `rate` times as fast as real time, as long as the frames come in time.

    Whoever plays asks for one stamp after the other; time never runs ahead of the stamp asked for,
    and goes back only where the stamps do.
    """

    def __init__(self, rate: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Stand still at 0; `monotonic` is real time in seconds."""
        self._rate, self._monotonic = rate, monotonic
        self._anchor: tuple[float, int] | None = None
        self._now_ns = self._goal_ns = 0

    @property
    def now_ns(self) -> int:
        """The time now, in nanoseconds as the stamps."""
        if self._anchor is not None:
            real_s, stamp_ns = self._anchor
            played_ns = stamp_ns + round((self._monotonic() - real_s) * self._rate * 1e9)
            self._now_ns = max(self._now_ns, min(played_ns, self._goal_ns))
        return self._now_ns

    def left_s(self, stamp_ns: int) -> float:
        """Real seconds until this stamp is due; 0 if it is now."""
        self._goal_ns = max(self._goal_ns, stamp_ns)
        if self._now_ns - stamp_ns > _BACK_NS:
            self._set(stamp_ns)
        if self._anchor is None:
            self._anchor = (self._monotonic(), self._now_ns or stamp_ns)
        real_s, anchor_ns = self._anchor
        left_s = real_s + (stamp_ns - anchor_ns) * 1e-9 / self._rate - self._monotonic()
        if left_s < -_LATE_S:
            self._anchor = (self._monotonic(), max(stamp_ns, self._now_ns))
        return max(0.0, left_s)

    def stand_still(self) -> None:
        """Stop here until the next stamp is asked for."""
        self._now_ns, self._anchor = self.now_ns, None

    def _set(self, stamp_ns: int) -> None:
        self._now_ns = self._goal_ns = stamp_ns
        self._anchor = None
