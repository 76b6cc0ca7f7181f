# SPDX-License-Identifier: Apache-2.0
"""Time for nodes whose clock may be simulated: that of a recording which is played."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

_LEAD_S = 0.1
_REMEMBERED = 240


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


class SendTimes:
    """When frames were sent, in real time: what latencies are counted from.

    A live frame is stamped when it is grabbed. The stamps of a recording are of another time, so
    there it is the moment at which the middleware took the image in.
    """

    def __init__(self, node: Node) -> None:
        """For the frames that come to this node."""
        self._clock = node.get_clock()
        self._sent_ns: OrderedDict[int, int] = OrderedDict()

    def note(self, stamp_ns: int, sent_ns: int) -> None:
        """Note when the image with this stamp was sent, ns since the epoch."""
        if self._clock.ros_time_is_active:
            self._sent_ns[stamp_ns] = sent_ns
            if len(self._sent_ns) > _REMEMBERED:
                self._sent_ns.popitem(last=False)

    def of(self, stamp_ns: int) -> int:
        """When the frame with this stamp was sent, ns since the epoch."""
        return self._sent_ns.get(stamp_ns, stamp_ns)
