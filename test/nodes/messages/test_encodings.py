# SPDX-License-Identifier: Apache-2.0
"""Images as drivers send them become RGB, or a sentence."""

from __future__ import annotations

import importlib.util
import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import Image

from sparsh_ros.errors import FrameError
from sparsh_ros.nodes.messages import conversions
from sparsh_ros.nodes.messages.encodings import decode_image

COLOR = (200, 90, 30)
HAS_CV_BRIDGE = importlib.util.find_spec("cv_bridge") is not None


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (320, 240, 3), np.uint8)


def _message(encoding: str, rows: np.ndarray, height: int, width: int, padding: int = 0) -> Image:
    rows = np.pad(rows.reshape(rows.shape[0], -1), ((0, 0), (0, padding)))
    step = rows.shape[1]
    return Image(
        height=height, width=width, encoding=encoding, step=step, data=rows.astype("B").tobytes()
    )


def _flat() -> np.ndarray:
    return np.full((16, 12, 3), COLOR, np.uint8)


@pytest.mark.parametrize("padding", [0, 48])
@pytest.mark.parametrize(
    ("encoding", "code"),
    [
        ("rgb8", None),
        ("bgr8", cv2.COLOR_RGB2BGR),
        ("8UC3", cv2.COLOR_RGB2BGR),
        ("rgba8", cv2.COLOR_RGB2RGBA),
        ("bgra8", cv2.COLOR_RGB2BGRA),
        ("8UC4", cv2.COLOR_RGB2BGRA),
    ],
)
def test_order_and_alpha(image, encoding: str, code: int | None, padding: int) -> None:
    sent = image if code is None else cv2.cvtColor(image, code)
    np.testing.assert_array_equal(decode_image(_message(encoding, sent, 320, 240, padding)), image)


@pytest.mark.parametrize("mosaic", ["rggb", "bggr", "gbrg", "grbg"])
def test_a_mosaic_is_filled(mosaic: str) -> None:
    cell = np.array([COLOR["rgb".index(letter)] for letter in mosaic], np.uint8).reshape(2, 2)
    found = decode_image(_message(f"bayer_{mosaic}8", np.tile(cell, (8, 6)), 16, 12))
    np.testing.assert_array_equal(found, _flat())


@pytest.mark.parametrize("encoding", ["yuv422", "uyvy", "yuv422_yuy2", "yuyv"])
def test_two_pixels_that_share_their_colour(encoding: str) -> None:
    planes = cv2.cvtColor(_flat(), cv2.COLOR_RGB2YUV_I420)
    y, (u, v) = planes[0, 0], planes[16:].reshape(2, -1)[:, 0]
    pair = (u, y, v, y) if encoding in ("yuv422", "uyvy") else (y, u, y, v)
    found = decode_image(_message(encoding, np.tile(pair, (16, 6)), 16, 12))
    np.testing.assert_allclose(found[8, 6], COLOR, atol=3)


@pytest.mark.parametrize("encoding", ["nv12", "nv21"])
def test_planes_that_follow_each_other(encoding: str) -> None:
    planes = cv2.cvtColor(_flat(), cv2.COLOR_RGB2YUV_I420)
    u, v = planes[16:].reshape(2, -1)[:, 0]
    colors = np.tile((u, v) if encoding == "nv12" else (v, u), (8, 6))
    found = decode_image(_message(encoding, np.vstack([planes[:16], colors]), 16, 12))
    np.testing.assert_allclose(found[8, 6], COLOR, atol=3)


@pytest.mark.skipif(HAS_CV_BRIDGE, reason="cv_bridge is installed")
@pytest.mark.parametrize("encoding", ["mono16", "32FC1", "", "?" * 1000])
def test_what_needs_cv_bridge_says_so(image: np.ndarray, encoding: str) -> None:
    with pytest.raises(FrameError, match="others need cv_bridge, which is not installed") as caught:
        decode_image(_message(encoding, image, 320, 240))
    assert repr(encoding[:40]) in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.skipif(not HAS_CV_BRIDGE, reason="cv_bridge is not installed")
def test_cv_bridge_decodes_16_bits() -> None:
    grey = np.full((16, 12), 0x8000, "<u2").view(np.uint8)
    assert decode_image(_message("mono16", grey, 16, 12)).shape == (16, 12, 3)


def test_cv_bridge_is_asked_for_rgb_and_its_errors_are_sentences(monkeypatch) -> None:
    def convert(message: Image, desired_encoding: str) -> np.ndarray:
        if message.encoding != "mono16":
            raise RuntimeError("is not a color format\n but should be")
        assert desired_encoding == "rgb8"
        return _flat()

    bridge = SimpleNamespace(imgmsg_to_cv2=convert)
    monkeypatch.setitem(sys.modules, "cv_bridge", SimpleNamespace(CvBridge=lambda: bridge))
    np.testing.assert_array_equal(decode_image(_message("mono16", _flat(), 16, 12)), _flat())
    with pytest.raises(FrameError, match="found '32FC1': is not a color format but should be"):
        decode_image(_message("32FC1", _flat(), 16, 12))


@pytest.mark.parametrize(("height", "width"), [(321, 240), (320, 241), (0, 240), (320, 0)])
@pytest.mark.parametrize("encoding", ["rgb8", "nv12", "bayer_rggb8", "yuyv"])
def test_a_size_that_the_data_do_not_fill_is_refused(
    image: np.ndarray, encoding: str, height: int, width: int
) -> None:
    message = conversions.image_to_msg(image, 0, "")
    message.height, message.width, message.encoding = height, width, encoding
    with pytest.raises(FrameError, match="image message: wanted"):
        decode_image(message)
