# SPDX-License-Identifier: Apache-2.0
"""Backgrounds of the sensors that this user has had, one image file for each."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import cv2
import numpy as np

from sparsh_ros.errors import FrameError, RecordingError
from sparsh_ros.frames import IMAGE_SHAPE
from sparsh_ros.resources import user_data_path
from sparsh_ros.sensors.images import read_image


class BackgroundStore:
    """Keeps `backgrounds/<kind>-<serial>.png`, upright, in the user's data folder."""

    def path(self, kind: str, serial: str) -> Path:
        """File of the sensor of this kind with this serial number.

        Raises:
            SparshError: The user has no data folder.
        """
        name = f"{quote(kind, safe='')}-{quote(serial, safe='')}.png"
        return user_data_path("backgrounds", name)

    def load(self, kind: str, serial: str) -> np.ndarray | None:
        """The background of a sensor, (320, 240, 3) uint8 RGB; None where there is none.

        Raises:
            SparshError: The user has no data folder, or the file cannot be read.
            FrameError: The file holds no canonical image.
        """
        path = self.path(kind, serial)
        if not os.path.exists(path):  # unlike Path.exists it bears a folder that is closed to us
            return None
        image = cv2.cvtColor(read_image(path), cv2.COLOR_BGR2RGB)
        if image.shape != IMAGE_SHAPE:
            raise FrameError(f"{path}: wanted an image of shape {IMAGE_SHAPE}, found {image.shape}")
        return image

    def save(self, kind: str, serial: str, image: np.ndarray) -> None:
        """Put the background of a sensor, whole or not at all, in place of the one before.

        Args:
            kind: Type of sensor.
            serial: Serial number of its camera.
            image: (320, 240, 3) uint8 RGB, the untouched gel.

        Raises:
            SparshError: The user has no data folder, or the file cannot be written.
        """
        path = self.path(kind, serial)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        content = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(content)
            partial.replace(path)
        except OSError as error:
            with suppress(OSError):
                partial.unlink()
            raise RecordingError(
                f"background {path}: cannot be written ({error.strerror}); "
                "check the rights and the space there"
            ) from error
