# SPDX-License-Identifier: Apache-2.0
"""The bead maze as a graph: a simulated robot or a real one, its touch, and what drives it.

    bead_maze_world --left/image_raw, right/image_raw--> perception --features, slip, force-->
    bead_maze_controller --joint_trajectory, grip_command--> bead_maze_world

Read by launch/bead_maze.launch.py and by `sparsh-ros maze run`. Imports neither rclpy nor launch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sparsh_ros.engines import check_model
from sparsh_ros.errors import SparshError
from sparsh_ros.nodes.graph.graph import (
    CONTROLLER,
    MAZE_WATCH,
    WORLD,
    Arguments,
    Process,
    absolute,
    parse_each,
)
from sparsh_ros.nodes.maze.settings import LAUNCH
from sparsh_ros.policies.policy import SHIPPED, Policy
from sparsh_ros.policies.touch import SIDES

FILM_FILE, REPORT_FILE = "maze.webm", "report.html"


def parse(texts: Mapping[str, str | None]) -> Arguments:
    """Values of all arguments, from what was typed for some.

    Raises:
        ParameterError: A value is not allowed; the message names the argument.
    """
    return parse_each(texts, LAUNCH)


def check_files(values: Arguments) -> None:
    """Find out what is wrong before anything is started, and make the folder of the report.

    Raises:
        SparshError: The model or the policy cannot be used, or the folder cannot be made.
    """
    check_model(values["model"], None)
    Policy(absolute(values["policy"] or SHIPPED))
    if values["sim"]:
        try:
            Path(absolute(values["out"])).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SparshError(f"out: wanted a folder to write to, found {error}") from error


def processes(values: Arguments) -> list[Process]:
    """The processes for these values of all arguments, sources first."""
    model = values["model"]
    perception = {
        "names": list(SIDES),
        "sensor": "digit",
        "model": model,
        "threads": values["threads"],
        "publish_features": True,
    }
    names = ("command", "hand_frame", "stale_s", "slow_s", "patience_s")
    controller = {name: values[name] for name in names} | {"model": model, "begin": values["sim"]}
    if values["policy"]:
        controller["policy"] = absolute(values["policy"])
    robot = [
        Process("perception", "perception", "", perception),
        Process(CONTROLLER, CONTROLLER, "", controller),
    ]
    if not values["sim"]:
        return robot
    out = Path(absolute(values["out"]))
    film = str(out / FILM_FILE)
    world = {name: values[name] for name in ("family", "seed", "rate_hz")} | {"film": film}
    limits = {name: values[name] for name in ("longest_s", "start_s")}
    watch = {"out": str(out), "film": film} | limits
    return [
        Process(WORLD, WORLD, "", world),
        *robot,
        Process(MAZE_WATCH, MAZE_WATCH, "", watch),
    ]
