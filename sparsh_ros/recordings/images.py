# SPDX-License-Identifier: Apache-2.0
"""Image messages of bags as RGB arrays."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from sparsh_ros.errors import FrameError
from sparsh_ros.sensors.images import decode_image

_ENCODINGS = {
    # encoding: (bytes per pixel, conversion to RGB)
    "rgb8": (3, None),
    "bgr8": (3, cv2.COLOR_BGR2RGB),
    "8UC3": (3, cv2.COLOR_BGR2RGB),  # unnamed channels are in OpenCV's order
    "rgba8": (4, cv2.COLOR_RGBA2RGB),
    "bgra8": (4, cv2.COLOR_BGRA2RGB),
    "mono8": (1, cv2.COLOR_GRAY2RGB),
    "8UC1": (1, cv2.COLOR_GRAY2RGB),
    "yuv422": (2, cv2.COLOR_YUV2RGB_UYVY),
    "uyvy": (2, cv2.COLOR_YUV2RGB_UYVY),
    "yuv422_yuy2": (2, cv2.COLOR_YUV2RGB_YUY2),
    "yuyv": (2, cv2.COLOR_YUV2RGB_YUY2),
}


def raw_image(message: Any) -> np.ndarray:
    """A sensor_msgs/Image as (height, width, 3) uint8 RGB.

    Raises:
        FrameError: unknown encoding, or the data do not fill the stated size.
    """
    if message.encoding not in _ENCODINGS:
        raise FrameError(
            f"image message: wanted an encoding of {', '.join(_ENCODINGS)}, "
            f"found {message.encoding!r}"
        )
    channels, conversion = _ENCODINGS[message.encoding]
    height, row, found = message.height, channels * message.width, len(message.data)
    if not row or not height or message.step < row or found != message.step * height:
        raise FrameError(
            f"image message: wanted {height} rows of at least {row} bytes, found {found} bytes in "
            f"rows of {message.step}"
        )
    rows = np.frombuffer(message.data, np.uint8).reshape(height, message.step)
    pixels = np.ascontiguousarray(rows[:, :row]).reshape(height, message.width, channels)
    return pixels if conversion is None else cv2.cvtColor(pixels, conversion)


def compressed_image(message: Any) -> np.ndarray:
    """A sensor_msgs/CompressedImage (JPEG, PNG) as (height, width, 3) uint8 RGB.

    Raises:
        FrameError: the data are no such image.
    """
    image = decode_image(bytes(message.data), "compressed image message")
    # image_transport stored the channels the other way round if it says "compressed rgb8".
    if "compressed rgb" in message.format:
        return image
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
