# SPDX-License-Identifier: Apache-2.0
"""What live gel cameras share, however they are connected: stamps, watchdog, true rate.

A live source opens when made, and then has `read` (wait a while for the next LiveImage; None where
there is none yet), `interrupt` (make a waiting `read` return, from another thread), `close`, `fps`
(the rate that it promised, None where it made no promise), `lost` (frames lost on the way so far),
`differences` (a sentence for each setting that it did not take) and `settles` (whether its exposure
has to settle first).
"""

from __future__ import annotations

import math
import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sparsh_ros.errors import SensorError
from sparsh_ros.frames import Frame
from sparsh_ros.sensors.base import Sensor
from sparsh_ros.sensors.cameras.v4l2 import Host
from sparsh_ros.sensors.drivers import DriverConfig
from sparsh_ros.sensors.health.watchdog import (
    RATE,
    BrokenFrameError,
    BrokenStreamError,
    ExposureCheck,
    Watchdog,
)
from sparsh_ros.sensors.profiles import SensorProfile

_OLDEST_NS = 10**9  # no camera buffers longer; a stamp that is older is on another clock
_RATE_FRAMES = 60
_RATE_TOLERANCE = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class LiveImage:
    """An image as it came from a camera.

    Attributes:
        pixels: (height, width, 3) uint8 BGR.
        monotonic_ns: Moment of the grab on the monotonic clock, None where the camera tells none.
    """

    pixels: np.ndarray
    monotonic_ns: int | None = None


class LiveSource(Protocol):
    """See above."""

    fps: float | None
    lost: int
    differences: Sequence[str]
    settles: bool

    def read(self) -> LiveImage | None:
        """Wait a while for the next image."""

    def interrupt(self) -> None:
        """Make a waiting `read` return."""

    def close(self) -> None:
        """Release the camera."""


class LiveSensor(Sensor):
    """A live gel camera under a watchdog, opened again whenever it fails.

    Frames are stamped with the moment of the grab as the camera tells it, else with that of their
    arrival. The first ones, while the exposure settles, are passed over. A camera that is looked
    for in vain is looked for every half second.
    """

    _longest_back_off_s = 0.5

    def __init__(
        self,
        profile: SensorProfile,
        config: DriverConfig,
        clock: Callable[[], int] = time.time_ns,
        host: Host | None = None,
    ) -> None:
        """Prepare; the camera is looked for by `start`.

        Args:
            profile: That of its type of sensor.
            config: The settings of its driver.
            clock: Gives the stamps, nanoseconds.
            host: The machine that it is plugged into, None for this one.

        Raises:
            MissingDependencyError: A setting needs a package that is not installed.
        """
        super().__init__(config.title, profile, clock)
        self.config = config
        self._host = host or Host()
        self._watchdog = Watchdog(self.name)
        self._source: LiveSource | None = None
        self._prepare()

    def _prepare(self) -> None:  # noqa: B027 -- some drivers have nothing to do here
        """Make of the config what the driver needs."""

    @abstractmethod
    def _connect(self) -> LiveSource:
        """Open the camera; raise SensorError where trying again later may help."""

    def _open(self) -> None:
        self._source = self._connect()
        self._nominal_hz = self._source.fps or math.nan
        for difference in self._source.differences:
            self._report(SensorError(difference))
        self._watchdog.restart()
        self._exposure = ExposureCheck() if self._source.settles else None
        self._lost_before = 0
        self._made, self._made_since_ns, self._keeps_rate = 0, 0, True

    def _read(self, sequence: int) -> Frame | None:
        while not self._stop.is_set():
            image = self._grab()
            if image is not None:
                stamp_ns = self._stamp(image.monotonic_ns)
                self._check_rate(stamp_ns)
                if self._exposure is None or self._exposure.is_settled(image.pixels):
                    return Frame(stamp_ns, self.profile.to_canonical(image.pixels, "bgr"), sequence)
                self._skipped += 1
        return None

    def _grab(self) -> LiveImage | None:
        try:
            image = self._source.read()
            if image is None:
                self._watchdog.wait_in_vain()
            else:
                self._watchdog.check(image.pixels)
            return image
        except BrokenFrameError as error:
            self._made += 1
            self._watchdog.wait_in_vain(error.fault)
            raise
        finally:
            self._count_lost()

    def _count_lost(self) -> None:
        lost = self._source.lost - self._lost_before
        self._lost_before += lost
        self._skipped += lost
        self._made += lost

    def _stamp(self, monotonic_ns: int | None) -> int:
        now_ns = self._clock()
        if monotonic_ns is None:
            return now_ns
        age_ns = time.monotonic_ns() - monotonic_ns
        return now_ns - age_ns if 0 <= age_ns < _OLDEST_NS else now_ns

    def _check_rate(self, stamp_ns: int) -> None:
        """Report it if the camera makes frames, lost ones included, at another rate than agreed."""
        if not self._made_since_ns:
            self._made, self._made_since_ns = 0, stamp_ns
            return
        self._made += 1
        if self._made >= _RATE_FRAMES and self._source.fps and stamp_ns > self._made_since_ns:
            self._compare_rate(self._made / (stamp_ns - self._made_since_ns) * 1e9)
            self._made, self._made_since_ns = 0, stamp_ns

    def _compare_rate(self, found_hz: float) -> None:
        wanted_hz = self._source.fps
        kept = abs(found_hz - wanted_hz) <= _RATE_TOLERANCE * wanted_hz
        if self._keeps_rate and not kept:
            message = f"{self.name}: wanted {wanted_hz:g} frames/s, found {found_hz:.1f}"
            self._report(BrokenStreamError(RATE, message))
        self._keeps_rate = kept

    def _interrupt(self) -> None:
        source = self._source
        if source is not None:
            source.interrupt()

    def _close(self) -> None:
        if self._source is not None:
            self._source.close()
            self._source = None
