# SPDX-License-Identifier: Apache-2.0
"""How a graph starts and ends: cleanly, or with one sentence; and the other ways to lay it out."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from sparsh_ros.msg import Classification, Features, Slip
from sparsh_ros.resources import config_path, weights_path

MODEL = "sparsh-sim-micro"


def test_ctrl_c_ends_everything_cleanly(outsider, start_graph) -> None:
    slips = outsider.listen(Slip, "/clean/slip")
    graph = start_graph(namespace="clean", fps="30")
    outsider.wait_for(lambda: slips, "a slip message")
    assert graph.stop() == 0
    assert "terminate called" not in graph.log
    assert "Traceback" not in graph.log


def test_the_command_run_ends_with_ctrl_c(outsider) -> None:
    slips = outsider.listen(Slip, "/command/slip")
    command = [sys.executable, "-m", "sparsh_ros.cli", "run"]
    running = subprocess.Popen([*command, "--namespace", "command", "--fps", "30"])
    try:
        outsider.wait_for(lambda: slips, "a slip message")
    finally:
        running.send_signal(signal.SIGINT)
    assert running.wait(60) == 0


def test_a_command_that_is_killed_leaves_no_process_behind(outsider) -> None:
    slips = outsider.listen(Slip, "/killed/slip")
    command = [sys.executable, "-m", "sparsh_ros.cli", "run", "--namespace", "killed"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        outsider.wait_for(lambda: slips, "a slip message")
    finally:
        running.kill()
    # Sensor and perception hold the other end of the pipe as long as they live.
    running.communicate(timeout=60)


def test_sensors_hosted_in_the_perception_process(outsider, start_graph) -> None:
    slips = {name: outsider.listen(Slip, f"/hosted/{name}/slip") for name in ("thumb", "index")}
    graph = start_graph(namespace="hosted", names="thumb,index", in_process="true", fps="20")
    for name, heard in slips.items():
        outsider.wait_for(lambda heard=heard: any(slip.valid for slip in heard), name)
        assert heard[0].header.frame_id == f"{name}_gel_frame"
    assert graph.stop() == 0
    assert "Traceback" not in graph.log


def test_a_head_in_another_process_says_the_same(outsider, start_graph) -> None:
    features = outsider.listen(Features, "/spread/features")
    ours = outsider.listen(Slip, "/spread/slip", 100)
    theirs = outsider.listen(Slip, "/spread/head/slip", 100)
    grasps = outsider.listen(Classification, "/spread/grasp", 100)
    graph = start_graph(namespace="spread", publish_features="true", fps="20", model=MODEL)
    names = ["-r", "__ns:=/spread", "-r", "slip:=head/slip", "-r", "force:=head/force"]
    names += ["-p", f"model:={MODEL}", "-p", "heads:=[force, slip, grasp, forcefield]"]
    command = [sys.executable, "-m", "sparsh_ros.nodes.head", "--ros-args", *names]
    status = "spread/head: digit"
    head = subprocess.Popen(command)

    def pairs() -> list[tuple[Slip, Slip]]:
        """Valid messages of both for the same frame; one may be heard before the other."""
        by_stamp = {_stamp(slip): slip for slip in ours}
        return [(by_stamp[_stamp(s)], s) for s in theirs if s.valid and _stamp(s) in by_stamp]

    try:
        outsider.wait_for(pairs, "slip of the same frame from both")
        outsider.wait_for(lambda: status in outsider.diagnostics, "the head's diagnostics")
    finally:
        head.send_signal(signal.SIGINT)
    assert head.wait(60) == 0
    assert graph.stop() == 0
    message = next(message for message in features if message.valid)
    assert (message.model, len(message.data)) == (MODEL, 2 * np.prod(message.shape))
    assert all(message.reason for message in features if not message.valid)
    assert grasps and not any(grasp.valid for grasp in grasps)
    why = outsider.diagnostics[status]["message"]
    assert "no weights for grasp" in why and "forcefield is read from images" in why
    for here, there in pairs():
        # The tokens travel as float16.
        assert there.probability == pytest.approx(here.probability, abs=0.01)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"source": "video", "input": "/nowhere/touch.mp4"}, "/nowhere/touch.mp4"),
        ({"model": "sparsh-huge"}, "sparsh-huge"),
        ({"background": "/nowhere/background.png"}, "/nowhere/background.png"),
    ],
)
def test_what_cannot_start_says_why_in_one_sentence(start_graph, settings, sentence) -> None:
    graph = start_graph(namespace="broken", **settings)
    assert graph.wait() == 1
    (line,) = [line for line in graph.log.splitlines() if "FATAL" in line]
    assert sentence in line
    assert "Traceback" not in graph.log


@pytest.mark.parametrize("damage", ["truncated", "hostile"])
def test_bad_weights_cost_only_that_start(start_graph, tmp_path: Path, damage: str) -> None:
    trap = tmp_path / "sprung"
    graph = start_graph(namespace="broken", model=str(_damaged_model(tmp_path, damage, trap)))
    assert graph.wait() == 1
    (line,) = [line for line in graph.log.splitlines() if "FATAL" in line]
    assert "encoder.onnx" in line
    assert not trap.exists()


def test_a_broken_image_costs_only_that_frame(outsider, start_graph, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    still = rng.integers(60, 180, (320, 240, 3), np.uint8)
    for number in range(40):
        cv2.imwrite(str(tmp_path / f"{number:03d}.png"), still)
    # A busy machine passes over images; it will not pass over all of these.
    for number in range(15, 25):
        (tmp_path / f"{number:03d}.png").write_bytes(b"no image")
    slips = outsider.listen(Slip, "/folder/slip", 100)
    # Looped, because the first round may be over before this node has found the others.
    graph = start_graph(
        namespace="folder", source="video", input=str(tmp_path), fps="30", loop="true"
    )
    sensor = "folder/sensor: digit"
    outsider.wait_for(
        lambda: int(outsider.diagnostics.get(sensor, {}).get("frames refused", 0)) >= 1,
        "a refused frame",
    )
    before = len(slips)
    outsider.wait_for(lambda: any(slip.valid for slip in slips[before:]), "an estimate after it")
    assert graph.stop() == 0
    assert ".png" in graph.log


@pytest.mark.parametrize(
    ("sensor", "recording", "settings"),
    [
        ("digit", "digit_force_shear/frames", {"background": "digit_force_shear/background.png"}),
        ("gelsight_mini", "gelsight_mini_grasp/tactile_left_panel.mp4", {}),
    ],
)
def test_a_recording_of_a_real_sensor(
    outsider, start_graph, tactile_data: Path, sensor, recording, settings
) -> None:
    given = {key: str(tactile_data / path) for key, path in settings.items()}
    slips = outsider.listen(Slip, f"/real_{sensor}/slip", 100)
    graph = start_graph(
        namespace=f"real_{sensor}",
        sensor=sensor,
        source="video",
        input=str(tactile_data / recording),
        fps="30",
        **given,
    )
    outsider.wait_for(
        lambda: any(slip.valid and slip.in_contact for slip in slips), "a touch in the recording"
    )
    assert slips[0].header.frame_id == f"{sensor}_gel_frame"
    assert graph.stop() == 0


def _stamp(message) -> int:
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def _damaged_model(folder: Path, damage: str, trap: Path) -> Path:
    """A copy of the shipped model whose encoder is cut short, or a pickle that runs code."""
    weights = folder / "weights"
    shutil.copytree(weights_path(MODEL), weights)
    encoder = weights / "encoder.onnx"
    content = encoder.read_bytes()[:1000]
    if damage == "hostile":
        content = f"cposix\nsystem\n(S'touch {trap}'\ntR.".encode()
    encoder.write_bytes(content)
    description = yaml.safe_load(config_path("models", f"{MODEL}.yaml").read_text())
    path = folder / "damaged.yaml"
    path.write_text(yaml.safe_dump(description | {"weights": str(weights)}))
    return path
