# SPDX-License-Identifier: Apache-2.0
"""GelSight sensors, the Mini and that of 2017: on USB, or as an MJPEG stream on the network."""

from __future__ import annotations

import os

from sparsh_ros.sensors.cameras.camera import V4l2Camera
from sparsh_ros.sensors.cameras.discovery import choose_camera
from sparsh_ros.sensors.cameras.live import LiveSensor, LiveSource
from sparsh_ros.sensors.cameras.mjpeg import MjpegStream
from sparsh_ros.sensors.cameras.v4l2 import Mode
from sparsh_ros.sensors.drivers import GelSightConfig


class GelSightSensor(LiveSensor):
    """A GelSight, found by the serial number of its camera, by its device node or by its address.

    Its input is the URL of an MJPEG stream or a video device: by its name in /dev/v4l/by-id or
    /dev/tactile, or by its number or path, which change with every replug. With neither serial
    number nor input it is the only one that is plugged in, which is then waited for when it is
    gone. How fast it really is, 18 to 25 frames/s for a Mini, shows in `status`.
    """

    config: GelSightConfig

    def _prepare(self) -> None:
        self._path = self.config.device or self.config.input
        self._mode = Mode.of(self.profile, self.config.fps or None)

    def _connect(self) -> LiveSource:
        if self.config.url:
            return MjpegStream(self.config.url)
        cameras = self._host.cameras()
        if self._path:
            # The names that udev gives are links, made again at every replug.
            path = os.path.realpath(self._path)
            self.serial = next((camera.serial for camera in cameras if camera.path == path), "")
            return V4l2Camera(path, self._mode, self._host)
        camera = choose_camera(cameras, self.config.camera_type, self.config.serial or self.serial)
        self.serial = camera.serial
        return V4l2Camera(camera.path, self._mode, self._host)
