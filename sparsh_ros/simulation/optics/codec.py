# SPDX-License-Identifier: Apache-2.0
"""What compression does to a frame: JPEG, and video as most shared recordings are stored.

Both quantise the cosine transform of 8x8 blocks. In an image that is shaded with fewer pixels, such
a block has 4x4 or 2x2 of them, whose transform is the low-frequency corner of the block's: there
the same quantisation is applied to that corner alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cache

import cv2
import numpy as np

BLOCK, WIDTH = 8, 240
# Low frequencies of the quantisation tables of ITU-T T.81, annex K, at quality 50.
_LUMA_50 = np.array([[16, 11, 10, 16], [12, 12, 14, 19], [14, 13, 16, 24], [14, 17, 22, 29]])
_CHROMA_50 = np.array([[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]])
_GREY = np.float32(128.0)
_STILL_ROUNDING, _MOVING_ROUNDING = 1.0 / 3.0, 1.0 / 6.0
"""Encoders round towards zero: this much is added before a coefficient's size is cut."""


class Codec(ABC):
    """A camera's encoder and the decoder behind it."""

    @abstractmethod
    def pass_through(self, frame: np.ndarray) -> np.ndarray:
        """Encode and decode the next frame.

        Args:
            frame: (H, W, 3) float32 BGR, 0 to 255 and more.

        Returns:
            (H, W, 3) uint8 RGB.
        """

    @abstractmethod
    def fresh(self) -> Codec:
        """The same codec at the beginning of a stream."""


class Jpeg(Codec):
    """Real JPEG with colour at half the horizontal resolution, as cameras send it."""

    def __init__(self, quality: int) -> None:
        """Set the quality, 0 to 100."""
        self._options = [cv2.IMWRITE_JPEG_QUALITY, quality]
        # OpenCV before 4.7, that of Ubuntu 24.04 too, halves the rows of the colours as well.
        if hasattr(cv2, "IMWRITE_JPEG_SAMPLING_FACTOR_422"):
            sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422
            self._options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]

    def pass_through(self, frame: np.ndarray) -> np.ndarray:
        """See `Codec`."""
        _, data = cv2.imencode(".jpg", cv2.convertScaleAbs(frame), self._options)
        return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)

    def fresh(self) -> Jpeg:
        """See `Codec`."""
        return self


class BlockJpeg(Codec):
    """JPEG's quantisation in a downscaled image."""

    def __init__(self, quality: int, downscale: int) -> None:
        """Prepare the tables.

        Args:
            quality: 0 to 100.
            downscale: 2 or 4.
        """
        size = BLOCK // downscale
        scale = 5000.0 / max(quality, 1) if quality < 50 else 200.0 - 2.0 * quality
        luma, chroma = (
            _step_table(table[:size, :size] * scale / 100.0, downscale)
            for table in (_LUMA_50, _CHROMA_50)
        )
        # Beside the luma lie both chromas, each half as wide.
        blocks = WIDTH // BLOCK
        self._step = np.concatenate([*[luma] * blocks, *[chroma] * blocks], axis=1)

    def pass_through(self, frame: np.ndarray) -> np.ndarray:
        """See `Codec`."""
        luma, *chroma = cv2.split(cv2.cvtColor(np.minimum(frame, 255.0), cv2.COLOR_BGR2YCrCb))
        size = frame.shape[1] // 2, frame.shape[0]
        halves = [cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in chroma]
        decoded = _quantise(cv2.hconcat([luma, *halves]) - _GREY, self._step, 0.5) + _GREY
        width = frame.shape[1]
        luma, first, second = np.split(decoded, [width, width + size[0]], axis=1)
        return _to_rgb(luma, first, second)

    def fresh(self) -> BlockJpeg:
        """See `Codec`."""
        return self


class VideoCodec(Codec):
    """A video encoder without motion search, which leaves what such video leaves: blotches.

    A frame is predicted by the one before it; only differences that exceed the quantiser's dead
    zone are told, so that faint changes come late, in blocks, or never.
    """

    def __init__(self, step: float, keyframe: int, downscale: int = 1) -> None:
        """Begin a stream.

        Args:
            step: Quantiser step of the orthonormal transform of 8x8 blocks, grey levels; H.264 at
                a quantisation parameter of 28 has 16, at 34 has 32.
            keyframe: Frames from one that is coded by itself to the next.
            downscale: 1, 2 or 4.
        """
        self._settings = step, keyframe, downscale
        size = BLOCK // downscale
        self._step = _step_table(np.full((size, size), step), downscale)
        self._count = 0
        self._last = np.zeros(0, np.float32)

    def pass_through(self, frame: np.ndarray) -> np.ndarray:
        """See `Codec`."""
        luma, *chroma = cv2.split(cv2.cvtColor(np.minimum(frame, 255.0), cv2.COLOR_BGR2YCrCb))
        height, width = luma.shape
        size = width // 2, height // 2
        quarters = [cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in chroma]
        packed = cv2.hconcat([luma, cv2.vconcat(quarters)])
        if self._count % self._settings[1] == 0:
            self._last = _quantise(packed, self._step, _STILL_ROUNDING)
        else:
            change = _quantise(packed - self._last, self._step, _MOVING_ROUNDING)
            self._last = self._last + change
        self._count += 1
        luma, chroma = np.split(self._last, [width], axis=1)
        return _to_rgb(luma, *np.split(chroma, 2))

    def fresh(self) -> VideoCodec:
        """See `Codec`."""
        return VideoCodec(*self._settings)


def _to_rgb(luma: np.ndarray, *chroma: np.ndarray) -> np.ndarray:
    size = luma.shape[::-1]
    full = [luma, *(cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR) for plane in chroma)]
    rgb = cv2.cvtColor(cv2.merge(full), cv2.COLOR_YCrCb2RGB)
    return cv2.convertScaleAbs(np.maximum(rgb, 0.0, out=rgb))


def _step_table(table: np.ndarray, downscale: int) -> np.ndarray:
    """(n, 1, n) quantiser steps of n x n blocks whose pixels are means of downscale^2."""
    # An orthonormal coefficient grows with the number of pixels that it sums up.
    return np.maximum(table / downscale, 0.125).astype(np.float32)[:, None, :]


def _quantise(plane: np.ndarray, step: np.ndarray, rounding: float) -> np.ndarray:
    """The plane after quantisation of its blocks, of which it holds a whole number."""
    size = step.shape[0]
    rows, columns = (length // size for length in plane.shape)
    transform = _cosine_transform(size)
    blocks = transform @ plane.reshape(rows, size, columns * size)
    blocks = blocks.reshape(-1, size) @ transform.T
    blocks = blocks.reshape(rows, size, columns, size)
    blocks /= step
    levels = np.floor(np.abs(blocks) + np.float32(rounding))
    np.copysign(levels, blocks, out=blocks)
    blocks *= step
    blocks = (blocks.reshape(-1, size) @ transform).reshape(rows, size, columns * size)
    return (transform.T @ blocks).reshape(plane.shape)


@cache
def _cosine_transform(size: int) -> np.ndarray:
    """(n, n) float32 orthonormal type-2 cosine transform; rows are frequencies."""
    row = np.arange(size)
    table = np.cos(np.pi * (row + 0.5) * row[:, None] / size) * np.sqrt(2.0 / size)
    table[0] /= np.sqrt(2.0)
    return table.astype(np.float32)
