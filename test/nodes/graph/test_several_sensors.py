# SPDX-License-Identifier: Apache-2.0
"""Several sensors of two kinds in one graph, on cameras that the test plugs and unplugs."""

from __future__ import annotations

from pathlib import Path

import pytest
from sensor_msgs.msg import Image

from sparsh_ros.msg import Slip

HAND = """
sensors:
  - {name: thumb, driver: digit, serial: D1, fps: 30}
  - {name: index, driver: digit, serial: D2, fps: 30, frame: fingertip}
  - {name: palm, driver: gelsight_mini, serial: 28J0-AB12, profile: {width: 640, height: 480}}
"""
MORE = 30


@pytest.fixture
def hand(tmp_path: Path) -> str:
    path = tmp_path / "sensors.yaml"
    path.write_text(HAND)
    return str(path)


@pytest.fixture
def slips(outsider) -> dict[str, list[Slip]]:
    names = ("thumb", "index", "palm")
    return {name: outsider.listen(Slip, f"/hand/{name}/slip", 300) for name in names}


def _wait_until_valid(outsider, slips: dict[str, list[Slip]], name: str) -> None:
    heard = slips[name]
    since = len(heard)
    outsider.wait_for(lambda: any(slip.valid for slip in heard[since:]), f"valid slip of {name}")


def _reopened(outsider, name: str) -> str:
    """How often the camera was opened after it could not be, or failed."""
    return outsider.diagnostics.get(f"hand/{name}/sensor: {name}", {}).get("reopened", "unknown")


def test_sensors_come_and_go_without_each_other(
    outsider, start_graph, cameras, kill_node, hand, slips
) -> None:
    cameras.plug("digit", "D1", "1-1")
    cameras.plug("gelsight_mini", "28J0-AB12", "1-3")
    images = outsider.listen(Image, "/hand/palm/image_raw")
    graph = start_graph(namespace="hand", sensors=hand, use_respawn="false")

    # One camera is not there: the others come up without it, and it comes up later.
    _wait_until_valid(outsider, slips, "thumb")
    _wait_until_valid(outsider, slips, "palm")
    assert not slips["index"]
    cameras.plug("digit", "D2", "1-2")
    _wait_until_valid(outsider, slips, "index")
    assert slips["index"][0].header.frame_id == "fingertip"
    assert slips["palm"][0].header.frame_id == "palm_gel_frame"
    outsider.wait_for(lambda: images, "an image of the palm")
    assert images[0].header.frame_id == "palm_camera_optical_frame"

    kill_node("/hand/thumb", "sensor")
    outsider.wait_for(lambda: not slips["thumb"][-1].valid, "the end of the thumb's estimates")
    for name in ("index", "palm"):
        before = len(slips[name])
        outsider.wait_for(lambda n=name, b=before: len(slips[n]) > b + MORE, f"more of {name}")
    assert "sensor thumb has ended (exit code -9): the others go on: index, palm" in graph.log
    outsider.wait_for(lambda: _reopened(outsider, "index") == "1", "the index opened once again")
    assert _reopened(outsider, "palm") == "0"

    kill_node("/hand/index", "sensor")
    kill_node("/hand/palm", "sensor")
    assert graph.wait() == 9
    assert "has ended (exit code -9): stopping the graph" in graph.log
    assert "Traceback" not in graph.log


def test_a_cable_that_comes_loose_costs_only_its_sensor(
    outsider, start_graph, cameras, hand, slips
) -> None:
    for serial, port in {"D1": "1-1", "D2": "1-2"}.items():
        cameras.plug("digit", serial, port)
    graph = start_graph(namespace="hand", sensors=hand, in_process="true")
    _wait_until_valid(outsider, slips, "thumb")
    _wait_until_valid(outsider, slips, "index")

    cameras.unplug("D1")
    outsider.wait_for(lambda: not slips["thumb"][-1].valid, "the end of the thumb's estimates")
    _wait_until_valid(outsider, slips, "index")
    cameras.plug("digit", "D1", "2-4")
    _wait_until_valid(outsider, slips, "thumb")
    assert graph.stop() == 0
    assert "Traceback" not in graph.log
