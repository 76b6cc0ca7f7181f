# SPDX-License-Identifier: Apache-2.0
"""Several sensors of two kinds in one graph, on cameras that the test plugs and unplugs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sensor_msgs.msg import Image

from sparsh_ros.msg import Slip

HAND = """
sensors:
  - {name: thumb, driver: digit, serial: D1, rate_hz: 30}
  - {name: index, driver: digit, serial: D2, rate_hz: 30, frame: fingertip}
  - {name: palm, driver: gelsight_mini, serial: 28J0-AB12, profile: {width: 640, height: 480}}
"""
USB = {"D1": ("digit", "1-1"), "D2": ("digit", "1-2"), "28J0-AB12": ("gelsight_mini", "1-3")}
MORE = 30


@pytest.fixture
def hand(tmp_path: Path) -> str:
    path = tmp_path / "hand.yaml"
    path.write_text(HAND)
    return str(path)


def _grow(outsider, topics: dict[str, list]) -> None:
    """Waits for more messages in each list, counted from now."""
    before = {name: len(heard) for name, heard in topics.items()}
    for name, heard in topics.items():
        outsider.wait_for(lambda n=name, h=heard: len(h) >= before[n] + MORE, f"more from {name}")


def _times_reopened(outsider, name: str) -> int:
    """How often the camera was opened after it could not be, or failed."""
    return int(outsider.diagnostics[f"hand/{name}/sensor: {name}"]["reopened"])


def test_each_sensor_lives_alone(outsider, start_graph: Callable, cameras, hand: str) -> None:
    for serial, (kind, port) in USB.items():
        if serial != "D2":
            cameras.plug(kind, serial, port)
    slips = {
        name: outsider.listen(Slip, f"/hand/{name}/slip") for name in ("thumb", "index", "palm")
    }
    images = {
        name: outsider.listen(Image, f"/hand/{name}/image_raw")
        for name in ("thumb", "index", "palm")
    }
    graph = start_graph(namespace="hand", sensors=hand)

    # One camera is not there: the others come up without it.
    outsider.wait_for(lambda: any(s.valid for s in slips["thumb"]), "estimates of the thumb")
    outsider.wait_for(lambda: any(s.valid for s in slips["palm"]), "estimates of the palm")
    assert not images["index"]
    cameras.plug(USB["D2"][0], "D2", USB["D2"][1])
    outsider.wait_for(lambda: any(s.valid for s in slips["index"]), "estimates of the late one")
    assert slips["index"][0].header.frame_id == "fingertip"
    assert slips["palm"][0].header.frame_id == "palm_gel_frame"
    assert images["palm"][0].header.frame_id == "palm_camera_optical_frame"

    graph.kill("/hand/thumb")
    others = {name: slips[name] for name in ("index", "palm")}
    outsider.wait_for(lambda: not slips["thumb"][-1].valid, "the dead sensor's estimates to end")
    _grow(outsider, others)
    assert "sensor thumb has ended (exit code -9): the others go on: index, palm" in graph.log
    assert {name: _times_reopened(outsider, name) for name in others} == {"index": 1, "palm": 0}

    graph.kill("/hand/index")
    graph.kill("/hand/palm")
    assert graph.wait() == 9
    assert "has ended (exit code -9): stopping the graph" in graph.log
    assert "Traceback" not in graph.log
