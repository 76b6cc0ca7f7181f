# SPDX-License-Identifier: Apache-2.0
"""How much of a core a camera's driver takes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sparsh_ros.bench.fault_injection.bench import running_sensor
from sparsh_ros.bench.fault_injection.camera import FaultyCamera, FaultyHost
from sparsh_ros.sensors import load_profile
from sparsh_ros.sensors.cameras.v4l2 import Mode


@dataclass(frozen=True, slots=True)
class DriverLoad:
    """Processor time over time, both with the driver running at `rate_hz`.

    Attributes:
        rate_hz: frames per second that came out.
        process: of the whole process: driver, and whoever takes its frames.
        camera: of the simulated camera alone, which is part of that and which no robot has.
    """

    rate_hz: float
    process: float
    camera: float


def measure(duration_s: float) -> DriverLoad:
    """Run the driver of a DIGIT at 60 frames/s, then the simulated camera without it.

    All threads of this process count, so nothing else may go on in it.
    """
    with running_sensor(0) as (_, _, sensor):
        sequence = sensor.wait().sequence
        first = sequence

        def take() -> None:
            nonlocal sequence
            sequence = sensor.wait(sequence).sequence

        process, elapsed_s = _busy(take, duration_s)
    camera, _ = _camera_alone(duration_s)
    return DriverLoad((sequence - first) / elapsed_s, process, camera)


def _camera_alone(duration_s: float) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        host, camera = FaultyHost(Path(folder)), FaultyCamera("digit", "D00001")
        host.plug(camera, "1-1")
        device, mode = host.open(camera.path), Mode.of(load_profile("digit"))
        device.set_format(mode.width, mode.height, mode.fourcc)
        device.set_rate(mode.fps)
        device.start()
        try:
            return _busy(lambda: device.read(1.0), duration_s)
        finally:
            device.close()


def _busy(step: Callable[[], object], duration_s: float) -> tuple[float, float]:
    """Repeat a step for a while: the share of one core that took, and seconds that went by."""
    start_s, busy_s = time.monotonic(), time.process_time()
    while (elapsed_s := time.monotonic() - start_s) < duration_s:
        step()
    return (time.process_time() - busy_s) / elapsed_s, elapsed_s
