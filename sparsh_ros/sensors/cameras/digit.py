# SPDX-License-Identifier: Apache-2.0
"""The DIGIT tactile sensor (https://digit.ml) on USB."""

from __future__ import annotations

import time
from collections.abc import Callable

from sparsh_ros.errors import MissingDependencyError, ParameterError, SensorError
from sparsh_ros.sensors.cameras.camera import V4l2Camera
from sparsh_ros.sensors.cameras.discovery import choose_camera
from sparsh_ros.sensors.cameras.live import LiveSensor
from sparsh_ros.sensors.cameras.v4l2 import Host, Mode
from sparsh_ros.sensors.cameras.v4l2_abi import CONTROL_ZOOM
from sparsh_ros.sensors.profiles import SensorProfile

# Name of a stream: width and height in pixels, frame rates in 1/s, the default first.
STREAMS = {"QVGA": (320, 240, (60.0, 30.0)), "VGA": (640, 480, (30.0, 15.0))}
BRIGHTEST = 15

_LED_SETTERS = ("v4l2", "digit-interface")
_ALL_COLOURS = 0x111  # the LEDs listen to the zoom control: 4 bits each for red, green and blue


class DigitSensor(LiveSensor):
    """A DIGIT, found by its serial number wherever it is plugged in."""

    def __init__(
        self,
        profile: SensorProfile,
        serial: str = "",
        stream: str = "QVGA",
        rate_hz: float | None = None,
        intensity: int = BRIGHTEST,
        leds: str = "v4l2",
        clock: Callable[[], int] = time.time_ns,
        host: Host | None = None,
    ) -> None:
        """Prepare; the DIGIT is looked for by `start`.

        Args:
            profile: that of a DIGIT.
            serial: serial number, such as "D20123"; empty where only one DIGIT is plugged in,
                which is then the one that is waited for when it is gone.
            stream: "QVGA", or "VGA", whose frames are known to shift and glitch.
            rate_hz: 60 or 30 for QVGA, 30 or 15 for VGA; None for the faster.
            intensity: of all LEDs, 0 to 15.
            leds: what sets them: "v4l2" for the camera's own control, or "digit-interface" for the
                library of that name, which is under CC BY-NC and has to be installed.
            clock: gives the stamps, nanoseconds.
            host: the machine that it is plugged into, None for this one.

        Raises:
            ParameterError: one of the settings is not among those above.
            MissingDependencyError: digit-interface is asked for and not installed.
        """
        super().__init__(f"DIGIT {serial}".rstrip(), profile, clock)
        width, height, rate_hz = _checked_stream(stream, rate_hz)
        if isinstance(intensity, bool) or intensity not in range(BRIGHTEST + 1):
            raise ParameterError(
                f"intensity: wanted a whole number from 0 to {BRIGHTEST}, found {intensity}"
            )
        if leds not in _LED_SETTERS:
            raise ParameterError(f"leds: wanted {' or '.join(_LED_SETTERS)}, found {leds!r}")
        self._serial = serial
        self._intensity = intensity
        self._library = _import_library() if leds == "digit-interface" else None
        controls = {} if self._library else {CONTROL_ZOOM: intensity * _ALL_COLOURS}
        self._mode = Mode(width, height, rate_hz, "YUYV", controls)
        self._host = host or Host()
        self._is_sound = stream == "QVGA"

    def _connect(self) -> V4l2Camera:
        camera = choose_camera(self._host.cameras(), "digit", self._serial or self.serial)
        if not self._is_sound:
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
            digit.set_intensity(self._intensity)
            digit.disconnect()
        except Exception as error:  # it raises nothing more specific
            raise SensorError(f"DIGIT {serial}: digit-interface: {error}") from error


def _checked_stream(stream: str, rate_hz: float | None) -> tuple[int, int, float]:
    if stream not in STREAMS:
        raise ParameterError(f"stream: wanted {' or '.join(STREAMS)}, found {stream!r}")
    width, height, rates = STREAMS[stream]
    rate_hz = rates[0] if rate_hz is None else rate_hz
    if rate_hz not in rates:
        wanted = " or ".join(f"{rate:g}" for rate in rates)
        raise ParameterError(f"frame rate of {stream}: wanted {wanted} Hz, found {rate_hz:g}")
    return width, height, rate_hz


def _import_library():
    try:
        import digit_interface
    except ImportError as error:
        raise MissingDependencyError(
            "leds: wanted the Python package digit-interface, found none; "
            "`pip install digit-interface`, or set leds to v4l2"
        ) from error
    return digit_interface
