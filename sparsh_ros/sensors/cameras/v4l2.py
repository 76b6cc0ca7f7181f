# SPDX-License-Identifier: Apache-2.0
"""V4L2, the camera interface of the Linux kernel: the lowest layer of the drivers.

Spoken directly, because what makes a loose cable survivable is not to be had otherwise: OpenCV
waits up to 10 s for a camera that hangs and hides the flags and numbers of its buffers; linuxpy,
which shows them, is under the GPL. Tests and `sparsh-ros faults` put a simulated Host, with cameras
that fail, in the place of this machine.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import select
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from sparsh_ros.sensors.cameras import v4l2_abi as abi
from sparsh_ros.sensors.cameras.discovery import TactileCamera, find_cameras
from sparsh_ros.sensors.profiles import SensorProfile

_BUFFERS = 4
_USB_BYTES_PER_S = 35e6


@dataclass(frozen=True, slots=True)
class Buffer:
    """One frame as the kernel hands it over.

    Attributes:
        content: Pixels or JPEG file, as the pixel format says.
        sequence: Counts the frames of the camera, so a gap is a lost frame.
        monotonic_ns: Moment of the grab on the monotonic clock; None where the driver uses another.
        damaged: The kernel knows that data was lost.
    """

    content: bytes
    sequence: int
    monotonic_ns: int | None
    damaged: bool = False


@dataclass(frozen=True, slots=True)
class Mode:
    """How a camera is to run.

    Attributes:
        width, height: Pixels of its frames.
        fps: Frames per second.
        fourcc: Pixel format, "YUYV" or "MJPG". The camera may choose the other one.
        controls: Values by the number of the control.
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
