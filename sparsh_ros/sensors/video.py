# SPDX-License-Identifier: Apache-2.0
"""Frames from a video file, a folder of images, a camera index or an http MJPEG stream."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sparsh_ros.frames import PAIR_INTERVAL_S, Frame
from sparsh_ros.sensors.cameras.camera import V4l2Camera
from sparsh_ros.sensors.cameras.live import LiveSensor, LiveSource
from sparsh_ros.sensors.cameras.mjpeg import MjpegStream
from sparsh_ros.sensors.cameras.v4l2 import Host, Mode
from sparsh_ros.sensors.drivers import VideoConfig
from sparsh_ros.sensors.profiles import SensorProfile
from sparsh_ros.sensors.schedule import Schedule
from sparsh_ros.sensors.sources import ImageFolder, VideoFile

# Longer than any pair, so that no pair joins the end of a recording to its beginning.
_LOOP_PAUSE_S = 2 * PAIR_INTERVAL_S


class VideoSensor(LiveSensor):
    """Recorded or streamed frames, made canonical by the profile.

    Recordings play at the given rate, else at the file's own, else (folders) at the profile's. They
    keep time: what cannot be decoded in time is passed over and counted as skipped. Cameras and
    streams set their own pace and are watched like those of every LiveSensor.
    """

    def __init__(
        self,
        profile: SensorProfile,
        config: VideoConfig,
        clock: Callable[[], int] = time.time_ns,
        host: Host | None = None,
    ) -> None:
        """Prepare; the input is opened by `start`.

        Args:
            profile: Type of sensor the frames come from.
            config: The input (path of a video file or of a folder of images, camera index, or
                http(s) URL), and for recordings the frames per second and whether to start over at
                the end, after a pause of 167 ms.
            clock: Gives the stamps, nanoseconds.
            host: The machine whose cameras these are, None for this one.
        """
        super().__init__(f"video {config.input}", profile, clock)
        self.config = config
        self._host = host or Host()
        self._recording: VideoFile | ImageFolder | None = None
        self.has_beginning = config.is_recording
        self._schedule = Schedule(config.fps or profile.fps, self._stop)

    def _open(self) -> None:
        if not self.has_beginning:
            super()._open()
            return
        path = Path(self.config.input).expanduser()
        self._recording = (ImageFolder if path.is_dir() else VideoFile)(path)
        self._nominal_hz = self.config.fps or self._recording.fps or self.profile.fps
        self._schedule = Schedule(self._nominal_hz, self._stop)

    def _connect(self) -> LiveSource:
        if self.config.url:
            return MjpegStream(self.config.url)
        return V4l2Camera(self.config.device, Mode.of(self.profile), self._host)

    def _read(self, sequence: int) -> Frame | None:
        if self._recording is None:
            return super()._read(sequence)
        raw = self._read_recording()
        if raw is None:
            return None
        stamp_ns = self._clock()
        return Frame(stamp_ns, self.profile.to_canonical(raw, "bgr"), sequence)

    def _read_recording(self) -> np.ndarray | None:
        skipped = self._schedule.wait()
        if skipped is None:
            return None
        for _ in range(skipped):
            self._skipped += self._recording.read() is not None
        raw = self._recording.read()
        if raw is not None or not self.config.loop:
            return raw
        self._recording.rewind()
        self._schedule.pause(_LOOP_PAUSE_S)
        return None if self._schedule.wait() is None else self._recording.read()

    def _close(self) -> None:
        super()._close()
        if self._recording is not None:
            self._recording.close()
            self._recording = None
