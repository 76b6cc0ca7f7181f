# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros replay`: the graph of launch/replay.launch.py, started without `ros2 launch`."""

from __future__ import annotations

import argparse

from sparsh_ros.nodes.graph import replay_graph
from sparsh_ros.nodes.graph import run as graph_runner


def run(options: argparse.Namespace) -> int:
    """Play to the end: 0 if live and offline are equal."""
    values = replay_graph.parse(vars(options))
    return graph_runner.watch(
        graph_runner.RunningGraph(values, processes=replay_graph.processes(values))
    )
