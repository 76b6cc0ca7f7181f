# SPDX-License-Identifier: Apache-2.0
"""Where recorded video comes from: a file or a folder of images. (Cameras: see live.py.)

A source opens when made, and then has `fps` (its own rate, None where it knows none), `read` (the
next image, (height, width, 3) uint8 BGR, None at the end), `rewind` and `close`.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from sparsh_ros.errors import FrameError, RecordingError
from sparsh_ros.files import refuse_pointer
from sparsh_ros.names import MAX_RATE_HZ
from sparsh_ros.sensors.images import list_images, read_image

_PLAUSIBLE_FPS = (1.0, MAX_RATE_HZ)


class VideoFile:
    """A video file.

    Raises:
        RecordingError: `path` is missing, or holds no video that can be decoded.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.position_s = 0.0
        self._capture = self._opened()
        slowest, fastest = _PLAUSIBLE_FPS
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if slowest <= fps <= fastest else None

    def _opened(self) -> cv2.VideoCapture:
        if not self.path.is_file():
            raise RecordingError(f"{self.path}: no such file; check the path")
        refuse_pointer(self.path, RecordingError)
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
                f"{self.path}: not a readable video ({self.path.stat().st_size} bytes); "
                f"check it with `ffprobe {self.path}`"
            )
        return capture

    def read(self) -> np.ndarray | None:
        """The next image; None at the end, or where the file is cut off.

        `position_s` is then its time in the file, seconds.
        """
        image, self._first = self._first, None
        if image is None:
            found, image = self._capture.read()
            if not found:
                return None
        self.position_s = self._capture.get(cv2.CAP_PROP_POS_MSEC) * 1e-3
        return image

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
    text = code.to_bytes(4, "little", signed=False).decode("ascii", "replace") if code > 0 else ""
    return text.strip("\0 ") if text.isprintable() else ""


class ImageFolder:
    """The images of a folder, in natural order.

    Raises:
        RecordingError: The folder cannot be listed, or holds no image that can be read.
    """

    fps = None

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


def _is_readable(path: Path) -> bool:
    try:
        read_image(path)
    except (FrameError, RecordingError):
        return False
    return True
