# SPDX-License-Identifier: Apache-2.0
"""The command `sparsh-ros`: its subcommands, their options, their errors.

Options are declared in this room, from the standard library alone: `--help` needs neither ROS nor
torch and is quick. What a subcommand does is imported when it runs.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sparsh_ros import __version__
from sparsh_ros.arguments import HelpFormatter
from sparsh_ros.cli import data, graph, images, machine, maze, models
from sparsh_ros.errors import MissingDependencyError, SparshError

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


@dataclass(frozen=True)
class _Command:
    module: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    summary: str
    example: str
    needs_ros: bool = False


_COMMANDS = {
    "run": _Command(
        "sparsh_ros.nodes.graph.run",
        graph.add_run,
        "start sensors and perception",
        "sparsh-ros run --source camera --serial D20123",
        needs_ros=True,
    ),
    "lifecycle": _Command(
        "sparsh_ros.nodes.graph.lifecycle",
        graph.add_lifecycle,
        "configure, activate or stop running nodes",
        "sparsh-ros lifecycle deactivate --node perception",
        needs_ros=True,
    ),
    "record": _Command(
        "sparsh_ros.nodes.record.recorder",
        graph.add_record,
        "record topics into a bag",
        "sparsh-ros record --out press --duration 30",
        needs_ros=True,
    ),
    "replay": _Command(
        "sparsh_ros.nodes.replay.command",
        graph.add_replay,
        "play a recording through the live graph, compare with the offline estimates",
        "sparsh-ros replay press --speed 0.5",
        needs_ros=True,
    ),
    "view": _Command(
        "sparsh_ros.nodes.view.command",
        graph.add_view,
        "show the running graph or a recording in the viewer rerun",
        "sparsh-ros view press",
    ),
    "demo": _Command(
        "sparsh_ros.nodes.demo.command",
        graph.add_demo,
        "run the graph for a while, watch it, report",
        "sparsh-ros demo --duration 10",
        needs_ros=True,
    ),
    "bench": _Command(
        "sparsh_ros.bench.models",
        machine.add_bench,
        "time the models and the graph on this machine",
        "sparsh-ros bench model --baseline --model sparsh-sim-micro --out bench.json",
    ),
    "doctor": _Command(
        "sparsh_ros.commands.doctor",
        machine.add_doctor,
        "find out what is wrong, and how to fix it",
        "sparsh-ros doctor",
    ),
    "faults": _Command(
        "sparsh_ros.commands.faults",
        machine.add_faults,
        "time how estimates end and return when cameras fail",
        "sparsh-ros faults --runs 5",
    ),
    "evaluate": _Command(
        "sparsh_ros.commands.evaluate",
        data.add_evaluate,
        "score a model on recordings, compare two evaluations",
        "sparsh-ros evaluate bags --model sparsh-mae-base --out scores",
    ),
    "calibrate": _Command(
        "sparsh_ros.commands.calibrate",
        data.add_calibrate,
        "adapt the force of a model to your sensor",
        "sparsh-ros calibrate press --weight 200g --serial D20123",
    ),
    "import": _Command(
        "sparsh_ros.commands.import_data",
        data.add_import,
        "turn data sets into bags with labels",
        "sparsh-ros import plain press.mp4 --labels press.csv --out bags",
    ),
    "simulate": _Command(
        "sparsh_ros.commands.simulation.simulate",
        data.add_simulate,
        "make simulated touches with labels",
        "sparsh-ros simulate --out data --split test --episodes 72 --bags",
    ),
    "simulate-hand": _Command(
        "sparsh_ros.commands.simulation.simulate_hand",
        data.add_simulate_hand,
        "make recordings of simulated fingers that grasp, insert, screw, with predicates",
        "sparsh-ros simulate-hand --out hand --split train --recordings 24",
    ),
    "show-predicates": _Command(
        "sparsh_ros.commands.show_predicates",
        data.add_show_predicates,
        "print what predicates say of a simulated hand at work, beside the truth",
        "sparsh-ros show-predicates --seconds 40",
    ),
    "simulate-multisensor": _Command(
        "sparsh_ros.commands.simulation.simulate_multisensor",
        images.add_simulate_multisensor,
        "make touches that three kinds of sensors share, with pictures and words",
        "sparsh-ros simulate-multisensor --out touches --split train --touches 1600",
    ),
    "simulate-vitactip": _Command(
        "sparsh_ros.commands.simulation.simulate_vitactip",
        images.add_simulate_vitactip,
        "make images of a simulated ViTacTip with labels",
        "sparsh-ros simulate-vitactip --out tips --split train --touches 3000",
    ),
    "render-samples": _Command(
        "sparsh_ros.commands.simulation.render_samples",
        data.add_render_samples,
        "render simulated sensors to a PNG",
        "sparsh-ros render-samples --out samples.png",
    ),
    "gap": _Command(
        "sparsh_ros.commands.simulation.simulation_gap",
        data.add_gap,
        "compare simulated touches with recorded ones",
        "sparsh-ros gap press.mp4 --sensor digit --out gap.png",
    ),
    "train": _Command(
        "sparsh_ros.commands.train",
        models.add_train,
        "train an encoder and its heads",
        "sparsh-ros train mae --data data --run runs/micro --minutes 40",
    ),
    "maze": _Command(
        "sparsh_ros.commands.maze.command",
        lambda parser: maze.add_maze(parser, models.add_step),
        "the simulated bead maze: run it, film it, record demonstrations",
        "sparsh-ros maze run --out maze",
    ),
    "export": _Command(
        "sparsh_ros.export.export",
        models.add_export,
        "write a trained model as ONNX",
        "sparsh-ros export sparsh-sim-micro --encoder runs/micro/encoder.safetensors",
    ),
    "weights": _Command(
        "sparsh_ros.commands.weights",
        models.add_weights,
        "list models, inspect, fetch and convert weights files",
        "sparsh-ros weights inspect encoder.safetensors",
    ),
}

# What to do about a package that is not there.
_HINTS = {
    "torch": "`pip install torch==2.13.0`",
    "mcap": "`pip install mcap rosbags`",
    "rosbags": "`pip install mcap rosbags`",
    "rclpy": "source a ROS 2 distribution, or `make setup` in a source checkout",
    "sparsh_ros.msg": "build the package with colcon, or `make setup` in a source checkout",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; the exit code: 0 done, 1 an error that was explained, 130 Ctrl-C."""
    is_program = argv is None
    argv = list(sys.argv[1:] if is_program else argv)
    try:
        arguments = _parser().parse_args(argv)
        return _load(arguments).run(arguments)
    except SparshError as error:
        sys.stderr.write(f"sparsh-ros: {error}\n")
        return 1
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("sparsh_ros"):
            raise
        sys.stderr.write(f"sparsh-ros: {_missing(argv[0], str(error.name))}\n")
        return 1
    except BrokenPipeError:  # such as `sparsh-ros weights list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt as interrupt:
        if is_program:  # a second one must not meet the interpreter as it ends
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        sys.stderr.write(f"sparsh-ros: {str(interrupt) or 'stopped'}\n")
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sparsh-ros",
        description="Contact force, slip and pose from gel cameras, for ROS 2.",
        epilog="`sparsh-ros COMMAND --help` shows its options and an example.",
    )
    parser.add_argument("--version", action="version", version=f"sparsh-ros {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", dest="command", required=True)
    for name, command in _COMMANDS.items():
        subparser = commands.add_parser(
            name,
            help=command.summary,
            description=f"{command.summary[0].upper()}{command.summary[1:]}.",
            epilog=f"example:\n  {command.example}",
            formatter_class=HelpFormatter,
            allow_abbrev=False,
        )
        command.add_arguments(subparser)
    return parser


def _load(arguments: argparse.Namespace):
    """The module that does it: that of the command, unless a part of it has one of its own."""
    name, command = arguments.command, _COMMANDS[arguments.command]
    needs_ros = getattr(arguments, "needs_ros", command.needs_ros)
    needed = ("rclpy", "sparsh_ros.msg") if needs_ros else ()
    missing = [package for package in needed if importlib.util.find_spec(package) is None]
    if missing:
        raise _missing(name, missing[0])
    return importlib.import_module(getattr(arguments, "module", command.module))


def _missing(command: str, package: str) -> MissingDependencyError:
    hint = _HINTS.get(package, f"`pip install {package}`")
    return MissingDependencyError(
        f"{command}: wanted the Python package {package}, found none; {hint}"
    )
