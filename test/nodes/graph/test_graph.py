# SPDX-License-Identifier: Apache-2.0
"""The graph as data: arguments, processes, command lines."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from sparsh_ros.arguments import Setting, Value
from sparsh_ros.cli.graph import add_run
from sparsh_ros.errors import MissingDependencyError, ParameterError, SparshError
from sparsh_ros.nodes.graph import graph, recorded, run
from sparsh_ros.nodes.graph.sensors import heard_sensors, sensor_configs
from sparsh_ros.nodes.settings import DIGIT, GELSIGHT, HEARD, SENSORS, graph_settings
from sparsh_ros.resources import config_path
from sparsh_ros.sensors.config import SensorConfig
from sparsh_ros.sensors.drivers import TopicConfig
from sparsh_ros.sensors.placement import Placement


def _values(*options: str) -> dict[str, Value]:
    parser = argparse.ArgumentParser()
    add_run(parser)
    return run.values_from(parser.parse_args(options))


def _configs(process: graph.Process) -> tuple[SensorConfig, ...]:
    """The sensors as a node of this process sees them."""
    return sensor_configs(
        {name: setting.value for name, setting in SENSORS.items()} | process.parameters
    )


def _defaults(table: Mapping[str, Setting]) -> dict[str, Value]:
    return {name: setting.value for name, setting in table.items()}


def _heard(process: graph.Process) -> list[str]:
    """Names of the sensors that a node which only listens makes of its parameters."""
    return [config.name for config in heard_sensors(_defaults(HEARD) | process.parameters)]


def test_perception_is_told_only_what_it_hears() -> None:
    _, perception = graph.processes(_values("--touch", "demo", "--seed", "3", "--frame", "tip"))
    digit = {"sensor": "digit"}
    assert perception.parameters == digit | {"frame": "tip", "source": "simulated"}
    (config,) = heard_sensors(_defaults(HEARD) | perception.parameters)
    assert config.gel_frame == "tip" and config.find_serial() == ""
    _, perception = graph.processes(_values("--serial", "D20001", "--turn", "180"))
    assert perception.parameters == digit | {"serial": "D20001"}


def test_the_images_of_another_driver_go_through_a_sensor_in_perception() -> None:
    texts = {"image": "/wrist/image", "sensor": "gelsight_mini", "turn": "180"}
    (process,) = graph.processes(graph.parse_perception_only(texts))
    assert process.parameters == {"in_process": True, **texts, "turn": 180}
    (config,) = _configs(process)
    assert config.driver == TopicConfig(image="/wrist/image")
    assert config.placement == Placement(turn=180) == config.camera_profile.placement
    assert not config.profile.placement
    sensor, perception = graph.processes(
        graph.parse_perception_only(texts | {"in_process": "false"})
    )
    assert perception.parameters == {"in_process": False, "sensor": "gelsight_mini"}
    assert sensor.parameters["image"] == "/wrist/image"
    with pytest.raises(ParameterError, match="image: wanted the topic of your driver's images"):
        graph.parse_perception_only({"sensor": "digit"})


def test_the_default_is_one_simulated_digit() -> None:
    sensor, perception = graph.processes(_values())
    assert (sensor.executable, perception.executable) == ("sensor", "perception")
    (config,) = _configs(sensor)
    assert (config.name, config.driver.name) == ("digit", "simulated")
    assert sensor.parameters["name"] == "digit" and _heard(perception) == ["digit"]
    assert not sensor.namespace and not perception.namespace


def test_several_sensors_have_namespaces_and_seeds_of_their_own() -> None:
    *sensors, perception = graph.processes(_values("--names", "thumb, index", "--seed", "7"))
    assert _heard(perception) == ["thumb", "index"]
    assert [sensor.namespace for sensor in sensors] == ["thumb", "index"]
    assert [sensor.parameters["name"] for sensor in sensors] == ["thumb", "index"]
    for sensor in sensors:
        assert [config.driver.seed for config in _configs(sensor)] == [7, 8]


def test_each_camera_gets_its_serial_number() -> None:
    options = ("--names", "thumb,index", "--source", "camera")
    *_, perception = graph.processes(_values(*options, "--serials", "D20001, D20002"))
    configs = heard_sensors(_defaults(HEARD) | perception.parameters)
    assert [config.driver.serial for config in configs] == ["D20001", "D20002"]
    with pytest.raises(ParameterError, match="wanted 2, one for each of `names`, found 1"):
        graph.processes(_values(*options, "--serials", "D20001"))


def test_a_file_of_sensors_decides_for_all_processes(tmp_path: Path, monkeypatch) -> None:
    shutil.copy(config_path("sensors.yaml"), tmp_path)
    monkeypatch.chdir(tmp_path)
    *sensors, perception = graph.processes(_values("--sensors", "sensors.yaml"))
    assert [sensor.namespace for sensor in sensors] == ["thumb", "index", "palm"]
    for process in (*sensors, perception):
        # Absolute, because the processes may run in another folder.
        assert process.parameters["sensors"] == str(tmp_path / "sensors.yaml")
        assert len(_configs(process)) == 3


def test_a_folder_of_weights_is_found_from_any_folder(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/ada")
    for given, wanted in (("files", f"{tmp_path}/files"), ("~/sparsh", "/home/ada/sparsh")):
        *_, perception = graph.processes(_values("--weights-dir", given))
        assert perception.parameters["weights_dir"] == wanted
    *_, perception = graph.processes(_values())
    assert "weights_dir" not in perception.parameters


def test_a_file_goes_with_the_launch_file_of_any_kind() -> None:
    texts = {name: setting.text for name, setting in graph_settings(GELSIGHT).items()}
    values = graph.parse(texts | {"sensors": "sensors.yaml"}, GELSIGHT)
    assert len(graph.processes(values)) == 4
    with pytest.raises(ParameterError, match=r"found both \(sensor\)"):
        graph.parse(texts | {"sensors": "sensors.yaml", "sensor": "gelsight_2017"}, GELSIGHT)


def test_a_graph_goes_on_as_long_as_it_is_of_use() -> None:
    thumb, index, perception = started = graph.processes(_values("--names", "thumb,index"))
    monitor = graph.ProcessMonitor(started)
    said = monitor.on_exit(thumb, -9)
    assert said == "sensor thumb has ended (exit code -9): the others go on: index"
    assert monitor.is_viable
    assert monitor.on_exit(index, 1).endswith("(exit code 1): stopping the graph")
    assert not monitor.is_viable
    monitor = graph.ProcessMonitor(started)
    assert (
        monitor.on_exit(perception, 1) == "perception has ended (exit code 1): stopping the graph"
    )
    assert not monitor.is_viable


def test_what_died_is_started_again_later_and_later() -> None:
    sensor, perception, recorder = started = graph.processes(_values("--record", "touch"))
    now_s = [0.0]
    monitor = graph.ProcessMonitor(started, True, lambda: now_s[0])
    delays_s = []
    for _ in range(7):
        assert "starting it again in" in monitor.on_exit(sensor, -9)
        delays_s.append(monitor.delay_s(sensor))
        assert monitor.on_restart(sensor) == {"SPARSH_ROS_RESTARTS": str(len(delays_s))}
    assert delays_s == [1, 2, 4, 8, 16, 30, 30]
    now_s[0] += 60.0
    monitor.on_exit(sensor, 1)
    assert monitor.delay_s(sensor) == 1 and monitor.is_viable
    monitor.on_exit(recorder, -9)  # what it has written is there already
    assert monitor.delay_s(recorder) is None and monitor.is_viable
    assert "starting it again" in monitor.on_exit(perception, -11)


def test_what_says_at_once_why_it_cannot_run_is_not_started_again() -> None:
    _, perception = started = graph.processes(_values())
    monitor = graph.ProcessMonitor(started, True)
    assert monitor.on_exit(perception, 1).endswith("(exit code 1): stopping the graph")
    assert monitor.delay_s(perception) is None and not monitor.is_viable


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--model", "sparsh-dinosaur"), "sparsh-dinosaur"),
        (
            ("--model", "sparsh-mae-base", "--weights-dir", "nowhere"),
            "nowhere: wanted a folder with weights",
        ),
        (("--background", "bare.png", "--source", "simulated"), "bare.png: cannot be read"),
        (("--input", "press.mp4"), "press.mp4: wanted a video file"),
        (("--params-file", "robot.yaml"), "params_file: .* none at robot.yaml"),
        (("--record", "."), "record: wanted a folder to make, found one at"),
    ],
)
def test_what_is_missing_is_said_before_anything_starts(options, message: str) -> None:
    with pytest.raises(SparshError, match=message):
        graph.check_files(_values(*options))


def test_what_is_there_passes() -> None:
    graph.check_files(_values())


def test_files_of_parameters_and_simulated_time_reach_every_node(tmp_path: Path) -> None:
    values = _values("--params-file", str(tmp_path / "robot.yaml"), "--use-sim-time")
    for process in graph.processes(values):
        line = run.command(process, values)
        assert line[line.index("--params-file") + 1] == str(tmp_path / "robot.yaml")
        assert "use_sim_time:=true" in line


def test_a_process_that_hosts_the_sensors_needs_no_other() -> None:
    monitor = graph.ProcessMonitor(graph.processes(_values("--in-process")))
    assert monitor.is_viable


def test_in_process_is_one_process_that_names_its_own_nodes() -> None:
    (process,) = graph.processes(_values("--in-process", "--seed", "7", "--listeners", "2"))
    assert process.executable == "perception" and process.name == ""
    assert {"seed", "listeners", "in_process"} <= process.parameters.keys()


def test_nodes_are_told_only_what_was_set() -> None:
    """Whatever else there is comes from a file of parameters, or is the nodes' own default."""
    sensor, perception = graph.processes(_values("--threads", "0", "--heads", "slip, force"))
    assert sensor.parameters == {"sensor": "digit", "name": "digit"}
    told = {"threads": 0, "heads": ["slip", "force"], "sensor": "digit"}
    assert perception.parameters == told


@pytest.mark.parametrize(
    ("option", "value", "wanted"),
    [
        ("--source", "telepathy", "one of auto, camera, video, topic, simulated"),
        ("--heads", "smell", "one of auto, force, slip, pose"),
        ("--seed", "many", "a whole number"),
        ("--fps", "fast", "a number"),
        ("--fps", "1000", "0 to 240"),
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
    for setting in graph_settings(DIGIT).values():
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
    assert "listeners" not in graph.processes(_values())[0].parameters
    hosted, _ = graph.processes(_values("--record", "touch", "--in-process"))
    assert hosted.parameters["listeners"] == 2


def test_a_recorder_without_its_library_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="pip install mcap rosbags"):
        graph.processes(_values("--record", "touch"))
    assert len(graph.processes(_values())) == 2


def test_a_graph_goes_on_without_its_recorder() -> None:
    *others, recorder = graph.processes(_values("--record", "touch"))
    monitor = graph.ProcessMonitor([*others, recorder])
    assert monitor.on_exit(recorder, 1) == "record has ended (exit code 1): the others go on"
    assert monitor.is_viable
