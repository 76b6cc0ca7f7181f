# SPDX-License-Identifier: Apache-2.0
"""Cameras through V4L2, the camera interface of the Linux kernel.

Spoken directly, because what makes a loose cable survivable is not to be had otherwise: OpenCV
waits up to 10 s for a camera that hangs and hides the flags and numbers of its buffers; linuxpy,
which shows them, is under the GPL. Tests and `sparsh-ros faults` put a simulated Host, with cameras
that fail, in the place of this machine.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import select
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import cv2
import numpy as np

from sparsh_ros.errors import SensorError
from sparsh_ros.sensors import v4l2_abi as abi
from sparsh_ros.sensors.discovery import TactileCamera, find_cameras
from sparsh_ros.sensors.live import LiveImage
from sparsh_ros.sensors.profiles import SensorProfile
from sparsh_ros.sensors.watchdog import (
    EMPTY,
    TORN,
    VANISHED,
    WRONG_SIZE,
    BrokenFrameError,
    BrokenStreamError,
)

_BUFFERS = 4
_PATIENCE_S = 0.1
_USB_BYTES_PER_S = 35e6
_GONE = (errno.ENODEV, errno.ENOENT, errno.ENXIO, errno.EIO)
_JPEG_END = b"\xff\xd9"
_JPEG_TAIL = 4096  # bytes that some cameras put behind the end of an image


@dataclass(frozen=True, slots=True)
class Buffer:
    """One frame as the kernel hands it over.

    Attributes:
        content: pixels or JPEG file, as the pixel format says.
        sequence: counts the frames of the camera, so a gap is a lost frame.
        monotonic_ns: moment of the grab on the monotonic clock; None where the driver uses another.
        damaged: the kernel knows that data was lost.
    """

    content: bytes
    sequence: int
    monotonic_ns: int | None
    damaged: bool = False


@dataclass(frozen=True, slots=True)
class Mode:
    """How a camera is to run.

    Attributes:
        width, height: pixels of its frames.
        fps: frames per second.
        fourcc: pixel format, "YUYV" or "MJPG". The camera may choose the other one.
        controls: values by the number of the control.
    """

    width: int
    height: int
    fps: float
    fourcc: str
    controls: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, profile: SensorProfile, fps: float | None = None) -> Mode:
        """The mode of a profile, uncompressed where USB 2.0 carries that."""
        fps = fps or profile.fps
        fourcc = "YUYV" if 2 * profile.width * profile.height * fps < _USB_BYTES_PER_S else "MJPG"
        return cls(profile.width, profile.height, fps, fourcc)


class Device:
    """An open V4L2 device node. Every call may raise OSError, as the kernel gives it."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._buffers: list[mmap.mmap] = []
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)

    def set_format(self, width: int, height: int, fourcc: str) -> tuple[int, int, str]:
        """Ask for a size and pixel format; returns what the camera chose."""
        request = abi.Format(type=abi.CAPTURE)
        pixel = request.format.pixel
        pixel.width, pixel.height, pixel.fourcc = width, height, abi.fourcc(fourcc)
        fcntl.ioctl(self._fd, abi.SET_FORMAT, request)
        return pixel.width, pixel.height, abi.fourcc_name(pixel.fourcc)

    def set_rate(self, fps: float) -> float:
        """Ask for a frame rate; returns what the camera chose."""
        interval = abi.StreamParameters(type=abi.CAPTURE, numerator=1000)
        interval.denominator = round(1000 * fps)
        fcntl.ioctl(self._fd, abi.SET_PARAMETERS, interval)
        fcntl.ioctl(self._fd, abi.GET_PARAMETERS, interval)
        return interval.denominator / max(1, interval.numerator)

    def set_control(self, number: int, value: int) -> int:
        """Set a control; returns the value that it has then."""
        control = abi.Control(number, value)
        fcntl.ioctl(self._fd, abi.SET_CONTROL, control)
        fcntl.ioctl(self._fd, abi.GET_CONTROL, control)
        return control.value

    def start(self) -> None:
        """Begin to stream."""
        request = abi.RequestBuffers(_BUFFERS, abi.CAPTURE, abi.MMAP)
        fcntl.ioctl(self._fd, abi.REQUEST_BUFFERS, request)
        for index in range(request.count):
            info = abi.BufferInfo(index=index, type=abi.CAPTURE, memory=abi.MMAP)
            fcntl.ioctl(self._fd, abi.QUERY_BUFFER, info)
            self._buffers.append(
                mmap.mmap(self._fd, info.length, prot=mmap.PROT_READ, offset=info.where.offset)
            )
            fcntl.ioctl(self._fd, abi.QUEUE, info)
        fcntl.ioctl(self._fd, abi.STREAM_ON, ctypes.c_int(abi.CAPTURE))

    def read(self, timeout_s: float) -> Buffer | None:
        """Wait for the next frame; None if none came in time."""
        if not self._poll.poll(timeout_s * 1e3):
            return None
        info = abi.BufferInfo(type=abi.CAPTURE, memory=abi.MMAP)
        try:
            fcntl.ioctl(self._fd, abi.DEQUEUE, info)
        except BlockingIOError:
            return None
        content = self._buffers[info.index][: info.bytes_used]
        stamp = info.timestamp
        monotonic_ns = stamp.seconds * 10**9 + stamp.microseconds * 1000
        monotonic = info.flags & abi.FLAG_TIMESTAMP_MASK == abi.FLAG_TIMESTAMP_MONOTONIC
        damaged = bool(info.flags & abi.FLAG_ERROR)
        sequence = info.sequence
        fcntl.ioctl(self._fd, abi.QUEUE, info)
        return Buffer(content, sequence, monotonic_ns if monotonic else None, damaged)

    def close(self) -> None:
        """Stop streaming and let go of the device."""
        with suppress(OSError):  # nothing to stop: it is unplugged, or was never started
            fcntl.ioctl(self._fd, abi.STREAM_OFF, ctypes.c_int(abi.CAPTURE))
        for buffer in self._buffers:
            buffer.close()
        os.close(self._fd)


class Host:
    """What the drivers need of the machine that they run on."""

    def cameras(self) -> list[TactileCamera]:
        """The cameras that are plugged in."""
        return find_cameras()

    def open(self, path: str) -> Device:
        """Open a device node; raises OSError."""
        return Device(path)


class V4l2Camera:
    """A camera that runs in a mode; a live source, see live.py.

    Attributes:
        fps: the frame rate that the camera agreed to.
        lost: frames that it made and that never arrived, by its own numbering.
        differences: one sentence for each setting that the camera did not take.

    Raises:
        SensorError: it is not there, may not be used, or has no pixel format that is known here.
    """

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
        self.fps = self._device.set_rate(mode.fps)
        self._compare("frame rate", round(mode.fps, 1), round(self.fps, 1))
        for number, value in mode.controls.items():
            self._compare(f"control {number:#x}", value, self._set_control(number, value))

    def _set_control(self, number: int, value: int) -> int | str:
        try:
            return self._device.set_control(number, value)
        except OSError as error:
            if error.errno in _GONE:
                raise
            return f"none ({error.strerror})"

    def _compare(self, setting: str, wanted: object, found: object) -> None:
        if found != wanted:
            self.differences.append(f"{self._path}: {setting}: wanted {wanted}, found {found}")

    def read(self) -> LiveImage | None:
        """Wait for the next image; None if none came within 0.1 s.

        JPEG images are decoded at the smallest of 1/1, 1/2, 1/4 and 1/8 of their size that is still
        as large as a standard image: a GelSight Mini sends 8 megapixels.

        Raises:
            BrokenFrameError: it is empty, incomplete, or of another size than agreed.
            BrokenStreamError: the camera is gone.
            SensorError: reading failed otherwise.
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
            raise BrokenFrameError(TORN, f"{self._path}: frame with data lost on USB")
        decode = _DECODERS[self._fourcc]
        image = decode(buffer.content, self._width, self._height, self._path)
        return LiveImage(image, buffer.monotonic_ns)

    def interrupt(self) -> None:
        """Nothing to do: `read` never waits long."""

    def close(self) -> None:
        """Stop and release the camera."""
        self._device.close()


def _decode_yuyv(content: bytes, width: int, height: int, path: str) -> np.ndarray:
    wanted = 2 * width * height
    if len(content) != wanted:
        kind = TORN if len(content) < wanted else WRONG_SIZE
        raise BrokenFrameError(kind, f"{path}: wanted {wanted} bytes, found {len(content)}")
    pixels = np.frombuffer(content, np.uint8).reshape(height, width, 2)
    return cv2.cvtColor(pixels, cv2.COLOR_YUV2BGR_YUYV)


def _decode_jpeg(content: bytes, width: int, height: int, path: str) -> np.ndarray:
    if content.rfind(_JPEG_END, -_JPEG_TAIL) < 0:
        raise BrokenFrameError(TORN, f"{path}: JPEG image without an end ({len(content)} bytes)")
    factor = next(n for n in (8, 4, 2, 1) if n == 1 or min(width, height) >= 320 * n)
    image = cv2.imdecode(np.frombuffer(content, np.uint8), _REDUCED[factor])
    if image is None:
        raise BrokenFrameError(TORN, f"{path}: not a readable JPEG image ({len(content)} bytes)")
    wanted = (-(-height // factor), -(-width // factor))
    if image.shape[:2] != wanted:
        found_height, found_width = (factor * size for size in image.shape[:2])
        raise BrokenFrameError(
            WRONG_SIZE, f"{path}: wanted {width}x{height}, found {found_width}x{found_height}"
        )
    return image


_REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_DECODERS = {"YUYV": _decode_yuyv, "MJPG": _decode_jpeg}


def _explained(error: OSError, path: str) -> SensorError:
    """The sentence for what the kernel answered."""
    if error.errno in _GONE:
        return BrokenStreamError(VANISHED, f"{path}: not there ({error.strerror}); check the cable")
    if error.errno == errno.EBUSY:
        hint = f"another program uses it; `fuser -v {path}` names it"
    elif error.errno in (errno.EACCES, errno.EPERM):
        hint = "no right to use it; join the group of the file: `sudo usermod -aG video $USER`"
    else:
        hint = f"check it with `v4l2-ctl --device {path} --all`"
    return SensorError(f"{path}: {error.strerror}: {hint}")
