# SPDX-License-Identifier: Apache-2.0
"""The encodings of sensor_msgs/Image that a colour camera may send, as RGB.

OpenCV decodes those of 8 bits; cv_bridge, where it is installed, whatever else it knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

import cv2
import numpy as np
from sensor_msgs.msg import Image

from sparsh_ros.errors import FrameError


@dataclass(frozen=True)
class _Encoding:
    """How an image lies in a message.

    Attributes:
        code: of cv2.cvtColor; None: it is RGB already.
        channels: bytes per pixel.
        rows: rows of bytes per row of pixels; more than one where planes follow each other.
        multiple: width and height must be multiples of it, as pixels share their colour.
    """

    code: int | None
    channels: int
    rows: float = 1.0
    multiple: int = 1


_ENCODINGS = {
    "rgb8": _Encoding(None, 3),
    "bgr8": _Encoding(cv2.COLOR_BGR2RGB, 3),
    "rgba8": _Encoding(cv2.COLOR_RGBA2RGB, 4),
    "bgra8": _Encoding(cv2.COLOR_BGRA2RGB, 4),
    # OpenCV's own names say nothing of the order; its own order is meant.
    "8UC3": _Encoding(cv2.COLOR_BGR2RGB, 3),
    "8UC4": _Encoding(cv2.COLOR_BGRA2RGB, 4),
    # OpenCV names a mosaic by the pixels of the second row, ROS by the first four.
    "bayer_rggb8": _Encoding(cv2.COLOR_BayerBG2RGB, 1, multiple=2),
    "bayer_bggr8": _Encoding(cv2.COLOR_BayerRG2RGB, 1, multiple=2),
    "bayer_gbrg8": _Encoding(cv2.COLOR_BayerGR2RGB, 1, multiple=2),
    "bayer_grbg8": _Encoding(cv2.COLOR_BayerGB2RGB, 1, multiple=2),
    "yuv422": _Encoding(cv2.COLOR_YUV2RGB_UYVY, 2, multiple=2),
    "uyvy": _Encoding(cv2.COLOR_YUV2RGB_UYVY, 2, multiple=2),
    "yuv422_yuy2": _Encoding(cv2.COLOR_YUV2RGB_YUY2, 2, multiple=2),
    "yuyv": _Encoding(cv2.COLOR_YUV2RGB_YUY2, 2, multiple=2),
    "nv12": _Encoding(cv2.COLOR_YUV2RGB_NV12, 1, rows=1.5, multiple=2),
    "nv21": _Encoding(cv2.COLOR_YUV2RGB_NV21, 1, rows=1.5, multiple=2),
}


def decode_image(message: Image) -> np.ndarray:
    """The image in a message as RGB.

    Returns:
        (height, width, 3) uint8.

    Raises:
        FrameError: The encoding is unknown here, or the data do not fill the stated size.
    """
    encoding = _ENCODINGS.get(message.encoding)
    if encoding is None:
        return _by_cv_bridge(message)
    pixels = _pixels(message, encoding)
    return pixels if encoding.code is None else cv2.cvtColor(pixels, encoding.code)


def _pixels(message: Image, encoding: _Encoding) -> np.ndarray:
    """The bytes as (rows, width, channels), or (rows, width) for a single channel."""
    width, height = message.width, message.height
    row, found = encoding.channels * width, len(message.data)
    rows = int(encoding.rows * height)
    if width % encoding.multiple or height % encoding.multiple:
        raise FrameError(
            f"image message: wanted an even size for {message.encoding}, found {width} x {height}"
        )
    if not width * height or message.step < row or found != message.step * rows:
        raise FrameError(
            f"image message: wanted {rows} rows of at least {row} bytes, found {found} bytes in "
            f"rows of {message.step}, for {width} x {height} pixels"
        )
    padded = np.frombuffer(message.data, np.uint8).reshape(rows, message.step)
    pixels = np.ascontiguousarray(padded[:, :row])
    return pixels if encoding.channels == 1 else pixels.reshape(rows, width, encoding.channels)


def _by_cv_bridge(message: Image) -> np.ndarray:
    known = ", ".join(_ENCODINGS)
    found = f"found {message.encoding[:40]!r}"
    try:
        bridge = import_module("cv_bridge").CvBridge()
    except ImportError:
        raise FrameError(
            f"image message: wanted encoding {known}, {found}; others need cv_bridge, which is not "
            "installed (ros-<distribution>-cv-bridge)"
        ) from None
    try:
        image = bridge.imgmsg_to_cv2(message, desired_encoding="rgb8")
    except Exception as error:  # its own class, those of OpenCV, and those of Python
        raise FrameError(
            f"image message: wanted encoding {known} or one that cv_bridge turns into rgb8, "
            f"{found}: {' '.join(str(error).split())}"
        ) from None
    return np.ascontiguousarray(image, dtype=np.uint8)
