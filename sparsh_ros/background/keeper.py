# SPDX-License-Identifier: Apache-2.0
"""The background of one sensor: where it comes from, and whether it still holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sparsh_ros.background.lamps import turn_warning
from sparsh_ros.background.still import StillFrames, block_means
from sparsh_ros.background.store import BackgroundStore
from sparsh_ros.errors import FrameError, SparshError
from sparsh_ros.frames import Frame
from sparsh_ros.sensors.images import read_image
from sparsh_ros.sensors.profiles import SensorProfile

# In the worst block of 16x16 pixels: one untouched Mini in eight recordings 3 to 8, the gaps
# between 18 grasps 3 to 5; other units 47 to 181. Simulated touches pass it from 0.2 N on a DIGIT,
# 9 of 10 at 0.5 N and all above 1 N on a Mini.
_SAME_LEVELS = 9.0
_STILLNESS_TIMEOUT_S = 3.0
_CHECK_PERIOD_S = 0.5

_DRIFT_LASTS_S = 10.0
# A touch brightens some blocks and darkens others. The shift that three quarters of them share was
# at most 1.2 under the contacts of 21 recordings, 2.4 after one, 0.02 in simulation; light that is
# 10 % dimmer makes 9.
_DRIFT_QUARTILES = (25, 75)
_DRIFT_LEVELS = 3.0


def read_background(path: str | Path, profile: SensorProfile) -> np.ndarray:
    """Read an image of the untouched gel, as the camera delivers it or upright.

    Returns:
        (320, 240, 3) uint8 RGB, the canonical image.

    Raises:
        RecordingError: The file is missing.
        FrameError: It is no image.
    """
    return profile.to_canonical(read_image(path), "bgr")


class DriftDetector:
    """Tells slow change of a whole image, as lamps age and gels wear, from a touch.

    Attributes:
        levels: Grey levels by which most of the image has become brighter (> 0) or darker (< 0)
            in the colour that changed most, once that has lasted for 10 s; else 0.
    """

    def __init__(self) -> None:
        """Start without drift."""
        self.levels = 0.0
        self._since_ns: int | None = None

    def update(self, stamp_ns: int, change: np.ndarray) -> None:
        """Take the newest block means minus those of the background, (rows, columns, 3)."""
        shift = _shared_shift(change)
        if abs(shift) < _DRIFT_LEVELS:
            self._since_ns = None
        elif self._since_ns is None or stamp_ns < self._since_ns:
            self._since_ns = stamp_ns
        lasts = self._since_ns is not None and stamp_ns - self._since_ns >= _DRIFT_LASTS_S * 1e9
        self.levels = shift if lasts else 0.0


class BackgroundKeeper:
    """Finds the background of a sensor, its image without contact, and watches whether it holds.

    A file wins. Otherwise the keeper waits for half a second without motion. If the image then
    looks like the stored background, or none was ever stored for this sensor, it becomes the
    background and is stored. If it differs, something touches the gel or the gel was changed: the
    stored one is used, with a warning, until the gel is seen free or `capture` is called. A gel
    that is never still gets the stored background after 3 s, or none.

    An image whose colours lie as if it were turned is taken too, with a warning.

    Attributes:
        image: (320, 240, 3) uint8 RGB, None while there is none.
        stamp_ns: Stamp of the newest frame when it came into use; 0 for one from a file.
        origin: Where it comes from, in words; empty while there is none.
        reason: Why there is none, in one sentence; empty when there is one.
        warnings: Sentences by topic, "start", "turn", "drift" and "store"; empty when all is well.
    """

    def __init__(
        self,
        profile: SensorProfile,
        serial: str = "",
        store: BackgroundStore | None = None,
        file: Path | None = None,
        is_real: bool = True,
    ) -> None:
        """Load what there is already.

        Args:
            profile: Kind of the sensor.
            serial: Its serial number; nothing is stored while it is empty.
            store: Backgrounds of earlier runs; None keeps nothing.
            file: Image of the untouched gel, used instead of all that.
            is_real: The lamps lie as in a real sensor, so that they tell a turned image.

        Raises:
            SparshError: `file` cannot be read.
        """
        self._sensor_type, self._lamps = profile.name, profile.lamps if is_real else ()
        self._store = store if file is None else None
        self._has_file = file is not None
        self._restart(serial)
        if file is not None:
            self._use(read_background(file, profile), 0, f"from {file}")

    def check_serial(self, serial: str) -> bool:
        """Start again if this is another sensor, of which the background says nothing.

        A background from a file holds for any sensor.

        Args:
            serial: Serial number of the sensor that is plugged in; empty while it is unknown.

        Returns:
            Whether a background was dropped.
        """
        if self._has_file or serial in ("", self._serial):
            return False
        has_dropped = self.image is not None
        self._restart(serial)
        return has_dropped

    def update(self, frame: Frame) -> bool:
        """Take the newest frame; whether `image` is another one than after the last update."""
        self._still.add(frame)
        if self._first_ns is None or frame.stamp_ns < self._first_ns:
            self._first_ns = frame.stamp_ns
        if self.image is None or self._is_due(frame.stamp_ns):
            self._checked_ns = frame.stamp_ns
            if not self._is_decided:
                self._decide(frame.stamp_ns)
            if self.image is not None:
                self._check_drift(frame.stamp_ns)
        is_new = self.image is not self._reported
        self._reported = self.image
        return is_new

    def capture(self) -> None:
        """Use what the sensor has seen for half a second as the background, and store it.

        Raises:
            FrameError: There are too few frames, or the image is not still.
        """
        self._capture("captured on request")

    def _restart(self, serial: str) -> None:
        """Forget all about the sensor before; load the stored background of this one."""
        self.image: np.ndarray | None = None
        self._reported: np.ndarray | None = None
        self.stamp_ns = 0
        self.origin, self.reason = "", "background: no frame yet"
        self.warnings: dict[str, str] = {}
        self._serial = serial
        self._still = StillFrames()
        self._is_decided = self._has_file
        self._first_ns: int | None = None
        self._checked_ns = 0
        self._stored = self._load()

    def _decide(self, stamp_ns: int) -> None:
        """Choose between what is seen and what is stored."""
        try:
            seen = self._still.blocks()
        except FrameError as error:
            self._wait_for_stillness(stamp_ns, str(error))
            return
        change = 0.0
        if self._stored is not None:
            change = float(np.abs(seen - block_means(self._stored)).max())
        if change <= _SAME_LEVELS:
            self._capture("captured at start")
            return
        self.warnings["start"] = (
            f"background: touched at start, or the gel was changed: the image differs from the "
            f"stored one by up to {change:.0f} grey levels; the stored one is used, capture "
            "another when nothing touches the gel"
        )
        if self.image is None:
            self._use(self._stored, stamp_ns, "stored in an earlier run")

    def _wait_for_stillness(self, stamp_ns: int, reason: str) -> None:
        """Use the stored background, if there is one, once the gel was not still for too long."""
        if self.image is not None:
            return
        self.reason = reason
        if stamp_ns - self._first_ns < _STILLNESS_TIMEOUT_S * 1e9:
            return
        self.warnings["start"] = f"no stillness in the first {_STILLNESS_TIMEOUT_S:.0f} s: {reason}"
        if self._stored is not None:
            self.warnings["start"] += "; the stored background is used"
            self._use(self._stored, stamp_ns, "stored in an earlier run")

    def _check_drift(self, stamp_ns: int) -> None:
        self._drift.update(stamp_ns, self._still.newest_blocks - self._blocks)
        levels = self._drift.levels
        if levels:
            self.warnings["drift"] = (
                f"background: most of the image has become {abs(levels):.0f} grey levels "
                f"{'brighter' if levels > 0 else 'darker'} since; capture another when nothing "
                "touches the gel"
            )
        else:
            self.warnings.pop("drift", None)

    def _capture(self, origin: str) -> None:
        image = self._still.background()
        self.warnings.clear()
        self._use(image, self._still.stamp_ns, origin)
        self._is_decided = True
        self._save()

    def _use(self, image: np.ndarray, stamp_ns: int, origin: str) -> None:
        self.image, self.stamp_ns, self.origin, self.reason = image, stamp_ns, origin, ""
        self._blocks = block_means(image)
        self._drift = DriftDetector()
        self.warnings.pop("turn", None)
        if sentence := turn_warning(image, self._lamps):
            self.warnings["turn"] = sentence

    def _load(self) -> np.ndarray | None:
        if self._store is None or not self._serial:
            return None
        try:
            return self._store.load(self._sensor_type, self._serial)
        except SparshError as error:
            self.warnings["store"] = f"stored background ignored: {error}"
            return None

    def _save(self) -> None:
        if self._store is None or not self._serial:
            return
        try:
            self._store.save(self._sensor_type, self._serial, self.image)
        except SparshError as error:
            self.warnings["store"] = str(error)

    def _is_due(self, stamp_ns: int) -> bool:
        """Checking costs more than a frame should, so it is done now and then, by any clock."""
        return not 0 <= stamp_ns - self._checked_ns < _CHECK_PERIOD_S * 1e9


def _shared_shift(change: np.ndarray) -> float:
    """Of the colour that changed most: how far three quarters of the blocks moved one way."""
    low, high = np.percentile(change, _DRIFT_QUARTILES, axis=(0, 1))
    shifts = np.where(low > 0, low, np.minimum(high, 0))
    return float(shifts[np.abs(shifts).argmax()])
