# SPDX-License-Identifier: Apache-2.0
"""The truth in the terms of the estimates."""

from __future__ import annotations

import numpy as np

from sparsh_ros.simulation.simulation import TouchSample


class MotionSinceContact:
    """The object's motion since contact began, which is what the topic `pose` estimates."""

    def __init__(self) -> None:
        """Start without contact."""
        self._origin: np.ndarray | None = None

    def update(self, sample: TouchSample) -> np.ndarray:
        """Take the next sample; (3,) x (m), y (m), rotation (rad), NaN without contact."""
        if not sample.in_contact:
            self._origin = None
            return np.full(3, np.nan)
        if self._origin is None:
            self._origin = sample.pose
        return sample.pose - self._origin
