# SPDX-License-Identifier: Apache-2.0
"""One gel sensor of a bag: its images made canonical, its background, its labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from sparsh_ros.background import BackgroundKeeper, read_background
from sparsh_ros.errors import RecordingError
from sparsh_ros.frames import Frame
from sparsh_ros.recordings.bags import Bag
from sparsh_ros.recordings.labels import Event, read_events
from sparsh_ros.recordings.sensor_type import find_sensor_type
from sparsh_ros.recordings.topics import SensorTopics
from sparsh_ros.sensors.profiles import SensorProfile

LABELS = {"force": 3, "slip": 5, "pose": 4, "pose_change": 4}
"""Type of label -> numbers per label."""


class BagSensor:
    """Sorts out what a bag says about one sensor.

    Attributes:
        key: Name of the sensor in perception.
        topics: Its topics.
        profile: Of its type; None until an image has shown it.
        sensor_type_source, background: How the type is known, and where the background comes
            from, in words.
    """

    def __init__(
        self, key: str, topics: SensorTopics, sensor_type: str = "", background: Path | None = None
    ) -> None:
        """Start with nothing.

        Args:
            key: Name of the sensor in perception.
            topics: Its topics.
            sensor_type: Name or file of its profile; empty if it is to be found.
            background: Image of the untouched gel; None takes the bag's.
        """
        self.key, self.topics = key, topics
        self.profile: SensorProfile | None = None
        self.sensor_type_source = self.background = ""
        self._sensor_type, self._file = sensor_type, background
        self._keeper: BackgroundKeeper | None = None
        self._error = ""

    def items(self, bag: Bag, event: Event) -> Iterator[tuple[str, int, object]]:
        """What an event means for perception and labels: type, stamp, value."""
        if event.type in LABELS:
            yield event.type, event.stamp_ns, _numbers(event)
            return
        if self._error:
            return
        if self.profile is None and event.value is not None:
            yield from self._begin(bag, event.value)
        if self.profile is None:
            return
        image = None
        if event.value is not None:
            image = self.profile.to_canonical(event.value, "rgb")
        if event.type == "frame":
            yield from self._frame(Frame(event.stamp_ns, image))
        elif self._file is None and self.profile.subtract_background:
            self.background = f"topic {self.topics.background}"
            yield "background", event.stamp_ns, image

    def trouble(self) -> str:
        """Why there are no estimates; empty if there may be."""
        if self._error:
            return self._error
        if self.profile is None:
            return f"{self.topics.image}: no image that can be read"
        if self._keeper is not None and self._keeper.image is None:
            return f"{self._keeper.reason}; or give an image of the untouched gel by --background"
        return ""

    def _begin(self, bag: Bag, image: np.ndarray) -> Iterator[tuple[str, int, object]]:
        """Find out what the first image shows."""
        height, width = image.shape[:2]
        try:
            profile, self.sensor_type_source = find_sensor_type(
                bag, self.topics, width, height, self._sensor_type
            )
        except RecordingError as error:
            self._error = str(error)
            return
        self.profile = profile
        yield "profile", 0, profile
        if not profile.subtract_background:
            self.background = "none: this type of sensor is seen as it is"
        elif self._file is not None:
            self.background = f"file {self._file.name}"
            yield "background", 0, read_background(self._file, profile)
        elif not _has_messages(bag, self.topics.background):
            self._keeper = BackgroundKeeper(profile)

    def _frame(self, frame: Frame) -> Iterator[tuple[str, int, object]]:
        """As live: the frame goes out first, then the background if it has become known."""
        yield "frame", frame.stamp_ns, frame
        if self._keeper is not None and self._keeper.image is None and self._keeper.update(frame):
            self.background = "the first half second without motion"
            yield "background", frame.stamp_ns, self._keeper.image


def read_sensor_items(
    bag: Bag, sensors: Sequence[BagSensor]
) -> Iterator[tuple[BagSensor, str, int, object]]:
    """The events of a bag in the order of its log, as perception takes them.

    Yields the sensor, a type, a stamp and a value: "profile" SensorProfile, "background" canonical
    image or None, "frame" Frame, or a type of label.
    """
    by_name = {sensor.topics.name: sensor for sensor in sensors}
    for event in read_events(bag, [sensor.topics for sensor in sensors]):
        sensor = by_name[event.sensor]
        for item in sensor.items(bag, event):
            yield sensor, *item


def _has_messages(bag: Bag, topic: str) -> bool:
    return any(found.name == topic and found.count for found in bag.topics)


def _numbers(event: Event) -> list[float]:
    if event.type == "pose_change":
        return [event.value.interval_s, *event.value.change]
    return [float(value) for value in event.value]
