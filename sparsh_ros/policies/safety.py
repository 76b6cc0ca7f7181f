# SPDX-License-Identifier: Apache-2.0
"""What must stop the arm, whatever policy and reflexes want.

Each check gives a sentence, or an empty string while all is well. They are made at every control
period, so that trouble stops the arm within two of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsh_ros import kinematics
from sparsh_ros.policies.touch import SIDES, Touch


@dataclass(frozen=True)
class SafetySettings:
    """Limits.

    Attributes:
        stale_s: age at which touch is no longer acted upon.
        joints_stale_s: the same of joint states.
        jump_rad: change of a joint between two joint states beyond what its speed allows.
        slow_s: time that policy and reflexes may take for one period.
        patience_s: how long touch, joint states or decisions may be late. The arm stays from the
            first such period on; after this time the run is over.
    """

    stale_s: float = 0.1
    joints_stale_s: float = 0.1
    jump_rad: float = 0.03
    slow_s: float = 0.08
    patience_s: float = 1.0


class Safety:
    """Watches what comes in and goes out."""

    def __init__(self, settings: SafetySettings | None = None) -> None:
        """Start with nothing seen."""
        self.settings = settings or SafetySettings()
        self._last: dict[str, Touch] = {}
        self._joints: NDArray[np.float64] | None = None
        self._joints_s = 0.0

    def check_touch(self, now_s: float, touches: tuple[Touch | None, Touch | None]) -> str:
        """Missing, stale or invalid touch.

        Args:
            now_s: the moment, by the clock of the stamps.
            touches: the newest of each fingertip; None where there was none yet.
        """
        for side, touch in zip(SIDES, touches, strict=True):
            if touch is None:
                return f"{side} fingertip: no touch yet"
            if not touch.valid:
                return f"{side} fingertip: invalid: {touch.reason}"
            age_s = now_s - 1e-9 * touch.stamp_ns
            if age_s > self.settings.stale_s:
                return f"{side} fingertip: touch is {age_s:.2f} s old"
        return ""

    def check_frozen(self, touches: tuple[Touch, Touch]) -> str:
        """Images that do not change."""
        for side, touch in zip(SIDES, touches, strict=True):
            before = self._last.get(side)
            self._last[side] = touch
            if before is not None and _is_frozen(before, touch):
                return f"{side} fingertip: the image is frozen"
        return ""

    def check_joints(self, now_s: float, stamp_s: float, joints: NDArray[np.float64]) -> str:
        """Stale joint states, and such that no arm can have come to.

        Args:
            now_s: the moment.
            stamp_s: of the joint state.
            joints: (7,) measured.
        """
        if now_s - stamp_s > self.settings.joints_stale_s:
            return f"joint states are {now_s - stamp_s:.2f} s old"
        if not np.isfinite(joints).all():
            return "a joint angle is not a number"
        before, seconds = self._joints, stamp_s - self._joints_s
        self._joints, self._joints_s = joints.copy(), stamp_s
        if before is None:
            return ""
        reach = kinematics.VELOCITY * max(seconds, 0.0) + self.settings.jump_rad
        jump = np.abs(joints - before)
        if (jump > reach).any():
            worst = int(np.argmax(jump - reach))
            name = kinematics.JOINT_NAMES[worst]
            return f"{name}: jumped by {jump[worst]:.3f} rad in {seconds:.3f} s"
        return ""

    def check_time(self, took_s: float) -> str:
        """Slow computing."""
        if took_s > self.settings.slow_s:
            return f"policy: took {took_s:.3f} s, wanted at most {self.settings.slow_s:.3f} s"
        return ""


def _is_frozen(before: Touch, touch: Touch) -> bool:
    """Two images of a camera are never the same to the last bit."""
    return before.stamp_ns != touch.stamp_ns and bool(
        touch.pooled.any() and np.array_equal(before.pooled, touch.pooled)
    )
