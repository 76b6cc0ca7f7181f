# SPDX-License-Identifier: Apache-2.0
"""GelSight sensors, the Mini and that of 2017: on USB, or as an MJPEG stream on the network."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable

from sparsh_ros.errors import ParameterError
from sparsh_ros.sensors.cameras.camera import V4l2Camera
from sparsh_ros.sensors.cameras.discovery import choose_camera
from sparsh_ros.sensors.cameras.live import LiveSensor, LiveSource
from sparsh_ros.sensors.cameras.mjpeg import MjpegStream
from sparsh_ros.sensors.cameras.v4l2 import Host, Mode
from sparsh_ros.sensors.profiles import SensorProfile


class GelSightSensor(LiveSensor):
    """A GelSight, found by the serial number of its camera, by its device node or by its address.

    How fast it really is, 18 to 25 frames/s for a Mini, shows in `status`.
    """

    _label: str
    _kind: str  # of its camera, see TactileCamera

    def __init__(
        self,
        profile: SensorProfile,
        serial: str = "",
        input: str | int = "",
        rate_hz: float | None = None,
        clock: Callable[[], int] = time.time_ns,
        host: Host | None = None,
    ) -> None:
        """Prepare; the camera is looked for by `start`.

        Args:
            profile: that of this kind of sensor.
            serial: serial number, such as "28J0-AB12"; empty where only one is plugged in, which is
                then the one that is waited for when it is gone.
            input: in place of a serial number, the http(s) URL of an MJPEG stream, or a video
                device: a name in /dev/v4l/by-id or /dev/tactile, or its number or path, which
                change with every replug.
            rate_hz: frame rate to ask for; None for that of the profile.
            clock: gives the stamps, nanoseconds.
            host: the machine that it is plugged into, None for this one.

        Raises:
            ParameterError: `input` is none of these, or excludes another setting.
        """
        super().__init__(f"{self._label} {serial or input}".rstrip(), profile, clock)
        self._serial = serial
        self._url, self._path = _parsed(input)
        if input != "" and serial:
            raise ParameterError(f"{self.name}: wanted a serial number or an input, found both")
        if self._url and rate_hz is not None:
            raise ParameterError(f"{self.name}: a stream sets its own pace; leave rate_hz out")
        self._mode = Mode.of(profile, rate_hz)
        self._host = host or Host()

    def _connect(self) -> LiveSource:
        if self._url:
            return MjpegStream(self._url)
        cameras = self._host.cameras()
        if self._path:
            path = os.path.realpath(self._path)  # udev's names are links, made anew at every replug
            self.serial = next((camera.serial for camera in cameras if camera.path == path), "")
            return V4l2Camera(path, self._mode, self._host)
        camera = choose_camera(cameras, self._kind, self._serial or self.serial)
        self.serial = camera.serial
        return V4l2Camera(camera.path, self._mode, self._host)


class GelSightMiniSensor(GelSightSensor):
    """A GelSight Mini."""

    _label = "GelSight Mini"
    _kind = "gelsight_mini"


class GelSight2017Sensor(GelSightSensor):
    """A GelSight with the gel and optics of 2017; its camera is an ordinary webcam."""

    _label = "GelSight 2017"
    _kind = ""


def _parsed(input: str | int) -> tuple[str, str]:
    """A URL or a device path, the other one empty."""
    text = str(input)
    if text.lower().startswith(("http://", "https://")):
        return text, ""
    if device := re.fullmatch(r"(?:/dev/video)?(\d+)", text, re.ASCII):
        return "", f"/dev/video{device[1]}"
    if text.startswith("/dev/") or not text:
        return "", text
    raise ParameterError(f"input: wanted an http URL or a video device, found {text!r}")
