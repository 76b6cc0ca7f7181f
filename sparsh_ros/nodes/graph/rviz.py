# SPDX-License-Identifier: Apache-2.0
"""What RViz shows of the sensors of a graph: the file that ships, with their names put in."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from sparsh_ros.nodes.graph.graph import Arguments, graph_sensors, prefixes
from sparsh_ros.resources import config_path
from sparsh_ros.sensors.config import SensorConfig

_TOPICS_OF = "/tactile/"


def rviz_config(configs: Sequence[SensorConfig], namespace: str) -> dict[str, Any]:
    """The displays of each sensor; the fixed frame is the gel frame of the first.

    Several sensors are seen in 3D where transforms connect them, as the URDF of a robot does.
    """
    config = yaml.safe_load(config_path("rviz", "tactile.rviz").read_text(encoding="utf-8"))
    manager = config["Visualization Manager"]
    manager["Global Options"]["Fixed Frame"] = configs[0].gel_frame
    names = prefixes([one.name for one in configs])
    shown = [display for display in manager["Displays"] if "Topic" not in display]
    for display in manager["Displays"]:
        if "Topic" in display:
            shown += [
                _of_sensor(display, prefix, namespace, name) for name, prefix in names.items()
            ]
    manager["Displays"] = shown
    return config


def write_rviz_config(values: Arguments) -> str:
    """Path of a new file for RViz, for these arguments of a graph."""
    config = rviz_config(graph_sensors(values), str(values["namespace"]))
    with tempfile.NamedTemporaryFile("w", suffix=".rviz", delete=False) as file:
        yaml.safe_dump(config, file, sort_keys=False)
    return str(Path(file.name))


def _of_sensor(display: dict[str, Any], prefix: str, namespace: str, name: str) -> dict[str, Any]:
    own = copy.deepcopy(display)
    topic = own["Topic"]
    below = f"/{namespace.strip('/')}/{prefix}" if namespace.strip("/") else f"/{prefix}"
    topic["Value"] = topic["Value"].replace(_TOPICS_OF, below, 1)
    if prefix:
        own["Name"] = f"{own['Name']}, {name}"
    return own
