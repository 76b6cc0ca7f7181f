# SPDX-License-Identifier: Apache-2.0
"""Image files: how large they say they are, and in which order they follow each other."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from sparsh_ros.errors import FrameError
from sparsh_ros.sensors.images import decode_image, image_size, list_images


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".bmp"])
def test_the_size_of_a_file_is_read_from_its_head(suffix: str) -> None:
    image = np.random.default_rng(0).integers(0, 255, (37, 53, 3), np.uint8)
    content = cv2.imencode(suffix, image)[1].tobytes()
    assert image_size(content) == (53, 37)
    assert decode_image(content, "it").shape == image.shape
    for end in range(40):
        image_size(content[:end])


def _png(width: int, height: int) -> bytes:
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    return b"\x89PNG\r\n\x1a\n" + chunk


def test_an_image_of_a_thousand_million_pixels_is_not_decoded(monkeypatch) -> None:
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(FrameError, match="it: wanted an image of up to .* 30000 x 30000"):
        decode_image(_png(30_000, 30_000), "it")


@pytest.mark.parametrize(
    "names",
    [
        ["0.0170.png", "0.0340.png", "0.25.png", "0.5.png"],
        ["1732795999.1234567.png", "1732795999.2.png", "1732796000.05.png"],
        ["1e-06.png", "0.5.png", "2.png", "10.png"],
        ["frame2.jpg", "frame10.jpg"],
    ],
)
def test_decimals_are_compared_as_numbers(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).touch()
    assert [path.name for path in list_images(tmp_path)] == names


def test_what_is_hidden_or_no_file_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "b.png").touch()
    (tmp_path / "._b.png").touch()
    (tmp_path / "a.png").mkdir()
    (tmp_path / "c.png").symlink_to(tmp_path / "nowhere.png")
    assert [path.name for path in list_images(tmp_path)] == ["b.png"]
