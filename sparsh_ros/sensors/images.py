# SPDX-License-Identifier: Apache-2.0
"""Single images: decoded without passing over damage, listed in the order that their names mean."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import cv2
import numpy as np

from sparsh_ros.errors import FrameError, RecordingError
from sparsh_ros.files import read_whole

try:
    import simplejpeg
except ImportError:  # damage is then told by a missing end alone
    simplejpeg = None

LARGEST_FILE_BYTES = 256 << 20
IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_JPEG_TAIL = 4096  # bytes that some cameras put behind the end of an image
_PNG_START = b"\x89PNG"
_BMP_START = b"BM"
_TIFF_ORDERS = {b"II*\0": "little", b"MM\0*": "big"}
_LARGEST_PIXELS = 32_000_000  # a GelSight Mini has 8 million
# Of a progressive JPEG, every scan goes over the whole image again: real ones have about ten.
_MOST_SCANNED_PIXELS = 10**9
_JPEG_SCAN = b"\xff\xda"
_LFS_POINTER = b"version https://git-lfs"
_NUMBER = re.compile(r"(.*?)(\d+(?:\.\d+)?(?:e[-+]?\d+)?)", re.IGNORECASE)


def decode_jpeg(content: bytes, source: str, height: int = 0, width: int = 0) -> np.ndarray:
    """Decode a JPEG image, if nothing in it is damaged as far as a decoder can tell.

    OpenCV fills what it cannot read with grey or with whatever it takes it for, and says nothing.

    Args:
        content: The file's bytes; the tables that MJPEG leaves out are known.
        source: Where it comes from, in words.
        height, width: The smallest size that will do, pixels: the image is shrunk to 1/2, 1/4 or
            1/8 of its size as it is decoded, where that is still as large. 0: the image as it is.

    Returns:
        (height, width, 3) uint8 BGR.

    Raises:
        FrameError: It is no JPEG image, has no end, is too large or damaged; the message begins
            with `source`.
    """
    if is_cut_off(content):
        raise FrameError(f"{source}: JPEG image without an end ({len(content)} bytes)")
    if simplejpeg is None:
        return _decode_jpeg_with_opencv(content, source, height)
    try:
        found_height, found_width, *_ = simplejpeg.decode_jpeg_header(content)
        _check_jpeg(content, found_height * found_width, source)
        factor = _factor(found_height, found_width, height, width)
        smallest = (-(-found_height // factor), -(-found_width // factor))
        return simplejpeg.decode_jpeg(content, "BGR", False, False, *smallest)
    except ValueError as error:
        raise FrameError(f"{source}: damaged JPEG image ({len(content)} bytes; {error})") from None


def jpeg_size(content: bytes) -> tuple[int, int] | None:
    """Height and width that a JPEG image says it has; None where it does not say."""
    position = 2
    while content[position : position + 1] == b"\xff" and position + 9 <= len(content):
        marker = content[position + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            sides = content[position + 5 : position + 9]
            return int.from_bytes(sides[:2], "big"), int.from_bytes(sides[2:], "big")
        position += 2 + int.from_bytes(content[position + 2 : position + 4], "big")
    return None


def is_cut_off(content: bytes) -> bool:
    """Whether a JPEG file lacks its end."""
    return content.startswith(_JPEG_START) and content.rfind(_JPEG_END, -_JPEG_TAIL) < 0


def decode_image(content: bytes, source: str) -> np.ndarray:
    """Decode an image file's content.

    Returns:
        (height, width, 3) uint8 BGR.

    Raises:
        FrameError: The content is no image of the kinds in IMAGE_SUFFIXES, or a damaged or too
            large one; the message begins with `source`.
    """
    if content.startswith(_LFS_POINTER):
        raise FrameError(f"{source}: {lfs_sentence(content)}")
    if content.startswith(_JPEG_START):
        image = decode_jpeg(content, source)
        if b"Exif" not in content[:64]:  # which may say how the image is to be turned
            return image
    else:
        _check_pixels(_stated_pixels(content, source), source)
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise _unreadable(content, source)
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
        content = read_whole(Path(path), LARGEST_FILE_BYTES)
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    return decode_image(content, str(path))


def lfs_sentence(head: bytes) -> str:
    """What is wrong with a file that begins so, where it only stands for another; else empty."""
    if not head.startswith(_LFS_POINTER):
        return ""
    return "a Git LFS pointer, not the file itself; `git lfs pull` brings it"


def list_images(folder: Path) -> list[Path]:
    """Image files of a folder, in the order of the numbers in their names.

    frame2 comes before frame10, and 0.5 before 0.75. Hidden files, such as the "._1.jpg" of macOS,
    and folders are left out; a link that leads nowhere is not, because its place counts.
    """
    files = (path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    shown = (path for path in files if not path.name.startswith(".") and not path.is_dir())
    return sorted(shown, key=_natural)


def _natural(path: Path) -> list[tuple[str, Decimal]]:
    """Text and number in turn: a point between digits is a decimal one."""
    parts = [(text, Decimal(number)) for text, number in _NUMBER.findall(path.stem)]
    rest = _NUMBER.sub("", path.stem)
    return [*parts, (rest + path.suffix, Decimal(0))]


def _decode_jpeg_with_opencv(content: bytes, source: str, height: int) -> np.ndarray:
    size = jpeg_size(content)
    if size is not None:
        _check_jpeg(content, size[0] * size[1], source)
    factor = _factor(*size, height, 0) if size else 1
    image = cv2.imdecode(np.frombuffer(content, np.uint8), _REDUCED[factor])
    if image is None:
        raise FrameError(f"{source}: not a readable JPEG image ({len(content)} bytes)")
    return image


def _factor(found_height: int, found_width: int, height: int, width: int) -> int:
    """By how much an image can be shrunk: 1, 2, 4 or 8."""
    if not (height or width):
        return 1
    fits = (n for n in (8, 4, 2) if found_height >= height * n and found_width >= width * n)
    return next(fits, 1)


def _check_pixels(count: int, source: str) -> None:
    if count > _LARGEST_PIXELS:
        raise FrameError(f"{source}: wanted at most {_LARGEST_PIXELS} pixels, found {count}")


def _check_jpeg(content: bytes, pixels: int, source: str) -> None:
    _check_pixels(pixels, source)
    scans = content.count(_JPEG_SCAN)
    if scans * pixels > _MOST_SCANNED_PIXELS:
        raise FrameError(
            f"{source}: wanted at most {_MOST_SCANNED_PIXELS} pixels in all scans, found {scans} "
            f"scans of {pixels}"
        )


def _unreadable(content: bytes, source: str) -> FrameError:
    return FrameError(f"{source}: not a readable image ({len(content)} bytes)")


def _stated_pixels(content: bytes, source: str) -> int:
    """Pixels that the head of a file states, of which a small one may state any number.

    Raises:
        FrameError: It is no BMP, PNG, TIFF or WebP; OpenCV would read others, some without limits.
    """
    if content.startswith(_PNG_START):
        return _product(content[16:20], content[20:24])
    if content.startswith(_BMP_START):
        is_old = content[14:18] == b"\x0c\0\0\0"
        sides = (content[18:20], content[20:22]) if is_old else (content[18:22], content[22:26])
        width, height = (int.from_bytes(side, "little", signed=not is_old) for side in sides)
        return abs(width * height)  # of a negative height, the rows begin at the top
    if content[8:12] == b"WEBP":
        return _webp_pixels(content)
    if content[:4] in _TIFF_ORDERS:
        return _tiff_pixels(content, _TIFF_ORDERS[content[:4]])
    raise _unreadable(content, source)


def _webp_pixels(content: bytes) -> int:
    extended = content[12:16] == b"VP8X"
    sides = (content[24:27], content[27:30]) if extended else (content[26:28], content[28:30])
    if content[12:16] == b"VP8L":
        bits = int.from_bytes(content[21:25], "little")
        return ((bits & 0x3FFF) + 1) * ((bits >> 14 & 0x3FFF) + 1)
    mask = 0xFFFFFF if extended else 0x3FFF
    width, height = ((int.from_bytes(side, "little") & mask) for side in sides)
    return (width + extended) * (height + extended)


def _tiff_pixels(content: bytes, order: str) -> int:
    at = int.from_bytes(content[4:8], order)
    sides = {}
    for entry in range(at + 2, at + 2 + 12 * int.from_bytes(content[at : at + 2], order), 12):
        tag, form = (int.from_bytes(content[k : k + 2], order) for k in (entry, entry + 2))
        if tag in (256, 257):
            size = 2 if form == 3 else 4
            sides[tag] = int.from_bytes(content[entry + 8 : entry + 8 + size], order)
    return sides.get(256, 0) * sides.get(257, 0)


def _product(*numbers: bytes) -> int:
    product = 1
    for number in numbers:
        product *= int.from_bytes(number, "big")
    return product


_REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
