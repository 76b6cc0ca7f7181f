# SPDX-License-Identifier: Apache-2.0
"""The graph as data: arguments, processes, command lines."""

from __future__ import annotations

import argparse
import json

import pytest

from sparsh_ros.errors import ParameterError
from sparsh_ros.nodes import graph, run
from sparsh_ros.nodes.settings import DIGIT, Value


def _values(*options: str) -> dict[str, Value]:
    parser = argparse.ArgumentParser()
    run.add_arguments(parser)
    return run.values_from(parser.parse_args(options))


def test_the_default_is_one_simulated_digit() -> None:
    sensor, perception = graph.processes(_values())
    assert (sensor.executable, perception.executable) == ("sensor", "perception")
    assert sensor.parameters["source"] == "simulated"
    assert sensor.parameters["name"] == "digit"
    assert perception.parameters["names"] == ["digit"]
    assert not sensor.namespace and not perception.namespace


def test_several_sensors_have_namespaces_and_seeds_of_their_own() -> None:
    *sensors, perception = graph.processes(_values("--names", "thumb, index", "--seed", "7"))
    assert [sensor.namespace for sensor in sensors] == ["thumb", "index"]
    assert [sensor.parameters["seed"] for sensor in sensors] == [7, 8]
    assert perception.parameters["names"] == ["thumb", "index"]


def test_each_camera_gets_its_serial_number() -> None:
    options = ("--names", "thumb,index", "--source", "camera")
    *sensors, _ = graph.processes(_values(*options, "--serial", "D20001, D20002"))
    assert [sensor.parameters["serial"] for sensor in sensors] == ["D20001", "D20002"]
    with pytest.raises(ParameterError, match="wanted 2, one for each sensor, found 1"):
        graph.processes(_values(*options, "--serial", "D20001"))


def test_in_process_is_one_process_that_names_its_own_nodes() -> None:
    (process,) = graph.processes(_values("--in-process"))
    assert process.executable == "perception" and process.name == ""
    assert {"source", "model"} <= process.parameters.keys()


@pytest.mark.parametrize(
    ("option", "value", "wanted"),
    [
        ("--source", "telepathy", "one of simulated, camera, video"),
        ("--heads", "smell", "one of force, slip, pose"),
        ("--seed", "many", "a whole number"),
        ("--rate-hz", "fast", "a number"),
        ("--rate-hz", "1000", "0.0 to 240.0"),
        ("--loop", "maybe", "true or false"),
    ],
)
def test_bad_arguments_are_refused_by_name(option: str, value: str, wanted: str) -> None:
    with pytest.raises(ParameterError) as caught:
        _values(option, value)
    message = str(caught.value)
    assert option.removeprefix("--").replace("-", "_") in message
    assert wanted in message and value in message


def test_every_default_parses_to_itself() -> None:
    for setting in graph.arguments(DIGIT).values():
        value = setting.parse(setting.text)
        assert value == (
            list(setting.default) if isinstance(setting.default, tuple) else setting.default
        )


def test_words_stay_words_on_the_command_line() -> None:
    values = _values("--names", "on", "--input", "12: a b")
    line = run.command(graph.processes(values)[0], values)
    said = dict(word.split(":=", 1) for word in line if ":=" in word)
    assert json.loads(said["name"]) == "on"
    assert json.loads(said["input"]) == "12: a b"
    assert said["__ns"] == "/tactile"
