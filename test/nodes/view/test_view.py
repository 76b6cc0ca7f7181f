# SPDX-License-Identifier: Apache-2.0
"""Recordings and the running graph in the viewer rerun."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
from geometry_msgs.msg import WrenchStamped

from sparsh_ros.cli.graph import add_view
from sparsh_ros.commands.simulation.simulate import record_bag
from sparsh_ros.nodes.messages.conversions import image_to_msg
from sparsh_ros.nodes.view import command
from sparsh_ros.nodes.view.live import ViewNode
from sparsh_ros.reports.rerun_scene import Scene, new_recording
from sparsh_ros.training.episodes import SimulatedTouch

pytest.importorskip("rerun", reason="rerun-sdk is not installed")

from sparsh_ros.msg import Slip  # noqa: E402 -- after what may skip all of this

S = 1_000_000_000


def _run(*options: str) -> int:
    parser = argparse.ArgumentParser()
    add_view(parser)
    return command.run(parser.parse_args(options))


def test_a_recording_becomes_a_file_of_the_viewer(tmp_path: Path) -> None:
    bag, file = tmp_path / "bag", tmp_path / "bag.rrd"
    record_bag(bag, SimulatedTouch("test", 0, 0), 0.2)
    assert _run(str(bag), "--save", str(file)) == 0
    content = file.read_bytes()
    for entity in ("image_raw", "ground_truth/force", "ground_truth/slip", "ground_truth/pose"):
        assert f"/tactile/{entity}".encode() in content


def test_a_recording_of_something_else_says_so(tmp_path: Path, capsys) -> None:
    bag = tmp_path / "bag"
    record_bag(bag, SimulatedTouch("test", 0, 0), 0.1)
    options = ("--save", str(tmp_path / "bag.rrd"), "--namespace", "hand")
    assert _run(str(bag), *options) == 1
    assert "nothing below /hand" in capsys.readouterr().err


def test_only_what_is_shown_is_listened_to() -> None:
    scene = Scene(new_recording(), "tactile")
    assert scene.accepts("/tactile/force", "geometry_msgs/msg/WrenchStamped")
    assert scene.accepts("/tactile/thumb/ground_truth/slip", "sparsh_ros/msg/Slip")
    assert scene.accepts("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray")
    assert not scene.accepts("/other/force", "geometry_msgs/msg/WrenchStamped")
    assert not scene.accepts("/tactile/image_diff", "sensor_msgs/msg/Image")
    assert not scene.accepts("/tactile/force", "std_msgs/msg/String")


def test_what_cannot_be_shown_costs_only_itself(tmp_path: Path) -> None:
    recording = new_recording()
    recording.save(tmp_path / "touch.rrd")
    scene = Scene(recording, "tactile")
    image = image_to_msg(np.zeros((320, 240, 3), np.uint8), S, "camera")
    image.encoding = "smell"
    scene.log("/tactile/background", "sensor_msgs/msg/Image", image)
    slip = Slip(valid=True, slipping=True, probability=0.9)
    scene.log("/tactile/slip", "sparsh_ros/msg/Slip", slip)
    scene.log("/tactile/slip", "sparsh_ros/msg/Slip", Slip(valid=False))
    recording.flush()
    recording.disconnect()
    content = (tmp_path / "touch.rrd").read_bytes()
    assert b"/tactile/slip/events" in content and b"/tactile/background" not in content


def test_of_the_truth_only_what_is_known_is_plotted(monkeypatch: pytest.MonkeyPatch) -> None:
    scene, plotted = Scene(new_recording(), "tactile"), {}
    monkeypatch.setattr(scene, "_plot", lambda topic, *values: plotted.update({topic: values}))
    slip = Slip(valid=True, slipping=True, probability=0.75, threshold=0.5)
    for topic in ("/tactile/slip", "/tactile/ground_truth/slip"):
        scene.log(topic, "sparsh_ros/msg/Slip", slip)
    assert plotted == {"/tactile/slip": (0.75, 0.5, 1.0), "/tactile/ground_truth/slip": (1.0,)}


def test_the_running_graph_is_shown_as_it_appears(outsider) -> None:
    shown: list[str] = []

    class Noting(Scene):
        def log(self, topic: str, message_type: str, message: object) -> None:
            super().log(topic, message_type, message)
            with outsider._news:
                shown.append(topic)
                outsider._news.notify_all()

    publisher = outsider.node.create_publisher(WrenchStamped, "/tactile/force", 10)
    timer = outsider.node.create_timer(0.05, lambda: publisher.publish(WrenchStamped()))
    node = ViewNode(Noting(new_recording(), "tactile"), context=outsider.node.context)
    outsider.between_callbacks(lambda: outsider.node.executor.add_node(node))
    outsider.between_callbacks(node.start)
    outsider.wait_for(lambda: "/tactile/force" in shown, "the force in the viewer")
    outsider.between_callbacks(lambda: outsider.node.destroy_timer(timer))
    outsider.between_callbacks(lambda: outsider.node.executor.remove_node(node))
    node.destroy_node()
    outsider.destroy(publisher)
