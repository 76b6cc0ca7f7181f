# SPDX-License-Identifier: Apache-2.0
"""The launch files, run by the real launch system where it is installed, else by a stand-in."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from fixtures import launch_stand_in
from sensor_msgs.msg import Image

from sparsh_ros.commands.simulation.simulate import record_bag
from sparsh_ros.errors import ParameterError
from sparsh_ros.msg import Slip
from sparsh_ros.nodes.messages.conversions import image_to_msg, msg_to_stamp
from sparsh_ros.sensors import open_sensor
from sparsh_ros.training.episodes import SimulatedTouch

with launch_stand_in.provided():
    from launch import LaunchContext, LaunchDescription, LaunchService
    from launch.actions import IncludeLaunchDescription, RegisterEventHandler
    from launch.event_handlers import OnProcessExit
    from launch.launch_description_sources import PythonLaunchDescriptionSource

LAUNCH = Path(__file__).resolve().parents[3] / "launch"
FILES = [LAUNCH / "digit_perception.launch.py", LAUNCH / "gelsight_perception.launch.py"]
GIVE_UP_S = 120.0
HAND = """
sensors:
  - {name: thumb, driver: simulated, fps: 15}
  - {name: palm, driver: simulated, sensor_type: gelsight_mini, fps: 15}
"""


@pytest.fixture(autouse=True)
def _launch_system() -> Iterator[None]:
    with launch_stand_in.provided():
        yield


@pytest.fixture(autouse=True)
def _installed_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the launch system find the installed package in this environment's own prefix."""
    prefixes = [os.environ.get("AMENT_PREFIX_PATH", ""), sys.prefix]
    monkeypatch.setenv("AMENT_PREFIX_PATH", os.pathsep.join(filter(None, prefixes)))


DEMO = LAUNCH / "predicates_demo.launch.py"


@pytest.mark.parametrize("path", [*FILES, DEMO], ids=lambda path: path.stem)
def test_every_argument_is_described(path: Path) -> None:
    description = PythonLaunchDescriptionSource(str(path)).get_launch_description(LaunchContext())
    arguments = {argument.name: argument for argument in description.get_launch_arguments()}
    assert {"sensor", "source", "model", "namespace"} <= arguments.keys()
    for name, argument in arguments.items():
        assert argument.description, name
        assert argument.default_value is not None, name
    assert arguments["source"].choices and arguments["sensor"].choices


def test_the_demonstration_of_predicates_is_a_hand_that_somebody_reports() -> None:
    from sparsh_ros.nodes.graph.launch_files import hand_processes

    perception, printer = hand_processes({"fps": "15"})
    assert perception.executable == "perception" and printer.executable == "predicate_printer"
    assert printer.module == "sparsh_ros.nodes.predicates.printer"
    wanted = {"names": ["left", "right"], "touch": "hand_demo", "predicates": "auto", "fps": 15.0}
    assert wanted.items() <= {k: perception.parameters[k] for k in wanted}.items()


@pytest.mark.parametrize(
    ("name", "some"),
    [
        ("replay", {"bag", "speed", "out", "model", "namespace"}),
        ("bead_maze", {"sim", "policy", "seed", "command", "out", "stale_s", "namespace"}),
    ],
)
def test_every_argument_of_other_graphs_is_described(name: str, some: set[str]) -> None:
    path = str(LAUNCH / f"{name}.launch.py")
    description = PythonLaunchDescriptionSource(path).get_launch_description(LaunchContext())
    arguments = {argument.name: argument for argument in description.get_launch_arguments()}
    assert some <= arguments.keys()
    assert all(argument.description for argument in arguments.values())


def test_a_maze_launched_with_a_policy_that_is_none_says_so(tmp_path: Path) -> None:
    path, out = LAUNCH / "bead_maze.launch.py", str(tmp_path / "out")
    service, exit_codes = _launch_service(path, policy=str(tmp_path / "none.onnx"), out=out)
    assert service.run() == 1
    assert not exit_codes


def test_a_replay_stops_by_itself(tmp_path: Path) -> None:
    bag = tmp_path / "bag"
    record_bag(bag, SimulatedTouch("test", 0, 0), 0.5)
    path = LAUNCH / "replay.launch.py"
    service, exit_codes = _launch_service(
        path, bag=str(bag), out=str(tmp_path / "out"), speed="0.3"
    )
    give_up = threading.Timer(GIVE_UP_S, service.shutdown)
    give_up.start()
    service.run()
    give_up.cancel()
    assert len(exit_codes) == 2 and set(exit_codes.values()) == {0}
    assert json.loads((tmp_path / "out" / "difference.json").read_text())["equal"]


def test_an_unknown_choice_starts_nothing() -> None:
    service, exit_codes = _launch_service(FILES[0], source="telepathy")
    service.run()
    assert exit_codes == {}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_slip_arrives_and_everything_stops_cleanly(path: Path, outsider) -> None:
    service, exit_codes = _launch_service(path)
    known: list[Slip] = []

    def stop_at_the_first(slip: Slip) -> None:
        if slip.valid and not known:
            known.append(slip)
            service.shutdown()

    outsider.listen(Slip, "/tactile/slip", then=stop_at_the_first)
    give_up = threading.Timer(GIVE_UP_S, service.shutdown)
    give_up.start()
    service.run()
    give_up.cancel()
    assert known and known[0].header.frame_id.endswith("_gel_frame")
    assert len(exit_codes) == 2
    assert set(exit_codes.values()) == {0}


def test_the_images_of_another_driver_are_enough(outsider) -> None:
    path = LAUNCH / "perception_only.launch.py"
    settings = {"image": "/wrist/image", "sensor": "gelsight_mini", "turn": "180"}
    service, exit_codes = _launch_service(path, namespace="wrist", **settings)
    slips = outsider.listen(Slip, "/wrist/slip")
    images = outsider.listen(Image, "/wrist/image_raw")
    publisher = outsider.node.create_publisher(Image, "/wrist/image", 5)
    sent: dict[int, np.ndarray] = {}

    def publish_until_valid() -> None:
        newest = 0
        with open_sensor("simulated", "gelsight_mini", fps=15.0) as gel:
            while not (exit_codes or (images and any(slip.valid for slip in slips))):
                frame = gel.wait(newest, GIVE_UP_S)
                newest, sent[frame.stamp_ns] = frame.sequence, frame.image
                upside_down = np.ascontiguousarray(frame.image[::-1, ::-1])
                publisher.publish(image_to_msg(upside_down, frame.stamp_ns, "camera"))

    _run_during(service, publish_until_valid)
    outsider.destroy(publisher)
    assert set(exit_codes.values()) == {0}
    assert slips[-1].header.frame_id == "gelsight_mini_gel_frame"
    upright = np.frombuffer(images[-1].data, np.uint8).reshape(320, 240, 3)
    np.testing.assert_array_equal(upright, sent[msg_to_stamp(images[-1].header.stamp)])


def test_the_launch_outlives_one_of_two_sensors(tmp_path: Path, outsider, kill_node) -> None:
    hand = tmp_path / "sensors.yaml"
    hand.write_text(HAND)
    service, exit_codes = _launch_service(
        FILES[0], sensors=str(hand), namespace="hand", use_respawn="false"
    )
    slips = {name: outsider.listen(Slip, f"/hand/{name}/slip") for name in ("thumb", "palm")}

    def kill_the_thumb_and_wait() -> None:
        for name, heard in slips.items():
            outsider.wait_for(lambda heard=heard: any(s.valid for s in heard), name)
        kill_node("/hand/thumb", "sensor")
        outsider.wait_for(lambda: not slips["thumb"][-1].valid, "the end of the thumb")
        before = len(slips["palm"])
        outsider.wait_for(lambda: len(slips["palm"]) > before + 10, "more from the palm")

    _run_during(service, kill_the_thumb_and_wait)
    assert sorted(exit_codes.values()) == [-signal.SIGKILL, 0, 0]


def test_a_name_that_is_misspelt_starts_nothing() -> None:
    service, exit_codes = _launch_service(FILES[0], argv=["sorce:=camera"], sorce="camera")
    assert service.run() == 1 and exit_codes == {}


def test_names_that_are_no_misspelling_are_for_somebody_else() -> None:
    from sparsh_ros.nodes.graph.launch_files import refuse_misspelt

    known = {"source", "serial", "sensor", "namespace"}
    refuse_misspelt(["source", "robot", "use_gripper"], known)
    with pytest.raises(ParameterError, match="wanted source, found sorce"):
        refuse_misspelt(["sorce"], known)


def test_what_is_missing_is_said_before_anything_starts() -> None:
    service, exit_codes = _launch_service(FILES[0], model="sparsh-dinosaur")
    assert service.run() == 1 and exit_codes == {}


def test_rviz_that_is_not_there_is_said_before_anything_starts() -> None:
    service, exit_codes = _launch_service(FILES[0], use_rviz="true", source="simulated")
    assert service.run() == 1 and exit_codes == {}


def test_perception_that_dies_is_started_again(outsider, kill_node) -> None:
    service, exit_codes = _launch_service(FILES[0], source="simulated", namespace="phoenix")
    slips = outsider.listen(Slip, "/phoenix/slip")
    restarts = "phoenix/perception: digit"

    def kill_and_wait() -> None:
        outsider.wait_for(lambda: any(s.valid for s in slips), "slip")
        kill_node("/phoenix", "perception")
        outsider.wait_for(
            lambda: outsider.diagnostics.get(restarts, {}).get("restarts") == "1", "restart"
        )
        before = len(slips)
        outsider.wait_for(lambda: len(slips) > before + 5, "slip again")

    _run_during(service, kill_and_wait)
    # On a busy machine the launch system does not wait for the others to end by themselves.
    assert len(exit_codes) == 3 and -signal.SIGKILL in exit_codes.values()


def _run_during(service: LaunchService, act: Callable[[], None]) -> None:
    """Run a launch for as long as `act` takes in a thread beside it."""

    def act_and_stop() -> None:
        try:
            act()
        finally:
            service.shutdown()

    with ThreadPoolExecutor() as pool:
        done = pool.submit(act_and_stop)
        service.run()
        done.result()


def _launch_service(
    path: Path, argv: Sequence[str] = (), **arguments: str
) -> tuple[LaunchService, dict[str, int]]:
    """A service that runs this launch file, and the exit codes of its processes as they end."""
    exit_codes: dict[str, int] = {}
    note_exit = OnProcessExit(
        on_exit=lambda event, context: exit_codes.update({event.process_name: event.returncode})
    )
    source = PythonLaunchDescriptionSource(str(path))
    include = IncludeLaunchDescription(source, launch_arguments=arguments.items())
    service = LaunchService(argv=list(argv), noninteractive=True)
    service.include_launch_description(
        LaunchDescription([RegisterEventHandler(note_exit), include])
    )
    return service, exit_codes
