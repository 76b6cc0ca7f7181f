# SPDX-License-Identifier: Apache-2.0
"""Images that lie otherwise than those of the sensor's own driver."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from sparsh_ros.errors import FrameError, ParameterError
from sparsh_ros.sensors import load_profile, open_sensor
from sparsh_ros.sensors.config import load_sensors
from sparsh_ros.sensors.placement import Placement

IMAGE = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


def test_nothing_to_do_is_nothing_done() -> None:
    assert Placement().apply(IMAGE) is IMAGE and not Placement()


@pytest.mark.parametrize("turn", TURNS)
def test_it_is_turned_clockwise(turn: int) -> None:
    np.testing.assert_array_equal(Placement(turn=turn).apply(IMAGE), cv2.rotate(IMAGE, TURNS[turn]))


def test_it_is_cropped_then_flipped_then_turned() -> None:
    placement = Placement(crop="10,5,40,30", flip="horizontal", turn=90)
    wanted = cv2.rotate(cv2.flip(IMAGE[5:35, 10:50], 1), cv2.ROTATE_90_CLOCKWISE)
    np.testing.assert_array_equal(placement.apply(IMAGE), wanted)
    np.testing.assert_array_equal(Placement(flip="vertical").apply(IMAGE), cv2.flip(IMAGE, 0))


def test_a_crop_that_does_not_lie_inside_loses_that_frame_only() -> None:
    with pytest.raises(FrameError, match="wanted a part of the image of 90 x 60 pixels"):
        Placement(crop="60,0,40,30").apply(IMAGE)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"turn": 45}, "turn: wanted 0, 90, 180 or 270 degrees, found 45"),
        ({"turn": 360}, "turn: wanted 0 to 270, found 360"),
        ({"flip": "left"}, "flip: wanted one of none, horizontal, vertical, found 'left'"),
        ({"crop": "1,2,3"}, "crop: wanted x,y,width,height in pixels"),
        ({"crop": "1,2,0,3"}, "crop: wanted x,y,width,height in pixels"),
        ({"crop": "1,2,3,-4"}, "crop: wanted x,y,width,height in pixels"),
    ],
)
def test_values_that_mean_nothing_are_refused(values: dict, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        Placement(**values)


def test_the_canonical_image_of_a_turned_image_is_upright() -> None:
    profile = load_profile("gelsight_mini")
    turned = cv2.rotate(IMAGE, cv2.ROTATE_180)
    np.testing.assert_array_equal(
        replace(profile, placement=Placement(turn=180)).to_canonical(turned, "rgb"),
        profile.to_canonical(IMAGE, "rgb"),
    )


def test_a_file_of_sensors_says_how_each_lies(tmp_path) -> None:
    path = tmp_path / "sensors.yaml"
    path.write_text(
        "sensors:\n"
        "  - {name: palm, driver: topic, sensor_type: gelsight_mini, image: /palm/image,\n"
        "     turn: 180}\n"
    )
    (config,) = load_sensors(path)
    assert config.driver.image == "/palm/image" and config.profile.name == "gelsight_mini"
    assert config.placement == Placement(turn=180)
    path.write_text(path.read_text().replace("180", "45"))
    with pytest.raises(ParameterError, match="sensor palm: turn: wanted 0, 90, 180 or 270"):
        load_sensors(path)


def test_a_topic_is_no_sensor_without_ros() -> None:
    with pytest.raises(ParameterError, match="driver topic works in the ROS graph only"):
        open_sensor("topic", image="/palm/image")
