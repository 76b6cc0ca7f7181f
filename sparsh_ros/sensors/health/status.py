# SPDX-License-Identifier: Apache-2.0
"""How a sensor is doing: the counters and the state that `Sensor.status` gives."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sparsh_ros.frames import Frame

# Of SensorStatus.saturated. In recordings of DIGIT and GelSight Mini, 31 files, no frame has more
# than 0.023 and half of the frames have none.
TOO_SATURATED = 0.05

_SATURATED_LEVEL = 250
_SATURATION_STEP = 8  # px


@dataclass(frozen=True, slots=True)
class SensorStatus:
    """How a sensor is doing.

    Attributes:
        name: The sensor, in words.
        running: The capture thread is alive.
        connected: The device or file is open.
        finished: A recording came to its end.
        frames: Frames that reached the slot.
        overwritten: Of these, frames replaced by a newer one before any `wait` returned them.
        skipped: Frames never made, passed over or lost on the way, by the sensor's own counting.
        refused: Single frames lost because they were broken or of a wrong form.
        errors: How often opening or reading the device failed.
        usb_errors: Frames that the kernel flagged as damaged, and transfers that failed.
        faults: How often each fault was met, see watchdog.py; only those that were.
        reopened: How often it was opened again after that.
        rate_hz: Measured over the last second or so; NaN before the second frame since opening, and
            while it is not connected.
        nominal_hz: What it should be; NaN where that is not known, or not yet.
        frame_age_s: Time since the last frame; NaN before the first.
        saturated: Share of the newest frame's pixels, 0 to 1, with a channel at 250 or more; NaN
            before the first frame.
        last_error: The newest refusal or failure, empty when there was none.
    """

    name: str
    running: bool
    connected: bool
    finished: bool
    frames: int
    overwritten: int
    skipped: int
    refused: int
    errors: int
    usb_errors: int
    faults: dict[str, int]
    reopened: int
    rate_hz: float
    nominal_hz: float
    frame_age_s: float
    saturated: float
    last_error: str


def saturated_share(frame: Frame | None) -> float:
    """`SensorStatus.saturated` of a frame, by a sample of its pixels."""
    if frame is None:
        return math.nan
    sample = frame.image[::_SATURATION_STEP, ::_SATURATION_STEP]
    return float((sample.max(axis=2) >= _SATURATED_LEVEL).mean())
