# SPDX-License-Identifier: Apache-2.0
"""Motion JPEG over http (multipart/x-mixed-replace), as network gel cameras serve it.

Read here rather than by OpenCV, whose reader may block for half a minute on a dead connection and
does not tell a broken image from a broken stream.
"""

from __future__ import annotations

import base64
import http.client
import math
import socket
import threading
import time
from contextlib import suppress
from urllib.parse import unquote, urlsplit

from sparsh_ros.errors import FrameError, SensorError
from sparsh_ros.sensors.cameras.live import LiveImage
from sparsh_ros.sensors.drivers import hide_password
from sparsh_ros.sensors.images import decode_jpeg
from sparsh_ros.sensors.watchdog import (
    EMPTY,
    FIRST_FRAME_TIMEOUT_S,
    FRAME_TIMEOUT_S,
    HANG,
    TORN,
    VANISHED,
    BrokenFrameError,
    BrokenStreamError,
)

_CONNECT_TIMEOUT_S = 2.0
_CHECK_S = 0.05
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
        """Connect to `url`, which may hold a name and a password."""
        self._target = url
        self.url = hide_password(url)
        self._connection: http.client.HTTPConnection | None = None
        self._response: http.client.HTTPResponse | None = None
        # A server that sends byte by byte never lets a read time out: a thread watches the time.
        self._deadline_s = time.monotonic() + FIRST_FRAME_TIMEOUT_S
        self._is_late = False
        self._timeout_s = FIRST_FRAME_TIMEOUT_S
        self._closed = threading.Event()
        threading.Thread(target=self._watch, name=f"watch {self.url}", daemon=True).start()
        try:
            self._connect()
        except (OSError, ValueError, http.client.HTTPException) as error:
            self.close()
            raise SensorError(
                f"{self.url}: no video stream ({error}); check address, network and camera server"
            ) from error
        content_type = self._response.headers.get_content_type()
        if content_type != "multipart/x-mixed-replace":
            found = f"{content_type} (http status {self._response.status})"
            self.close()
            raise SensorError(
                f"{self.url}: wanted an MJPEG stream, found {found}; check the address"
            )
        self._boundary = b"--" + self._boundary_name().encode("ascii", "replace")

    def _connect(self) -> None:
        parts = urlsplit(self._target)
        _, _, host = parts.netloc.rpartition("@")
        headers = {}
        if parts.username is not None:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
        self._connection = _CONNECTIONS[parts.scheme](host, timeout=_CONNECT_TIMEOUT_S)
        target = parts._replace(scheme="", netloc="", fragment="").geturl()
        self._connection.connect()
        # Kept, because the connection lets go of it when the answer has no known length.
        self._socket = self._connection.sock
        self._connection.request("GET", target or "/", headers=headers)
        self._response = self._connection.getresponse()

    def _watch(self) -> None:
        while not self._closed.wait(_CHECK_S):
            if time.monotonic() > self._deadline_s:
                self._is_late = True
                self.interrupt()
                return

    def _boundary_name(self) -> str:
        # Some servers announce the boundary with the leading dashes that belong to the body.
        name = self._response.headers.get_param("boundary", "")
        return str(name).removeprefix("--")

    def read(self) -> LiveImage:
        """Wait for the next image.

        Raises:
            BrokenFrameError: This image is broken; the stream goes on.
            BrokenStreamError: The stream ended, or no whole image came for 0.5 s (3 s for the
                first).
        """
        self._deadline_s = time.monotonic() + self._timeout_s
        try:
            length = self._read_headers()
            content = self._read_sized(length) if length else self._read_to_boundary()
        except (OSError, http.client.HTTPException, BrokenStreamError) as error:
            if self._is_late or isinstance(error, TimeoutError):
                sentence = f"{self.url}: no whole image for {self._timeout_s:g} s"
                raise BrokenStreamError(HANG, sentence) from error
            raise BrokenStreamError(VANISHED, f"{self.url}: stream broke off ({error})") from error
        finally:
            self._deadline_s = math.inf
        self._timeout_s = FRAME_TIMEOUT_S
        try:
            return LiveImage(decode_jpeg(content, self.url))
        except FrameError as error:
            raise BrokenFrameError(TORN if content else EMPTY, str(error)) from None

    def interrupt(self) -> None:
        """Make a waiting `read` fail at once; called from another thread."""
        with suppress(OSError, AttributeError):  # not connected yet
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        self._closed.set()
        if self._response is not None:
            self._response.close()
        if self._connection is not None:
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
                # More digits are too many bytes in any case.
                seen, length = True, int(value.strip()[:12])
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
