# SPDX-License-Identifier: Apache-2.0
"""Where the camera is, for robots whose URDF does not say it."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from transforms3d.quaternions import quat2mat

from sparsh_ros.errors import MissingDependencyError
from sparsh_ros.nodes.topics import qos
from sparsh_ros.nodes.topics.static_frames import publish_static_frames
from sparsh_ros.sensors import load_profile
from sparsh_ros.sensors.config import SensorConfig
from sparsh_ros.sensors.drivers import DigitConfig

CONFIG = SensorConfig("palm", DigitConfig(), load_profile("digit"))
HAS_TF2 = importlib.util.find_spec("tf2_msgs") is not None


@pytest.mark.skipif(not HAS_TF2, reason="tf2_msgs is not installed")
def test_whoever_comes_later_learns_where_the_camera_is(outsider) -> None:
    from tf2_msgs.msg import TFMessage

    publisher = publish_static_frames(outsider.node, CONFIG)
    heard = outsider.listen(TFMessage, "/tf_static", qos.LATCHED)
    outsider.wait_for(lambda: heard, "the transform")
    (transform,) = heard[0].transforms
    assert transform.header.frame_id == "palm_gel_frame"
    assert transform.child_frame_id == "palm_camera_optical_frame"
    turn = transform.transform.rotation
    axes = quat2mat((turn.w, turn.x, turn.y, turn.z))
    np.testing.assert_allclose(axes @ (1, 0, 0), (1, 0, 0), atol=1e-9)
    np.testing.assert_allclose(axes @ (0, 1, 0), (0, -1, 0), atol=1e-9)
    # The camera looks from above the gel at it.
    assert transform.transform.translation.z > 0
    np.testing.assert_allclose(axes @ (0, 0, 1), (0, 0, -1), atol=1e-9)
    outsider.destroy(publisher)


@pytest.mark.skipif(HAS_TF2, reason="tf2_msgs is installed")
def test_without_its_messages_it_says_what_to_install(outsider) -> None:
    with pytest.raises(MissingDependencyError, match="tf2_msgs, found none; install"):
        publish_static_frames(outsider.node, CONFIG)
