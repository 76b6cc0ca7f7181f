# SPDX-License-Identifier: Apache-2.0
"""The camera info says what is known of a gel camera, and no more."""

from __future__ import annotations

import numpy as np
from sensor_msgs.msg import CameraInfo

from sparsh_ros.nodes.messages import conversions
from sparsh_ros.nodes.topics.images import CameraInfoPublisher
from sparsh_ros.sensors import load_profile
from sparsh_ros.sensors.config import SensorConfig
from sparsh_ros.sensors.drivers import DigitConfig

ENTRY = SensorConfig("thumb", DigitConfig(), load_profile("digit"))


def test_each_listener_gets_an_uncalibrated_camera_with_the_stamp_of_the_image(outsider) -> None:
    topic = CameraInfoPublisher(outsider.node, "thumb/", ENTRY)
    heard = outsider.listen(CameraInfo, "thumb/camera_info", qos=10)

    def publish_until_heard() -> bool:
        topic.publish(1_500_000_001)
        return bool(heard)

    outsider.wait_for(publish_until_heard, "camera_info")
    info = heard[0]
    assert conversions.msg_to_stamp(info.header.stamp) == 1_500_000_001
    assert info.header.frame_id == "thumb_camera_optical_frame"
    assert (info.width, info.height) == (240, 320)
    for matrix in (info.k, info.r, info.p):
        np.testing.assert_array_equal(matrix, 0.0)
    assert list(info.d) == [] and info.distortion_model == ""


def test_nothing_is_made_for_nobody(outsider, monkeypatch) -> None:
    topic = CameraInfoPublisher(outsider.node, "little/", ENTRY)
    made = []
    monkeypatch.setattr(conversions, "header", lambda *_: made.append(1))
    topic.publish(1)
    assert made == []
