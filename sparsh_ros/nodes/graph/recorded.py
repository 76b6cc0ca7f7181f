# SPDX-License-Identifier: Apache-2.0
"""The sensors of a recording, for the graph that it is played through."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from typing import ClassVar, Protocol

from sparsh_ros.arguments import Value
from sparsh_ros.errors import MissingDependencyError, RecordingError
from sparsh_ros.nodes.graph.sensors import heard_sensors
from sparsh_ros.sensors.config import SensorConfig, check_sensors
from sparsh_ros.sensors.drivers import DriverConfig


@dataclass(frozen=True)
class BagConfig(DriverConfig):
    """A sensor of a recording, played by `sparsh-ros replay`."""

    name: ClassVar[str] = "bag"


class Params(Protocol):
    """Values of settings.HEARD and settings.RECORDED, by name."""

    def __getitem__(self, name: str) -> Value: ...


def input_sensors(params: Params) -> tuple[SensorConfig, ...]:
    """The sensors that a node listens to: of a recording, else those that its settings describe.

    Raises:
        RecordingError: The recording cannot be used.
        ParameterError: Settings cannot be used, or do not go together.
    """
    if params["bag"]:
        return recorded_sensors(params["bag"], params["image_topics"], params["sensor"])
    return heard_sensors(params)


def need_library_for_bags() -> None:
    """Raise MissingDependencyError where bags can be neither read nor written."""
    if missing := [name for name in ("mcap", "rosbags") if find_spec(name) is None]:
        raise MissingDependencyError(
            f"bags: wanted the Python package {missing[0]}, found none; `pip install mcap rosbags`"
        )


def recorded_sensors(
    path: str, images: Sequence[str], sensor_type: str
) -> tuple[SensorConfig, ...]:
    """The sensors of a recording, in the order in which an evaluation has them.

    Args:
        path: Of the bag.
        images: Topics of the images; empty: found.
        sensor_type: Of the sensors, or the file of a profile; empty: found.

    Raises:
        MissingDependencyError: The library for bags is not installed.
        RecordingError: It cannot be read, or does not tell what the sensors are.
        ParameterError: There is no such type.
    """
    need_library_for_bags()
    # Here, because only a replay needs it.
    from sparsh_ros.recordings.bags import Bag, open_bag
    from sparsh_ros.recordings.labels import read_events
    from sparsh_ros.recordings.sensor_type import find_sensor_type
    from sparsh_ros.recordings.topics import SensorTopics, find_sensors

    def config(bag: Bag, topics: SensorTopics) -> SensorConfig:
        only_images = SensorTopics(topics.name, topics.prefix, topics.image)
        with closing(read_events(bag, [only_images])) as events:
            first = next(events, None)
        if first is None:
            raise RecordingError(f"{topics.image}: no image that can be read")
        height, width = first.value.shape[:2]
        profile, _ = find_sensor_type(bag, topics, width, height, sensor_type)
        return SensorConfig(_ros_name(topics.name), BagConfig(), profile)

    with open_bag(path) as bag:
        configs = tuple(config(bag, topics) for topics in find_sensors(bag.topics, tuple(images)))
    check_sensors(configs)
    return configs


def _ros_name(name: str) -> str:
    """A name that topics and frames can have."""
    plain = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")
    return plain if plain[:1].isalpha() else f"sensor_{plain}".rstrip("_")
