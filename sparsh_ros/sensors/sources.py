# SPDX-License-Identifier: Apache-2.0
"""Where recorded video comes from: a file or a folder of images. (Cameras: see live.py.)

A source opens when made, and then has `fps` (its own rate, None where it knows none), `read` (the
next image, (height, width, 3) uint8 BGR, None at the end), `time_s` (of the image read last,
seconds since the first; None where it knows none), `rewind` and `close`.
"""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np

from sparsh_ros.errors import FrameError, RecordingError
from sparsh_ros.names import MAX_RATE_HZ
from sparsh_ros.sensors.images import lfs_sentence, list_images, read_image

_PLAUSIBLE_FPS = (1.0, MAX_RATE_HZ)


class VideoFile:
    """A video file.

    Raises:
        RecordingError: `path` is missing, or holds no video that can be decoded.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._capture = self._opened()
        slowest, fastest = _PLAUSIBLE_FPS
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if slowest <= fps <= fastest else None

    def _opened(self) -> cv2.VideoCapture:
        _check_file(self.path)
        capture = cv2.VideoCapture(str(self.path), cv2.CAP_FFMPEG)
        found, self._first = capture.read()
        if not found:
            codec = _codec(capture)
            capture.release()
            if codec:
                raise RecordingError(
                    f"{self.path}: its codec, {codec}, cannot be decoded here; convert it with "
                    f"`ffmpeg -i {self.path.name} -c:v libx264 -crf 15 converted.mp4`"
                )
            raise RecordingError(
                f"{self.path}: not a readable video ({self.path.stat().st_size} bytes): cut off "
                "before its end was written, or in a format that is not known here; check it with "
                f"`ffprobe {self.path}`"
            )
        self._begins_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3
        self.time_s: float | None = 0.0
        return capture

    def read(self) -> np.ndarray | None:
        """The next image, (H, W, 3) uint8 BGR; None at the end, or where the file is cut off."""
        if self._first is not None:
            image, self._first = self._first, None
            return image
        found, image = self._capture.read()
        if not found:
            return None
        self.time_s = self._later(self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3 - self._begins_s)
        return image

    def _later(self, time_s: float) -> float | None:
        """The time of a frame; None from there on where the file's times do not rise."""
        if self.time_s is None or not (math.isfinite(time_s) and time_s > self.time_s):
            return None
        return time_s

    def rewind(self) -> None:
        """Start over. Opened again, because seeking is not exact in every container."""
        self._capture.release()
        self._capture = self._opened()

    def close(self) -> None:
        """Close the file."""
        self._capture.release()


def _codec(capture: cv2.VideoCapture) -> str:
    """The codec of a file that is a video all the same; empty if it is none."""
    code = int(capture.get(cv2.CAP_PROP_FOURCC)) if capture.isOpened() else 0
    text = code.to_bytes(4, "little").decode("ascii", "replace") if 0 < code < 2**32 else ""
    return text.strip("\0 ") if text.isprintable() else ""


class ImageFolder:
    """The images of a folder, in natural order.

    Raises:
        RecordingError: The folder cannot be listed, or holds no image that can be read.
    """

    fps = None
    time_s = None

    def __init__(self, path: Path) -> None:
        self.path = path
        self._next = 0
        try:
            self._files = list_images(path)
        except OSError as error:
            raise RecordingError(f"{path}: cannot be listed ({error.strerror})") from error
        if not self._files:
            raise RecordingError(f"{path}: no images in this folder; check the path")
        if not any(map(_is_readable, self._files)):
            raise RecordingError(
                f"{path}: none of the {len(self._files)} images can be read; "
                f"open {self._files[0].name} with an image viewer"
            )

    def read(self) -> np.ndarray | None:
        """The next image; None at the end.

        Raises:
            FrameError: This image is missing or broken; the next call goes on behind it.
        """
        if self._next == len(self._files):
            return None
        path = self._files[self._next]
        self._next += 1
        try:
            return read_image(path)
        except RecordingError as error:
            raise FrameError(str(error)) from None

    def rewind(self) -> None:
        """Start over with the first image."""
        self._next = 0

    def close(self) -> None:
        """Nothing is held open."""


def _check_file(path: Path) -> None:
    """Raise RecordingError unless there is a file that can be opened, and that is the video."""
    try:
        if not path.is_file():
            link = f"it is a link to {path.readlink()}, which" if path.is_symlink() else "it"
            found = "is a folder without images" if path.is_dir() else "does not exist"
            raise RecordingError(f"{path}: wanted a video file, but {link} {found}; check the path")
        with path.open("rb") as file:
            sentence = lfs_sentence(file.read(64))
    except OSError as error:
        raise RecordingError(f"{path}: cannot be opened ({error.strerror})") from error
    if sentence:
        raise RecordingError(f"{path}: {sentence}")


def _is_readable(path: Path) -> bool:
    try:
        read_image(path)
    except (FrameError, RecordingError):
        return False
    return True
