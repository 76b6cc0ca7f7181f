# SPDX-License-Identifier: Apache-2.0
"""Which sizes and frame rates a camera offers. Asking does not disturb a stream that runs."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sparsh_ros.sensors.cameras import v4l2_abi as abi

_DISCRETE = 1  # V4L2_FRMSIZE_TYPE_DISCRETE and V4L2_FRMIVAL_TYPE_DISCRETE
_TOLERANCE_HZ = 0.5


@dataclass(frozen=True, slots=True)
class OfferedMode:
    """A pixel format and size that a camera can deliver.

    Attributes:
        fourcc: Pixel format, such as "YUYV".
        width, height: Pixels.
        rates: Its frame rates, 1/s, each as (slowest, fastest); the same twice for a single rate.
    """

    fourcc: str
    width: int
    height: int
    rates: tuple[tuple[float, float], ...]

    def has_rate(self, fps: float) -> bool:
        """Whether it delivers `fps` frames per second."""
        return any(low - _TOLERANCE_HZ <= fps <= high + _TOLERANCE_HZ for low, high in self.rates)


def offered_modes(path: str) -> list[OfferedMode]:
    """The modes of the camera at a device node.

    Sizes that are given as a range, which only virtual cameras do, are left out.

    Raises:
        OSError: It cannot be opened, or is no camera.
    """
    device = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return [
            OfferedMode(
                abi.fourcc_name(fourcc), width, height, tuple(_rates(device, fourcc, width, height))
            )
            for fourcc in _formats(device)
            for width, height in _sizes(device, fourcc)
        ]
    finally:
        os.close(device)


def _formats(device: int) -> Iterator[int]:
    def request(index: int) -> abi.FormatEntry:
        return abi.FormatEntry(index=index, type=abi.CAPTURE)

    for entry in _entries(device, abi.ENUMERATE_FORMATS, request):
        yield entry.fourcc


def _sizes(device: int, fourcc: int) -> Iterator[tuple[int, int]]:
    def request(index: int) -> abi.SizeEntry:
        return abi.SizeEntry(index=index, fourcc=fourcc)

    for entry in _entries(device, abi.ENUMERATE_SIZES, request):
        if entry.type == _DISCRETE:
            yield entry.width, entry.height


def _rates(device: int, fourcc: int, width: int, height: int) -> Iterator[tuple[float, float]]:
    def request(index: int) -> abi.RateEntry:
        return abi.RateEntry(index=index, fourcc=fourcc, width=width, height=height)

    for entry in _entries(device, abi.ENUMERATE_RATES, request):
        is_range = entry.type != _DISCRETE
        yield (entry.longest if is_range else entry.shortest).rate(), entry.shortest.rate()
        if is_range:  # it is the only one
            return


def _entries(
    device: int, request: int, entry_at: Callable[[int], ctypes.Structure]
) -> Iterator[ctypes.Structure]:
    """What the kernel lists under 0, 1, 2 and so on, until it says that there is no more."""
    index = 0
    while True:
        entry = entry_at(index)
        try:
            fcntl.ioctl(device, request, entry)
        except OSError as error:
            if error.errno == errno.EINVAL:
                return
            raise
        yield entry
        index += 1
