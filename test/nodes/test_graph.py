# SPDX-License-Identifier: Apache-2.0
"""The graph as data: arguments, processes, command lines."""

from __future__ import annotations

import argparse
import json

import pytest

from sparsh_ros.errors import ParameterError
from sparsh_ros.nodes import graph, run


def _settings(*options: str) -> dict[str, graph.Value]:
    parser = argparse.ArgumentParser()
    run.add_arguments(parser)
    return run.settings_from(parser.parse_args(options))


def test_the_default_is_one_simulated_digit() -> None:
    sensor, perception = graph.processes(_settings())
    assert (sensor.executable, perception.executable) == ("sensor", "perception")
    assert sensor.parameters["source"] == "simulated"
    assert sensor.parameters["name"] == "digit"
    assert perception.parameters["names"] == ["digit"]
    assert not sensor.namespace and not perception.namespace


def test_several_sensors_have_namespaces_and_seeds_of_their_own() -> None:
    *sensors, perception = graph.processes(_settings("--names", "thumb, index", "--seed", "7"))
    assert [sensor.namespace for sensor in sensors] == ["thumb", "index"]
    assert [sensor.parameters["seed"] for sensor in sensors] == [7, 8]
    assert perception.parameters["names"] == ["thumb", "index"]


def test_in_process_is_one_process_that_names_its_own_nodes() -> None:
    (process,) = graph.processes(_settings("--in-process"))
    assert process.executable == "perception" and process.name == ""
    assert {"source", "model"} <= process.parameters.keys()


@pytest.mark.parametrize(
    ("option", "value", "wanted"),
    [
        ("--source", "telepathy", "one of simulated, video"),
        ("--heads", "force,smell", "one of force, slip, pose"),
        ("--seed", "many", "a whole number"),
        ("--rate-hz", "fast", "a number"),
        ("--loop", "maybe", "true or false"),
    ],
)
def test_bad_arguments_are_refused_by_name(option: str, value: str, wanted: str) -> None:
    with pytest.raises(ParameterError) as caught:
        _settings(option, value)
    message = str(caught.value)
    assert option.removeprefix("--").replace("-", "_") in message
    assert wanted in message and value in message


def test_every_default_parses_to_itself() -> None:
    for argument in graph.arguments(graph.DIGIT):
        value = argument.parse(argument.text)
        assert value == (
            list(argument.default) if isinstance(argument.default, tuple) else argument.default
        )


def test_words_stay_words_on_the_command_line() -> None:
    settings = _settings("--names", "on", "--input", "12: a b")
    line = run.command(graph.processes(settings)[0], settings)
    values = dict(word.split(":=", 1) for word in line if ":=" in word)
    assert json.loads(values["name"]) == "on"
    assert json.loads(values["input"]) == "12: a b"
    assert values["__ns"] == "/tactile"
