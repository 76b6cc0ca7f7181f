# SPDX-License-Identifier: Apache-2.0
"""The simulated sensor: true rate, truth beside each frame, the same touch for the same seed."""

from __future__ import annotations

import time

import numpy as np
import pytest

from sparsh_ros.errors import ParameterError
from sparsh_ros.frames import IMAGE_SHAPE
from sparsh_ros.sensors import open_sensor
from sparsh_ros.sensors.schedule import Schedule
from sparsh_ros.sensors.simulated import REST_S, SimulatedFrame
from sparsh_ros.simulation.simulation import TouchSample, TouchSimulation

LONG_S = 30.0


def take(count: int, **settings: object) -> tuple[list[SimulatedFrame], object]:
    frames: list[SimulatedFrame] = []
    with open_sensor("simulated", **settings) as sensor:
        while len(frames) < count:
            after = frames[-1].sequence if frames else 0
            frames.append(sensor.wait(after, LONG_S))
        return frames, sensor.status()


def test_truth_stands_beside_each_frame() -> None:
    frames, _ = take(20, seed=3, touch="demo")
    for frame in frames:
        assert frame.image is frame.truth.image
        assert frame.truth.force_n.shape == frame.truth.pose.shape == (3,)
        # One step of the simulation per frame: none is skipped in the world's own time.
        assert frame.truth.time_s == pytest.approx((frame.sequence - 1) / 60)


def test_same_frames_as_the_simulation_itself() -> None:
    frames, _ = take(3, seed=5, touch="protocol", profile="gelsight_mini")
    simulation = TouchSimulation(
        "gelsight_mini", seed=5, touch="protocol", rate_hz=25.0, rest_s=REST_S
    )
    background = simulation.background()
    assert background.shape == IMAGE_SHAPE
    for frame in frames:
        while (sample := simulation.step()).time_s < frame.truth.time_s - 1e-6:
            pass
        np.testing.assert_array_equal(sample.image, frame.image)
        np.testing.assert_array_equal(sample.force_n, frame.truth.force_n)


class FakeTime:
    """A clock that is also the stop event of a schedule: waiting moves it on at once."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def wait(self, seconds: float) -> bool:
        self.now_s += seconds
        return False

    def is_set(self) -> bool:
        return False


def test_stamps_lie_on_a_60_hz_grid() -> None:
    time, stamps = FakeTime(), []

    def clock() -> int:
        stamps.append(time.now_s * 1e3)
        return round(time.now_s * 1e9)

    sensor = open_sensor("simulated", clock=clock)
    sensor._schedule = Schedule(60.0, time, time)
    with sensor:
        assert sensor.wait(11, LONG_S)
    np.testing.assert_allclose(stamps, np.arange(len(stamps)) * 1000 / 60)
    assert sensor.status().skipped == 0


def test_simulation_slower_than_its_rate_skips_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    step = TouchSimulation.step

    def slow(self: TouchSimulation) -> TouchSample:
        time.sleep(0.045)
        return step(self)

    monkeypatch.setattr(TouchSimulation, "step", slow)
    frames, status = take(8)
    assert status.skipped >= len(frames)
    ticks = (frames[-1].stamp_ns - frames[0].stamp_ns) * 60e-9
    assert frames[-1].sequence - 1 + status.skipped == pytest.approx(ticks, abs=1)
    assert frames[-1].truth.time_s == pytest.approx((frames[-1].sequence - 1) / 60)


def test_stopped_and_started_again_the_world_goes_on() -> None:
    sensor = open_sensor("simulated", seed=2)
    with sensor:
        first = sensor.wait(3, LONG_S)
    with sensor:
        again = sensor.wait(first.sequence, LONG_S)
    gap = again.truth.time_s - first.truth.time_s
    assert gap == pytest.approx((again.sequence - first.sequence) / 60)


def test_stamps_come_from_the_given_clock() -> None:
    before = time.time_ns()
    frames, _ = take(2)
    assert before <= frames[0].stamp_ns < frames[1].stamp_ns <= time.time_ns()
    ticks = iter(range(1_000, 10**9, 1_000))
    frames, _ = take(2, clock=lambda: next(ticks))
    assert frames[0].stamp_ns == 1_000 * frames[0].sequence


def test_background_is_known_once_started() -> None:
    sensor = open_sensor("simulated", seed=1)
    assert sensor.background is None
    with sensor:
        assert sensor.background.shape == IMAGE_SHAPE and sensor.background.dtype == np.uint8


def test_slower_rate() -> None:
    frames, _ = take(4, fps=25.0)
    steps = np.diff([frame.truth.time_s for frame in frames])
    np.testing.assert_allclose(steps / 0.04, np.round(steps / 0.04), atol=1e-6)


@pytest.mark.parametrize("settings", [{"touch": "tickle"}, {"fps": -1.0}, {"profile": "digitt"}])
def test_bad_settings_are_refused(settings: dict) -> None:
    with pytest.raises(ParameterError):
        open_sensor("simulated", **settings).start()
