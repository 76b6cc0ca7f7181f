# SPDX-License-Identifier: Apache-2.0
"""Frames from a video file, a folder of images, a camera index or an http MJPEG stream."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from sparsh_ros.frames import PAIR_INTERVAL_S, Frame
from sparsh_ros.sensors.cameras.camera import V4l2Camera
from sparsh_ros.sensors.cameras.live import LiveSensor, LiveSource
from sparsh_ros.sensors.cameras.mjpeg import MjpegStream
from sparsh_ros.sensors.cameras.v4l2 import Mode
from sparsh_ros.sensors.drivers import VideoConfig
from sparsh_ros.sensors.schedule import Schedule
from sparsh_ros.sensors.sources import ImageFolder, VideoFile

# Longer than any pair, so that no pair joins the end of a recording to its beginning.
_LOOP_PAUSE_S = 2 * PAIR_INTERVAL_S
_LATE_S = 0.02
_MOST_LATE = 10  # passed over in a row: where decoding is slow, some frames shall come


class VideoSensor(LiveSensor):
    """Recorded or streamed frames, made canonical by the profile.

    Recordings play at the given rate, else by the times in the file, else at the file's rate, else
    (folders) at the profile's. They keep time: what cannot be decoded in time is passed over and
    counted as skipped. In a loop there is a pause of 167 ms before they start over. Cameras and
    streams set their own pace and are watched like those of every LiveSensor.
    """

    config: VideoConfig

    def _prepare(self) -> None:
        self._recording: VideoFile | ImageFolder | None = None
        self.has_beginning = self.config.is_recording
        self._schedule = Schedule(self.config.fps or self.profile.fps, self._stop)

    def check_input(self) -> None:
        """Find out whether a recording can be played.

        Raises:
            RecordingError: It is missing, or cannot be read.
        """
        self._open_recording().close()

    def _open_recording(self) -> VideoFile | ImageFolder:
        path = Path(self.config.input).expanduser()
        return (ImageFolder if path.is_dir() else VideoFile)(path)

    def _open(self) -> None:
        if not self.has_beginning:
            super()._open()
            return
        self._recording = self._open_recording()
        self._nominal_hz = self.config.fps or self._recording.fps or self.profile.fps
        self._schedule = Schedule(self._nominal_hz, self._stop)
        self._has_times = not self.config.fps and self._recording.time_s is not None
        self._began_s: float | None = None

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
        raw = self._read_in_time() if self._has_times else self._read_on_schedule()
        if raw is not None or not self.config.loop or self._stop.is_set():
            return raw
        self._recording.rewind()
        self._schedule.pause(_LOOP_PAUSE_S)
        self._began_s = None
        return None if self._schedule.wait() is None else self._read_recording()

    def _read_in_time(self) -> np.ndarray | None:
        """The next frame when its time has come; those that are late are passed over."""
        for _ in range(_MOST_LATE):
            raw = self._recording.read()
            if raw is None:
                return None
            if self._recording.time_s is None:  # from here on by the file's rate
                self._has_times = False
                return None if self._schedule.wait() is None else raw
            now_s = time.monotonic()
            if self._began_s is None:
                self._began_s = now_s - self._recording.time_s
            early_s = self._began_s + self._recording.time_s - now_s
            if early_s >= -_LATE_S:
                return None if self._stop.wait(max(0.0, early_s)) else raw
            self._skipped += 1
        self._skipped -= 1
        return raw

    def _read_on_schedule(self) -> np.ndarray | None:
        skipped = self._schedule.wait()
        if skipped is None:
            return None
        for _ in range(skipped):
            self._skipped += self._recording.read() is not None
        return self._recording.read()

    def _close(self) -> None:
        super()._close()
        if self._recording is not None:
            self._recording.close()
            self._recording = None
