# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros maze run`: the bead maze over real topics, as bead_maze.launch.py starts it."""

from __future__ import annotations

import argparse
import os
import sys

from sparsh_ros.nodes.graph import run as graph_runner
from sparsh_ros.nodes.maze import graph
from sparsh_ros.nodes.runtime.isolation import isolated_environment


def run(options: argparse.Namespace) -> int:
    """Start the graph and wait for its end: 0 when it ended well.

    Raises:
        SparshError: Something that it needs is missing; nothing is started.
    """
    values = graph.parse(vars(options) | {"command": None})  # that is the name of this program
    graph.check_files(values)
    isolation = isolated_environment()  # what is simulated must move no real arm
    os.environ.update(isolation)
    hint = " ".join(f"{name}={value}" for name, value in isolation.items())
    sys.stdout.write(f"To listen from another terminal: {hint}\n")
    sys.stdout.flush()
    return graph_runner.watch(graph_runner.RunningGraph(values, processes=graph.processes(values)))
