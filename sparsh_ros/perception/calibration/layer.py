# SPDX-License-Identifier: Apache-2.0
"""Calibration of one sensor: a small layer that turns a model's force into that sensor's newtons.

    force = gain @ (force of the model) + offset + correction(tokens)

The correction is linear in the tokens and has rank 3, one direction for each axis of the force. It
is clipped to 1.5 times what it was during the fit, so that it cannot run away on touches that were
never shown. Contact is still decided by the force of the model, whose threshold is known.
"""

from __future__ import annotations

import io
import os
import zipfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.errors import ParameterError
from sparsh_ros.resources import user_data_path

LIMIT_SHARE = 1.5
AUTO, NONE = "auto", "none"
"""What may stand in the place of a file: the calibration stored for the sensor, or none."""

_MOST_BYTES = 64 << 20
Floats = NDArray[np.float64]
Weights = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Calibration:
    """What a model's force is corrected by, for one sensor.

    Attributes:
        model: Name of the model.
        sensor_type: Type of the sensor, such as "digit".
        serial: Its serial number; "" where it has none.
        gain: (3, 3), applied to the model's force in newtons.
        offset: (3,) N.
        weights: (N D, 3) N, applied to the tokens in a row.
        bias: (3,) N, added to what the weights give.
        limit_n: (3,) N, largest size of the correction along each axis.
        variance: (3,) N^2 of what is left, by cross-validation; NaN where nothing was measured.
    """

    model: str
    sensor_type: str
    serial: str
    gain: Weights
    offset: Weights
    weights: Weights
    bias: Weights
    limit_n: Weights
    variance: Weights

    def apply(self, force_n: NDArray, tokens: NDArray) -> Floats:
        """The force in newtons, (3,) or (n, 3); pressing is never below 0.

        Args:
            force_n: (3,) or (n, 3) force of the model.
            tokens: (N, D) or (n, N, D) of the same frames.
        """
        rows = np.asarray(tokens, np.float32).reshape(*np.shape(force_n)[:-1], -1)
        correction = np.clip(rows @ self.weights + self.bias, -self.limit_n, self.limit_n)
        force = np.asarray(force_n, np.float64) @ self.gain.T + self.offset + correction
        force[..., 2] = np.maximum(force[..., 2], 0.0)
        return force

    def check(self, model: str, sensor_type: str, tokens: int) -> None:
        """Refuse to serve a model or a type of sensor that it was not made for.

        Args:
            model: Name of the model in use.
            sensor_type: Type of the sensor in use.
            tokens: Numbers in the tokens of one frame.

        Raises:
            ParameterError: It is for another one.
        """
        found = (self.model, self.sensor_type, len(self.weights))
        if found != (model, sensor_type, tokens):
            raise ParameterError(
                f"calibration: wanted one of {model} on a {sensor_type} with {tokens} numbers, "
                f"found one of {found[0]} on a {found[1]} with {found[2]}; run "
                "`sparsh-ros calibrate`"
            )


def find_calibration(choice: str, sensor_type: str, serial: str, model: str) -> Calibration | None:
    """The calibration that is meant, if there is one.

    Args:
        choice: `AUTO` for the one stored for the sensor, `NONE`, or a file.
        sensor_type: Type of the sensor.
        serial: Its serial number; "" while it is unknown.
        model: Name of the model in use.

    Raises:
        SparshError: The file is missing or unreadable, or what is stored is.
    """
    if choice == NONE:
        return None
    if choice == AUTO:
        return CalibrationStore().load(sensor_type, serial, model)
    return read_calibration(Path(choice))


def save_calibration(path: Path, calibration: Calibration) -> None:
    """Write a calibration as a NumPy archive, whole or not at all.

    Raises:
        ParameterError: The file cannot be written.
    """
    content = io.BytesIO()
    np.savez_compressed(content, **asdict(calibration))
    partial = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content.getvalue())
        os.replace(partial, path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise ParameterError(f"{path}: cannot be written ({error.strerror})") from error


def read_calibration(path: Path) -> Calibration:
    """Read a calibration that `save_calibration` wrote.

    Raises:
        ParameterError: The file is missing, or holds no calibration.
    """
    try:
        if sum(entry.file_size for entry in zipfile.ZipFile(path).infolist()) > _MOST_BYTES:
            raise ValueError(f"more than {_MOST_BYTES >> 20} MiB")
        with np.load(path, allow_pickle=False) as archive:
            values = {name: archive[name] for name in Calibration.__annotations__}
        calibration = Calibration(
            **{
                name: str(value) if value.dtype.kind == "U" else value
                for name, value in values.items()
            }
        )
        _check_shapes(calibration)
    except FileNotFoundError as error:
        raise ParameterError(f"{path}: no such calibration; run `sparsh-ros calibrate`") from error
    except Exception as error:  # a damaged archive can fail anywhere in the libraries
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ParameterError(
            f"{path}: no calibration that can be read ({reason}); make it again with "
            "`sparsh-ros calibrate`"
        ) from error
    return calibration


def _check_shapes(calibration: Calibration) -> None:
    wanted = {"gain": (3, 3), "offset": (3,), "bias": (3,), "limit_n": (3,), "variance": (3,)}
    wanted["weights"] = (len(calibration.weights), 3)
    for name, shape in wanted.items():
        value = getattr(calibration, name)
        if value.dtype != np.float32 or value.shape != shape:
            raise ValueError(f"{name}: wanted float32 {shape}, found {value.dtype} {value.shape}")
        if name != "variance" and not np.isfinite(value).all():
            raise ValueError(f"{name}: wanted finite numbers")


class CalibrationStore:
    """Keeps `calibrations/<type>-<serial>-<model>.npz` in the user's data folder."""

    def path(self, sensor_type: str, serial: str, model: str) -> Path:
        """File of a sensor and a model.

        Raises:
            SparshError: The user has no data folder.
        """
        name = "-".join(quote(part, safe="") for part in (sensor_type, serial, model))
        return user_data_path("calibrations", f"{name}.npz")

    def load(self, sensor_type: str, serial: str, model: str) -> Calibration | None:
        """The calibration of a sensor; None where there is none, or the serial number is "".

        Raises:
            SparshError: There is one that cannot be read.
        """
        path = self.path(sensor_type, serial, model)
        return read_calibration(path) if serial and os.path.exists(path) else None

    def save(self, calibration: Calibration) -> Path:
        """Store a calibration under its own sensor and model; where it is now.

        Raises:
            SparshError: It cannot be stored.
        """
        path = self.path(calibration.sensor_type, calibration.serial, calibration.model)
        save_calibration(path, calibration)
        return path
