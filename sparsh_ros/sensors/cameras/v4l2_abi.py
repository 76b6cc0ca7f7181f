# SPDX-License-Identifier: Apache-2.0
"""The part of the kernel's V4L2 interface that capturing needs (linux/videodev2.h)."""

from __future__ import annotations

import ctypes

CAPTURE = 1  # V4L2_BUF_TYPE_VIDEO_CAPTURE
MMAP = 1  # V4L2_MEMORY_MMAP
FLAG_ERROR = 0x0040
FLAG_TIMESTAMP_MASK = 0xE000
FLAG_TIMESTAMP_MONOTONIC = 0x2000
CONTROL_ZOOM = 0x009A090D  # V4L2_CID_ZOOM_ABSOLUTE

_U32 = ctypes.c_uint32


class Timeval(ctypes.Structure):
    """struct timeval."""

    _fields_ = [("seconds", ctypes.c_long), ("microseconds", ctypes.c_long)]


class PixelFormat(ctypes.Structure):
    """struct v4l2_pix_format."""

    _fields_ = [
        ("width", _U32),
        ("height", _U32),
        ("fourcc", _U32),
        ("field", _U32),
        ("bytes_per_line", _U32),
        ("size_image", _U32),
        ("rest", _U32 * 6),
    ]


class _FormatUnion(ctypes.Union):
    # The pointer stands for members of the union that align it.
    _fields_ = [("pixel", PixelFormat), ("pointer", ctypes.c_void_p), ("raw", ctypes.c_uint8 * 200)]


class Format(ctypes.Structure):
    """struct v4l2_format."""

    _fields_ = [("type", _U32), ("format", _FormatUnion)]


class StreamParameters(ctypes.Structure):
    """struct v4l2_streamparm, for capturing."""

    _fields_ = [
        ("type", _U32),
        ("capability", _U32),
        ("mode", _U32),
        ("numerator", _U32),
        ("denominator", _U32),
        ("rest", ctypes.c_uint8 * 184),
    ]


class Control(ctypes.Structure):
    """struct v4l2_control."""

    _fields_ = [("id", _U32), ("value", ctypes.c_int32)]


class RequestBuffers(ctypes.Structure):
    """struct v4l2_requestbuffers."""

    _fields_ = [("count", _U32), ("type", _U32), ("memory", _U32), ("rest", _U32 * 2)]


class _Memory(ctypes.Union):
    _fields_ = [("offset", _U32), ("pointer", ctypes.c_void_p)]


class BufferInfo(ctypes.Structure):
    """struct v4l2_buffer."""

    _fields_ = [
        ("index", _U32),
        ("type", _U32),
        ("bytes_used", _U32),
        ("flags", _U32),
        ("field", _U32),
        ("timestamp", Timeval),
        ("timecode", _U32 * 4),
        ("sequence", _U32),
        ("memory", _U32),
        ("where", _Memory),
        ("length", _U32),
        ("rest", _U32 * 2),
    ]


class FormatEntry(ctypes.Structure):
    """struct v4l2_fmtdesc."""

    _fields_ = [
        ("index", _U32),
        ("type", _U32),
        ("flags", _U32),
        ("description", ctypes.c_char * 32),
        ("fourcc", _U32),
        ("rest", _U32 * 4),
    ]


class SizeEntry(ctypes.Structure):
    """struct v4l2_frmsizeenum, of which width and height hold for a single size."""

    _fields_ = [
        *((name, _U32) for name in ("index", "fourcc", "type", "width", "height")),
        ("rest", _U32 * 6),
    ]


class Interval(ctypes.Structure):
    """struct v4l2_fract, seconds between two frames."""

    _fields_ = [("numerator", _U32), ("denominator", _U32)]

    def rate(self) -> float:
        """Frames per second."""
        return self.denominator / max(1, self.numerator)


class RateEntry(ctypes.Structure):
    """struct v4l2_frmivalenum: one interval, or the ends of a range."""

    _fields_ = [
        *((name, _U32) for name in ("index", "fourcc", "width", "height", "type")),
        ("shortest", Interval),
        ("longest", Interval),
        ("rest", _U32 * 4),
    ]


def _request(number: int, structure: type, direction: int = 3) -> int:
    """The _IOWR ('V', number, structure) of the kernel, or with direction 1 its _IOW."""
    return direction << 30 | ctypes.sizeof(structure) << 16 | ord("V") << 8 | number


ENUMERATE_FORMATS = _request(2, FormatEntry)
SET_FORMAT = _request(5, Format)
REQUEST_BUFFERS = _request(8, RequestBuffers)
QUERY_BUFFER = _request(9, BufferInfo)
QUEUE = _request(15, BufferInfo)
DEQUEUE = _request(17, BufferInfo)
STREAM_ON = _request(18, ctypes.c_int, 1)
STREAM_OFF = _request(19, ctypes.c_int, 1)
GET_PARAMETERS = _request(21, StreamParameters)
SET_PARAMETERS = _request(22, StreamParameters)
GET_CONTROL = _request(27, Control)
SET_CONTROL = _request(28, Control)
ENUMERATE_SIZES = _request(74, SizeEntry)
ENUMERATE_RATES = _request(75, RateEntry)


def fourcc(code: str) -> int:
    """The number that stands for a pixel format such as "YUYV"."""
    return int.from_bytes(code.encode("ascii"), "little")


def fourcc_name(number: int) -> str:
    """The four letters of a pixel format."""
    return number.to_bytes(4, "little").decode("ascii", "replace").strip()
