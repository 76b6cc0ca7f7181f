# SPDX-License-Identifier: Apache-2.0
"""Which type of sensor made the images of a bag."""

from __future__ import annotations

from sparsh_ros.errors import RecordingError
from sparsh_ros.recordings.bags import Bag, profile_key
from sparsh_ros.recordings.topics import SensorTopics
from sparsh_ros.sensors.profiles import SensorProfile, list_profiles, load_profile

ASSUMED = "assumed"
"""How the sentence about a type begins that is a guess, which the user is shown."""

_MINI = ("gsmini", "gs_mini", "gelsightmini")


def find_sensor_type(
    bag: Bag, sensor: SensorTopics, width: int, height: int, given: str = ""
) -> tuple[SensorProfile, str]:
    """The profile of a sensor, and how it is known, in words.

    What was given wins; then what the recorder wrote into the bag, a type's name in the name of
    the topic, and the size of the images where only one type delivers it: a guess, because the
    software of other sensors scales images too. Of a "gelsight" topic it guesses no DIGIT.

    Args:
        bag: the recording.
        sensor: its topics.
        width, height: pixels of its images.
        given: name or file of a profile; empty if it is to be found.

    Raises:
        RecordingError: it cannot be determined.
        ParameterError: there is no such profile.
    """
    if given:
        return load_profile(given), "given"
    known = list_profiles()
    if written := bag.custom.get(profile_key(sensor.prefix)):
        # A name, never a path: a recording does not say which files of this computer are read.
        if written not in known:
            raise RecordingError(
                f"{sensor.image}: the bag says that a {written[:40]!r} made these images, which is "
                f"none of {', '.join(known)}; say it with --sensor"
            )
        return load_profile(written), "written in the bag"
    profiles = [load_profile(name) for name in known]
    named = _named(sensor.image, profiles)
    if len(named) == 1:
        return named[0], "named in the topic"
    sized = [profile for profile in named if _delivers(profile, width, height)]
    if len(sized) == 1:
        return sized[0], f"{ASSUMED} by the size of the images, {width} x {height}"
    raise RecordingError(
        f"{sensor.image}: images of {width} x {height} pixels do not tell which type of sensor "
        f"made them; say it with --sensor {' or '.join(profile.name for profile in named)}"
    )


def _named(topic: str, profiles: list[SensorProfile]) -> list[SensorProfile]:
    """The types that the name of a topic leaves possible."""
    topic = topic.lower()
    exact = [profile for profile in profiles if profile.name in topic]
    if exact:
        return exact
    if any(word in topic for word in _MINI):
        return [profile for profile in profiles if profile.name == "gelsight_mini"]
    if "gelsight" in topic:
        return [profile for profile in profiles if profile.name.startswith("gelsight")]
    return profiles


def _delivers(profile: SensorProfile, width: int, height: int) -> bool:
    """Whether its camera gives such images, at its usual size or a whole multiple (DIGIT: VGA)."""
    times, rest = divmod(width, profile.width)
    return times > 0 and rest == 0 and height == times * profile.height
