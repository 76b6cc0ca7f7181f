# SPDX-License-Identifier: Apache-2.0
"""The sensors of a recording, for the graph that it is played through."""

from __future__ import annotations

import re
from contextlib import closing
from importlib.util import find_spec
from typing import Protocol

from sparsh_ros.errors import MissingDependencyError, RecordingError
from sparsh_ros.nodes.graph.entries import entries
from sparsh_ros.nodes.settings import Value
from sparsh_ros.sensors.rig import SensorEntry, check_rig

DRIVER = "bag"


class Given(Protocol):
    """Values of settings.RIG and settings.RECORDED, by name."""

    def __getitem__(self, name: str) -> Value: ...


def heard_entries(given: Given) -> tuple[SensorEntry, ...]:
    """The sensors that a node listens to: of a recording, else those that settings.RIG describes.

    Raises:
        RecordingError: the recording cannot be used.
        ParameterError: settings cannot be used, or do not go together.
    """
    if given["bag"]:
        return recorded_rig(given["bag"], given["image_topics"], given["kind"])
    return entries(given)


def need_library_for_bags() -> None:
    """Raise MissingDependencyError where bags can be neither read nor written."""
    if missing := [name for name in ("mcap", "rosbags") if find_spec(name) is None]:
        raise MissingDependencyError(
            f"bags: wanted the Python package {missing[0]}, found none; `pip install mcap rosbags`"
        )


def image_topics(text: str) -> tuple[str, ...]:
    """The topics in setting `image_topics`."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def recorded_rig(path: str, images: str, kind: str) -> tuple[SensorEntry, ...]:
    """The sensors of a recording, in the order in which an evaluation has them.

    Args:
        path: of the bag.
        images: topics of the images, separated by commas; empty: found.
        kind: of the sensors, or the file of a profile; empty: found.

    Raises:
        MissingDependencyError: the library for bags is not installed.
        RecordingError: it cannot be read, or does not tell what the sensors are.
        ParameterError: there is no such kind.
    """
    need_library_for_bags()
    # Here, because only a replay needs it.
    from sparsh_ros.recordings.bags import Bag, open_bag
    from sparsh_ros.recordings.labels import read_events
    from sparsh_ros.recordings.sensor_type import find_sensor_type
    from sparsh_ros.recordings.topics import SensorTopics, find_sensors

    def entry(bag: Bag, topics: SensorTopics) -> SensorEntry:
        only_images = SensorTopics(topics.name, topics.prefix, topics.image)
        with closing(read_events(bag, [only_images])) as events:
            first = next(events, None)
        if first is None:
            raise RecordingError(f"{topics.image}: no image that can be read")
        height, width = first.value.shape[:2]
        profile, _ = find_sensor_type(bag, topics, width, height, kind)
        return SensorEntry(_ros_name(topics.name), DRIVER, profile, {"input": topics.image})

    with open_bag(path) as bag:
        rig = tuple(entry(bag, topics) for topics in find_sensors(bag.topics, image_topics(images)))
    check_rig(rig)
    return rig


def _ros_name(name: str) -> str:
    """A name that topics and frames can have."""
    plain = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")
    return plain if plain[:1].isalpha() else f"sensor_{plain}".rstrip("_")
