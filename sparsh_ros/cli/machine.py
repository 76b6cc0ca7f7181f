# SPDX-License-Identifier: Apache-2.0
"""Options of the commands that look at this machine and its cameras."""

from __future__ import annotations

import argparse
from pathlib import Path

from sparsh_ros.arguments import HelpFormatter, positive_count, positive_number
from sparsh_ros.cli.images import add_bench_cross_sensor, add_bench_vitactip
from sparsh_ros.cli.maze import add_bench_maze
from sparsh_ros.cli.models import add_step
from sparsh_ros.cli.training import add_tacbench
from sparsh_ros.names import DEFAULT_MODEL, ENGINES


def add_doctor(parser: argparse.ArgumentParser) -> None:
    """Options of `sparsh-ros doctor`."""
    parser.add_argument(
        "--install-udev",
        action="store_true",
        help="write the udev rules of the sensors to /etc/udev/rules.d and apply them (as root)",
    )


def add_faults(parser: argparse.ArgumentParser) -> None:
    """Options of `sparsh-ros faults`."""
    parser.add_argument(
        "--soak",
        type=positive_number,
        metavar="MINUTES",
        help="instead: a random fault every 5 s for that long; what was lost, and what leaked",
    )
    parser.add_argument("--runs", type=positive_count, default=20, help="of each fault")
    parser.add_argument("--seed", type=int, default=0, help="fixes the times")


def add_bench(parser: argparse.ArgumentParser) -> None:
    """Options of `sparsh-ros bench`: those of its parts."""
    parts = parser.add_subparsers(dest="part", required=True, metavar="PART")
    model = _add_part(parts, "model", "images to estimates, without ROS", needs_ros=False)
    model.add_argument("--weights-dir", type=Path, help="folder with the model's weights")
    model.add_argument("--runs", type=positive_count, default=40, help="per case and turn")
    model.add_argument("--baseline", action="store_true", help="plain torch, in the same turns")
    model.add_argument("--beside", metavar="MODEL", help="another model, in the same turns")
    graph = _add_part(parts, "graph", "the whole ROS graph, from stamp to slip message")
    _add_graph(graph, runs=3)
    graph.add_argument("--seconds", type=positive_number, default=20.0, help="of each run")
    graph.add_argument(
        "--report", type=Path, metavar="FILE", help="HTML page, with what more sensors cost"
    )
    graph.add_argument(
        "--fps", type=positive_number, nargs="+", default=(10, 30, 60), help="rates of the sensors"
    )
    graph.add_argument(
        "--sensors", type=positive_count, nargs="+", default=(1,), help="how many at once"
    )
    graph.add_argument(
        "--highest", action="store_true", help="look for the highest rate with 5 %% lost, too"
    )
    graph.add_argument(
        "--baseline",
        nargs="?",
        const="sparsh-sim-micro",
        default="",
        metavar="MODEL",
        help="beside it, in turns: perception in one callback of eager torch, the encoder once per "
        "head, with this model (default: sparsh-sim-micro)",
    )
    startup = _add_part(parts, "startup", "start of the graph to its first valid estimate")
    _add_graph(startup, runs=3)
    io = _add_part(parts, "io", "the way of one frame, from pixels to messages")
    io.add_argument("--runs", type=positive_count, default=3, help="repeats")
    io.add_argument("--frames", type=positive_count, default=300, help="of each repeat")
    add_bench_maze(parts, add_step)
    tacbench = add_step(parts, "tacbench", "compare encoders: tasks x label budgets")
    tacbench.set_defaults(module="sparsh_ros.commands.tacbench.command", needs_ros=False)
    add_tacbench(tacbench)
    vitactip = add_step(parts, "vitactip", "compare encoders in the six tasks of SARL")
    vitactip.set_defaults(module="sparsh_ros.commands.vitactip", needs_ros=False)
    add_bench_vitactip(vitactip)
    sensors = add_step(parts, "cross-sensor", "find touches of one sensor among those of another")
    sensors.set_defaults(module="sparsh_ros.commands.anytouch.cross_sensor", needs_ros=False)
    add_bench_cross_sensor(sensors)


def _add_part(
    parts: argparse._SubParsersAction, name: str, summary: str, needs_ros: bool = True
) -> argparse.ArgumentParser:
    parser = parts.add_parser(
        name,
        help=summary,
        description=f"Time {summary}, on this machine.",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    room = "nodes.bench" if needs_ros else "bench"
    module = {"model": "models"}.get(name, name)
    parser.set_defaults(module=f"sparsh_ros.{room}.{module}", needs_ros=needs_ros)
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name, or path of a .yaml file")
    parser.add_argument("--out", type=Path, metavar="FILE", help="JSON file for the numbers")
    parser.add_argument(
        "--anyway", action="store_true", help="measure on a busy machine, instead of exit code 1"
    )
    return parser


def _add_graph(parser: argparse.ArgumentParser, runs: int) -> None:
    parser.add_argument("--runs", type=positive_count, default=runs, help="repeats")
    parser.add_argument("--engine", choices=ENGINES, default="float32", help="how it computes")
    parser.add_argument(
        "--realtime-priority",
        type=int,
        choices=range(100),
        default=0,
        metavar="1..99",
        help="of the graph, as its setting realtime_priority, and of who listens to it",
    )
    parser.add_argument(
        "--threads", action="store_true", help="show what each thread computes for a frame, too"
    )
