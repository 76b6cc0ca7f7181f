# SPDX-License-Identifier: Apache-2.0
"""What the sensor node says on /diagnostics of its camera: a level, a sentence, the numbers."""

from __future__ import annotations

import math

from sparsh_ros.names import TOO_SLOW
from sparsh_ros.nodes.runtime.diagnostics import ERROR, OK, WARN, Report
from sparsh_ros.sensors import SensorStatus
from sparsh_ros.sensors.health.status import TOO_SATURATED

_SLOW = 0.9
_LONG_S = 0.5
_STEP_HZ = 5.0


def sensor_report(status: SensorStatus, serial: str, simulated: bool = False) -> Report:
    """The health of a sensor that is, or was, at work; one that is simulated costs computing."""
    values = {
        "serial": serial or "unknown",
        "rate (Hz)": status.rate_hz,
        "nominal rate (Hz)": status.nominal_hz,
        "frame age (s)": status.frame_age_s,
        "frames grabbed": status.frames,
        "frames replaced": status.overwritten,
        "frames skipped": status.skipped,
        "frames refused": status.refused,
        "errors": status.errors,
        "USB errors": status.usb_errors,
        "reopened": status.reopened,
        "faults": ", ".join(f"{n} {kind}" for kind, n in status.faults.items()) or "none",
        "saturated (%)": 100 * status.saturated,
        "last error": status.last_error or "none",
    }
    if status.finished:
        return Report(WARN, "the recording is at its end", values, serial)
    if not status.running:
        return Report(OK, "waiting for listeners", values, serial)
    if not status.connected:
        return Report(ERROR, f"not connected: {status.last_error}", values, serial)
    troubles = _troubles(status, simulated)
    return Report(WARN if troubles else OK, "; ".join(troubles) or "running", values, serial)


def _troubles(status: SensorStatus, simulated: bool) -> list[str]:
    """A sentence for each thing that is not well with a camera that is connected."""
    troubles = []
    if math.isnan(status.frame_age_s):
        troubles.append("no frame yet")
    elif status.frame_age_s > _LONG_S:
        troubles.append(f"no frame for {status.frame_age_s:.1f} s")
    elif status.rate_hz < _SLOW * status.nominal_hz:
        found = f"wanted {status.nominal_hz:g} frames/s, found {status.rate_hz:.1f}"
        within_reach = max(_STEP_HZ, status.rate_hz // _STEP_HZ * _STEP_HZ)
        slow = f"{TOO_SLOW} to simulate the gel: {found}; try fps:={within_reach:g}"
        troubles.append(slow if simulated else found)
    if status.saturated > TOO_SATURATED:
        troubles.append(
            f"{status.saturated:.0%} of the image is saturated: lower the light of the sensor, or "
            "keep other light off the gel"
        )
    return troubles
