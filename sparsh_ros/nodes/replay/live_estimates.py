# SPDX-License-Identifier: Apache-2.0
"""Estimates that were published live, read from a bag and laid beside the frames they are of."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.names import DIAGNOSTICS
from sparsh_ros.recordings.bags import Bag


@dataclass(frozen=True, eq=False)
class LiveEstimates:
    """What was published about n frames of one sensor.

    Attributes:
        present: (n,) whether anything was published about a frame.
        reported: quantity -> (n,) whether a message with it was published about a frame.
        values: quantity -> (n, k) float64; NaN where nothing is known.
        interval_ns: (n,) time between the frames of the pair; 0 without one, -1 if not reported.
        counters: of perception, as it reported them on /diagnostics at last.
    """

    present: NDArray[np.bool_]
    reported: Mapping[str, NDArray[np.bool_]]
    values: Mapping[str, NDArray[np.float64]]
    interval_ns: NDArray[np.int64]
    counters: Mapping[str, str]


def _slip(message: Any) -> dict[str, list[float]]:
    nothing = math.nan
    return {
        "slip probability": [message.probability],
        "change of force": _xyz(message.delta_force),
        "in contact": [float(message.in_contact) if _knows_contact(message) else nothing],
        "slipping": [float(message.slipping) if message.valid else nothing],
    }


def _knows_contact(message: Any) -> bool:
    # Bags of before there was such a field say so by `valid` alone.
    return message.valid and getattr(message, "contact_known", True)


def _pose(message: Any) -> dict[str, list[float]]:
    placed, rotation = message.pose.pose.position, message.pose.pose.orientation
    return {"pose": [placed.x, placed.y, 2 * math.atan2(rotation.z, rotation.w)]}


def _xyz(vector: Any) -> list[float]:
    return [vector.x, vector.y, vector.z]


_READERS: dict[str, Callable[[Any], dict[str, list[float]]]] = {
    "force": lambda message: {"force": _xyz(message.wrench.force)},
    "slip": _slip,
    "pose_change": lambda message: {"motion": [message.dx, message.dy, message.dtheta]},
    "pose": _pose,
}


def read_live(bag: Bag, prefix: str, status: str, stamps_ns: NDArray[np.int64]) -> LiveEstimates:
    """Read what a bag holds about one sensor.

    Of several messages about a frame the first counts: a later one says that the sensor has gone
    silent since.

    Args:
        bag: recording of a live graph.
        prefix: what the sensor's topics begin with, such as "/tactile/left".
        status: what perception calls the sensor on /diagnostics, "tactile/perception: left".
        stamps_ns: (n,) stamps of the frames, each once.
    """
    rows = {int(stamp_ns): row for row, stamp_ns in enumerate(stamps_ns)}
    topics = {f"{prefix}/{name}": name for name in _READERS}
    found = {topic.name for topic in bag.topics}
    present = np.zeros(len(rows), bool)
    interval_ns = np.full(len(rows), -1, np.int64)
    reported: dict[str, NDArray[np.bool_]] = {}
    values: dict[str, NDArray[np.float64]] = {}
    seen: set[tuple[str, int]] = set()
    counters: dict[str, str] = {}
    for message in bag.messages({*topics, DIAGNOSTICS} & found):
        decoded = bag.decode(message)
        if message.topic == DIAGNOSTICS:
            counters = _counters(decoded, status) or counters
            continue
        row = rows.get(_ns(decoded.header.stamp))
        if row is None or (message.topic, row) in seen:
            continue
        seen.add((message.topic, row))
        present[row] = True
        if hasattr(decoded, "interval"):
            interval_ns[row] = _ns(decoded.interval)
        for quantity, numbers in _READERS[topics[message.topic]](decoded).items():
            empty = np.full((len(rows), len(numbers)), np.nan)
            values.setdefault(quantity, empty)[row] = numbers
            reported.setdefault(quantity, np.zeros(len(rows), bool))[row] = True
    return LiveEstimates(present, reported, values, interval_ns, counters)


def _counters(message: Any, wanted: str) -> dict[str, str]:
    for status in message.status:
        if status.name == wanted:
            return {item.key: item.value for item in status.values}
    return {}


def _ns(time: Any) -> int:
    return time.sec * 1_000_000_000 + time.nanosec
