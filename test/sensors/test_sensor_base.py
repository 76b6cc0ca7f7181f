# SPDX-License-Identifier: Apache-2.0
"""The capture thread against a scripted device: slot, counters, reopening, clean stop."""

from __future__ import annotations

import logging
import math
import queue
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fixtures.waiting import LONG_S, until

from sparsh_ros.errors import FrameError, ParameterError, RecordingError, SensorError
from sparsh_ros.frames import IMAGE_SHAPE, Frame
from sparsh_ros.sensors import base, load_profile, open_sensor
from sparsh_ros.sensors.base import Sensor
from sparsh_ros.sensors.cameras.discovery import TactileCamera
from sparsh_ros.sensors.drivers import (
    DigitConfig,
    GelSightMiniConfig,
    SimulatedConfig,
    VideoConfig,
)
from sparsh_ros.sensors.health.watchdog import TORN, VANISHED, BrokenFrameError, BrokenStreamError

BLACK = np.zeros(IMAGE_SHAPE, np.uint8)
FRAME = object()
END = None


class ScriptedSensor(Sensor):
    """Gives what the test puts into `script`: FRAME, END, or an exception to raise."""

    def __init__(self) -> None:
        super().__init__("scripted", load_profile("digit"), clock=lambda: 7)
        self.script: queue.Queue = queue.Queue()
        self.open_errors: queue.Queue = queue.Queue()
        self.opened = self.closed = 0

    def _open(self) -> None:
        self.opened += 1
        if not self.open_errors.empty():
            raise self.open_errors.get()

    def _read(self, sequence: int) -> Frame | None:
        while not self._stop.is_set():
            try:
                item = self.script.get(timeout=0.01)
            except queue.Empty:
                continue
            if isinstance(item, BaseException):
                raise item
            return Frame(self._clock(), BLACK, sequence) if item is FRAME else None
        return None

    def _close(self) -> None:
        self.closed += 1


@pytest.fixture
def sensor() -> ScriptedSensor:
    sensor = ScriptedSensor()
    yield sensor
    sensor.stop()


def capture_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("capture")]


def test_wait_hands_out_each_frame_once(sensor: ScriptedSensor) -> None:
    sensor.start()
    for sequence in (1, 2, 3):
        sensor.script.put(FRAME)
        frame = sensor.wait(after_sequence=sequence - 1, timeout=LONG_S)
        assert (frame.sequence, frame.stamp_ns) == (sequence, 7)
    assert sensor.wait(after_sequence=3, timeout=0.0) is None
    assert sensor.latest().sequence == 3
    status = sensor.status()
    assert (status.frames, status.overwritten, status.refused, status.errors) == (3, 0, 0, 0)
    assert status.running and status.connected and not status.finished
    assert status.frame_age_s >= 0 and status.rate_hz > 0


@pytest.mark.parametrize(("level", "share"), [(249, 0.0), (250, 0.25)])
def test_saturation_is_the_share_of_blown_pixels_in_one_channel_or_more(
    sensor: ScriptedSensor, monkeypatch: pytest.MonkeyPatch, level: int, share: float
) -> None:
    image = BLACK.copy()
    image[:160, :120, 1] = level
    monkeypatch.setattr(sensor, "_read", lambda sequence: Frame(7, image, sequence))
    assert math.isnan(sensor.status().saturated)
    sensor.start()
    sensor.wait(timeout=LONG_S)
    assert sensor.status().saturated == share


def test_status_before_start_knows_nothing(sensor: ScriptedSensor) -> None:
    status = sensor.status()
    assert math.isnan(status.rate_hz) and math.isnan(status.frame_age_s)
    assert not status.running and not status.connected
    assert sensor.latest() is None and sensor.wait(timeout=LONG_S) is None


def test_frames_nobody_took_are_counted_as_overwritten(sensor: ScriptedSensor) -> None:
    sensor.start()
    for _ in range(5):
        sensor.script.put(FRAME)
    until(lambda: sensor.status().frames == 5)
    assert sensor.status().overwritten == 4
    assert sensor.latest().sequence == 5
    assert sensor.wait(timeout=LONG_S).sequence == 5
    sensor.script.put(FRAME)
    assert sensor.wait(5, LONG_S).sequence == 6
    assert sensor.status().overwritten == 4


def test_taken_and_overwritten_add_up_under_load(sensor: ScriptedSensor) -> None:
    for _ in range(2_000):
        sensor.script.put(FRAME)
    sensor.script.put(END)
    taken, last = 0, 0
    sensor.start()
    while (frame := sensor.wait(last, LONG_S)) is not None:
        assert frame.sequence > last
        taken, last = taken + 1, frame.sequence
    assert last == 2_000
    assert taken + sensor.status().overwritten == 2_000


def test_end_of_recording_finishes_and_leaves_the_last_frame(sensor: ScriptedSensor) -> None:
    sensor.script.put(FRAME)
    sensor.script.put(END)
    sensor.start()
    until(lambda: sensor.finished)
    assert sensor.wait(0, LONG_S).sequence == 1
    assert sensor.wait(1, LONG_S) is None
    status = sensor.status()
    assert status.finished and not status.running
    until(lambda: sensor.closed == 1)


def test_stopping_is_not_finishing_and_start_goes_on(sensor: ScriptedSensor) -> None:
    sensor.start()
    sensor.start()
    sensor.script.put(FRAME)
    assert sensor.wait(0, LONG_S).sequence == 1
    sensor.stop()
    sensor.stop()
    assert not sensor.finished and not capture_threads()
    assert sensor.opened == sensor.closed == 1
    with sensor:
        sensor.script.put(FRAME)
        assert sensor.wait(1, LONG_S).sequence == 2
    assert sensor.opened == sensor.closed == 2


def test_new_run_does_not_hand_out_a_frame_of_the_old_one(sensor: ScriptedSensor) -> None:
    with sensor:
        sensor.script.put(FRAME)
        until(lambda: sensor.status().frames == 1)
    assert sensor.latest().sequence == 1
    with sensor:
        assert sensor.latest() is None and sensor.wait(0, 0.0) is None
        assert math.isnan(sensor.status().frame_age_s)
        sensor.script.put(FRAME)
        assert sensor.wait(0, LONG_S).sequence == 2
    assert sensor.status().overwritten == 1


def test_stop_wakes_who_waits(sensor: ScriptedSensor) -> None:
    sensor.start()
    results = []
    waiter = threading.Thread(target=lambda: results.append(sensor.wait(0, None)))
    waiter.start()
    sensor.stop()
    waiter.join(LONG_S)
    assert results == [None]


def read_after(
    sensor: ScriptedSensor, errors: list[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    """Start, fail so often, and deliver the first frame; what is logged goes to `caplog`."""
    sensor.start()
    with caplog.at_level(logging.WARNING):
        for error in errors:
            sensor.script.put(error)
        sensor.script.put(FRAME)
        assert sensor.wait(0, LONG_S).sequence == 1


def test_broken_frame_costs_that_frame_only_and_is_logged_once(
    sensor: ScriptedSensor, caplog: pytest.LogCaptureFixture
) -> None:
    read_after(sensor, [FrameError("0042.jpg: torn") for _ in range(3)], caplog)
    status = sensor.status()
    assert (status.refused, status.errors, status.reopened) == (3, 0, 0)
    assert status.last_error == "0042.jpg: torn"
    assert [r.message for r in caplog.records] == ["scripted: 0042.jpg: torn"]


def torn(found_bytes: int) -> BrokenFrameError:
    return BrokenFrameError(TORN, f"/dev/video0: wanted 9 bytes, found {found_bytes}")


def test_faults_are_counted_and_logged_by_kind(
    sensor: ScriptedSensor, caplog: pytest.LogCaptureFixture
) -> None:
    vanished = BrokenStreamError(VANISHED, "/dev/video0: not there")
    read_after(sensor, [*map(torn, range(5)), vanished], caplog)
    assert sensor.status().faults == {TORN: 5, VANISHED: 1}
    assert (sensor.status().refused, sensor.status().errors) == (5, 1)
    assert [r.message for r in caplog.records] == [
        "scripted: /dev/video0: wanted 9 bytes, found 0",
        "scripted: /dev/video0: not there",
    ]


def test_trouble_that_comes_back_later_is_logged_again(
    sensor: ScriptedSensor, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "_REPORT_AGAIN_S", -1.0)
    read_after(sensor, list(map(torn, range(200))), caplog)
    assert len(caplog.records) == 200


@pytest.mark.parametrize("error", [SensorError("gone"), OSError("usb"), ZeroDivisionError()])
def test_lost_device_is_opened_again(sensor: ScriptedSensor, error: Exception) -> None:
    sensor.start()
    sensor.script.put(FRAME)
    assert sensor.wait(0, LONG_S)
    sensor.open_errors.put(SensorError("not there yet"))
    sensor.script.put(error)
    sensor.script.put(FRAME)
    assert sensor.wait(1, LONG_S).sequence == 2
    status = sensor.status()
    assert (status.errors, status.reopened, status.last_error) == (2, 1, "not there yet")
    assert status.connected
    assert (sensor.opened, sensor.closed) == (3, 2)


def test_lost_device_has_no_rate(sensor: ScriptedSensor) -> None:
    sensor.start()
    for sequence in range(2):
        sensor.script.put(FRAME)
        assert sensor.wait(sequence, LONG_S)
    assert sensor.status().rate_hz > 0
    for _ in range(10):
        sensor.open_errors.put(SensorError("not there yet"))
    sensor.script.put(SensorError("gone"))
    until(lambda: not sensor.status().connected)
    assert math.isnan(sensor.status().rate_hz)


def test_absent_device_is_waited_for(sensor: ScriptedSensor) -> None:
    sensor.open_errors.put(SensorError("D20510: not on USB"))
    sensor.start()
    assert sensor.status().last_error == "D20510: not on USB"
    sensor.script.put(FRAME)
    assert sensor.wait(0, LONG_S).sequence == 1


def test_bad_setting_is_refused_at_start(sensor: ScriptedSensor) -> None:
    sensor.open_errors.put(RecordingError("x.mp4: no such file"))
    with pytest.raises(RecordingError, match="no such file"):
        sensor.start()
    assert not capture_threads() and sensor.closed == 1
    sensor.start()
    assert sensor.status().running


def test_back_off_doubles_up_to_a_limit_and_a_frame_resets_it(
    sensor: ScriptedSensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses = []
    waited = sensor._stop.wait
    monkeypatch.setattr(sensor._stop, "wait", lambda s: pauses.append(s) or waited(0.0))
    for _ in range(6):
        sensor.open_errors.put(SensorError("absent"))
    sensor.start()
    sensor.script.put(FRAME)
    assert sensor.wait(0, LONG_S)
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    sensor.script.put(SensorError("gone"))
    sensor.script.put(FRAME)
    assert sensor.wait(1, LONG_S)
    assert pauses[6:] == [0.1]


def test_stop_during_back_off_joins_the_thread(sensor: ScriptedSensor) -> None:
    sensor._back_off_s = 3_600.0
    sensor.open_errors.put(SensorError("absent"))
    sensor.start()
    assert capture_threads()
    sensor.stop()
    assert not capture_threads()


def test_device_that_refuses_to_close_does_no_harm(
    sensor: ScriptedSensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise OSError("already gone")

    monkeypatch.setattr(sensor, "_close", refuse)
    sensor.start()
    sensor.script.put(SensorError("gone"))
    sensor.script.put(FRAME)
    assert sensor.wait(0, LONG_S).sequence == 1


def test_open_sensor_names_what_is_wrong() -> None:
    with pytest.raises(ParameterError, match="wanted a driver .simulated, video, .*found 'digitt'"):
        open_sensor("digitt")
    with pytest.raises(ParameterError, match="speed: driver video has no such setting"):
        open_sensor("video", input="x.mp4", speed=2)
    with pytest.raises(ParameterError, match="input: wanted a video file"):
        open_sensor("video")
    with pytest.raises(ParameterError, match="sensor profile: wanted one of"):
        open_sensor("video", profile="digitt", input="x.mp4")


@pytest.mark.parametrize(
    ("source", "config"),
    [
        ("digit", DigitConfig()),
        ("simulated", SimulatedConfig()),
        ("D20123", DigitConfig(serial="D20123")),
        ("28J0-AB12", GelSightMiniConfig(serial="28J0-AB12")),
        ("press.mp4", VideoConfig(input="press.mp4")),
        (Path("some/folder"), VideoConfig(input="some/folder")),
        (2, VideoConfig(input="2")),
        ("http://h/stream", VideoConfig(input="http://h/stream")),
    ],
)
def test_a_sensor_opens_by_what_one_knows_of_it(source: str | Path | int, config) -> None:
    sensor = open_sensor(source)
    assert sensor.config == config
    assert sensor.profile.name == (config.sensor_type or "digit")


def test_any_serial_number_that_is_plugged_in_will_do() -> None:
    host = SimpleNamespace(
        cameras=lambda: [TactileCamera("gelsight_mini", "odd one", "/dev/video3", "1-2", "")]
    )
    sensor = open_sensor("odd one", host=host)
    assert sensor.config == GelSightMiniConfig(serial="odd one")
    with pytest.raises(ParameterError, match="wanted a driver .*found 'odder'.*doctor"):
        open_sensor("odder", host=host)


def test_a_file_named_like_a_serial_number_is_a_file(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "D20123").mkdir()
    assert open_sensor("D20123").config == VideoConfig(input="D20123")


def test_what_the_source_says_is_not_said_twice() -> None:
    with pytest.raises(ParameterError, match="serial: wanted once, found 'D20123' and a setting"):
        open_sensor("D20123", serial="D20124")
