# SPDX-License-Identifier: Apache-2.0
"""Single image files."""

from __future__ import annotations

import re
import struct
from decimal import Decimal
from pathlib import Path

import cv2
import numpy as np

from sparsh_ros.errors import FrameError, RecordingError

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

MOST_PIXELS = 64_000_000
"""More than the camera of any gel sensor has; the largest have 8 million."""

_TIFF_IMAGES = 16
_NUMBER = re.compile(r"(\d+(?:\.\d+)?(?:[eE][-+]\d{1,3}(?!\d))?)", re.ASCII)
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
        FrameError: The content is no image, or one of more pixels than any camera has; the message
            begins with `source`.
    """
    width, height = image_size(content)
    if width * height > MOST_PIXELS:
        raise FrameError(
            f"{source}: wanted an image of up to {MOST_PIXELS:,} pixels, found {width} x {height}"
        )
    buffer = np.frombuffer(content, np.uint8)
    image = cv2.imdecode(buffer, cv2.IMREAD_COLOR) if buffer.size else None
    if image is None:
        raise FrameError(f"{source}: not a readable image ({len(content)} bytes)")
    return image


def image_size(content: bytes) -> tuple[int, int]:
    """Width and height that the head of a PNG, JPEG, WebP, TIFF or BMP file states; (0, 0) where it
    states none. A small file may state any size."""
    if content.startswith(b"\x89PNG"):
        return _integers(">II", content, 16)
    if content.startswith(_JPEG_START):
        return _jpeg_size(content)
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return _webp_size(content)
    if content[:4] in (b"II*\0", b"MM\0*"):
        return _tiff_size(content)
    if content.startswith(b"BM"):
        width, height = _integers("<ii", content, 18)
        return abs(width), abs(height)
    return 0, 0


def _integers(form: str, content: bytes, at: int) -> tuple[int, int]:
    if len(content) < at + struct.calcsize(form):
        return 0, 0
    first, second = struct.unpack_from(form, content, at)
    return first, second


def _jpeg_size(content: bytes) -> tuple[int, int]:
    at = 2
    while at + 9 <= len(content):
        if content[at] != 0xFF:
            at += 1
            continue
        marker = content[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = _integers(">HH", content, at + 5)
            return width, height
        bare = marker == 0xFF or marker == 0x01 or 0xD0 <= marker <= 0xD8
        at += 1 + (marker != 0xFF) if bare else 2 + _integers(">HH", content, at + 2)[0]
    return 0, 0


def _webp_size(content: bytes) -> tuple[int, int]:
    if content[12:16] == b"VP8X" and len(content) >= 30:
        width, height = (int.from_bytes(content[at : at + 3], "little") for at in (24, 27))
        return width + 1, height + 1
    if content[12:16] == b"VP8L" and len(content) >= 25:
        bits = int.from_bytes(content[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = _integers("<HH", content, 26)
    return width & 0x3FFF, height & 0x3FFF


def _tiff_size(content: bytes) -> tuple[int, int]:
    """The largest of all images in the file."""
    order = "<" if content[:2] == b"II" else ">"
    largest, at = (0, 0), _integers(f"{order}II", content, 4)[0]
    for _ in range(_TIFF_IMAGES):
        count = _integers(f"{order}HH", content, at)[0]
        found = {}
        for entry in range(at + 2, min(at + 2 + 12 * count, len(content) - 11), 12):
            tag, form = _integers(f"{order}HH", content, entry)
            if tag in (256, 257):
                wide = f"{order}II" if form == 4 else f"{order}HH"
                found[tag] = _integers(wide, content + bytes(8), entry + 8)[0]
        size = found.get(256, 0), found.get(257, 0)
        largest = max(largest, size, key=lambda pair: pair[0] * pair[1])
        at = _integers(f"{order}II", content + bytes(8), at + 2 + 12 * count)[0]
        if not at:
            break
    return largest


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
    """Image files of a folder in natural order: frame2 before frame10, and 0.5 before 0.25e1.

    Hidden files are none, such as the `._` files of macOS, nor are folders and dangling links.
    """
    files = (
        path
        for path in folder.iterdir()
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    )
    return sorted((path for path in files if path.is_file()), key=_natural)


def _natural(path: Path) -> list[tuple[int, Decimal, str]]:
    parts = _NUMBER.split(path.stem)
    numbers = (bool(_NUMBER.fullmatch(part)) for part in parts)
    keys = [
        (0, Decimal(part), part) if number else (1, Decimal(0), part)
        for part, number in zip(parts, numbers, strict=True)
        if part
    ]
    return [*keys, (1, Decimal(0), path.suffix)]
