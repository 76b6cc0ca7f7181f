# SPDX-License-Identifier: Apache-2.0
"""What a bag says about touch, in this package's own types: images, backgrounds and labels.

Label topics lie below the image's prefix: `ground_truth/force`, `ground_truth/slip` and
`ground_truth/pose` mean what the estimates of that name mean; `ground_truth/pose_change` is a
motion over an interval that the data give.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from sparsh_ros.errors import RecordingError, SparshError
from sparsh_ros.recordings.bags import Bag, Message
from sparsh_ros.recordings.formats.definitions import one_line
from sparsh_ros.recordings.images import compressed_image, raw_image
from sparsh_ros.recordings.topics import SensorTopics

TYPES = ("background", "image", "force", "slip", "pose", "pose_change")


class SlipLabel(NamedTuple):
    """How an object slips over the gel.

    Whether it slips and whether anything touches; how fast the contact slides (m/s), the share of
    it that slides, and the friction margin, as in Slip.msg; NaN where the label does not say.
    """

    slipping: bool
    in_contact: bool
    slide_speed_m_s: float = math.nan
    slip_share: float = math.nan
    friction_margin: float = math.nan


class PoseChangeLabel(NamedTuple):
    """Motion of the object over the `interval_s` that end at the stamp.

    `change` is (3,) float64: x (m), y (m), rotation (rad), in the gel frame.
    """

    interval_s: float
    change: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """One thing that a bag says about one sensor.

    Attributes:
        type: what it is, and with it what `value` holds:
            "frame", "background": (height, width, 3) uint8 RGB as recorded; None for a background
            that the recorder took back;
            "force": (3,) float64, N, of the world on the gel, gel frame;
            "slip": SlipLabel;
            "pose": (4,) float64, x (m), y (m), rotation in (-pi, pi] (rad), and 1 where the print
            shows the rotation, else 0; NaN without contact;
            "pose_change": PoseChangeLabel.
        sensor: name of the sensor.
        stamp_ns: stamp of the message; its log time if it has none.
    """

    type: str
    sensor: str
    stamp_ns: int
    value: Any


def read_events(bag: Bag, sensors: Sequence[SensorTopics]) -> Iterator[Event]:
    """Everything that a bag says about some sensors, in the order of the log, one at a time.

    Messages that say nothing (`valid: false`) are passed over. Those that cannot be decoded are
    passed over and counted; `Bag.warnings` says how many at the end, and whether stamps stepped
    back.
    """
    routes = _routes(bag, sensors)
    broken: Counter[str] = Counter()
    first_trouble: dict[str, str] = {}
    unstamped: Counter[str] = Counter()
    clock = _Clock()
    for message in bag.messages(routes):
        try:
            stamp_ns, value = _read(bag, message)
        except SparshError as error:
            broken[message.topic] += 1
            first_trouble.setdefault(message.topic, str(error))
            continue
        if stamp_ns == 0:  # to ROS, that there is no time
            stamp_ns = message.log_time_ns
            unstamped[message.topic] += 1
        clock.watch(message.topic, stamp_ns)
        for event_type, sensor in routes[message.topic]:
            if value is not None or event_type == "background":
                yield Event(event_type, sensor, stamp_ns, value)
    for topic, count in broken.items():
        bag.warn(
            f"{topic}: {count} messages could not be decoded (the first: {first_trouble[topic]})"
        )
    for topic, count in unstamped.items():
        bag.warn(f"{topic}: {count} messages have no stamp; the times of the log are used instead")
    for warning in clock.warnings():
        bag.warn(warning)


def read_frames(
    bag: Bag, topic: str, wanted_ns: Collection[int]
) -> Iterator[tuple[int, np.ndarray]]:
    """Stamps and images, (H, W, 3) as recorded, of the frames wanted; decodes no others."""
    left = set(wanted_ns)
    for message in bag.messages([topic]):
        try:
            decoded = bag.decode(message)
            stamp_ns = _stamp(message, decoded) or message.log_time_ns
            if stamp_ns not in left:
                continue
            value = _value(message, decoded)
        except SparshError:
            continue  # reported when the events were read
        left.discard(stamp_ns)
        if value is not None:
            yield stamp_ns, value
        if not left:
            return


class _Clock:
    """Counts stamps that lie before their predecessor on the same topic."""

    def __init__(self) -> None:
        self._last_ns: dict[str, int] = {}
        self._steps: Counter[str] = Counter()
        self._largest_ns: Counter[str] = Counter()

    def watch(self, topic: str, stamp_ns: int) -> None:
        back_ns = self._last_ns.get(topic, stamp_ns) - stamp_ns
        self._last_ns[topic] = stamp_ns
        if back_ns > 0:
            self._steps[topic] += 1
            self._largest_ns[topic] = max(self._largest_ns[topic], back_ns)

    def warnings(self) -> list[str]:
        return [
            f"{topic}: the stamps step back {count} time{'s'[: count != 1]}, by up to "
            f"{self._largest_ns[topic] * 1e-9:.3f} s"
            for topic, count in self._steps.items()
        ]


def _routes(bag: Bag, sensors: Sequence[SensorTopics]) -> dict[str, list[tuple[str, str]]]:
    """Topic -> (type of event, sensor); a topic whose type cannot be read is warned of instead."""
    routes: dict[str, list[tuple[str, str]]] = {}
    for sensor in sensors:
        for event_type in TYPES:
            if topic := getattr(sensor, event_type):
                event = "frame" if event_type == "image" else event_type
                routes.setdefault(topic, []).append((event, sensor.name))
    for topic in list(routes):
        try:
            bag.check(topic)
        except SparshError as error:
            bag.warn(str(error))
            del routes[topic]
    return routes


def _read(bag: Bag, message: Message) -> tuple[int, Any]:
    """Stamp and value of a message; the value is None if it says that it knows nothing."""
    decoded = bag.decode(message)
    return _stamp(message, decoded), _value(message, decoded)


def _stamp(message: Message, decoded: Any) -> int:
    header = getattr(decoded, "header", None)
    if header is None:
        return message.log_time_ns
    try:
        return header.stamp.sec * 1_000_000_000 + header.stamp.nanosec
    except (AttributeError, TypeError) as error:
        raise _unlike(message, error) from error


def _value(message: Message, decoded: Any) -> Any:
    """What a message says; a definition in the bag may lack the fields of its type."""
    try:
        return _VALUES[message.type](decoded)
    except (AttributeError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise _unlike(message, error) from error


def _unlike(message: Message, error: Exception) -> RecordingError:
    return RecordingError(
        f"{message.topic}: the definition of {message.type} in the bag is not the usual one "
        f"({one_line(error)})"
    )


def _image(message: Any) -> np.ndarray | None:
    """An empty background says that there is none."""
    return raw_image(message) if message.width or message.height or len(message.data) else None


def _force(message: Any) -> np.ndarray:
    return _vector(message.force)


def _slip(message: Any) -> SlipLabel | None:
    # Bags of before there was a field `contact_known` say so by `valid` alone.
    if not (message.valid and getattr(message, "contact_known", True)):
        return None
    names = ("slide_speed", "slip_share", "friction_margin")
    sliding = (getattr(message, name, math.nan) for name in names)
    return SlipLabel(bool(message.slipping), bool(message.in_contact), *map(float, sliding))


def _pose_change(message: Any) -> PoseChangeLabel | None:
    if not message.valid:
        return None
    interval_s = message.interval.sec + message.interval.nanosec * 1e-9
    return PoseChangeLabel(interval_s, np.array([message.dx, message.dy, message.dtheta]))


def _pose(pose: Any, rotation_variance: float = 0.0) -> np.ndarray:
    q = pose.orientation
    yaw = math.atan2(2 * (q.w * q.z + q.x * q.y), 1 - 2 * (q.y * q.y + q.z * q.z))
    shown = float(not math.isinf(rotation_variance))
    planar = np.array([pose.position.x, pose.position.y, yaw, shown])
    # A pose that is unknown in part is unknown.
    return planar if np.isfinite(planar).all() else np.full(4, np.nan)


def _vector(vector: Any) -> np.ndarray:
    return np.array([vector.x, vector.y, vector.z], np.float64)


_VALUES: dict[str, Callable[[Any], Any]] = {
    "sensor_msgs/msg/Image": _image,
    "sensor_msgs/msg/CompressedImage": compressed_image,
    "geometry_msgs/msg/Wrench": _force,
    "geometry_msgs/msg/WrenchStamped": lambda message: _force(message.wrench),
    "sparsh_ros/msg/Slip": _slip,
    "sparsh_ros/msg/PoseChange": _pose_change,
    "geometry_msgs/msg/PoseStamped": lambda message: _pose(message.pose),
    "geometry_msgs/msg/PoseWithCovarianceStamped": lambda message: _pose(
        message.pose.pose, message.pose.covariance[-1]
    ),
}
