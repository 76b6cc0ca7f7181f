# SPDX-License-Identifier: Apache-2.0
"""What the doctor says about ROS, seen from outside."""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import SimpleNamespace

import pytest

from sparsh_ros.doctor import ros
from sparsh_ros.doctor.report import Finding, Mark

INDEX = Path("share/ament_index/resource_index")


@pytest.fixture
def installed(machine, tmp_path: Path, monkeypatch) -> Path:
    """A prefix with all of ROS and the built package, sourced; its rclpy folder."""
    prefix = tmp_path / "opt" / "ros" / "jazzy"
    for file in ("rmw_typesupport/rmw_fastrtps_cpp", "packages/sparsh_ros"):
        (prefix / INDEX / file).parent.mkdir(parents=True)
        (prefix / INDEX / file).touch()
    folder = prefix / "rclpy"
    folder.mkdir()
    (folder / f"_rclpy_pybind11{EXTENSION_SUFFIXES[0]}").touch()
    found = {"rclpy": SimpleNamespace(origin=str(folder / "__init__.py")), "sparsh_ros.msg": True}
    monkeypatch.setattr(importlib.util, "find_spec", found.get)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "no-prefix"))
    (prefix / "bin").mkdir()
    (prefix / "bin" / "ros2").touch(mode=0o755)
    machine.environ.update(
        ROS_DISTRO="jazzy", AMENT_PREFIX_PATH=str(prefix), PATH=str(prefix / "bin")
    )
    return folder


def of_mark(machine, mark: Mark) -> list[Finding]:
    return [finding for finding in ros.check(machine) if finding.mark is mark]


def test_all_is_well(machine, installed) -> None:
    said = "\n".join(finding.text for finding in of_mark(machine, Mark.OK))
    assert "ROS_DISTRO jazzy" in said and "messages of sparsh_ros are built" in said
    assert "rmw_fastrtps_cpp" in said and "domain 0, heard by the local network" in said
    assert "`ros2 launch` finds sparsh_ros" in said
    assert len(of_mark(machine, Mark.OK)) == len(list(ros.check(machine)))


def test_without_ros_all_else_works(machine, monkeypatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    (finding,) = ros.check(machine)
    assert finding.mark is Mark.NOTE and "make setup" in finding.remedy
    setup = machine.path("/opt/ros/kilted/setup.bash")
    setup.parent.mkdir(parents=True)
    setup.touch()
    (finding,) = ros.check(machine)
    assert f"`source {setup}`" in finding.remedy


def test_rclpy_of_another_python(machine, installed) -> None:
    (extension,) = installed.glob("*.so")
    extension.rename(installed / "_rclpy_pybind11.cpython-27-x86_64-linux-gnu.so")
    (problem,) = of_mark(machine, Mark.PROBLEM)
    assert "not built for this Python" in problem.text and "cpython-27" in problem.text
    assert "--system-site-packages" in problem.remedy


def test_messages_that_are_not_built(machine, installed, monkeypatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: find(name) if name == "rclpy" else None
    )
    (problem,) = of_mark(machine, Mark.PROBLEM)
    assert "messages of sparsh_ros are not built" in problem.text
    assert "colcon build" in problem.remedy


def test_middleware_that_is_not_installed(machine, installed) -> None:
    machine.environ["RMW_IMPLEMENTATION"] = "rmw_cyclonedds_cpp"
    (problem,) = of_mark(machine, Mark.PROBLEM)
    assert "wanted one of rmw_fastrtps_cpp, found rmw_cyclonedds_cpp" in problem.text
    assert "ros-$ROS_DISTRO-rmw-cyclonedds-cpp" in problem.remedy


def test_no_middleware_at_all(machine, installed) -> None:
    machine.environ["AMENT_PREFIX_PATH"] = ""
    assert "no ROS middleware found" in [f.text for f in of_mark(machine, Mark.PROBLEM)]


@pytest.mark.parametrize("domain", ["233", "-1", "seven"])
def test_domain_that_does_not_exist(machine, installed, domain: str) -> None:
    machine.environ["ROS_DOMAIN_ID"] = domain
    (problem,) = of_mark(machine, Mark.PROBLEM)
    assert f"ROS_DOMAIN_ID: wanted 0 to 101, found '{domain}'" in problem.text


def test_domain_in_the_range_of_other_ports(machine, installed) -> None:
    machine.environ["ROS_DOMAIN_ID"] = "150"
    (note,) = of_mark(machine, Mark.NOTE)
    assert "domain 150" in note.text and "101" in note.remedy


@pytest.mark.parametrize(
    ("variables", "heard"),
    [
        ({"ROS_LOCALHOST_ONLY": "1"}, "this machine alone"),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}, "this machine alone"),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "OFF"}, "nobody"),
    ],
)
def test_how_far_topics_are_heard(machine, installed, variables, heard: str) -> None:
    machine.environ.update(variables)
    assert any(f"heard by {heard}" in finding.text for finding in ros.check(machine))


def test_package_that_ros2_does_not_find(machine, installed, tmp_path: Path) -> None:
    (installed.parent / INDEX / "packages" / "sparsh_ros").unlink()
    (note,) = of_mark(machine, Mark.NOTE)
    assert "`ros2 launch` does not find sparsh_ros" in note.text
