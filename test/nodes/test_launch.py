# SPDX-License-Identifier: Apache-2.0
"""The launch files, run by the real launch system where it is installed."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

from sparsh_ros.msg import Slip

pytest.importorskip("launch_ros", reason="the launch system comes with a ROS distribution")

from launch import LaunchContext, LaunchDescription, LaunchService  # noqa: E402
from launch.actions import IncludeLaunchDescription, RegisterEventHandler  # noqa: E402
from launch.event_handlers import OnProcessExit  # noqa: E402
from launch.launch_description_sources import PythonLaunchDescriptionSource  # noqa: E402

LAUNCH = Path(__file__).resolve().parents[2] / "launch"
FILES = [LAUNCH / "digit_perception.launch.py", LAUNCH / "gelsight_perception.launch.py"]
GIVE_UP_S = 120.0


@pytest.fixture(autouse=True)
def _installed_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the launch system find the installed package in this environment's own prefix."""
    prefixes = [os.environ.get("AMENT_PREFIX_PATH", ""), sys.prefix]
    monkeypatch.setenv("AMENT_PREFIX_PATH", os.pathsep.join(filter(None, prefixes)))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_argument_is_described(path: Path) -> None:
    description = PythonLaunchDescriptionSource(str(path)).get_launch_description(LaunchContext())
    arguments = {argument.name: argument for argument in description.get_launch_arguments()}
    assert {"sensor", "source", "model", "namespace"} <= arguments.keys()
    for name, argument in arguments.items():
        assert argument.description, name
        assert argument.default_value is not None, name
    assert arguments["source"].choices and arguments["sensor"].choices


def test_an_unknown_choice_starts_nothing() -> None:
    exit_codes, slips = _launch(FILES[0], {"source": "telepathy"})
    assert (exit_codes, slips) == ({}, [])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_slip_arrives_and_everything_stops_cleanly(path: Path) -> None:
    exit_codes, slips = _launch(path, {})
    assert slips and slips[0].header.frame_id.endswith("_gel_frame")
    assert len(exit_codes) == 2
    assert set(exit_codes.values()) == {0}


def _launch(path: Path, arguments: dict[str, str]) -> tuple[dict[str, int], list[Slip]]:
    """Runs a launch file until the first valid slip message.

    Returns:
        Exit code of every process by its name, and the slip message.
    """
    exit_codes: dict[str, int] = {}
    service = LaunchService(noninteractive=True)
    source = PythonLaunchDescriptionSource(str(path))
    note_exit = OnProcessExit(
        on_exit=lambda event, context: exit_codes.update({event.process_name: event.returncode})
    )
    service.include_launch_description(
        LaunchDescription(
            [
                RegisterEventHandler(note_exit),
                IncludeLaunchDescription(source, launch_arguments=arguments.items()),
            ]
        )
    )
    give_up = threading.Timer(GIVE_UP_S, service.shutdown)
    give_up.start()
    with _first_valid_slip(service.shutdown) as slips:
        service.run()
    give_up.cancel()
    return exit_codes, slips


@contextmanager
def _first_valid_slip(then) -> Iterator[list[Slip]]:
    """Listens to /tactile/slip beside the launch; calls `then` at the first valid message."""
    slips: list[Slip] = []

    def take(message: Slip) -> None:
        if message.valid and not slips:
            slips.append(message)
            then()

    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("listener", context=context)
    node.create_subscription(Slip, "/tactile/slip", take, 10)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    listener = threading.Thread(target=_spin, args=(executor,))
    listener.start()
    try:
        yield slips
    finally:
        rclpy.shutdown(context=context)
        listener.join()
        node.destroy_node()


def _spin(executor: SingleThreadedExecutor) -> None:
    with suppress(ExternalShutdownException):
        executor.spin()
