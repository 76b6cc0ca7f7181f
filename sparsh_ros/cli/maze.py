# SPDX-License-Identifier: Apache-2.0
"""Options of the commands of the bead maze."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from sparsh_ros.arguments import positive_count, positive_number
from sparsh_ros.cli.graph import add_settings
from sparsh_ros.names import WIRE_FAMILIES
from sparsh_ros.nodes.maze.settings import LAUNCH

KINDS = ("diffusion", "chunks", "felt")
ENCODERS = ("frozen", "fine-tuned", "end-to-end")
GROUPS = ("force", "slip", "touch", "frame", "all")
AddStep = Callable[[argparse._SubParsersAction, str, str], argparse.ArgumentParser]


def add_maze(parser: argparse.ArgumentParser, add_step: AddStep) -> None:
    """Options of `sparsh-ros maze`."""
    steps = parser.add_subparsers(dest="step", required=True, metavar="STEP")
    run = add_step(steps, "run", "the closed loop over ROS topics, with film and report")
    of_robots = {"sim", "command", "hand_frame"}
    add_settings(run, {name: own for name, own in LAUNCH.items() if name not in of_robots})
    run.set_defaults(module="sparsh_ros.nodes.maze.command", needs_ros=True)
    draw = add_step(steps, "draw", "draw a run of the expert, or of a policy, as film and picture")
    draw.add_argument("--policy", type=Path, help="ONNX file (default: the expert)")
    _add_wire(draw, "toy")
    draw.add_argument("--out", type=Path, default=Path("maze.webm"), help="WebM or MP4 file")
    demonstrate = add_step(steps, "demonstrate", "record demonstrations of the expert")
    demonstrate.add_argument("--family", choices=WIRE_FAMILIES, default="toy", help="of wires")
    demonstrate.add_argument(
        "--count", type=positive_count, default=50, help="demonstrations that finish"
    )
    demonstrate.add_argument("--bags", action="store_true", help="write each as a bag, too")
    demonstrate.add_argument(
        "--disturbance", type=float, default=0.7, help="of what is carried out; 0 for none"
    )
    demonstrate.add_argument("--out", type=Path, required=True, help="folder to write to")
    export = add_step(steps, "export", "write demonstrations as a LeRobot dataset")
    export.add_argument("--data", type=Path, required=True, help="from `maze demonstrate`")
    export.add_argument("--out", type=Path, required=True, help="folder to make")


def add_bench_maze(parts: argparse._SubParsersAction, add_step: AddStep) -> None:
    """Options of `sparsh-ros bench bead-maze`."""
    bench = add_step(parts, "bead-maze", "let policies do mazes that none of them has seen")
    bench.add_argument(
        "policies",
        nargs="*",
        type=Path,
        metavar="POLICY",
        help="ONNX files, or folders of some that differ by a seed: one row each",
    )
    _add_wire(bench, "waves")
    bench.add_argument("--mazes", type=positive_count, default=50, help="how many")
    bench.add_argument("--truth", action="store_true", help="feel the truth, not estimates")
    bench.add_argument("--no-reflexes", action="store_true", help="the policy alone")
    bench.add_argument("--expert", action="store_true", help="the demonstrator too")
    bench.add_argument(
        "--lag", type=int, choices=(0, 1), default=1, help="periods by which touch is late"
    )
    bench.add_argument(
        "--recorded", type=Path, metavar="DIR", help="demonstrations for the error along them"
    )
    bench.add_argument("--out", type=Path, required=True, help="folder for results and report")
    bench.set_defaults(module="sparsh_ros.commands.maze.bench", needs_ros=False)


def add_train_policy(steps: argparse._SubParsersAction, add_step: AddStep) -> None:
    """Options of `sparsh-ros train policy`."""
    parser = add_step(steps, "policy", "train a policy of the bead maze on demonstrations")
    parser.add_argument("--kind", choices=KINDS, default="felt", help="of policy")
    parser.add_argument(
        "--data", type=Path, required=True, help="from `sparsh-ros maze demonstrate`"
    )
    parser.add_argument("--share", type=positive_number, default=100.0, help="of them, per cent")
    parser.add_argument(
        "--encoder", choices=ENCODERS, default="frozen", help="of diffusion and chunks"
    )
    parser.add_argument("--truth", action="store_true", help="learn from the truth, not estimates")
    parser.add_argument("--without", choices=GROUPS, default="", help="what it does not see")
    parser.add_argument(
        "--epochs", type=positive_count, help="over the data (default: 25 for diffusion, else 8)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of weights and order")
    parser.add_argument("--out", type=Path, required=True, help="ONNX file to write")


def _add_wire(parser: argparse.ArgumentParser, family: str) -> None:
    parser.add_argument("--family", choices=WIRE_FAMILIES, default=family, help="of wires")
    parser.add_argument(
        "--seed", type=int, default=10_000, help="of wire and hand, or of the first"
    )
