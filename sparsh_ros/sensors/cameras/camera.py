# SPDX-License-Identifier: Apache-2.0
"""A camera on V4L2: its settings compared, its frames decoded, its errors in words."""

from __future__ import annotations

import errno
from collections.abc import Callable

import cv2
import numpy as np

from sparsh_ros.errors import FrameError, SensorError
from sparsh_ros.frames import IMAGE_HEIGHT
from sparsh_ros.sensors.cameras.live import LiveImage
from sparsh_ros.sensors.cameras.v4l2 import Host, Mode
from sparsh_ros.sensors.health.watchdog import (
    EMPTY,
    TORN,
    USB,
    VANISHED,
    WRONG_SIZE,
    BrokenFrameError,
    BrokenStreamError,
)
from sparsh_ros.sensors.images import decode_jpeg, jpeg_size

_PATIENCE_S = 0.1
_ATTEMPTS = 3
_GONE = (errno.ENODEV, errno.ENOENT, errno.ENXIO)
_USB_ERRORS = (
    errno.EIO,
    errno.EPROTO,
    errno.EPIPE,
    errno.ETIMEDOUT,
    errno.EOVERFLOW,
    errno.EILSEQ,
    errno.ESHUTDOWN,
)


class V4l2Camera:
    """A camera that runs in a mode; a live source, see live.py.

    Attributes:
        fps: The frame rate that the camera agreed to, None if it has no say in that.
        lost: Frames that it made and that never arrived, by its own numbering.
        differences: One sentence for each setting that the camera did not take.

    Raises:
        SensorError: It is not there, may not be used, or has no pixel format that is known here.
    """

    settles = True

    def __init__(self, path: str, mode: Mode, host: Host) -> None:
        """Open, set and start the camera at `path`."""
        self._path = path
        self._sequence: int | None = None
        self.lost = 0
        self.differences: list[str] = []
        try:
            self._device = host.open(path)
        except OSError as error:
            raise _explained(error, path) from error
        try:
            self._set(mode)
            self._device.start()
        except OSError as error:
            self.close()
            raise _explained(error, path) from error
        except BaseException:
            self.close()
            raise

    def _set(self, mode: Mode) -> None:
        found = self._device.set_format(mode.width, mode.height, mode.fourcc)
        self._width, self._height, self._fourcc = found
        if self._fourcc not in _DECODERS:
            known = " or ".join(_DECODERS)
            raise SensorError(f"{self._path}: wanted pixel format {known}, found {self._fourcc}")
        self._compare("size", (mode.width, mode.height), (self._width, self._height))
        self.fps = self._try("frame rate", mode.fps, self._device.set_rate, mode.fps)
        for number, value in mode.controls.items():
            name = f"control {number:#x}"
            self._try(name, value, self._device.set_control, number, value)

    def _try(
        self, name: str, wanted: float, setter: Callable[..., float], *arguments: float
    ) -> float | None:
        """Set what a camera can do without; the value it has then, None if it cannot be set."""
        try:
            found = _patiently(setter, *arguments)
        except OSError as error:
            if error.errno in _GONE:
                raise
            self._compare(name, round(wanted, 1), f"none ({error.strerror})")
            return None
        self._compare(name, round(wanted, 1), round(found, 1))
        return found

    def _compare(self, setting: str, wanted: object, found: object) -> None:
        if found != wanted:
            self.differences.append(f"{self._path}: {setting}: wanted {wanted}, found {found}")

    def read(self) -> LiveImage | None:
        """Wait for the next image; None if none came within 0.1 s.

        JPEG images are decoded at the smallest of 1/1, 1/2, 1/4 and 1/8 of their size that is still
        as large as a canonical image: a GelSight Mini sends 8 megapixels.

        Raises:
            BrokenFrameError: It is empty, incomplete, or of another size than agreed.
            BrokenStreamError: The camera is gone.
            SensorError: Reading failed otherwise.
        """
        try:
            buffer = self._device.read(_PATIENCE_S)
        except OSError as error:
            raise _explained(error, self._path) from error
        if buffer is None:
            return None
        if self._sequence is not None:
            self.lost += max(0, buffer.sequence - self._sequence - 1)
        self._sequence = buffer.sequence
        if not buffer.content:
            raise BrokenFrameError(EMPTY, f"{self._path}: empty frame")
        if buffer.damaged:
            raise BrokenFrameError(USB, f"{self._path}: frame with data lost on USB")
        decode = _DECODERS[self._fourcc]
        image = decode(buffer.content, self._width, self._height, self._path)
        return LiveImage(image, buffer.monotonic_ns)

    def interrupt(self) -> None:
        """Nothing to do: `read` never waits long."""

    def close(self) -> None:
        """Stop and release the camera."""
        self._device.close()


def _patiently(setter: Callable[..., float], *arguments: float) -> float:
    """Call it, and again where the transfer fails: a camera just plugged in may not listen yet."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return setter(*arguments)
        except OSError as error:
            if error.errno not in _USB_ERRORS:
                raise
    return setter(*arguments)


def _decode_yuyv(content: bytes, width: int, height: int, path: str) -> np.ndarray:
    wanted = 2 * width * height
    if len(content) != wanted:
        fault = TORN if len(content) < wanted else WRONG_SIZE
        raise BrokenFrameError(fault, f"{path}: wanted {wanted} bytes, found {len(content)}")
    pixels = np.frombuffer(content, np.uint8).reshape(height, width, 2)
    return cv2.cvtColor(pixels, cv2.COLOR_YUV2BGR_YUYV)


def _decode_jpeg(content: bytes, width: int, height: int, path: str) -> np.ndarray:
    found = jpeg_size(content)
    if found not in (None, (height, width)):
        sizes = f"wanted {width}x{height}, found {found[1]}x{found[0]}"
        raise BrokenFrameError(WRONG_SIZE, f"{path}: {sizes}")
    try:
        return decode_jpeg(content, path, IMAGE_HEIGHT, IMAGE_HEIGHT)
    except FrameError as error:
        raise BrokenFrameError(TORN, str(error)) from None


_DECODERS = {"YUYV": _decode_yuyv, "MJPG": _decode_jpeg}


def _explained(error: OSError, path: str) -> SensorError:
    """The sentence for what the kernel answered."""
    if error.errno in _GONE:
        return BrokenStreamError(VANISHED, f"{path}: not there ({error.strerror}); check the cable")
    if error.errno in _USB_ERRORS:
        return BrokenStreamError(
            USB, f"{path}: USB transfer failed ({error.strerror}); check cable, hub and power"
        )
    if error.errno == errno.EBUSY:
        hint = "another program uses it; `sparsh-ros doctor` names it"
    elif error.errno == errno.ENOSPC:
        hint = "no bandwidth left on this USB bus; use another port, or a lower rate or size"
    elif error.errno in (errno.EACCES, errno.EPERM):
        hint = "no right to use it; `sparsh-ros doctor` tells how to get it"
    else:
        hint = "look at it with `sparsh-ros doctor`"
    return SensorError(f"{path}: {error.strerror}: {hint}")
