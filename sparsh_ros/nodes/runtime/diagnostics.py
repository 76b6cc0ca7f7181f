# SPDX-License-Identifier: Apache-2.0
"""One status on /diagnostics, once a second, and the numbers that belong on it."""

from __future__ import annotations

import math
import re
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from sparsh_ros.names import DIAGNOSTICS, TOO_SLOW
from sparsh_ros.nodes.runtime.clocks import steady_clock

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR

_PERIOD_S = 1.0
_LASTS = 3
_NUMBER = re.compile(r"\d+(\.\d+)?")
_REMEMBERED = 240
# Whoever makes fewer estimates than this share of the frames, for so long, does not keep up.
_SLOW, _LASTING_S = 0.9, 3.0


@dataclass
class Report:
    """What a node says of a sensor: a level (OK, WARN, ERROR), one sentence, and named values.

    `serial` is the number of the device itself, where this node knows it.
    """

    level: bytes = OK
    message: str = "running"
    values: Mapping[str, object] = field(default_factory=dict)
    serial: str = ""

    def with_more(self, other: Report) -> Report:
        """Both reports as one: the worse level, what is not well in either, all values."""
        values = {**self.values, **other.values}
        troubles = [report.message for report in (self, other) if report.level != OK]
        level = max(self.level, other.level)
        serial = self.serial or other.serial
        return Report(level, "; ".join(troubles) or self.message, values, serial)


class Diagnostics:
    """Publishes the reports of one node."""

    def __init__(self, node: Node, reports: Callable[[], Mapping[str, Report]]) -> None:
        """`reports` is called once a second and gives a report for each sensor by its name."""
        self._node = node
        self._reports = reports
        self._publisher = node.create_publisher(DiagnosticArray, DIAGNOSTICS, 10)
        self._troubles: dict[str, _Trouble] = {}
        self.timer = node.create_timer(_PERIOD_S, self.publish, clock=steady_clock())

    def publish(self) -> None:
        """Publish the reports of this moment."""
        reports = self._reports()
        for sensor, report in reports.items():
            self._log_once(sensor, report)
        message = DiagnosticArray(
            status=[self._status(sensor, report) for sensor, report in reports.items()]
        )
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)

    def _log_once(self, sensor: str, report: Report) -> None:
        """Who looks at the terminal alone is told, once, of a trouble that lasts."""
        trouble = self._troubles.setdefault(sensor, _Trouble())
        if trouble.lasts(report):
            self._node.get_logger().warning(f"{sensor}: {report.message}")

    def _status(self, sensor: str, report: Report) -> DiagnosticStatus:
        node = self._node.get_fully_qualified_name().lstrip("/")
        return DiagnosticStatus(
            level=report.level,
            name=f"{node}: {sensor}",
            message=report.message,
            hardware_id=report.serial or sensor,
            values=[KeyValue(key=key, value=_text(value)) for key, value in report.values.items()],
        )


class _Trouble:
    """What is wrong with one sensor, whatever the numbers in the sentence."""

    def __init__(self) -> None:
        self._kind, self._count = "", 0
        self._logged: set[str] = set()

    def lasts(self, report: Report) -> bool:
        """Whether it is time to say it: three reports in a row, the first time it is so."""
        kind = _NUMBER.sub("", report.message) if report.level != OK else ""
        self._count = self._count + 1 if kind == self._kind else 1
        self._kind = kind
        if not kind:
            self._logged.clear()
        if not kind or self._count != _LASTS or kind in self._logged:
            return False
        self._logged.add(kind)
        return True


class RateMeter:
    """Events per second over the last two seconds. One thread counts, another may read."""

    def __init__(self, window: int = 240, horizon_s: float = 2.0) -> None:
        self._times: deque[float] = deque(maxlen=window)
        self._horizon_s = horizon_s

    def count(self) -> None:
        """Note one event."""
        self._times.append(time.monotonic())

    @property
    def rate_hz(self) -> float:
        """Events per second; 0 when they stopped."""
        oldest = time.monotonic() - self._horizon_s
        recent = [moment for moment in tuple(self._times) if moment >= oldest]
        if len(recent) < 2:
            return 0.0
        return (len(recent) - 1) / (recent[-1] - recent[0])


class OverloadMeter:
    """Whether frames come faster than they are dealt with, for seconds on end.

    Attributes:
        arrived, finished: Count a frame that came, and one that was dealt with.
    """

    def __init__(self) -> None:
        """Begin without a frame."""
        self.arrived, self.finished = RateMeter(), RateMeter()
        self._since_s: float | None = None

    def sentence(self, remedy: str) -> str:
        """What to say of the last seconds, with what to do about it; empty while all is well."""
        arrived_hz, finished_hz = self.arrived.rate_hz, self.finished.rate_hz
        if finished_hz >= _SLOW * arrived_hz:
            self._since_s = None
            return ""
        now_s = time.monotonic()
        self._since_s = now_s if self._since_s is None else self._since_s
        if now_s - self._since_s < _LASTING_S:
            return ""
        return f"{TOO_SLOW}: {finished_hz:.0f} of {arrived_hz:.0f} frames/s; try {remedy}"


class LatencyMeter:
    """Percentiles of the last few hundred latencies."""

    def __init__(self, window: int = 600) -> None:
        self._latencies_ms: deque[float] = deque(maxlen=window)

    def add(self, sent_ns: int) -> None:
        """Note that the result for a frame of this moment, ns since the epoch, is out now."""
        self._latencies_ms.append((time.time_ns() - sent_ns) * 1e-6)

    def percentile_ms(self, percent: float) -> float:
        """That percentile in milliseconds, NaN before the first result."""
        latencies = tuple(self._latencies_ms)
        return float(np.percentile(latencies, percent)) if latencies else math.nan


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


def _text(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)
