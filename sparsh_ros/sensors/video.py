# SPDX-License-Identifier: Apache-2.0
"""Frames from a video file, a folder of images, a camera index or an http MJPEG stream."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sparsh_ros.errors import ParameterError
from sparsh_ros.frames import PAIR_INTERVAL_S, Frame
from sparsh_ros.sensors.cameras.camera import V4l2Camera
from sparsh_ros.sensors.cameras.live import LiveSensor, LiveSource
from sparsh_ros.sensors.cameras.mjpeg import MjpegStream
from sparsh_ros.sensors.cameras.v4l2 import Host, Mode
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
        input: str | int | Path,
        rate_hz: float | None = None,
        loop: bool = False,
        clock: Callable[[], int] = time.time_ns,
        host: Host | None = None,
    ) -> None:
        """Prepare; the input is opened by `start`.

        Args:
            profile: kind of sensor the frames come from.
            input: path of a video file or of a folder of images, camera index, or http(s) URL.
            rate_hz: frames per second; recordings only.
            loop: start a recording over at its end, after a pause of 167 ms.
            clock: gives the stamps, nanoseconds.
            host: the machine whose cameras these are, None for this one.

        Raises:
            ParameterError: `input` is empty, or a rate or loop is asked of a live input.
        """
        super().__init__(f"video {input}", profile, clock)
        self._input = _parsed(input)
        self._rate_hz = rate_hz
        self._loop = loop
        self._host = host or Host()
        self._recording: VideoFile | ImageFolder | None = None
        self.has_beginning = isinstance(self._input, Path)
        if not self.has_beginning and (rate_hz is not None or loop):
            raise ParameterError(
                f"{self.name}: rate_hz and loop are for recordings; a live input sets its own pace"
            )
        self._schedule = Schedule(profile.fps if rate_hz is None else rate_hz, self._stop)

    def _open(self) -> None:
        if not self.has_beginning:
            super()._open()
            return
        self._recording = (ImageFolder if self._input.is_dir() else VideoFile)(self._input)
        self._nominal_hz = self._rate_hz or self._recording.fps or self.profile.fps
        self._schedule = Schedule(self._nominal_hz, self._stop)

    def _connect(self) -> LiveSource:
        if isinstance(self._input, str):
            return MjpegStream(self._input)
        return V4l2Camera(f"/dev/video{self._input}", Mode.of(self.profile), self._host)

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
        if raw is not None or not self._loop:
            return raw
        self._recording.rewind()
        self._schedule.pause(_LOOP_PAUSE_S)
        return None if self._schedule.wait() is None else self._recording.read()

    def _close(self) -> None:
        super()._close()
        if self._recording is not None:
            self._recording.close()
            self._recording = None


def _parsed(text: str | int | Path) -> Path | int | str:
    """A camera index as int, a URL as str, everything else as Path."""
    text = str(text)
    if camera := re.fullmatch(r"(?:/dev/video)?(\d+)", text, re.ASCII):
        return int(camera[1])
    if text.lower().startswith(("http://", "https://")):
        return text
    if not text or "://" in text:
        raise ParameterError(
            "video input: wanted a video file, a folder of images, a camera index or an http URL, "
            f"found {text!r}"
        )
    return Path(text).expanduser()
