# SPDX-License-Identifier: Apache-2.0
"""Files that people write by hand, and small ones that we write, as functions of bytes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from fuzz.inputs.files import in_file
from sparsh_ros.evaluation.metrics_file import read_metrics
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.perception.calibration import Calibration, read_calibration, save_calibration
from sparsh_ros.resources import config_path
from sparsh_ros.sensors import load_profile
from sparsh_ros.sensors.config import load_sensors


def _reader(name: str, read: Callable[[Path], object]) -> Callable[[bytes], None]:
    """Reads bytes as a file of that name."""

    def target(data: bytes) -> None:
        with in_file(data, name) as path:
            read(path)

    return target


sensors = _reader("sensors.yaml", load_sensors)
profile = _reader("profile.yaml", load_profile)
model = _reader("model.yaml", load_model_spec)
calibration = _reader("calibration.npz", read_calibration)
metrics = _reader("metrics.json", read_metrics)


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
        "metrics": [b'{"schema": 3, "scores": {}, "recordings": []}'],
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
