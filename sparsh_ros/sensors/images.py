# SPDX-License-Identifier: Apache-2.0
"""Single image files."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np

from sparsh_ros.errors import FrameError, RecordingError

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_JPEG_TAIL = 4096  # bytes that some cameras put behind the end of an image


def is_cut_off(content: bytes) -> bool:
    """Whether a JPEG file lacks its end, which OpenCV 4 fills up with grey and lets pass."""
    return content.startswith(_JPEG_START) and content.rfind(_JPEG_END, -_JPEG_TAIL) < 0


def decode_image(content: bytes, source: str) -> np.ndarray:
    """Decode an image file's content.

    Returns:
        (height, width, 3) uint8 BGR.

    Raises:
        FrameError: The content is no image; the message begins with `source`.
    """
    buffer = np.frombuffer(content, np.uint8)
    image = cv2.imdecode(buffer, cv2.IMREAD_COLOR) if buffer.size else None
    if image is None:
        raise FrameError(f"{source}: not a readable image ({len(content)} bytes)")
    return image


def encode_jpeg(rgb: np.ndarray, quality: int) -> np.ndarray:
    """(height, width, 3) uint8 RGB as the bytes of a JPEG file, (n,) uint8; quality 1 to 100."""
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, quality))[1]


def read_image(path: str | Path) -> np.ndarray:
    """Read one image file, such as a background.

    Returns:
        (height, width, 3) uint8 BGR.

    Raises:
        RecordingError: The file is missing.
        FrameError: It is no image.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    return decode_image(content, str(path))


def list_images(folder: Path) -> list[Path]:
    """Image files of a folder in natural order: frame2 before frame10."""
    files = (path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    return sorted(files, key=_natural)


def _natural(path: Path) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", path.name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]
