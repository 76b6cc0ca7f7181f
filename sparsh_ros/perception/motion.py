# SPDX-License-Identifier: Apache-2.0
"""The motion of a touched object: from the pose head's bins, and summed since contact began.

Motions are (x, y, rotation) in metres and radians, in the gel frame: x to the right and y up in the
canonical image, angles counter-clockwise in it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.names import POSE_AXES

# After a longer gap, in intervals, nobody knows whether the object is still the same one.
_LONGEST_GAP = 2.0


def softmax(logits: NDArray) -> NDArray[np.float64]:
    """Probabilities along the last axis of (..., bins) logits, in float64."""
    logits = np.asarray(logits, np.float64)
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


class MotionBins:
    """Turns the pose head's three sets of bin logits into a motion and its covariance."""

    def __init__(self, spec: ModelSpec) -> None:
        """Take edges and typical motions of the bins from the model."""
        millimetres = np.array(spec.pose_bin_values_mm, np.float64) * 1e-3
        radians = np.deg2rad(np.array(spec.pose_bin_values_deg, np.float64))
        self._values = np.vstack([millimetres, radians])
        widths_m = _widths(spec.pose_bin_edges_mm) * 1e-3
        self._widths = np.vstack([widths_m, widths_m, np.deg2rad(_widths(spec.pose_bin_edges_deg))])
        self._unknown = [axis not in spec.pose_axes for axis in POSE_AXES]

    def expected_motion(
        self, tx: NDArray, ty: NDArray, yaw: NDArray
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Expected motion and its covariance, from 11 logits per axis.

        By the law of total variance, each variance is that between the bins plus that within them,
        width^2 / 12. The three heads are read as independent.

        Returns:
            (3,) x (m), y (m), rotation (rad), and (3, 3) covariance; NaN for an axis that the
            model cannot tell.
        """
        probabilities = softmax(np.stack([tx, ty, yaw]))
        mean = (probabilities * self._values).sum(axis=1)
        within = self._widths**2 / 12
        between = (self._values - mean[:, None]) ** 2
        covariance = np.diag((probabilities * (between + within)).sum(axis=1))
        mean[self._unknown] = covariance[self._unknown] = np.nan
        covariance[:, self._unknown] = np.nan
        return mean, covariance

    def most_probable(self, tx: NDArray, ty: NDArray, yaw: NDArray) -> NDArray[np.int64]:
        """Most probable bin of each axis, (3,); -1 for an axis that the model cannot tell."""
        return np.where(self._unknown, -1, np.stack([tx, ty, yaw]).argmax(axis=1))


def _widths(edges: tuple[float, ...]) -> NDArray[np.float64]:
    """Widths of the bins; the two open ones count as wide as their neighbours."""
    return np.pad(np.diff(edges), 1, mode="edge")


class MotionIntegrator:
    """Planar pose of the object since contact began, summed from overlapping motions.

    Each motion spans the interval of its pair, 5/60 s, but frames come every 1/60 s or so. Of each
    motion only the share dt / interval is new, dt being the time since the last one added; a dt
    above one interval, after dropped frames, extrapolates at constant velocity. Motions are given
    along the axes of the gel frame, which do not turn with the object, so they add component by
    component.

    Motions that overlap share frames and hence errors. They are taken as fully correlated within
    one interval and independent across intervals: the covariance then grows by the same share,
    so that one interval's worth of steps adds exactly one motion's covariance.
    """

    def __init__(self) -> None:
        """Start without a contact to follow."""
        self._stamp_ns: int | None = None
        self.stop()

    def stop(self) -> None:
        """The contact ended: the pose is unknown until `start`."""
        self._stamp_ns = None
        self.pose = np.full(3, np.nan)
        self.covariance = np.full((3, 3), np.nan)

    def start(self, stamp_ns: int) -> None:
        """Contact begins: the pose is zero at this moment."""
        self._stamp_ns = stamp_ns
        self.pose = np.zeros(3)
        self.covariance = np.zeros((3, 3))

    def follows(self, stamp_ns: int, interval_s: float) -> bool:
        """Whether a motion that ends at this moment joins on to what was summed so far."""
        if self._stamp_ns is None:
            return False
        return 0 <= (stamp_ns - self._stamp_ns) * 1e-9 <= _LONGEST_GAP * interval_s

    def add(
        self,
        stamp_ns: int,
        interval_s: float,
        change: NDArray[np.float64],
        covariance: NDArray[np.float64],
    ) -> None:
        """Add the new share of a motion over the `interval_s` that ends at `stamp_ns`.

        Args:
            stamp_ns: Of the newer frame.
            interval_s: From the older frame to it.
            change: (3,) dx, dy (m), rotation (rad).
            covariance: (3, 3) of the change.
        """
        share = (stamp_ns - self._stamp_ns) * 1e-9 / interval_s
        self._stamp_ns = stamp_ns
        self.pose = self.pose + share * change
        self.covariance = self.covariance + max(share, share**2) * covariance
