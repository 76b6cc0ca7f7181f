# SPDX-License-Identifier: Apache-2.0
"""The layouts of Foxglove, PlotJuggler and RViz name topics and fields that exist."""

from __future__ import annotations

import json
import runpy
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from geometry_msgs.msg import PoseWithCovarianceStamped, WrenchStamped
from sensor_msgs.msg import Image
from visualization_msgs.msg import MarkerArray

from sparsh_ros.msg import Slip
from sparsh_ros.resources import config_path

TOPICS = {
    "/tactile/image_raw": Image,
    "/tactile/overlay": Image,
    "/tactile/contact_markers": MarkerArray,
    "/tactile/force": WrenchStamped,
    "/tactile/ground_truth/force": WrenchStamped,
    "/tactile/slip": Slip,
    "/tactile/ground_truth/slip": Slip,
    "/tactile/pose": PoseWithCovarianceStamped,
    "/tactile/ground_truth/pose": PoseWithCovarianceStamped,
}
LAYOUT = json.loads(config_path("foxglove.json").read_text())
PANELS = LAYOUT["configById"]
TOOLS = Path(__file__).resolve().parents[3] / "tools"


@pytest.mark.parametrize("name", PANELS)
def test_a_panel_shows_what_exists(name: str) -> None:
    panel = PANELS[name]
    for path in panel.get("paths", ()):
        assert isinstance(_value(*path["value"].split(".")), float)
    if "imageMode" in panel:
        assert TOPICS[panel["imageMode"]["imageTopic"]] is Image
    assert all(TOPICS[topic] is MarkerArray for topic in panel.get("topics", ()))


def test_every_panel_has_its_place() -> None:
    assert sorted(_places(LAYOUT["layout"])) == sorted(PANELS)


def test_several_sensors_have_a_tab_each() -> None:
    tool = runpy.run_path(str(TOOLS / "foxglove_sensors.py"))
    shipped = json.loads(config_path("foxglove_sensors.json").read_text())
    assert tool["layout_for"](LAYOUT, ["thumb", "index", "palm"], "tactile") == shipped
    panels = dict(shipped["configById"])
    tabs = panels.pop("Tab!sensors")["tabs"]
    assert [tab["title"] for tab in tabs] == ["thumb", "index", "palm"]
    shown = [name for tab in tabs for name in _places(tab["layout"])]
    assert sorted([*shown, "DiagnosticSummary!nodes"]) == sorted(panels)
    assert "/tactile/index/force.wrench.force.x" in json.dumps(panels["Plot!force-index"])


def test_plotjuggler_shows_what_exists() -> None:
    layout = ElementTree.parse(config_path("plotjuggler.xml"))
    curves = [curve.get("name") for curve in layout.iter("curve")]
    assert len(curves) == len(set(curves)) == 10
    for curve in curves:
        topic = next(name for name in TOPICS if curve.startswith(f"{name}/"))
        assert isinstance(_value(topic, *curve.removeprefix(f"{topic}/").split("/")), float | bool)


def test_rviz_shows_what_exists() -> None:
    rviz = yaml.safe_load(config_path("rviz", "tactile.rviz").read_text())
    displays = rviz["Visualization Manager"]["Displays"]
    for display in displays:
        if "Topic" in display:
            kind = display["Class"].removeprefix("rviz_default_plugins/")
            assert TOPICS[display["Topic"]["Value"]].__name__ == kind


def _value(topic: str, *fields: str) -> object:
    value = TOPICS[topic]()
    for field in fields:
        value = getattr(value, field)
    return value


def _places(node: str | dict) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    else:
        yield from _places(node["first"])
        yield from _places(node["second"])
