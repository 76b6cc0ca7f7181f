# SPDX-License-Identifier: Apache-2.0
"""How the page names a sensor of a recording and a moment in it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.evaluation.result import SensorResult


def title_of(sensor: SensorResult) -> str:
    """The name of a sensor of a recording, to be read; plain text."""
    return f"{sensor.recording}, {sensor.sensor}"


def elapsed_s(sensor: SensorResult) -> NDArray[np.float64]:
    """(n,) seconds since the first of n > 0 frames; a step back counts as one frame period."""
    steps_ns = np.diff(sensor.estimates.stamp_ns).astype(np.float64)
    steps_ns[steps_ns < 0] = sensor.period_ns
    return np.concatenate([[0.0], np.cumsum(steps_ns)]) * 1e-9


def link(index: int, at_s: float | None = None) -> str:
    """A link to the recording of that number on the page, and to a moment in it."""
    moment = "" if at_s is None else f"&at={at_s:.4f}"
    return f"#recording={index}{moment}"
