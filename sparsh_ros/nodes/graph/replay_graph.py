# SPDX-License-Identifier: Apache-2.0
"""The graph that plays a recording, as plain data: see graph.py.

    player --image_raw, background, /clock--> perception --force, slip, pose--> player

Read by launch/replay.launch.py (through `launch_files`) and by `sparsh-ros replay`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sparsh_ros.arguments import Value
from sparsh_ros.errors import ParameterError
from sparsh_ros.nodes import settings
from sparsh_ros.nodes.graph import graph
from sparsh_ros.nodes.graph.alone import claim_clock
from sparsh_ros.nodes.graph.graph import Arguments, Process
from sparsh_ros.nodes.graph.recorded import recorded_sensors

_OF_PERCEPTION = tuple(name for name in settings.PLAYER if name in settings.PERCEPTION)


def parse(texts: Mapping[str, str | None]) -> Arguments:
    """Values of all arguments, from what was typed for each.

    Raises:
        ParameterError: A value is not allowed, or no recording is named.
    """
    values = graph.parse_each(texts, settings.replay_settings())
    if not values["bag"]:
        raise ParameterError("argument bag: wanted a recording to play, found none")
    values["out"] = values["out"] or f"replay_{datetime.now():%Y_%m_%d-%H_%M_%S}"
    for name in ("bag", "out", "weights_dir"):
        values[name] = values[name] and graph.absolute(values[name])
    return values


def processes(values: Mapping[str, Value]) -> list[Process]:
    """The processes for these values of all arguments, the source first.

    Raises:
        SparshError: The recording cannot be played, or somebody plays in this ROS domain already.
    """
    claim_clock().close()  # the player holds it, but then perception would be there already
    recorded_sensors(*(values[name] for name in settings.RECORDED))
    player = {name: values[name] for name in settings.PLAYER} | {"use_sim_time": True}
    perception = {name: player[name] for name in (*_OF_PERCEPTION, "use_sim_time")}
    return [
        Process("player", "", "", player),
        Process("perception", "perception", "", perception),
    ]
