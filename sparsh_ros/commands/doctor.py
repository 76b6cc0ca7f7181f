# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros doctor`: looks at sensors and machine, says what is wrong and how to fix it."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pkgutil import resolve_name

from rich.console import Console

from sparsh_ros.doctor import udev
from sparsh_ros.doctor.machine import Machine
from sparsh_ros.doctor.report import Finding, Group, Mark, problem, remedies, show

# In the order in which what is wrong has to be fixed: where below sparsh_ros.doctor it is checked.
_SUBJECTS = {
    "Python packages": "environment:check_packages",
    "Sensors": "cameras:check",
    "Device rules": "udev:check",
    "ROS 2": "ros:check",
    "Computing": "environment:check_compute",
    "Models": "environment:check_models",
    "User data": "environment:check_user_data",
}


def run(arguments: argparse.Namespace) -> int:
    """Look at everything, or install the udev rules.

    Returns:
        0 where nothing is wrong, 1 with a problem; to have no sensor is one.

    Raises:
        SparshError: The rules cannot be installed.
    """
    machine, console = Machine(), Console(highlight=False)
    if arguments.install_udev:
        for line in udev.install(machine):
            console.print(line, markup=False, soft_wrap=True)
        return 0
    groups = examine(machine)
    show(groups, next_step(groups, machine), console)
    return int(any(f.mark is Mark.PROBLEM for group in groups for f in group.findings))


def examine(machine: Machine) -> list[Group]:
    """The findings on all subjects."""
    return [Group(title, tuple(_check(where, machine))) for title, where in _SUBJECTS.items()]


def next_step(groups: Iterable[Group], machine: Machine) -> str:
    """The one thing to do first: fix the first problem, or start what is plugged in."""
    todo = remedies(list(groups), Mark.PROBLEM)
    if todo:
        return todo[0]
    from sparsh_ros.doctor.cameras import first_use

    return first_use(machine)


def _check(where: str, machine: Machine) -> list[Finding]:
    # What breaks a check is a finding too: the other subjects are still looked at.
    try:
        return list(resolve_name(f"sparsh_ros.doctor.{where}")(machine))
    except Exception as error:
        return [
            problem(
                f"cannot be looked at: {type(error).__name__}: {error}",
                f"fix the other problems first; if this one stays ({where}), report it as a bug",
            )
        ]
