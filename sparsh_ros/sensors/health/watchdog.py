# SPDX-License-Identifier: Apache-2.0
"""What live cameras do wrong, when to stop waiting, and when their exposure has settled."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import numpy as np

from sparsh_ros.errors import FrameError, SensorError

# Faults, as counted in SensorStatus.faults.
HANG = "hang"  # the camera is there and sends nothing
EMPTY = "empty"  # a frame without content
TORN = "torn"  # a frame of which a part is missing
GREEN = "green"  # a frame that was never filled: zeros, which are green in YUV
WRONG_SIZE = "wrong size"
FROZEN = "frozen"  # the same image again and again
USB = "USB error"  # data lost on the way, or a transfer that failed
VANISHED = "vanished"  # the camera, or the connection to it, is gone
RATE = "rate"  # another frame rate than agreed

FRAME_TIMEOUT_S = 0.5
FIRST_FRAME_TIMEOUT_S = 3.0  # cameras take up to two seconds to start

SETTLED_LEVELS = 1.5  # gels in motion change by less, 1.0 in recordings of a DIGIT
EXPOSURE_WINDOW_S = 0.1
EXPOSURE_TIMEOUT_S = 1.0

_EXPOSURE_FRAMES = 3
_SAMPLE_STEP = 8  # px


class BrokenFrameError(FrameError):
    """A camera frame that cannot be used; the stream goes on.

    Attributes:
        fault: One of the faults above.
    """

    def __init__(self, fault: str, message: str) -> None:
        super().__init__(message)
        self.fault = fault


class BrokenStreamError(SensorError):
    """A camera that has to be opened again; `fault` as in BrokenFrameError."""

    def __init__(self, fault: str, message: str) -> None:
        super().__init__(message)
        self.fault = fault


class Watchdog:
    """Looks at the images of one camera and at the time between them.

    It sees every image (`check`) and every wait in vain (`wait_in_vain`). It refuses
    images that cannot be used, among them one that equals the image before to the last bit: the
    noise of a live camera never does. (An image of one level, such as that of a gel with its lights
    off, has no noise to tell by and is let pass.) It raises BrokenStreamError when the camera has
    to be opened again: no good frame for 0.5 s (3 s after opening).
    """

    def __init__(
        self,
        name: str,
        timeout_s: float = FRAME_TIMEOUT_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Watch the camera called `name` in messages; call `restart` when it is opened."""
        self._name = name
        self._timeout_s = timeout_s
        self._monotonic = monotonic
        self.restart()

    def restart(self) -> None:
        """The camera was just opened."""
        self._good_s = self._monotonic()
        self._patience_s = max(self._timeout_s, FIRST_FRAME_TIMEOUT_S)
        self._image: np.ndarray | None = None
        self._shape: tuple[int, ...] | None = None

    def check(self, image: np.ndarray) -> None:
        """Take note of a decoded image, (height, width, 3) uint8 BGR.

        Raises:
            BrokenFrameError: It is green, partly green, the same as the one before, or of another
                size than the ones before.
        """
        if self._shape is None:
            self._shape = image.shape
        if image.shape != self._shape:
            wanted, found = ("x".join(map(str, s[1::-1])) for s in (self._shape, image.shape))
            raise BrokenFrameError(WRONG_SIZE, f"{self._name}: wanted {wanted}, found {found}")
        if _is_unfilled(image[-1]):
            fault = GREEN if _is_unfilled(image[::_SAMPLE_STEP]) else TORN
            raise BrokenFrameError(fault, f"{self._name}: frame not filled to its end ({fault})")
        before, self._image = self._image, image
        if before is not None and _is_same(image, before):
            raise BrokenFrameError(FROZEN, f"{self._name}: the same image as before")
        self._good_s = self._monotonic()
        self._patience_s = self._timeout_s

    def wait_in_vain(self, fault: str = HANG) -> None:
        """Take note that no good frame came; `fault` says what came instead.

        Raises:
            BrokenStreamError: That has lasted too long.
        """
        if self._monotonic() - self._good_s >= self._patience_s:
            raise BrokenStreamError(
                fault,
                f"{self._name}: no good frame for {self._patience_s:g} s ({fault}); "
                "opening it again",
            )


class ExposureCheck:
    """Follows the mean level of the images of a camera that was just opened.

    A GelSight Mini gives one to three frames that are up to 27 grey levels too dark. Against a
    background taken before, such a frame looks like a touch of the whole gel.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Begin with the first image that `is_settled` sees."""
        self._monotonic = monotonic
        self._began_s: float | None = None
        self._levels: deque[tuple[float, float]] = deque()
        self._settled = False

    def is_settled(self, image: np.ndarray) -> bool:
        """Whether this image, (height, width, 3) uint8, can be used.

        It can when the mean level changed by 1.5 of 255 at most over the last 0.1 s, in three
        images or more; after 1 s in any case, and from then on always.
        """
        if not self._settled:
            self._settled = self._is_steady(image, self._monotonic())
        return self._settled

    def _is_steady(self, image: np.ndarray, now_s: float) -> bool:
        if self._began_s is None:
            self._began_s = now_s
        self._levels.append((now_s, float(image[::_SAMPLE_STEP, ::_SAMPLE_STEP].mean())))
        window_begins_s = now_s - EXPOSURE_WINDOW_S
        # One frame from before the window stays, so that the window is covered in full.
        while len(self._levels) > _EXPOSURE_FRAMES and self._levels[1][0] <= window_begins_s:
            self._levels.popleft()
        levels = [level for _, level in self._levels]
        covered = len(levels) >= _EXPOSURE_FRAMES and self._levels[0][0] <= window_begins_s
        steady = covered and max(levels) - min(levels) <= SETTLED_LEVELS
        return steady or now_s - self._began_s >= EXPOSURE_TIMEOUT_S


def _is_same(image: np.ndarray, before: np.ndarray) -> bool:
    """Whether both are equal and have more than one level; a sample settles it almost always."""
    step = (slice(None, None, _SAMPLE_STEP),) * 2
    if not np.array_equal(image[step], before[step]) or image[step].min() == image[step].max():
        return False
    return np.array_equal(image, before)


def _is_unfilled(pixels: np.ndarray) -> bool:
    """Whether pixels (..., 3) BGR are what zeros in YUV turn into: a pure green.

    Its level is 154 for video-range and 135 for full-range (JPEG) YUV.
    """
    blue, green, red = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    return not blue.any() and not red.any() and green.min() >= 130 and green.max() <= 160
