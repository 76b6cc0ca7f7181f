# SPDX-License-Identifier: Apache-2.0
"""A DIGIT that fails on demand, its driver, and the estimates that perception makes of its frames.

Driver and perception are those of a robot; only the camera and its USB port are simulated, at the
device node. Its frames are noise, so whether an estimate is valid means something here, and what it
says does not.
"""

from __future__ import annotations

import logging
import math
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from sparsh_ros.bench.fault_injection.camera import FaultyCamera, FaultyHost
from sparsh_ros.errors import SensorError
from sparsh_ros.perception.pipeline import Perception
from sparsh_ros.sensors import Sensor, open_sensor

START_S = 0.3  # from being opened to the first frame

_NAME = "gel"
_TIMEOUT_S = 30.0
_POLL_S = 0.005
_PATIENCE_S = 0.1
_BACKGROUND_FRAMES = 5
_KEPT = 3_000  # estimates, 50 s of them


@dataclass(frozen=True, slots=True)
class TimedEstimate:
    """That there was an estimate: its moment on the monotonic clock, and whether it was valid."""

    moment_s: float
    valid: bool


@dataclass(frozen=True, slots=True)
class Outage:
    """What a fault did to the estimates.

    Attributes:
        said_s: from the fault to the first estimate that was invalid; NaN if all were valid.
        longest_s: longest time between two valid estimates.
        back_s: from the moment the camera was well again to the first valid estimate after.
        wrong: estimates that were valid after the first invalid one, before the camera was well.
    """

    said_s: float
    longest_s: float
    back_s: float
    wrong: int

    @classmethod
    def of(cls, estimates: Sequence[TimedEstimate], fault_s: float, well_s: float) -> Outage:
        """Read it from the estimates around a fault that lasted from `fault_s` to `well_s`.

        The last valid estimate before the fault has to be among them, and one after `well_s`.
        """
        valid_s = [estimate.moment_s for estimate in estimates if estimate.valid]
        invalid_s = [e.moment_s for e in estimates if not e.valid and e.moment_s >= fault_s]
        said_s = min(invalid_s, default=math.nan)
        return cls(
            said_s=said_s - fault_s,
            longest_s=max(later - former for former, later in pairwise(valid_s)),
            back_s=min(moment for moment in valid_s if moment >= well_s) - well_s,
            wrong=sum(said_s < moment < well_s for moment in valid_s),
        )


class Estimator:
    """Perception of one sensor, fed by one thread and worked by another, as in its node."""

    def __init__(self, sensor: Sensor) -> None:
        """Take the background from the sensor's first frames, and begin."""
        self._sensor = sensor
        self._perception = Perception(device="cpu")
        self._perception.add_sensor(_NAME, sensor.profile)
        self._perception.set_background(_NAME, _background(sensor))
        self.made = self.valid = 0
        self._estimates: deque[TimedEstimate] = deque(maxlen=_KEPT)
        self._came = threading.Condition()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=work) for work in (self._feed, self._estimate)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End both threads; the sensor has to run still."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def since(self, moment_s: float) -> list[TimedEstimate]:
        """The estimates from the last valid one before `moment_s` on."""
        with self._came:
            estimates = list(self._estimates)
        before = [n for n, e in enumerate(estimates) if e.valid and e.moment_s < moment_s]
        return estimates[before[-1] :]

    def wait_valid(self, after_s: float = -math.inf, count: int = 10) -> None:
        """Wait until that many estimates after a moment were valid, one after the other.

        Raises:
            SensorError: that did not happen within 30 s.
        """

        def happened() -> bool:
            newest = list(self._estimates)[-count:]
            valid = all(e.valid and e.moment_s > after_s for e in newest)
            return len(newest) == count and valid

        with self._came:
            if not self._came.wait_for(happened, _TIMEOUT_S):
                reason = self._sensor.status().last_error
                raise SensorError(f"no valid estimates for {_TIMEOUT_S:g} s ({reason})")

    def _feed(self) -> None:
        last = 0
        while not self._stop.is_set():
            frame = self._sensor.wait(last, _PATIENCE_S)
            if frame is not None:
                last = frame.sequence
                self._perception.push(_NAME, frame)

    def _estimate(self) -> None:
        while not self._stop.is_set():
            self._perception.wait(_PATIENCE_S)
            estimates = self._perception.infer()
            now_s = time.monotonic()
            with self._came:
                self._estimates.extend(
                    TimedEstimate(now_s, estimate.valid) for estimate in estimates
                )
                self.made += len(estimates)
                self.valid += sum(estimate.valid for estimate in estimates)
                self._came.notify_all()


@dataclass
class FaultBench:
    """A sensor that runs, the camera that will fail, and the estimates."""

    host: FaultyHost
    camera: FaultyCamera
    sensor: Sensor
    estimator: Estimator
    random: np.random.Generator
    replugs: int = 0


@contextmanager
def running_sensor(seed: int) -> Iterator[tuple[FaultyHost, FaultyCamera, Sensor]]:
    """A machine with a camera that will fail, and the driver that runs on it."""
    with tempfile.TemporaryDirectory() as folder, _without_warnings():
        host = FaultyHost(Path(folder))
        camera = FaultyCamera("digit", "D00001", seed, START_S)
        host.plug(camera, "1-1")
        with open_sensor("digit", host=host, serial=camera.serial) as sensor:
            yield host, camera, sensor


@contextmanager
def running_bench(seed: int) -> Iterator[FaultBench]:
    """All of it, with valid estimates."""
    with running_sensor(seed) as (host, camera, sensor):
        estimator = Estimator(sensor)
        try:
            estimator.wait_valid()
            yield FaultBench(host, camera, sensor, estimator, np.random.default_rng(seed))
        finally:
            estimator.stop()


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that the driver is about to do.

    Raises:
        SensorError: it did not within 30 s.
    """
    never, until_s = threading.Event(), time.monotonic() + _TIMEOUT_S
    while not condition():
        if time.monotonic() > until_s:
            raise SensorError(f"the driver did not react to the fault within {_TIMEOUT_S:g} s")
        never.wait(_POLL_S)


def _background(sensor: Sensor) -> np.ndarray:
    images: list[np.ndarray] = []
    last = 0
    while len(images) < _BACKGROUND_FRAMES:
        frame = sensor.wait(last, _TIMEOUT_S)
        if frame is None:
            raise SensorError(f"{sensor.name}: no frame for {_TIMEOUT_S:g} s")
        images.append(frame.image)
        last = frame.sequence
    return np.mean(images, axis=0).round().astype(np.uint8)


@contextmanager
def _without_warnings() -> Iterator[None]:
    """The faults are there on purpose, so the driver's log of them would only hide the table."""
    log = logging.getLogger("sparsh_ros.sensors")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)
