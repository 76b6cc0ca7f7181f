# SPDX-License-Identifier: Apache-2.0
"""The DIGIT tactile sensor (https://digit.ml) on USB."""

from __future__ import annotations

from sparsh_ros.errors import MissingDependencyError, SensorError
from sparsh_ros.sensors.cameras.camera import V4l2Camera
from sparsh_ros.sensors.cameras.discovery import choose_camera
from sparsh_ros.sensors.cameras.live import LiveSensor
from sparsh_ros.sensors.cameras.v4l2 import Mode
from sparsh_ros.sensors.cameras.v4l2_abi import CONTROL_ZOOM
from sparsh_ros.sensors.drivers import STREAMS, DigitConfig

_ALL_COLOURS = 0x111  # the LEDs listen to the zoom control: 4 bits each for red, green and blue


class DigitSensor(LiveSensor):
    """A DIGIT, found by its serial number wherever it is plugged in.

    Without one, where only one DIGIT is plugged in, it is that, which is then waited for when it is
    gone.
    """

    config: DigitConfig

    def _prepare(self) -> None:
        width, height, rates = STREAMS[self.config.stream]
        self._library = _import_library() if self.config.leds == "digit-interface" else None
        controls = {} if self._library else {CONTROL_ZOOM: self.config.intensity * _ALL_COLOURS}
        self._mode = Mode(width, height, self.config.fps or rates[0], "YUYV", controls)

    def _connect(self) -> V4l2Camera:
        camera = choose_camera(self._host.cameras(), "digit", self.config.serial or self.serial)
        if self.config.stream != "QVGA":
            self._report(
                SensorError("stream VGA: frames of a DIGIT are known to shift; QVGA is sound")
            )
        self.serial = camera.serial
        if self._library is not None:
            self._set_leds(camera.serial)
        return V4l2Camera(camera.path, self._mode, self._host)

    def _set_leds(self, serial: str) -> None:
        # It opens the camera itself, so it has to be done with it before the stream starts.
        try:
            digit = self._library.Digit(serial)
            digit.connect()
            digit.set_intensity(self.config.intensity)
            digit.disconnect()
        except Exception as error:  # it raises nothing more specific
            raise SensorError(f"DIGIT {serial}: digit-interface: {error}") from error


def _import_library():
    try:
        import digit_interface
    except ImportError as error:
        raise MissingDependencyError(
            "leds: wanted the Python package digit-interface, found none; "
            "`pip install digit-interface`, or set leds to v4l2"
        ) from error
    return digit_interface
