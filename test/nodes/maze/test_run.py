# SPDX-License-Identifier: Apache-2.0
"""The whole maze over real topics: the policy that ships moves the bead, and a report says so."""

from __future__ import annotations

import re

import pytest
from fixtures.program import program

from sparsh_ros.errors import ParameterError, WeightsError
from sparsh_ros.names import WIRE_FAMILIES
from sparsh_ros.nodes.maze import graph
from sparsh_ros.nodes.maze.settings import WORLD

# Machines under load are slow: what is tested is that the loop is closed, not how fast.
PATIENT = ("--stale-s", "0.9", "--slow-s", "0.9", "--patience-s", "5", "--rate-hz", "12")


def test_the_bead_moves_and_film_and_report_are_written(tmp_path):
    limits = (*PATIENT, "--longest-s", "60", "--out", str(tmp_path))
    with program("sparsh_ros.cli", "maze", "run", "--seed", "500", *limits) as running:
        running.wait_for(lambda said: _way_cm(said) > 0.3, "a bead that moves")
        exit_code = running.stop()
    assert exit_code == 0 and "Traceback" not in running.said, running.said
    assert (tmp_path / graph.FILM_FILE).stat().st_size > 1000
    page = (tmp_path / graph.REPORT_FILE).read_text()
    assert 'src="maze.webm"' in page and "control periods missed" in page


def _way_cm(said: str) -> float:
    return max(map(float, re.findall(r"bead +([\d.]+) of", said)), default=0.0)


def test_a_simulated_maze_has_a_world_and_a_real_one_has_not():
    names = [process.executable for process in graph.processes(graph.parse({}))]
    assert names == ["bead_maze_world", "perception", "bead_maze_controller", "bead_maze_watch"]
    real = graph.processes(graph.parse({"sim": "false", "policy": "felt.onnx"}))
    assert [process.executable for process in real] == names[1:3]
    assert real[1].parameters["begin"] is False
    assert real[1].parameters["policy"].startswith("/")


@pytest.mark.parametrize("family", WIRE_FAMILIES)
def test_the_world_is_told_which_wire(family):
    world = graph.processes(graph.parse({"family": family}))[0]
    assert world.parameters["family"] == family
    WORLD["family"].check(world.parameters["family"])


def test_what_cannot_work_is_refused_before_anything_starts(tmp_path):
    with pytest.raises(ParameterError, match="argument family: .*toy, waves, hairpins, found 'kn"):
        graph.parse({"family": "knots"})
    with pytest.raises(WeightsError, match=r"missing\.onnx"):
        graph.check_files(graph.parse({"policy": str(tmp_path / "missing.onnx")}))
