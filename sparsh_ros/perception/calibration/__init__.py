# SPDX-License-Identifier: Apache-2.0
"""Calibration of one sensor: the layer that corrects its force, where it is kept, and its fit."""

from __future__ import annotations

from sparsh_ros.perception.calibration.layer import (
    AUTO,
    NONE,
    Calibration,
    CalibrationStore,
    find_calibration,
    read_calibration,
    save_calibration,
)

__all__ = [
    "AUTO",
    "NONE",
    "Calibration",
    "CalibrationStore",
    "find_calibration",
    "read_calibration",
    "save_calibration",
]
