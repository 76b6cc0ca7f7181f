# SPDX-License-Identifier: Apache-2.0
"""Running sensors followed by `Perception`: their frames, their backgrounds, their trouble."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sparsh_ros.background import BackgroundKeeper, BackgroundStore
from sparsh_ros.errors import ParameterError, SensorError, SparshError
from sparsh_ros.frames import Frame
from sparsh_ros.perception.calibration import CalibrationStore
from sparsh_ros.perception.postprocess import Estimate
from sparsh_ros.sensors.base import Sensor

if TYPE_CHECKING:
    from sparsh_ros.perception.pipeline import Perception

_POLL_S = 0.1
_log = logging.getLogger(__name__)


def follow(
    perception: Perception, sensors: Sequence[Sensor], background: str | Path | None
) -> Iterator[Estimate]:
    """Give the estimates of running sensors; arguments and errors as of `Perception.follow`."""
    if background is not None and len(sensors) != 1:
        raise ParameterError(
            f"background: wanted one sensor for {background}, found {len(sensors)}; follow each "
            "sensor by itself, or let their backgrounds be captured"
        )
    for sensor in sensors:
        status = sensor.status()
        if not (status.running or status.finished):
            raise SensorError(
                f"{sensor.name}: wanted a running sensor, found one that was not started; use "
                "`with open_sensor(...) as sensor`"
            )
    file = None if background is None else Path(background)
    sources = {
        name: _FrameSource(perception, name, sensor, file)
        for name, sensor in _named(sensors).items()
    }
    return _estimates(perception, sources)


class _FrameSource:
    """Brings the frames and the background of one sensor to perception, in a thread of its own."""

    def __init__(
        self, perception: Perception, name: str, sensor: Sensor, background: Path | None
    ) -> None:
        self._perception, self._name, self._sensor = perception, name, sensor
        self._keeper: BackgroundKeeper | None = None
        if sensor.profile.subtract_background:
            store = BackgroundStore()
            self._keeper = BackgroundKeeper(sensor.profile, store=store, file=background)
        self._serial = ""
        self._warnings: dict[str, str] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"follow {name}", daemon=True)
        self._error: Exception | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Bring frames in for so long."""
        self._perception.add_sensor(self._name, self._sensor.profile)
        if self._keeper is not None:
            self._perception.set_background(self._name, self._keeper.image)
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join()
            self._perception.remove_sensor(self._name)

    def has_ended(self) -> bool:
        """Whether no more frames will come.

        Raises:
            Exception: Whatever ended it.
        """
        if self._thread.is_alive():
            return False
        if self._error is not None:
            raise self._error
        return True

    def explain(self, estimate: Estimate) -> Estimate:
        """Say what is wrong with the sensor where that is why an estimate is invalid."""
        if estimate.valid:
            return estimate
        status = self._sensor.status()
        if status.connected or not status.last_error:
            return estimate
        return replace(estimate, reason=f"{estimate.reason}; {status.last_error}")

    def _run(self) -> None:
        sequence = 0
        try:
            while not self._stop.is_set():
                frame = self._sensor.wait(sequence, _POLL_S)
                if frame is not None:
                    sequence = frame.sequence
                    self._take(frame)
                elif not self._sensor.status().running:
                    return
        except Exception as error:  # told by `has_ended`: a thread that dies unseen looks well
            self._error = error

    def _take(self, frame: Frame) -> None:
        self._perception.push(self._name, frame)
        if self._sensor.serial not in ("", self._serial):
            self._serial = self._sensor.serial
            self._calibrate()
        if self._keeper is None:
            return
        if self._keeper.check_serial(self._sensor.serial):
            self._perception.set_background(self._name, None)
        if self._keeper.update(frame):
            self._perception.set_background(self._name, self._keeper.image)
            _log.info("%s: background %s", self._name, self._keeper.origin)
        for topic, sentence in self._keeper.warnings.items():
            if topic not in self._warnings:
                _log.warning("%s: %s", self._name, sentence)
        self._warnings = dict(self._keeper.warnings)

    def _calibrate(self) -> None:
        sensor_type, model = self._sensor.profile.name, self._perception.spec.name
        try:
            calibration = CalibrationStore().load(sensor_type, self._serial, model)
            self._perception.set_calibration(self._name, calibration)
        except SparshError as error:
            _log.warning("%s: calibration ignored: %s", self._name, error)


def _estimates(perception: Perception, sources: Mapping[str, _FrameSource]) -> Iterator[Estimate]:
    with ExitStack() as running:
        for source in sources.values():
            running.enter_context(source.running())
        are_ended = False
        while not (are_ended or perception.closed):
            ended = [source.has_ended() for source in sources.values()]
            are_ended = all(ended)
            perception.wait(0.0 if are_ended else _POLL_S)
            for estimate in perception.infer():
                yield sources[estimate.sensor].explain(estimate)


def _named(sensors: Sequence[Sensor]) -> dict[str, Sensor]:
    """The sensors by their own names, with a number where several have the same."""
    named: dict[str, Sensor] = {}
    for sensor in sensors:
        twins = sum(other.name == sensor.name for other in named.values())
        named[f"{sensor.name} {twins + 1}" if twins else sensor.name] = sensor
    return named
