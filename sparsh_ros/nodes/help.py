# SPDX-License-Identifier: Apache-2.0
"""`ros2 run sparsh_ros NODE --help`: what a node is and its parameters."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence

from sparsh_ros.arguments import Setting

_FLAGS = {"-h", "--help"}
_WIDTH, _INDENT = 80, " " * 6


def wants_help(arguments: Sequence[str] | None, name: str, table: Mapping[str, Setting]) -> bool:
    """Whether help was asked for; it is then printed.

    Args:
        arguments: Of the command line; None: those of this process.
        name: Of the program.
        table: Its parameters.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not _FLAGS & set(given):
        return False
    sys.stdout.write(help_text(name, table))
    return True


def node_main(
    name: str, table: Mapping[str, Setting], run: Callable[[list[str] | None], int]
) -> Callable[[list[str] | None], int]:
    """The main function of a program: it shows help, or runs, and returns the exit code.

    Args:
        name: Of the program.
        table: Its parameters.
        run: Takes the arguments of the command line, None for those of this process.
    """

    def main(arguments: list[str] | None = None) -> int:
        return 0 if wants_help(arguments, name, table) else run(arguments)

    return main


def help_text(name: str, table: Mapping[str, Setting]) -> str:
    """Usage, then each parameter with its default and its meaning."""
    lines = [
        f"usage: ros2 run sparsh_ros {name} [--ros-args [-p PARAMETER:=VALUE] [-r FROM:=TO] ...]",
        "",
        "`ros2 launch sparsh_ros digit_perception.launch.py` starts all nodes of a graph.",
        "",
        "parameters:",
    ]
    for parameter, setting in table.items():
        shown = setting.text or '""'
        lines.append(f"  {parameter} (default: {shown})")
        choices = f" One of: {', '.join(setting.choices)}." if setting.choices else ""
        lines += textwrap.wrap(
            setting.description + choices,
            _WIDTH,
            initial_indent=_INDENT,
            subsequent_indent=_INDENT,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n".join(lines) + "\n"
