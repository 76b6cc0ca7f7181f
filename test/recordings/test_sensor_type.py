# SPDX-License-Identifier: Apache-2.0
"""Which type of sensor a bag is of."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from sparsh_ros.errors import ParameterError, RecordingError
from sparsh_ros.recordings.sensor_type import find_sensor_type
from sparsh_ros.recordings.topics import SensorTopics

WRITTEN = {"sensor_profile:/left": "gelsight_mini"}


def found(
    image: str, size: tuple[int, int] = (240, 320), given: str = "", custom: dict | None = None
) -> tuple[str, str]:
    """Name of the kind, and how it is known."""
    sensor = SensorTopics("left", image.rpartition("/")[0], image)
    profile, source = find_sensor_type(SimpleNamespace(custom=custom or {}), sensor, *size, given)
    return profile.name, source


def test_what_is_given_wins_then_what_is_written_then_the_name_then_the_size() -> None:
    size, image = (3280, 2464), "/left/digit_raw"
    assert found(image, size, "gelsight_2017", WRITTEN) == ("gelsight_2017", "given")
    assert found(image, size, custom=WRITTEN) == ("gelsight_mini", "written in the bag")
    assert found(image, size) == ("digit", "named in the topic")
    assert found("/left/raw", size) == (
        "gelsight_mini",
        "assumed by the size of the images, 3280 x 2464",
    )
    assert found("/left/raw", (320, 240))[0] == "digit"


@pytest.mark.parametrize("size", [(240, 320), (640, 480), (100, 100)])
def test_standard_images_and_vga_may_be_of_several_kinds(size: tuple[int, int]) -> None:
    with pytest.raises(RecordingError, match=f"{size[0]} x {size[1]} pixels do not tell"):
        found("/left/raw", size)


def test_unknown_kinds_are_refused() -> None:
    with pytest.raises(ParameterError, match="sensor profile: wanted one of digit"):
        found("/left/raw", given="finger")


@pytest.mark.parametrize("topic", ["/gelsight_capture/image", "/gelsight/image_raw"])
def test_a_gelsight_topic_is_never_a_digit(topic: str) -> None:
    with pytest.raises(RecordingError, match="--sensor gelsight_2017 or gelsight_mini"):
        found(topic, (320, 240))
    assert found("/gsmini/image", (320, 240)) == ("gelsight_mini", "named in the topic")


def test_what_a_bag_says_is_a_name_and_no_file(tmp_path) -> None:
    secret = tmp_path / "secret.yaml"
    secret.write_text("password: hunter2")
    with pytest.raises(RecordingError, match="which is none of digit") as caught:
        found("/left/raw", custom={"sensor_profile:/left": str(secret)})
    assert "hunter2" not in str(caught.value)
