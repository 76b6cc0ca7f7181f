# SPDX-License-Identifier: Apache-2.0
"""Files that people write by hand, and small ones that we write, as functions of bytes."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from fuzz.files import in_file
from sparsh_ros.evaluation.metrics_file import read_metrics
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.perception.calibration import Calibration, read_calibration, save_calibration
from sparsh_ros.resources import config_path
from sparsh_ros.sensors import load_profile
from sparsh_ros.sensors.config import load_sensors


def sensors(data: bytes) -> None:
    """The sensors of a robot."""
    with in_file(data, "sensors.yaml") as path:
        load_sensors(path)


def profile(data: bytes) -> None:
    """A type of sensor."""
    with in_file(data, "profile.yaml") as path:
        load_profile(path)


def model(data: bytes) -> None:
    """A model."""
    with in_file(data, "model.yaml") as path:
        load_model_spec(path)


def calibration(data: bytes) -> None:
    """A calibration."""
    with in_file(data, "calibration.npz") as path:
        read_calibration(path)


def metrics(data: bytes) -> None:
    """What an evaluation found."""
    with in_file(data, "metrics.json") as path:
        read_metrics(path)


@cache
def seeds() -> dict[str, list[bytes]]:
    """Files that are as they should be; for a model, one whose weights are not there."""
    profiles = sorted(config_path("sensors").glob("*.yaml"))
    models = sorted(config_path("models").glob("sparsh-sim-*.yaml"))
    return {
        "sensors": [config_path("sensors.yaml").read_bytes()],
        "profile": [path.read_bytes() for path in profiles],
        "model": [path.read_bytes() for path in models],
        "calibration": [_calibration()],
        "metrics": [b'{"schema": 2, "scores": {}, "recordings": []}'],
    }


def _calibration() -> bytes:
    three = np.ones(3, np.float32)
    made = Calibration(
        *("sparsh-sim-micro", "digit", "D1"),
        *(np.eye(3, dtype=np.float32), three, np.ones((4, 3), np.float32), three, three, three),
    )
    with tempfile.TemporaryDirectory(prefix="fuzz") as folder:
        path = Path(folder, "one.npz")
        save_calibration(path, made)
        return path.read_bytes()
