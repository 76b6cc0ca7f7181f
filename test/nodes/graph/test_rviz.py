# SPDX-License-Identifier: Apache-2.0
"""What RViz is told to show of a graph."""

from __future__ import annotations

from pathlib import Path

import yaml

from sparsh_ros.nodes.graph import graph
from sparsh_ros.nodes.graph.rviz import write_rviz_config
from sparsh_ros.nodes.settings import DIGIT


def _written(**texts: str) -> dict:
    path = Path(write_rviz_config(graph.parse(texts, DIGIT)))
    try:
        return yaml.safe_load(path.read_text())["Visualization Manager"]
    finally:
        path.unlink()


def _topics(manager: dict) -> list[str]:
    return [one["Topic"]["Value"] for one in manager["Displays"] if "Topic" in one]


def test_one_sensor_in_a_namespace() -> None:
    manager = _written(namespace="hand", frame="tip", source="simulated")
    assert manager["Global Options"]["Fixed Frame"] == "tip"
    assert _topics(manager) == ["/hand/contact_markers", "/hand/image_raw", "/hand/overlay"]


def test_several_sensors_have_displays_of_their_own() -> None:
    manager = _written(names="thumb,index", source="simulated")
    assert manager["Global Options"]["Fixed Frame"] == "thumb_gel_frame"
    assert {"/tactile/thumb/overlay", "/tactile/index/overlay"} <= set(_topics(manager))
    assert len(_topics(manager)) == 6 and len(manager["Displays"]) == 8
    assert any(one["Name"] == "Contact, index" for one in manager["Displays"])
