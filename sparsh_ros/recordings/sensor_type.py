# SPDX-License-Identifier: Apache-2.0
"""Which type of sensor made the images of a bag."""

from __future__ import annotations

from sparsh_ros.errors import RecordingError
from sparsh_ros.recordings.bags import Bag, profile_key
from sparsh_ros.recordings.topics import SensorTopics
from sparsh_ros.sensors.profiles import SensorProfile, list_profiles, load_profile


def find_sensor_type(
    bag: Bag, sensor: SensorTopics, width: int, height: int, given: str = ""
) -> tuple[SensorProfile, str]:
    """The profile of a sensor, and how it is known, in words.

    What was given wins; then what the recorder wrote into the bag, a type's name in the name of
    the topic, and the size of the images where only one type delivers it.

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
    if written := bag.custom.get(profile_key(sensor.prefix)):
        return load_profile(written), "written in the bag"
    profiles = [load_profile(name) for name in list_profiles()]
    named = [profile for profile in profiles if profile.name in sensor.image.lower()]
    if len(named) == 1:
        return named[0], "named in the topic"
    sized = [profile for profile in profiles if _delivers(profile, width, height)]
    if len(sized) == 1:
        return sized[0], f"by the size of the images, {width} x {height}"
    raise RecordingError(
        f"{sensor.image}: images of {width} x {height} pixels do not tell which type of sensor "
        f"made them; say it with --sensor {' or '.join(list_profiles())}"
    )


def _delivers(profile: SensorProfile, width: int, height: int) -> bool:
    """Whether its camera gives such images, at its usual size or a whole multiple (DIGIT: VGA)."""
    times, rest = divmod(width, profile.width)
    return times > 0 and rest == 0 and height == times * profile.height
