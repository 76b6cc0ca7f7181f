# SPDX-License-Identifier: Apache-2.0
"""The front door: sensors followed by perception, without a loop of one's own in the background."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from fixtures.interpreter import run_python

import sparsh_ros
from sparsh_ros import Estimate, Perception, open_sensor
from sparsh_ros.background import BackgroundStore
from sparsh_ros.bench.fault_injection.camera import FaultyCamera, FaultyHost
from sparsh_ros.errors import ParameterError, RecordingError, SensorError
from sparsh_ros.frames import IMAGE_SHAPE
from sparsh_ros.simulation.simulation import TouchSimulation

LIMIT = 1500


@pytest.fixture
def perception() -> Iterator[Perception]:
    with Perception(device="cpu", threads=1) as perception:
        yield perception


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FaultyHost:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    folder = tmp_path / "sys"
    folder.mkdir()
    return FaultyHost(folder)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated touch as a DIGIT's video file: 1 s of the free gel, then a press held for 1 s."""
    path = tmp_path_factory.mktemp("video") / "touch.avi"
    simulation = TouchSimulation("digit", seed=1, touch="demo", rest_s=1.0, rate_hz=20.0)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 20.0, (240, 320))
    for sample in iter(simulation.step, None):
        writer.write(cv2.cvtColor(sample.image, cv2.COLOR_RGB2BGR))
        if sample.force_n[2] > 2.0:
            break
    for _ in range(20):
        writer.write(cv2.cvtColor(sample.image, cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def until(estimates: Iterator[Estimate], valid: bool) -> Estimate:
    """The next estimate that is valid, or is not."""
    return next(one for one in islice(estimates, LIMIT) if one.valid is valid)


def followers() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith(("follow", "capture"))]


def test_six_lines_feel_a_simulated_touch() -> None:
    with open_sensor("simulated") as sensor, Perception() as perception:
        for estimate in perception.follow(sensor):
            if estimate.valid and estimate.in_contact:
                break
    assert estimate.force_n[2] > 0.1 and estimate.slipping in (True, False)
    assert estimate.pose.shape == (3,) and estimate.sensor == "simulated digit"
    assert followers() == []


def test_six_lines_feel_a_video_file_and_end_with_it(video: Path) -> None:
    with open_sensor(video) as sensor, Perception() as perception:
        estimates = list(perception.follow(sensor))
        status = sensor.status()
    assert status.finished and len(estimates) <= status.frames
    assert "no background" in estimates[0].reason
    assert max(one.force_n[2] for one in estimates if one.valid) > 0.3
    stamps = [one.stamp_ns for one in estimates]
    assert sorted(stamps) == stamps and followers() == []


def test_a_recording_waits_for_who_follows_it(video: Path) -> None:
    with open_sensor(video) as sensor:
        threading.Event().wait(0.3)  # as long as a model takes to load
        assert sensor.status().frames == 0
        assert sensor.wait(timeout=30.0).sequence == 1


def test_a_recording_that_begins_in_contact_needs_an_image(
    perception: Perception, video: Path, tmp_path: Path
) -> None:
    file = tmp_path / "free.png"
    capture = cv2.VideoCapture(str(video))
    cv2.imwrite(str(file), capture.read()[1])
    capture.release()
    with open_sensor(video) as sensor:
        estimates = perception.follow(sensor, background=file)
        assert "no partner frame" in next(estimates).reason
        assert until(estimates, valid=True).valid
        estimates.close()
    assert followers() == []


def test_a_camera_that_breaks_says_so_once_and_goes_on(
    perception: Perception, host: FaultyHost
) -> None:
    camera = FaultyCamera("digit", "D1")
    host.plug(camera, "1-1")
    with open_sensor("D1", host=host) as sensor:
        estimates = perception.follow(sensor)
        assert until(estimates, valid=True).stamp_ns
        host.unplug(camera)
        broken = until(estimates, valid=False)
        assert "stale" in broken.reason and "D1" in broken.reason
        host.plug(camera, "1-2")
        assert until(estimates, valid=True).stamp_ns > broken.stamp_ns
        estimates.close()
    assert BackgroundStore().load("digit", "D1").shape == IMAGE_SHAPE


def test_a_background_that_was_kept_is_used(perception: Perception, host: FaultyHost) -> None:
    BackgroundStore().save("digit", "D1", np.zeros(IMAGE_SHAPE, np.uint8))
    host.plug(FaultyCamera("digit", "D1"), "1-1")
    with open_sensor("digit", host=host) as sensor:
        estimates = perception.follow(sensor)
        assert until(estimates, valid=True)
        estimates.close()
    # What is seen differs, so that the one that was kept is neither dropped nor replaced.
    assert (BackgroundStore().load("digit", "D1") == 0).all()


def test_another_camera_has_another_background(perception: Perception) -> None:
    with open_sensor("simulated") as sensor:
        estimates = perception.follow(sensor)
        assert until(estimates, valid=True)
        sensor.serial = "D2"
        assert any("no background" in one.reason for one in islice(estimates, LIMIT))
        estimates.close()


def test_several_sensors_are_followed_at_once(perception: Perception) -> None:
    with open_sensor("simulated") as left, open_sensor("simulated", seed=1) as right:
        estimates = perception.follow(left, right)
        found = {one.sensor for one in islice(estimates, 20)}
        estimates.close()
    assert found == {"simulated digit", "simulated digit 2"} and followers() == []


def test_what_was_followed_before_is_forgotten(perception: Perception, video: Path) -> None:
    for _ in range(2):
        with open_sensor(video) as sensor:
            names = {one.sensor for one in perception.follow(sensor)}
        assert names == {sensor.name}
    with open_sensor("simulated") as sensor:
        estimates = perception.follow(sensor)
        assert {one.sensor for one in islice(estimates, 20)} == {"simulated digit"}
        estimates.close()


def test_what_cannot_be_followed_is_a_sentence(perception: Perception, video: Path) -> None:
    with pytest.raises(SensorError, match="was not started; use `with open_sensor"):
        perception.follow(open_sensor("simulated"))
    with open_sensor("simulated") as left, open_sensor("simulated") as right:
        with pytest.raises(ParameterError, match="wanted one sensor for free.png, found 2"):
            perception.follow(left, right, background="free.png")
        with pytest.raises(RecordingError, match="nowhere.png"):
            perception.follow(left, background="nowhere.png")


def test_an_error_in_the_background_ends_the_loop(
    perception: Perception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(perception, "set_background", lambda *_: 1 / 0)
    with open_sensor("simulated") as sensor, pytest.raises(ZeroDivisionError):
        for _ in perception.follow(sensor):
            pass
    assert followers() == []


def test_closing_perception_ends_the_loop() -> None:
    perception = Perception(device="cpu", threads=1)
    with open_sensor("simulated") as sensor:
        for _ in perception.follow(sensor):
            perception.close()
    assert perception.closed and followers() == []


def test_importing_the_package_is_cheap_and_the_front_door_has_no_torch() -> None:
    program = (
        "import sys, sparsh_ros; heavy = {'numpy', 'cv2', 'onnxruntime', 'torch', 'yaml'};"
        "print(sorted(heavy & set(sys.modules)));"
        "from sparsh_ros import Estimate, Frame, Perception, open_sensor;"
        "print('torch' in sys.modules)"
    )
    assert run_python(program).split() == ["[]", "False"]


def test_every_name_of_the_front_door_is_there() -> None:
    pytest.importorskip("torch")
    for name in sparsh_ros.__all__:
        assert getattr(sparsh_ros, name).__name__ == name and name in dir(sparsh_ros)
    with pytest.raises(AttributeError, match="no attribute 'smell'"):
        _ = sparsh_ros.smell
