# SPDX-License-Identifier: Apache-2.0
"""A recording through the real graph: the same estimates as offline, in simulated time."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from rosgraph_msgs.msg import Clock

from sparsh_ros.commands.simulation.simulate import record_bag
from sparsh_ros.errors import ParameterError, RecordingError
from sparsh_ros.nodes.graph import replay_graph
from sparsh_ros.nodes.graph.alone import claim_clock
from sparsh_ros.nodes.graph.recorded import input_sensors, recorded_sensors
from sparsh_ros.nodes.replay.check import FILE, check
from sparsh_ros.nodes.settings import PERCEPTION, PLAYER, Setting, replay_settings
from sparsh_ros.nodes.topics import qos
from sparsh_ros.recordings.bag_writer import START_NS, BagWriter
from sparsh_ros.recordings.bags import open_bag, profile_key
from sparsh_ros.simulation.simulation import TouchSimulation
from sparsh_ros.training.episodes import SimulatedTouch

GIVE_UP_S = 120.0
FRAMES, RATE_HZ = 40, 25
NS = 1_000_000_000


def replay(bag: Path, out: Path, *options: str) -> subprocess.CompletedProcess:
    line = [sys.executable, "-m", "sparsh_ros.cli", "replay", str(bag), "--out", str(out)]
    return subprocess.run(
        [*line, "--device", "cpu", *options], capture_output=True, text=True, timeout=GIVE_UP_S
    )


def difference(out: Path) -> dict:
    return json.loads((out / FILE).read_text())


def given(table: dict[str, Setting], **values: object) -> dict:
    return {name: setting.value for name, setting in table.items()} | values


def two_hands(path: Path) -> Path:
    """Two sensors; of one the background comes late, of the other it must be found."""
    left = TouchSimulation("digit", seed=1, rate_hz=RATE_HZ, rest_s=0.8)
    right = TouchSimulation("gelsight_mini", seed=2, rate_hz=RATE_HZ)
    seen = right.background()
    custom = {profile_key("/hand/left"): "digit", profile_key("/hand/right"): "gelsight_mini"}
    with BagWriter(path, custom=custom) as bag:
        for index in range(FRAMES):
            stamp_ns = START_NS + index * NS // RATE_HZ
            bag.image("/hand/left/image_raw", stamp_ns, left.step().image, "camera")
            bag.image("/hand/right/image_raw", stamp_ns + 1_000_000, right.step().image, "camera")
            if index == 10:
                bag.image("/hand/right/background", stamp_ns + 2_000_000, seen, "camera")
    return path


@pytest.fixture(scope="module")
def touch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated touch of a second."""
    path = tmp_path_factory.mktemp("bags") / "touch"
    record_bag(path, SimulatedTouch("test", 0, 0), 1.0)
    return path


@pytest.mark.parametrize("rate", ["0.15", "3.0"])
def test_live_and_offline_are_equal_at_any_rate(touch: Path, tmp_path: Path, rate: str) -> None:
    done = replay(touch, tmp_path / "out", "--speed", rate)
    assert "DIFFER" not in done.stdout, done.stdout + done.stderr
    if rate == "0.15":  # played fast, most frames may be passed over, and that is said
        assert done.returncode == 0, done.stdout + done.stderr
        assert "live and offline are equal" in done.stdout
    else:
        assert "are equal" in done.stdout or "cannot be compared" in done.stdout, done.stderr
    (sensor,) = difference(tmp_path / "out")["sensors"]
    assert sensor["frames"] == 60
    force = sensor["quantities"]["force"]
    # Played fast on a busy machine, a streaming model may have no frame that is comparable.
    assert "are equal" not in done.stdout or force["frames"] > 0
    assert force["frames"] <= 60 - sensor["passed_over"] - sensor["other_pair"]
    assert force["largest"] < 1e-5
    live, offline = sensor["scores"]["live"], sensor["scores"]["offline"]
    assert live.keys() == offline.keys() == {"force", "contact", "slip", "pose"}
    assert (live["force"]["coverage"] > 0) == (sensor["passed_over"] < 60)
    if sensor["passed_over"] == sensor["other_pair"] == 0:
        assert live["force"] == pytest.approx(offline["force"], rel=1e-3)
        assert "force: MAE z" in done.stdout
    with open_bag(tmp_path / "out") as bag:
        counts = {topic.name: topic.count for topic in bag.topics}
        assert {counts[f"/tactile/ground_truth/{name}"] for name in ("force", "slip", "pose")} == {
            60
        }
        times = [message.log_time_ns for message in bag.messages(["/tactile/slip"])]
    # What the recorder's clock said is the time of the bag.
    assert all(START_NS <= time_ns <= START_NS + 2 * NS for time_ns in times)


def test_frames_that_are_played_slowly_do_not_go_stale(tmp_path: Path) -> None:
    record_bag(tmp_path / "touch", SimulatedTouch("test", 0, 0), 0.3)
    # One frame in 0.2 s, which is longer than a live frame of this sensor may take.
    done = replay(tmp_path / "touch", tmp_path / "out", "--speed", "0.085")
    assert done.returncode == 0, done.stdout + done.stderr
    with open_bag(tmp_path / "out") as bag:
        headers = [bag.decode(message).header for message in bag.messages(["/tactile/slip"])]
    stamps = [(header.stamp.sec, header.stamp.nanosec) for header in headers]
    assert len(stamps) == len(set(stamps)) == 18


def test_two_sensors_of_one_bag_play_in_step(tmp_path: Path) -> None:
    bag = two_hands(tmp_path / "bag")
    done = replay(bag, tmp_path / "out", "--speed", "0.2", "--namespace", "robot")
    assert done.returncode == 0, done.stdout + done.stderr
    left, right = difference(tmp_path / "out")["sensors"]
    assert (left["sensor"], right["sensor"]) == ("left", "right")
    with open_bag(tmp_path / "out") as live:
        backgrounds = {
            name: sum(1 for _ in live.messages([f"/robot/{name}/background"]))
            for name in ("left", "right")
        }
        valid = [live.decode(m).valid for m in live.messages(["/robot/right/slip"])]
        assert {topic.name for topic in live.topics} >= {"/robot/left/force", "/robot/right/pose"}
    assert backgrounds == {"left": 1, "right": 1}
    # Eleven frames came before the background. They are in the comparison, too.
    assert not any(valid[: 11 - right["passed_over"]]) and any(valid)


def test_a_recording_that_tells_too_little_is_a_sentence(touch: Path, tmp_path: Path) -> None:
    done = replay(touch, tmp_path / "out", "--sensor", "no_such_sensor")
    assert done.returncode == 1 and "no_such_sensor" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("forces", [0, 60])
def test_a_difference_is_an_exit_code(
    touch: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], forces: int
) -> None:
    """A live graph that said nothing of these frames, or that nothing touched the gel in any."""
    out = tmp_path / "out"
    with BagWriter(out) as bag, open_bag(touch) as played:
        bag.wrench("/tactile/force", 7, np.zeros(3), "gel")
        images = played.messages(["/tactile/image_raw/compressed"])
        for message in islice(images, forces):
            stamp = played.decode(message).header.stamp
            stamp_ns = stamp.sec * NS + stamp.nanosec
            bag.wrench("/tactile/force", stamp_ns, np.zeros(3), "gel")
    values = given(PLAYER, bag=str(touch), out=str(out), device="cpu")
    assert check(values, {"tactile": "/tactile"}, "tactile/perception") == 1
    verdict = "DIFFER" if forces else "cannot be compared"
    assert f"live and offline {verdict}" in capsys.readouterr().out
    document = difference(out)
    assert document["equal"] is False
    assert document["sensors"][0]["passed_over"] == 60 - forces
    if forces:
        assert document["sensors"][0]["quantities"]["force"]["different"] > 30


def test_who_plays_already_goes_on_and_the_second_leaves_nothing(
    touch: Path, tmp_path: Path, outsider
) -> None:
    other = outsider.node.create_publisher(Clock, "/clock", qos.LATEST)
    done = replay(touch, tmp_path / "out")
    outsider.destroy(other)
    assert done.returncode == 1
    assert "/clock: wanted to be the only one who tells the time" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_second_player_starts_nothing(touch: Path, tmp_path: Path) -> None:
    values = replay_graph.parse({"bag": str(touch), "out": str(tmp_path / "out")})
    with claim_clock(), pytest.raises(ParameterError, match="the only one who tells the time"):
        replay_graph.processes(values)
    assert len(replay_graph.processes(values)) == 2


def test_an_existing_folder_is_refused(touch: Path, tmp_path: Path) -> None:
    done = replay(touch, tmp_path)
    assert done.returncode == 1
    assert "exists already; give another path or delete it" in done.stderr


def test_sensors_are_found_in_the_bag(tmp_path: Path) -> None:
    bag = two_hands(tmp_path / "bag")
    configs = recorded_sensors(str(bag), (), "")
    assert [(e.name, e.profile.name) for e in configs] == [
        ("left", "digit"),
        ("right", "gelsight_mini"),
    ]
    (one,) = recorded_sensors(str(bag), ("/hand/right/image_raw",), "digit")
    assert (one.name, one.profile.name) == ("right", "digit")
    assert input_sensors(given(PERCEPTION, bag=str(bag))) == configs
    (heard,) = input_sensors(given(PERCEPTION))
    assert heard.profile.name == "digit"


def test_names_that_ros_would_refuse_are_changed(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag", custom={profile_key("/2nd-cam"): "digit"}) as bag:
        bag.image("/2nd-cam/image_raw", START_NS, np.zeros((320, 240, 3), np.uint8), "camera")
    (entry,) = recorded_sensors(str(tmp_path / "bag"), (), "")
    assert entry.name == "sensor_2nd_cam" and entry.gel_frame == "sensor_2nd_cam_gel_frame"


def test_a_recording_without_images_is_refused(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as bag:
        bag.wrench("/tactile/ground_truth/force", START_NS, np.zeros(3), "gel")
    with pytest.raises(RecordingError, match="wanted images"):
        recorded_sensors(str(tmp_path / "bag"), (), "")


def test_both_processes_see_one_recording_and_one_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    texts = {name: setting.text for name, setting in replay_settings().items()}
    values = replay_graph.parse(texts | {"bag": "touch", "speed": "2.0"})
    monkeypatch.setattr(replay_graph, "recorded_sensors", lambda *_: ())
    player, perception = replay_graph.processes(values)
    assert (player.executable, perception.executable) == ("player", "perception")
    assert player.parameters.keys() - {"use_sim_time"} == PLAYER.keys()
    assert perception.parameters.keys() - {"use_sim_time"} <= PERCEPTION.keys()
    for process in (player, perception):
        assert process.parameters["bag"] == str(tmp_path / "touch")
        assert process.parameters["use_sim_time"] is True
    assert Path(player.parameters["out"]).parent == tmp_path
    with pytest.raises(ParameterError, match="argument bag: wanted a recording"):
        replay_graph.parse(texts)
