# SPDX-License-Identifier: Apache-2.0
"""The graph as data: arguments, processes, command lines."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import pytest

from sparsh_ros.errors import MissingDependencyError, ParameterError
from sparsh_ros.nodes.graph import graph, recorded, run
from sparsh_ros.nodes.graph.entries import entries
from sparsh_ros.nodes.settings import DIGIT, GELSIGHT, RIG, Value
from sparsh_ros.resources import config_path
from sparsh_ros.sensors.rig import SensorEntry


def _values(*options: str) -> dict[str, Value]:
    parser = argparse.ArgumentParser()
    run.add_arguments(parser)
    return run.values_from(parser.parse_args(options))


def _rig(process: graph.Process) -> tuple[SensorEntry, ...]:
    """The sensors as a node of this process sees them."""
    return entries({name: setting.value for name, setting in RIG.items()} | process.parameters)


def test_the_default_is_one_simulated_digit() -> None:
    sensor, perception = graph.processes(_values())
    assert (sensor.executable, perception.executable) == ("sensor", "perception")
    (entry,) = _rig(perception)
    assert (entry.name, entry.driver) == ("digit", "simulated")
    assert sensor.parameters["name"] == "digit" and _rig(sensor) == (entry,)
    assert not sensor.namespace and not perception.namespace


def test_several_sensors_have_namespaces_and_seeds_of_their_own() -> None:
    *sensors, perception = graph.processes(_values("--names", "thumb, index", "--seed", "7"))
    assert [sensor.namespace for sensor in sensors] == ["thumb", "index"]
    assert [sensor.parameters["name"] for sensor in sensors] == ["thumb", "index"]
    assert [entry.settings["seed"] for entry in _rig(perception)] == [7, 8]


def test_each_camera_gets_its_serial_number() -> None:
    options = ("--names", "thumb,index", "--source", "camera")
    *_, perception = graph.processes(_values(*options, "--serial", "D20001, D20002"))
    rig = _rig(perception)
    assert [entry.settings["serial"] for entry in rig] == ["D20001", "D20002"]
    with pytest.raises(ParameterError, match="wanted 2, one for each sensor, found 1"):
        graph.processes(_values(*options, "--serial", "D20001"))


def test_a_file_of_sensors_decides_for_all_processes(tmp_path: Path, monkeypatch) -> None:
    shutil.copy(config_path("hand.yaml"), tmp_path)
    monkeypatch.chdir(tmp_path)
    *sensors, perception = graph.processes(_values("--sensors", "hand.yaml"))
    assert [sensor.namespace for sensor in sensors] == ["thumb", "index", "palm"]
    for process in (*sensors, perception):
        # Absolute, because the processes may run in another folder.
        assert process.parameters["sensors"] == str(tmp_path / "hand.yaml")
        assert len(_rig(process)) == 3


def test_a_folder_of_weights_is_found_from_any_folder(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/ada")
    for given, wanted in (("files", f"{tmp_path}/files"), ("~/sparsh", "/home/ada/sparsh")):
        *_, perception = graph.processes(_values("--weights-dir", given))
        assert perception.parameters["weights_dir"] == wanted
    *_, perception = graph.processes(_values())
    assert perception.parameters["weights_dir"] == ""


def test_a_file_goes_with_the_launch_file_of_any_kind() -> None:
    texts = {name: setting.text for name, setting in graph.arguments(GELSIGHT).items()}
    values = graph.parse(texts | {"sensors": "hand.yaml"}, GELSIGHT)
    assert len(graph.processes(values)) == 4
    with pytest.raises(ParameterError, match=r"found both \(sensor\)"):
        graph.parse(texts | {"sensors": "hand.yaml", "sensor": "gelsight_2017"}, GELSIGHT)


def test_a_graph_goes_on_as_long_as_it_is_of_use() -> None:
    thumb, index, perception = started = graph.processes(_values("--names", "thumb,index"))
    survivors = graph.Survivors(started)
    said = survivors.lose(thumb, -9)
    assert said == "sensor thumb has ended (exit code -9): the others go on: index"
    assert survivors.suffice
    assert survivors.lose(index, 1).endswith("(exit code 1): stopping the graph")
    assert not survivors.suffice
    survivors = graph.Survivors(started)
    assert survivors.lose(perception, 1) == "perception has ended (exit code 1): stopping the graph"
    assert not survivors.suffice


def test_a_process_that_hosts_the_sensors_needs_no_other() -> None:
    survivors = graph.Survivors(graph.processes(_values("--in-process")))
    assert survivors.suffice


def test_in_process_is_one_process_that_names_its_own_nodes() -> None:
    (process,) = graph.processes(_values("--in-process", "--seed", "7"))
    assert process.executable == "perception" and process.name == ""
    assert {"seed", "listeners", "model"} <= process.parameters.keys()


@pytest.mark.parametrize(
    ("option", "value", "wanted"),
    [
        ("--source", "telepathy", "one of simulated, camera, video"),
        ("--heads", "smell", "one of auto, force, slip, pose"),
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
        assert value == setting.value


def test_words_stay_words_on_the_command_line() -> None:
    values = _values("--names", "on", "--source", "video", "--input", "12: a b")
    line = run.command(graph.processes(values)[0], values)
    said = dict(word.split(":=", 1) for word in line if ":=" in word)
    assert json.loads(said["name"]) == "on"
    assert json.loads(said["input"]) == "12: a b"
    assert said["__ns"] == "/tactile"


def test_a_recorder_is_started_last_and_the_sensors_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sensor, perception, recorder = graph.processes(_values("--record", "touch"))
    assert (recorder.executable, perception.executable) == (graph.RECORDER, "perception")
    assert recorder.parameters == {"out": str(tmp_path / "touch")}
    assert sensor.parameters["listeners"] == 2
    assert graph.processes(_values())[0].parameters["listeners"] == 1
    hosted, _ = graph.processes(_values("--record", "touch", "--in-process"))
    assert hosted.parameters["listeners"] == 2


def test_a_recorder_without_its_library_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="pip install mcap rosbags"):
        graph.processes(_values("--record", "touch"))
    assert len(graph.processes(_values())) == 2


def test_a_graph_goes_on_without_its_recorder() -> None:
    *others, recorder = graph.processes(_values("--record", "touch"))
    survivors = graph.Survivors([*others, recorder])
    assert survivors.lose(recorder, 1) == "record has ended (exit code 1): the others go on"
    assert survivors.suffice
