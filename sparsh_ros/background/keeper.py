# SPDX-License-Identifier: Apache-2.0
"""The background of one sensor: where it comes from, and whether it still holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sparsh_ros.background.drift import DriftWatch
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
_PATIENCE_S = 3.0
_LOOK_AGAIN_S = 0.5


def read_background(path: str | Path, profile: SensorProfile) -> np.ndarray:
    """Read a no-contact image as the camera delivers it, or upright; (320, 240, 3) uint8 RGB.

    Raises:
        RecordingError: the file is missing.
        FrameError: it is no image.
    """
    return profile.to_canonical(read_image(path), "bgr")


class BackgroundKeeper:
    """Finds the background of a sensor at its start, and watches it.

    A file wins. Otherwise half a second without motion is awaited: an image like the stored one,
    or the first ever of this sensor, becomes the background and is stored. Where it differs from
    the stored one, something touches the gel or the gel was changed: the stored one is used, with
    a warning, until the gel is seen free or `capture` is called. Where the image never is still
    there is no background, or after 3 s the stored one.

    Attributes:
        image: (320, 240, 3) uint8 RGB, None while there is none.
        stamp_ns: of the newest frame when it came into use; 0 for one from a file.
        origin: where it comes from, in words; empty while there is none.
        reason: why there is none, in one sentence; empty when there is one.
        warnings: sentences by topic, "start", "drift" and "store"; empty when all is well.
    """

    def __init__(
        self,
        profile: SensorProfile,
        serial: str = "",
        store: BackgroundStore | None = None,
        file: Path | None = None,
    ) -> None:
        """Read what there is already.

        Args:
            profile: kind of the sensor.
            serial: its serial number; nothing is stored where it is empty.
            store: backgrounds of earlier runs.
            file: image of the untouched gel, used instead of all that.

        Raises:
            SparshError: `file` cannot be read.
        """
        self.image: np.ndarray | None = None
        self.stamp_ns = 0
        self.origin, self.reason = "", "background: no frame yet"
        self.warnings: dict[str, str] = {}
        self._kind, self._serial = profile.name, serial
        self._store = store if serial and file is None else None
        self._still = StillFrames()
        self._reported: np.ndarray | None = None
        self._settled = file is not None
        self._first_ns: int | None = None
        self._looked_ns = 0
        self._stored = self._load()
        if file is not None:
            self._use(read_background(file, profile), 0, f"from {file}")

    def update(self, frame: Frame) -> bool:
        """Take in the newest frame; whether `image` is another one than at the last update."""
        self._still.add(frame)
        if self._first_ns is None or frame.stamp_ns < self._first_ns:
            self._first_ns = frame.stamp_ns
        if self.image is None or self._is_due(frame.stamp_ns):
            self._looked_ns = frame.stamp_ns
            if not self._settled:
                self._settle(frame.stamp_ns)
            if self.image is not None:
                self._watch(frame.stamp_ns)
        is_new = self.image is not self._reported
        self._reported = self.image
        return is_new

    def capture(self) -> None:
        """Take what the sensor has seen for half a second, and store it.

        Raises:
            FrameError: there are too few frames, or the image is not still.
        """
        self._capture("captured on request")

    def _settle(self, stamp_ns: int) -> None:
        """Decide between what is seen and what is stored."""
        try:
            seen = self._still.blocks()
        except FrameError as error:
            self._go_without(stamp_ns, str(error))
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

    def _go_without(self, stamp_ns: int, reason: str) -> None:
        """The gel is not still: wait, then make do with the stored background if there is one."""
        if self.image is not None:
            return
        self.reason = reason
        if stamp_ns - self._first_ns < _PATIENCE_S * 1e9:
            return
        self.warnings["start"] = f"no stillness in the first {_PATIENCE_S:.0f} s: {reason}"
        if self._stored is not None:
            self.warnings["start"] += "; the stored background is used"
            self._use(self._stored, stamp_ns, "stored in an earlier run")

    def _watch(self, stamp_ns: int) -> None:
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
        self._use(image, self._still.stamp_ns, origin)
        self._settled = True
        self.warnings.clear()
        self._save()

    def _use(self, image: np.ndarray, stamp_ns: int, origin: str) -> None:
        self.image, self.stamp_ns, self.origin, self.reason = image, stamp_ns, origin, ""
        self._blocks = block_means(image)
        self._drift = DriftWatch()

    def _load(self) -> np.ndarray | None:
        if self._store is None:
            return None
        try:
            return self._store.load(self._kind, self._serial)
        except SparshError as error:
            self.warnings["store"] = f"stored background ignored: {error}"
            return None

    def _save(self) -> None:
        if self._store is None:
            return
        try:
            self._store.save(self._kind, self._serial, self.image)
        except SparshError as error:
            self.warnings["store"] = str(error)

    def _is_due(self, stamp_ns: int) -> bool:
        """Looking costs more than a frame should; a clock that was set back is no reason not to."""
        return not 0 <= stamp_ns - self._looked_ns < _LOOK_AGAIN_S * 1e9
