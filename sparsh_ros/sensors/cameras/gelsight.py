# SPDX-License-Identifier: Apache-2.0
"""GelSight sensors, the Mini and that of 2017: on USB, or as an MJPEG stream on the network."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from sparsh_ros.sensors.cameras.camera import V4l2Camera
from sparsh_ros.sensors.cameras.discovery import choose_camera
from sparsh_ros.sensors.cameras.live import LiveSensor, LiveSource
from sparsh_ros.sensors.cameras.mjpeg import MjpegStream
from sparsh_ros.sensors.cameras.v4l2 import Host, Mode
from sparsh_ros.sensors.drivers import GelSightConfig, hide_password
from sparsh_ros.sensors.profiles import SensorProfile


class GelSightSensor(LiveSensor):
    """A GelSight, found by the serial number of its camera, by its device node or by its address.

    How fast it really is, 18 to 25 frames/s for a Mini, shows in `status`.
    """

    _label: str
    _camera_type: str  # see TactileCamera.sensor_type

    def __init__(
        self,
        profile: SensorProfile,
        config: GelSightConfig,
        clock: Callable[[], int] = time.time_ns,
        host: Host | None = None,
    ) -> None:
        """Prepare; the camera is looked for by `start`.

        Args:
            profile: That of this type of sensor.
            config: Its serial number, such as "28J0-AB12" (empty where only one is plugged in,
                which is then the one that is waited for when it is gone), or in place of that an
                input: the http(s) URL of an MJPEG stream, or a video device, by its name in
                /dev/v4l/by-id or /dev/tactile, or by its number or path, which change with every
                replug. The frame rate is asked for.
            clock: Gives the stamps, nanoseconds.
            host: The machine that it is plugged into, None for this one.
        """
        which = config.serial or hide_password(config.input)
        super().__init__(f"{self._label} {which}".rstrip(), profile, clock)
        self.config = config
        self._path = config.device or config.input
        self._mode = Mode.of(profile, config.fps or None)
        self._host = host or Host()

    def _connect(self) -> LiveSource:
        if self.config.url:
            return MjpegStream(self.config.url)
        cameras = self._host.cameras()
        if self._path:
            # The names that udev gives are links, made again at every replug.
            path = os.path.realpath(self._path)
            self.serial = next((camera.serial for camera in cameras if camera.path == path), "")
            return V4l2Camera(path, self._mode, self._host)
        camera = choose_camera(cameras, self._camera_type, self.config.serial or self.serial)
        self.serial = camera.serial
        return V4l2Camera(camera.path, self._mode, self._host)


class GelSightMiniSensor(GelSightSensor):
    """A GelSight Mini."""

    _label = "GelSight Mini"
    _camera_type = "gelsight_mini"


class GelSight2017Sensor(GelSightSensor):
    """A GelSight with the gel and optics of 2017; its camera is an ordinary webcam."""

    _label = "GelSight 2017"
    _camera_type = ""
