# SPDX-License-Identifier: Apache-2.0
"""Estimates collected frame by frame in compact arrays."""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.evaluation.result import UNKNOWN, Estimates
from sparsh_ros.perception.postprocess import Estimate


class EstimateColumns:
    """The estimates of one sensor, some 110 bytes per frame."""

    def __init__(self, step_back_ns: int) -> None:
        """Start empty; a larger step back of the stamps begins a new stretch."""
        self._step_back_ns = step_back_ns
        self._whole = {name: array("q") for name in ("stamp_ns", "interval_ns")}
        self._stretch, self._reason = array("i"), array("h")
        self._flags, self._bins = array("b"), array("b")  # 2 and 3 per frame
        self._numbers = array("f")  # 13 per frame
        self._reasons: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._stretch)

    @property
    def stretch(self) -> NDArray[np.int32]:
        """(n,) how often the stamps had stepped back before each frame."""
        return np.array(self._stretch, np.int32)

    @property
    def newest_stretch(self) -> int:
        """How often the stamps have stepped back."""
        return self._stretch[-1] if self._stretch else 0

    def add(self, estimate: Estimate) -> None:
        """Add what perception said about the next frame."""
        stamps = self._whole["stamp_ns"]
        is_back = bool(stamps) and self._is_back(stamps[-1], estimate)
        self._stretch.append(self.newest_stretch + is_back)
        stamps.append(estimate.stamp_ns)
        interval_ns = round(estimate.interval_s * 1e9) if estimate.valid else 0
        self._whole["interval_ns"].append(interval_ns)
        self._reason.append(self._reason_of(estimate))
        has_slip = np.isfinite(estimate.slip_probability)
        contact = UNKNOWN if estimate.in_contact is None else int(estimate.in_contact)
        self._flags.extend((contact, int(estimate.slipping) if has_slip else UNKNOWN))
        self._bins.extend(int(index) for index in estimate.pose_bins)
        for values in (
            estimate.force_n,
            estimate.delta_force_n,
            estimate.pose_change,
            estimate.pose,
        ):
            self._numbers.extend(values)
        self._numbers.append(estimate.slip_probability)

    def estimates(self) -> Estimates:
        """All of them as arrays."""
        numbers = np.array(self._numbers, np.float32).reshape(-1, 13)
        force, delta, change, pose = np.split(numbers[:, :12], 4, axis=1)
        flags = np.array(self._flags, np.int8).reshape(-1, 2)
        return Estimates(
            stamp_ns=np.array(self._whole["stamp_ns"], np.int64),
            reason=np.array(self._reason, np.int16),
            reasons=tuple(self._reasons),
            interval_ns=np.array(self._whole["interval_ns"], np.int64),
            force_n=force,
            in_contact=flags[:, 0],
            slip_probability=numbers[:, 12],
            slipping=flags[:, 1],
            delta_force_n=delta,
            pose_change=change,
            pose_bins=np.array(self._bins, np.int8).reshape(-1, 3),
            pose=pose,
        )

    def _is_back(self, last_ns: int, estimate: Estimate) -> bool:
        return last_ns - estimate.stamp_ns > self._step_back_ns

    def _reason_of(self, estimate: Estimate) -> int:
        """Reasons that differ only in their details after the colon count as one."""
        if estimate.valid:
            return UNKNOWN
        return self._reasons.setdefault(estimate.reason.partition(":")[0], len(self._reasons))
