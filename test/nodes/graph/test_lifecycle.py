# SPDX-License-Identifier: Apache-2.0
"""Sensor and perception as managed nodes, driven from outside through the standard services."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from sensor_msgs.msg import Image

from sparsh_ros import cli
from sparsh_ros.errors import LifecycleError
from sparsh_ros.msg import Slip
from sparsh_ros.nodes.graph import lifecycle
from sparsh_ros.resources import config_path, weights_path

MODEL = "sparsh-sim-micro"


def test_the_whole_cycle_twice(outsider, start_graph) -> None:
    images = outsider.listen(Image, "/cycle/image_raw")
    slips = outsider.listen(Slip, "/cycle/slip", 100)
    graph = start_graph(namespace="cycle", autostart="false", fps="30")
    nodes = ("/cycle/sensor", "/cycle/perception")
    for _ in range(2):
        assert [outsider.state_of(node) for node in nodes] == ["unconfigured"] * 2
        assert _publishers(outsider, "/cycle/slip") == 0
        outsider.change_state(nodes, "configure")
        outsider.wait_for(lambda: _publishers(outsider, "/cycle/slip") == 1, "the topic slip")
        assert _publishers(outsider, "/cycle/image_raw") == 1
        _expect_silence(outsider, images, slips)
        outsider.change_state(nodes, "activate")
        before = len(slips)
        outsider.wait_for(lambda n=before: any(s.valid for s in slips[n:]), "valid estimates")
        outsider.change_state(nodes, "deactivate")
        _expect_silence(outsider, images, slips)
        outsider.change_state(nodes, "cleanup")
        outsider.wait_for(lambda: _publishers(outsider, "/cycle/slip") == 0, "the end of slip")
    outsider.change_state(nodes, "activate", expected=False)
    outsider.change_state(nodes, "shutdown")
    assert [outsider.state_of(node) for node in nodes] == ["finalized"] * 2
    assert graph.stop() == 0
    assert "Traceback" not in graph.log and "terminate called" not in graph.log


def test_estimates_end_with_the_sensor_and_come_back_with_it(outsider, start_graph) -> None:
    slips = outsider.listen(Slip, "/pause/slip", 100)
    start_graph(namespace="pause", fps="30")
    for _ in range(3):
        outsider.wait_for(lambda: slips and slips[-1].valid, "valid estimates")
        before = len(slips)
        outsider.change_state(["/pause/sensor"], "deactivate")
        outsider.wait_for(lambda n=before: not slips[-1].valid and len(slips) > n, "invalid ones")
        outsider.change_state(["/pause/sensor"], "activate")


def test_perception_that_comes_late_finds_the_background(outsider, start_graph) -> None:
    start_graph(namespace="tardy", autostart="false", fps="30", listeners="0")
    outsider.change_state(["/tardy/sensor"], "configure")
    outsider.change_state(["/tardy/sensor"], "activate")
    touched = outsider.listen(Slip, "/tardy/ground_truth/slip", 100)
    outsider.wait_for(lambda: touched and touched[-1].in_contact, "a touch")
    slips = outsider.listen(Slip, "/tardy/slip", 100)
    outsider.change_state(["/tardy/perception"], "configure")
    outsider.change_state(["/tardy/perception"], "activate")
    outsider.wait_for(lambda: any(slip.valid for slip in slips), "valid estimates")


def test_a_model_that_is_not_there_yet(outsider, start_graph, tmp_path: Path) -> None:
    model = tmp_path / "late.yaml"
    slips = outsider.listen(Slip, "/late/slip", 100)
    graph = start_graph(namespace="late", autostart="false", fps="30", model=str(model))
    nodes = ("/late/sensor", "/late/perception")
    outsider.change_state(nodes[:1], "configure")
    outsider.change_state(nodes[1:], "configure", expected=False)
    assert [outsider.state_of(node) for node in nodes] == ["inactive", "unconfigured"]
    outsider.wait_for(
        lambda: (
            "late.yaml" in outsider.diagnostics.get("late/perception: digit", {}).get("message", "")
        ),
        "the reason on /diagnostics",
    )
    (line,) = [line for line in graph.log.splitlines() if "ERROR" in line]
    assert str(model) in line

    weights = tmp_path / "weights"
    shutil.copytree(weights_path(MODEL), weights)
    description = yaml.safe_load(config_path("models", f"{MODEL}.yaml").read_text())
    model.write_text(yaml.safe_dump(description | {"weights": str(weights)}))
    outsider.change_state(nodes[1:], "configure")
    outsider.change_state(nodes, "activate")
    outsider.wait_for(lambda: any(slip.valid for slip in slips), "valid estimates")

    # Deactivated, the node holds no model: activating reads it again, and may fail as well.
    outsider.change_state(nodes[1:], "deactivate")
    shutil.rmtree(weights)
    outsider.change_state(nodes[1:], "activate", expected=False)
    assert [outsider.state_of(node) for node in nodes] == ["active", "inactive"]
    assert graph.stop() == 0
    assert "Traceback" not in graph.log


def test_the_command_takes_a_graph_through_its_life(outsider, start_graph, capsys) -> None:
    graph = start_graph(
        namespace="hand", names="thumb,index", in_process="true", autostart="false", fps="20"
    )
    nodes = ("/hand/index_sensor", "/hand/thumb_sensor", "/hand/perception")
    in_hand = ("--namespace", "hand", "--node", "perception", "/hand/thumb_sensor", "index_sensor")
    for node in nodes:
        outsider.state_of(node)
    for words, state in (
        (("configure", "--namespace", "hand"), "inactive"),
        (("activate", *in_hand), "active"),
        (("activate", *in_hand), "active"),
    ):
        assert cli.main(["lifecycle", *words]) == 0
        assert capsys.readouterr().out.splitlines() == [f"{node}: {state}" for node in nodes]
    heard = {name: outsider.listen(Slip, f"/hand/{name}/slip", 100) for name in ("thumb", "index")}
    for name, slips in heard.items():
        outsider.wait_for(lambda slips=slips: any(slip.valid for slip in slips), name)
    assert cli.main(["lifecycle", "deactivate", "--node", "/hand/perception", *in_hand[:2]]) == 0
    assert capsys.readouterr().out == "/hand/perception: inactive\n"
    assert cli.main(["lifecycle", "cleanup", *in_hand]) == 1
    told = capsys.readouterr()
    assert told.out.splitlines()[-1] == "/hand/perception: unconfigured"
    assert "/hand/thumb_sensor: cleanup wants state inactive, found active" in told.err
    assert cli.main(["lifecycle", "shutdown", *in_hand]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{node}: finalized" for node in nodes]
    assert graph.stop() == 0


@pytest.mark.parametrize(
    ("words", "found"),
    [([], r"wanted /nowhere/\*, found none"), (["--node", "head"], "wanted /nowhere/head")],
)
def test_the_command_says_what_it_cannot_find(monkeypatch, capsys, words, found) -> None:
    monkeypatch.setattr("sparsh_ros.nodes.graph.lifecycle._GIVE_UP_S", 0.3)
    options = cli._parser().parse_args(["lifecycle", "--namespace", "nowhere", *words])
    with pytest.raises(LifecycleError, match=found):
        lifecycle.run(options)


def _publishers(outsider, topic: str) -> int:
    return outsider.node.count_publishers(topic)


def _expect_silence(outsider, images: list, slips: list) -> None:
    """Both nodes report, once all under way has come, and once more; nothing comes in between."""
    _next_reports(outsider)
    before = (len(images), len(slips))
    _next_reports(outsider)
    assert (len(images), len(slips)) == before
    for name in ("cycle/sensor: digit", "cycle/perception: digit"):
        assert outsider.diagnostics[name]["state"] == "inactive"


def _next_reports(outsider) -> None:
    names = ("cycle/sensor: digit", "cycle/perception: digit")
    before = {name: outsider.diagnostics.get(name) for name in names}
    outsider.wait_for(
        lambda: all(outsider.diagnostics.get(name) is not before[name] for name in names),
        "reports of both nodes",
    )
