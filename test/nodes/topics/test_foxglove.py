# SPDX-License-Identifier: Apache-2.0
"""The Foxglove layout names topics and fields that exist."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from geometry_msgs.msg import PoseWithCovarianceStamped, WrenchStamped
from sensor_msgs.msg import Image

from sparsh_ros.msg import Slip
from sparsh_ros.resources import config_path

TOPICS = {
    "/tactile/image_raw": Image,
    "/tactile/overlay": Image,
    "/tactile/force": WrenchStamped,
    "/tactile/ground_truth/force": WrenchStamped,
    "/tactile/slip": Slip,
    "/tactile/ground_truth/slip": Slip,
    "/tactile/pose": PoseWithCovarianceStamped,
    "/tactile/ground_truth/pose": PoseWithCovarianceStamped,
}
LAYOUT = json.loads(config_path("foxglove.json").read_text())
PANELS = LAYOUT["configById"]


@pytest.mark.parametrize("name", PANELS)
def test_a_panel_shows_what_exists(name: str) -> None:
    panel = PANELS[name]
    for path in panel.get("paths", ()):
        topic, *fields = path["value"].split(".")
        value = TOPICS[topic]()
        for field in fields:
            value = getattr(value, field)
        assert isinstance(value, float)
    if "imageMode" in panel:
        assert TOPICS[panel["imageMode"]["imageTopic"]] is Image


def test_every_panel_has_its_place() -> None:
    assert sorted(_places(LAYOUT["layout"])) == sorted(PANELS)


def _places(node: str | dict) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    else:
        yield from _places(node["first"])
        yield from _places(node["second"])
