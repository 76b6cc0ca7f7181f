# SPDX-License-Identifier: Apache-2.0
"""Parameters: described, checked at start and at run time, refused with a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import rclpy
from rclpy.node import Node
from rclpy.parameter import Parameter

from sparsh_ros.arguments import Setting
from sparsh_ros.errors import ParameterError
from sparsh_ros.nodes.runtime.parameters import Parameters

TABLE = {
    "rate_hz": Setting(60.0, "Frames per second.", bounds=(1.0, 240.0), read_only=False),
    "quality": Setting(90, "Of the JPEG.", bounds=(1, 100), read_only=False),
    "source": Setting("simulated", "Of images.", choices=("simulated", "video"), read_only=False),
    "heads": Setting(("slip",), "What to estimate.", choices=("force", "slip")),
    "loop": Setting(False, "Start again."),
}


@pytest.fixture
def make_node() -> Iterator[Callable[..., Node]]:
    context = rclpy.Context()
    rclpy.init(context=context)
    nodes = []

    def make(**given: object) -> Node:
        overrides = [Parameter(name, value=value) for name, value in given.items()]
        nodes.append(rclpy.create_node("tried", context=context, parameter_overrides=overrides))
        return nodes[-1]

    yield make
    for node in nodes:
        node.destroy_node()
    rclpy.shutdown(context=context)


def test_defaults_and_given_values(make_node) -> None:
    parameters = Parameters(make_node(quality=50, heads=["force", "slip"]), TABLE)
    assert parameters["rate_hz"] == 60.0
    assert parameters["quality"] == 50
    assert parameters["heads"] == ["force", "slip"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rate_hz", 0.0),
        ("quality", 101),
        ("quality", "good"),
        ("source", "telepathy"),
        ("heads", ["slip", "smell"]),
        ("loop", 1),
    ],
)
def test_a_bad_value_at_start_names_node_and_parameter(make_node, name, value) -> None:
    with pytest.raises(ParameterError, match=f"node tried: parameter {name}: .*") as caught:
        Parameters(make_node(**{name: value}), TABLE)
    found = value[-1] if isinstance(value, list) else value
    assert str(found) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"), [("rate_hz", 1000.0), ("quality", 0), ("source", "telepathy")]
)
def test_a_bad_value_at_run_time_is_refused_and_changes_nothing(make_node, name, value) -> None:
    node = make_node()
    parameters = Parameters(node, TABLE)
    (result,) = node.set_parameters([Parameter(name, value=value)])
    assert not result.successful and name in result.reason
    assert parameters[name] == TABLE[name].default


def test_a_good_value_at_run_time_is_seen_at_once(make_node) -> None:
    node = make_node()
    parameters = Parameters(node, TABLE)
    (result,) = node.set_parameters([Parameter("source", value="video")])
    assert result.successful
    assert parameters["source"] == "video"


def test_descriptions_name_the_choices(make_node) -> None:
    node = make_node()
    Parameters(node, TABLE)
    assert "simulated, video" in node.describe_parameter("source").description
    assert node.describe_parameter("loop").read_only
    assert node.describe_parameter("quality").integer_range[0].to_value == 100


def test_an_empty_list_on_the_command_line_is_an_empty_list() -> None:
    context = rclpy.Context()
    rclpy.init(context=context)
    words = ["--ros-args", "-p", "topics:=[]"]
    node = rclpy.create_node("empty", context=context, cli_args=words)
    assert Parameters(node, {"topics": Setting((), "Names.")})["topics"] == []
    node.destroy_node()
    rclpy.shutdown(context=context)


def test_what_is_in_use_changes_only_while_it_is_not(make_node) -> None:
    node, locked = make_node(), []
    parameters = Parameters(node, TABLE, is_locked=lambda: bool(locked))
    assert not node.describe_parameter("loop").read_only
    (result,) = node.set_parameters([Parameter("loop", value=True)])
    assert result.successful and parameters["loop"]
    locked.append(True)
    (result,) = node.set_parameters([Parameter("loop", value=False)])
    assert not result.successful and "only while the node is unconfigured" in result.reason
    (result,) = node.set_parameters([Parameter("rate_hz", value=10.0)])
    assert result.successful and parameters["rate_hz"] == 10.0


def test_what_is_permanent_never_changes(make_node) -> None:
    node = make_node()
    table = {"alone": Setting(False, "Fixed.", is_permanent=True)}
    Parameters(node, table, is_locked=lambda: False)
    (result,) = node.set_parameters([Parameter("alone", value=True)])
    assert not result.successful and node.describe_parameter("alone").read_only


def test_changes_are_reported_once_they_are_made(make_node) -> None:
    node = make_node()
    changes = []
    parameters = Parameters(
        node, TABLE, on_change=lambda names: changes.append((names, parameters["rate_hz"]))
    )
    node.set_parameters([Parameter("rate_hz", value=30.0), Parameter("rate_hz", value=1e9)])
    assert changes == [({"rate_hz"}, 30.0)]
