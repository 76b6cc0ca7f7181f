# SPDX-License-Identifier: Apache-2.0
"""Motion JPEG over http (multipart/x-mixed-replace), as network gel cameras serve it.

Read here rather than by OpenCV, whose reader may block for half a minute on a dead connection and
does not tell a broken image from a broken stream.
"""

from __future__ import annotations

import http.client
import socket
from contextlib import suppress
from urllib.parse import urlsplit

from sparsh_ros.errors import FrameError, SensorError
from sparsh_ros.sensors.cameras.live import LiveImage
from sparsh_ros.sensors.images import decode_image, is_cut_off
from sparsh_ros.sensors.watchdog import (
    EMPTY,
    HANG,
    TORN,
    VANISHED,
    BrokenFrameError,
    BrokenStreamError,
)

TIMEOUT_S = 2.0

_CONNECTIONS = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
_LONGEST_LINE = 8192
_LARGEST_PART = 32 * 2**20


class MjpegStream:
    """A connection to an MJPEG server; a live source, see live.py.

    Raises:
        SensorError: Nothing answers at `url`, or what answers is not an MJPEG stream.
    """

    fps = None
    lost = 0
    differences: tuple[str, ...] = ()
    settles = False  # the camera ran before

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            self._connect()
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise SensorError(
                f"{url}: no video stream ({error}); check address, network and camera server"
            ) from error
        content_type = self._response.headers.get_content_type()
        if content_type != "multipart/x-mixed-replace":
            found = f"{content_type} (http status {self._response.status})"
            self.close()
            raise SensorError(f"{url}: wanted an MJPEG stream, found {found}; check the address")
        self._boundary = b"--" + self._boundary_name().encode("ascii", "replace")

    def _connect(self) -> None:
        parts = urlsplit(self.url)
        self._connection = _CONNECTIONS[parts.scheme](parts.netloc, timeout=TIMEOUT_S)
        target = parts._replace(scheme="", netloc="", fragment="").geturl()
        try:
            self._connection.request("GET", target or "/")
            # Kept, because the connection lets go of it when the answer has no known length.
            self._socket = self._connection.sock
            self._response = self._connection.getresponse()
        except BaseException:
            self._connection.close()
            raise

    def _boundary_name(self) -> str:
        # Some servers announce the boundary with the leading dashes that belong to the body.
        name = self._response.headers.get_param("boundary", "")
        return str(name).removeprefix("--")

    def read(self) -> LiveImage:
        """Wait for the next image.

        Raises:
            BrokenFrameError: This image is broken; the stream goes on.
            BrokenStreamError: The stream ended, or nothing came for 2 s.
        """
        try:
            length = self._read_headers()
            content = self._read_sized(length) if length else self._read_to_boundary()
        except (OSError, http.client.HTTPException) as error:
            fault = HANG if isinstance(error, TimeoutError) else VANISHED
            raise BrokenStreamError(fault, f"{self.url}: stream broke off ({error})") from error
        if is_cut_off(content):
            raise BrokenFrameError(TORN, f"{self.url}: JPEG image without an end")
        try:
            return LiveImage(decode_image(content, self.url))
        except FrameError as error:
            raise BrokenFrameError(TORN if content else EMPTY, str(error)) from None

    def interrupt(self) -> None:
        """Make a waiting `read` fail at once; called from another thread."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        self._response.close()
        self._connection.close()

    def _read_line(self) -> bytes:
        line = self._response.readline(_LONGEST_LINE)
        if not line:
            raise BrokenStreamError(VANISHED, f"{self.url}: stream ended")
        return line

    def _read_headers(self) -> int:
        """Read up to the start of an image; its length, 0 if the server does not say."""
        length = 0
        seen = False
        while True:
            line = self._read_line().strip()
            name, _, value = line.partition(b":")
            if line.startswith(self._boundary) or name.lower() == b"content-type":
                seen = True
            elif name.lower() == b"content-length" and value.strip().isdigit():
                seen, length = True, int(value)
            elif seen and not line:
                return length

    def _read_sized(self, length: int) -> bytes:
        self._check_size(length)
        content = self._response.read(length)
        if len(content) < length:
            raise BrokenStreamError(VANISHED, f"{self.url}: stream ended within an image")
        return content

    def _read_to_boundary(self) -> bytes:
        content = bytearray()
        while not (line := self._read_line()).startswith(self._boundary):
            content += line
            self._check_size(len(content))
        return bytes(content)

    def _check_size(self, length: int) -> None:
        if length > _LARGEST_PART:
            raise SensorError(
                f"{self.url}: wanted images below {_LARGEST_PART} bytes, found {length}"
            )
