# SPDX-License-Identifier: Apache-2.0
"""Which topics of a bag belong to which gel sensor: found by type and name, or given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sparsh_ros import names
from sparsh_ros.errors import RecordingError
from sparsh_ros.recordings.bags import Topic

IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
LABEL_TYPES = {
    "force": ("geometry_msgs/msg/WrenchStamped", "geometry_msgs/msg/Wrench"),
    "slip": ("sparsh_ros/msg/Slip",),
    "pose": (
        "geometry_msgs/msg/PoseWithCovarianceStamped",
        "geometry_msgs/msg/PoseStamped",
    ),
    "pose_change": ("sparsh_ros/msg/PoseChange",),
}
"""Label -> message types that can hold it."""

_COMPRESSED = "/compressed"
_BY_NAME_ALONE = ("background", "pose_change")
_LABELS = (names.GROUND_TRUTH, "truth")
# Images that this package makes of a sensor's images.
_DERIVED = ("background", "image_diff", "overlay")


@dataclass(frozen=True, slots=True)
class SensorTopics:
    """The topics of one gel sensor; "" where there is none.

    Attributes:
        name: last part of the prefix of its topics, or all of it where that is not unique.
        prefix: what its topics begin with, "/tactile/left" of "/tactile/left/image_raw".
        image, background, force, slip, pose, pose_change: names of topics.
        notes: what to know of labels that were not at their usual place, in sentences.
    """

    name: str
    prefix: str
    image: str
    background: str = ""
    force: str = ""
    slip: str = ""
    pose: str = ""
    pose_change: str = ""
    notes: tuple[str, ...] = ()


def find_sensors(
    topics: Sequence[Topic],
    image: Sequence[str] = (),
    force: Sequence[str] = (),
    slip: Sequence[str] = (),
    pose: Sequence[str] = (),
    background: Sequence[str] = (),
) -> tuple[SensorTopics, ...]:
    """The gel sensors of a bag and the labels of each.

    Names that are given win; there must be one for each sensor, in the order of the images (those
    given, else those found, by name). An image that is there raw and compressed is taken raw. A
    label is looked for at `<prefix>/ground_truth/<role>`, then at `<prefix>/truth/<role>`; else it
    is the only topic of its type below the prefix, or in a bag of one sensor the only one at all,
    that is not an estimate of this package (`<prefix>/<role>`). Where two sensors could claim a
    topic, neither gets it.

    Raises:
        RecordingError: no image; or a given topic is missing, of another type, or one too many.
    """
    known = {topic.name: topic for topic in topics}
    images = _images(known, image, background)
    sensors = [
        SensorTopics(_last(_prefix(name)) or _last(name), _prefix(name), name) for name in images
    ]
    names = [sensor.name for sensor in sensors]
    sensors = [
        sensor if names.count(sensor.name) == 1 else replace(sensor, name=sensor.image.strip("/"))
        for sensor in sensors
    ]
    sensors = _give(sensors, known, "background", background, IMAGE_TYPES)
    given = {"force": force, "slip": slip, "pose": pose}
    for role, types in LABEL_TYPES.items():
        sensors = _give(sensors, known, role, given.get(role, ()), types)
    return tuple(sensors)


def _prefix(image: str) -> str:
    return image.removesuffix(_COMPRESSED).rpartition("/")[0]


def _last(name: str) -> str:
    return name.removesuffix(_COMPRESSED).rpartition("/")[2]


def _images(known: dict[str, Topic], given: Sequence[str], backgrounds: Sequence[str]) -> list[str]:
    if given:
        for name in given:
            _check(known, name, IMAGE_TYPES)
        if twice := [name for number, name in enumerate(given) if name in given[:number]]:
            raise RecordingError(f"--image: wanted each topic once, found {twice[0]} twice")
        return list(given)
    found = sorted(
        topic.name
        for topic in known.values()
        if topic.type in IMAGE_TYPES
        and topic.count
        and topic.name not in backgrounds
        and _last(topic.name) not in _DERIVED
    )
    found = [
        name
        for name in found
        if name.removesuffix(_COMPRESSED) == name or name.removesuffix(_COMPRESSED) not in found
    ]
    if not found:
        raise RecordingError(
            f"bag: wanted images ({' or '.join(IMAGE_TYPES)}), found {_listed(known.values())}"
        )
    return found


def _give(
    sensors: list[SensorTopics],
    known: dict[str, Topic],
    role: str,
    given: Sequence[str],
    types: Sequence[str],
) -> list[SensorTopics]:
    """The sensors with their topics of one type."""
    if not given:
        return [_find(sensor, sensors, known, role, types) for sensor in sensors]
    if len(given) != len(sensors):
        raise RecordingError(
            f"bag: wanted one {role} topic for each of {len(sensors)} sensors "
            f"({', '.join(sensor.image for sensor in sensors)}), found {len(given)} "
            f"({', '.join(given)}); name the images that are meant with --image-topics"
        )
    for name in given:
        _check(known, name, types)
    return [replace(s, **{role: name}) for s, name in zip(sensors, given, strict=True)]


def _find(
    sensor: SensorTopics,
    sensors: list[SensorTopics],
    known: dict[str, Topic],
    role: str,
    types: Sequence[str],
) -> SensorTopics:
    usual, *others = ["background"] if role == "background" else [f"{at}/{role}" for at in _LABELS]
    for ending in (usual, f"{usual}{_COMPRESSED}", *others):
        name = f"{sensor.prefix}/{ending}"
        if name in known and known[name].type in types and _alone(sensor, sensors):
            return replace(sensor, **{role: name})
    if role in _BY_NAME_ALONE:
        return sensor
    candidates = _candidates(sensor, sensors, known, role, types)
    if len(candidates) == 1 and (len(sensors) == 1 or _below(candidates[0], sensor, sensors)):
        note = (
            f"{role}: labels are those of {candidates[0]}, as there is no {sensor.prefix}/{usual}; "
            "scores are right only if they are in the gel frame"
        )
        return replace(sensor, **{role: candidates[0]}, notes=(*sensor.notes, note))
    if not candidates:
        return sensor
    note = (
        f"{role}: no topic {sensor.prefix}/{usual}, and {', '.join(candidates)} may belong to any "
        f"of {', '.join(other.image for other in sensors)}; "
        f"say which with --image-topics and --{role}-topics"
    )
    return replace(sensor, notes=(*sensor.notes, note))


def _candidates(
    sensor: SensorTopics,
    sensors: list[SensorTopics],
    known: dict[str, Topic],
    role: str,
    types: Sequence[str],
) -> list[str]:
    """Topics that could be the label: those below the prefix, else those below no prefix."""
    estimates = {f"{other.prefix}/{role}" for other in sensors}
    names = [n for n, topic in known.items() if topic.type in types and n not in estimates]
    own = [name for name in names if _below(name, sensor, sensors)]
    return own or [n for n in names if not any(_below(n, other, sensors) for other in sensors)]


def _below(name: str, sensor: SensorTopics, sensors: list[SensorTopics]) -> bool:
    """Whether a topic lies below the prefix of this sensor and of no other."""
    inside = [s for s in sensors if s.prefix and name.startswith(f"{s.prefix}/")]
    closest = max((len(s.prefix) for s in inside), default=0)
    return [s for s in inside if len(s.prefix) == closest] == [sensor]


def _alone(sensor: SensorTopics, sensors: list[SensorTopics]) -> bool:
    return sum(other.prefix == sensor.prefix for other in sensors) == 1


def _check(known: dict[str, Topic], name: str, types: Sequence[str]) -> None:
    if name not in known:
        raise RecordingError(
            f"bag: wanted the topic {name}, found {_listed(known.values())}; check its name"
        )
    if known[name].type not in types:
        raise RecordingError(
            f"topic {name}: wanted messages of type {' or '.join(types)}, found {known[name].type}"
        )


def _listed(topics: Iterable[Topic]) -> str:
    return ", ".join(f"{topic.name} ({topic.type})" for topic in topics) or "no topics at all"
