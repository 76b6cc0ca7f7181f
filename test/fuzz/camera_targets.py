# SPDX-License-Identifier: Apache-2.0
"""What cameras, files and servers send as images, through the drivers to a canonical frame."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

import cv2
import numpy as np

from sparsh_ros.errors import SparshError
from sparsh_ros.frames import IMAGE_SHAPE
from sparsh_ros.sensors import load_profile
from sparsh_ros.sensors.cameras.camera import V4l2Camera
from sparsh_ros.sensors.cameras.mjpeg import MjpegStream
from sparsh_ros.sensors.cameras.v4l2 import Buffer, Device, Host, Mode
from sparsh_ros.sensors.images import decode_image
from sparsh_ros.sensors.watchdog import Watchdog

WIDTH, HEIGHT = 320, 240


class _Node(Device):
    """A device node whose only frame is the input."""

    def __init__(self, content: bytes, fourcc: str) -> None:
        self._content, self._fourcc = content, fourcc

    def set_format(self, *_: object) -> tuple[int, int, str]:
        return WIDTH, HEIGHT, self._fourcc

    def set_rate(self, fps: float) -> float:
        return fps

    def start(self) -> None:
        return

    def read(self, timeout_s: float) -> Buffer:
        return Buffer(self._content, 0, 0)

    def close(self) -> None:
        return


class _Machine(Host):
    def __init__(self, content: bytes, fourcc: str) -> None:
        self._node = _Node(content, fourcc)

    def open(self, path: str) -> Device:
        return self._node


def mjpg_frame(data: bytes) -> None:
    """A frame of a V4L2 camera that sends JPEG."""
    _frame(data, "MJPG")


def yuyv_frame(data: bytes) -> None:
    """A frame of one that sends pixels."""
    _frame(data, "YUYV")


def image_file(data: bytes) -> None:
    """The content of an image file."""
    image = decode_image(data, "input")
    assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3


def mjpeg_answer(data: bytes) -> None:
    """All that a server says, from its first byte to the end of the connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_serve, args=(server, data), daemon=True).start()
        stream = MjpegStream(f"http://127.0.0.1:{server.getsockname()[1]}/")
        try:
            while True:
                stream.read()
        finally:
            stream.close()


def _serve(server: socket.socket, data: bytes) -> None:
    with suppress(OSError), server.accept()[0] as connection:
        connection.recv(4096)
        connection.sendall(data)


def _frame(data: bytes, fourcc: str) -> None:
    camera = V4l2Camera("/dev/video0", Mode(WIDTH, HEIGHT, 60, fourcc), _Machine(data, fourcc))
    pixels = camera.read().pixels
    Watchdog("camera").check(pixels)
    canonical = load_profile("digit").to_canonical(pixels, "bgr")
    assert canonical.dtype == np.uint8 and canonical.shape == IMAGE_SHAPE


def picture() -> np.ndarray:
    """An image of a gel, (240, 320, 3)."""
    coarse = np.random.default_rng(0).integers(60, 180, (15, 20, 3), np.uint8)
    return cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)


def encoded(suffix: str, *options: int) -> bytes:
    """It as a file."""
    return cv2.imencode(suffix, picture(), options)[1].tobytes()


def answers() -> list[bytes]:
    """What MJPEG servers say: with lengths and without."""
    jpeg = encoded(".jpg")
    head = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n"
    sized = b"--b\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
    unsized = b"--b\r\nContent-Type: image/jpeg\r\n\r\n"
    return [head + 2 * (part + jpeg + b"\r\n") + b"--b--\r\n" for part in (sized, unsized)]


def ends_in_a_sentence(data: bytes) -> bool:
    """Whether a sound answer is read to its end: a stream has no other end than an error."""
    try:
        mjpeg_answer(data)
    except SparshError as error:
        return "stream ended" in str(error)
    return False
