# SPDX-License-Identifier: Apache-2.0
"""ROS 2 seen from outside: nothing of it is imported, since a broken one would end the doctor."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from sparsh_ros.doctor.machine import Machine
from sparsh_ros.doctor.report import Finding, note, ok, problem

_INDEX = Path("share", "ament_index", "resource_index")
_EXTENSION = "_rclpy_pybind11"  # the compiled part of rclpy
_SAFE_DOMAINS = 101  # above, the ports of a domain reach into those that Linux hands out
_DOMAINS = 232
_BUILD = "`colcon build`, then source install/setup.bash; in a source checkout: `make setup`"


def check(machine: Machine) -> Iterator[Finding]:
    """Client library, messages, middleware, domain and tools."""
    client = importlib.util.find_spec("rclpy")
    if client is None:
        yield note("rclpy is not here: no topics; all else works without ROS", _source(machine))
        return
    yield _check_client(machine, Path(client.origin).parent)
    yield _check_messages()
    yield _check_middleware(machine)
    yield _check_domain(machine)
    yield _check_tools(machine)


def has_client() -> bool:
    """Whether the ROS client library is installed."""
    return importlib.util.find_spec("rclpy") is not None


def _source(machine: Machine) -> str:
    distributions = sorted(machine.path("/opt/ros").glob("*/setup.bash"))
    if distributions:
        return f"for topics: `source {distributions[-1]}`"
    return "for topics: source a ROS 2 distribution, or `make setup` in a source checkout"


def _check_client(machine: Machine, folder: Path) -> Finding:
    distribution = machine.environ.get("ROS_DISTRO") or "not set"
    try:
        version = metadata.version("rclpy")
    except metadata.PackageNotFoundError:
        version = "of unknown version"
    extensions = {path.name for path in folder.glob(f"{_EXTENSION}*")}
    if extensions.isdisjoint(_EXTENSION + suffix for suffix in EXTENSION_SUFFIXES):
        found = ", ".join(sorted(extensions)) or "none"
        return problem(
            f"rclpy {version} is not built for this Python {platform.python_version()} (found "
            f"{found})",
            "use the Python of the distribution: `/usr/bin/python3 -m venv --system-site-packages`",
        )
    return ok(f"rclpy {version}, ROS_DISTRO {distribution}")


def _check_messages() -> Finding:
    if importlib.util.find_spec("sparsh_ros.msg") is None:
        return problem("the messages of sparsh_ros are not built", _BUILD)
    return ok("the messages of sparsh_ros are built")


def _check_middleware(machine: Machine) -> Finding:
    folders = [prefix / _INDEX / "rmw_typesupport" for prefix in _prefixes(machine)]
    here = sorted({path.name for folder in folders for path in folder.glob("rmw_*_c*")})
    wanted = machine.environ.get("RMW_IMPLEMENTATION", "")
    if wanted and wanted not in here:
        return problem(
            f"RMW_IMPLEMENTATION: wanted one of {', '.join(here) or 'none'}, found {wanted}",
            f"install it (`sudo apt install ros-$ROS_DISTRO-{wanted.replace('_', '-')}`), or "
            "`unset RMW_IMPLEMENTATION`",
        )
    if not here:
        return problem("no ROS middleware found", _source(machine))
    return ok(f"middleware {wanted or 'not chosen'}; here: {', '.join(here)}")


def _check_domain(machine: Machine) -> Finding:
    text = machine.environ.get("ROS_DOMAIN_ID", "") or "0"
    if not text.isdecimal() or int(text) > _DOMAINS:
        return problem(
            f"ROS_DOMAIN_ID: wanted 0 to {_SAFE_DOMAINS}, found {text!r}",
            "`export ROS_DOMAIN_ID=0`",
        )
    reach = machine.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "SUBNET").upper()
    if machine.environ.get("ROS_LOCALHOST_ONLY") == "1":
        reach = "LOCALHOST"
    where = {"LOCALHOST": "this machine alone", "OFF": "nobody", "SUBNET": "the local network"}
    said = f"domain {text}, heard by {where.get(reach, reach)}"
    if int(text) > _SAFE_DOMAINS:
        return note(
            f"{said}; domains above {_SAFE_DOMAINS} may collide with other programs' ports",
            "choose a ROS_DOMAIN_ID from 0 to 101",
        )
    return ok(said)


def _check_tools(machine: Machine) -> Finding:
    if shutil.which("ros2", path=machine.environ.get("PATH")) is None:
        return ok("no `ros2` command; `sparsh-ros run` starts the graph without it")
    indexed = any(
        (prefix / _INDEX / "packages" / "sparsh_ros").is_file() for prefix in _prefixes(machine)
    )
    if not indexed:
        return note("`ros2 launch` does not find sparsh_ros", _BUILD)
    return ok("`ros2 launch` finds sparsh_ros")


def _prefixes(machine: Machine) -> list[Path]:
    named = machine.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    return [Path(prefix) for prefix in (*filter(None, named), sys.prefix)]
