# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros evaluate` as a program of its own, for `ros2 run`."""

from __future__ import annotations

import sys

from sparsh_ros import cli


def main(arguments: list[str] | None = None) -> int:
    """Run it; the exit code."""
    return cli.main(["evaluate", *(sys.argv[1:] if arguments is None else arguments)])
