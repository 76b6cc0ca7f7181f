# SPDX-License-Identifier: Apache-2.0
"""The command `sparsh-ros`. Each subcommand is a module with `add_arguments` and `run`.

Only the module of the subcommand in use is imported, so `sparsh-ros simulate` needs no ROS and
`sparsh-ros demo` no torch.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from sparsh_ros import __version__
from sparsh_ros.errors import MissingDependencyError, SparshError


@dataclass(frozen=True)
class _Command:
    module: str
    summary: str
    needs_ros: bool = False


_COMMANDS = {
    "run": _Command("sparsh_ros.nodes.graph.run", "start sensors and perception", needs_ros=True),
    "lifecycle": _Command(
        "sparsh_ros.nodes.graph.lifecycle",
        "configure, activate or stop running nodes",
        needs_ros=True,
    ),
    "record": _Command(
        "sparsh_ros.nodes.record.recorder", "record topics into a bag", needs_ros=True
    ),
    "replay": _Command(
        "sparsh_ros.nodes.replay.command",
        "play a recording through the live graph, compare with the offline estimates",
        needs_ros=True,
    ),
    "demo": _Command(
        "sparsh_ros.nodes.demo.command",
        "run the graph for a while, watch it, report",
        needs_ros=True,
    ),
    "bench": _Command("sparsh_ros.bench.models", "time the models on this machine"),
    "doctor": _Command("sparsh_ros.commands.doctor", "find out what is wrong, and how to mend it"),
    "faults": _Command(
        "sparsh_ros.commands.faults", "time how estimates end and return when cameras fail"
    ),
    "evaluate": _Command(
        "sparsh_ros.commands.evaluate", "score a model on recordings, compare two evaluations"
    ),
    "import": _Command("sparsh_ros.commands.import_data", "turn data sets into bags with labels"),
    "simulate": _Command("sparsh_ros.commands.simulate", "make simulated touches with labels"),
    "train": _Command("sparsh_ros.commands.train", "train an encoder and its heads"),
    "export": _Command("sparsh_ros.export.export", "write a trained model as ONNX"),
    "contact-sheet": _Command(
        "sparsh_ros.commands.render_samples", "render simulated sensors to a PNG"
    ),
    "weights": _Command("sparsh_ros.commands.weights", "list models, inspect weights files"),
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
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        arguments = _parser(argv).parse_args(argv)
        return arguments.execute(arguments)
    except SparshError as error:
        sys.stderr.write(f"sparsh-ros: {error}\n")
        return 1
    except ModuleNotFoundError as error:
        if error.name.startswith("sparsh_ros"):
            raise
        sys.stderr.write(f"sparsh-ros: {_missing(argv[0], error.name)}\n")
        return 1
    except KeyboardInterrupt:
        return 130


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sparsh-ros", description="Contact force, slip and pose from gel cameras, for ROS 2."
    )
    parser.add_argument("--version", action="version", version=f"sparsh-ros {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    chosen = next((word for word in argv if not word.startswith("-")), "")
    for name, command in _COMMANDS.items():
        subparser = commands.add_parser(name, help=command.summary, description=command.summary)
        if name == chosen:
            module = _load(name, command)
            module.add_arguments(subparser)
            subparser.set_defaults(execute=module.run)
    return parser


def _load(name: str, command: _Command):
    needed = ("rclpy", "sparsh_ros.msg") if command.needs_ros else ()
    missing = [package for package in needed if importlib.util.find_spec(package) is None]
    if missing:
        raise _missing(name, missing[0])
    try:
        return importlib.import_module(command.module)
    except ModuleNotFoundError as error:
        if error.name.startswith("sparsh_ros"):
            raise
        raise _missing(name, error.name) from error


def _missing(command: str, package: str) -> MissingDependencyError:
    hint = _HINTS.get(package, f"`pip install {package}`")
    return MissingDependencyError(
        f"{command}: wanted the Python package {package}, found none; {hint}"
    )


if __name__ == "__main__":
    sys.exit(main())
