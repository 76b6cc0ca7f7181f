# SPDX-License-Identifier: Apache-2.0
"""From the raw outputs of the heads to an estimate in SI units.

All vectors are in the gel frame: origin at the centre of the undeformed gel, x to the right and y
up in the canonical image, z out of the gel towards the camera, so that pressing is +z. Angles are
counter-clockwise in the canonical image. What is not known is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.models.classes import CLASSES
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.perception.motion import MotionBins, MotionIntegrator, softmax
from sparsh_ros.sensors.profiles import SensorProfile

# Contact ends at this share of the force at which it begins: noise must not make it flicker.
_RELEASE_SHARE = 0.5
# Longer than a slow computer takes for a frame, shorter than an object takes to be exchanged.
_LONGEST_GAP_S = 0.5

Outputs = Mapping[str, Mapping[str, NDArray[np.float32]]]


def _unknown(*shape: int) -> NDArray[np.float64]:
    return np.full(shape, np.nan)


def _unknown_class(head: str) -> Callable[[], NDArray[np.float64]]:
    return lambda: _unknown(len(CLASSES[head]))


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """What one pair of frames says about the contact.

    Attributes:
        sensor: Name of the sensor.
        stamp_ns: Stamp of the newest frame used, nanoseconds.
        interval_s: Seconds between the two frames; NaN if there was no pair.
        valid: False if nothing at all is known; then `reason` says why.
        reason: One sentence, empty while valid.
        force_n: (3,) force of the world on the gel, newtons.
        force_covariance: (3, 3) of `force_n`, N^2; NaN where the model does not know, as below.
        in_contact: Whether something presses on the gel; None where no force head tells.
        slip_probability: 0 to 1.
        slipping: Probability at or above the threshold, and not known to be without contact.
        slip_threshold: The threshold in use.
        slide_speed_m_s: How fast the contact slides over the gel, mean over its area; its variance,
            m^2/s^2.
        slip_share: Share of the contact that slides, 0 to 1; between the two it slips at the rim
            only (incipient slip); its variance.
        friction_margin: How far shear is from the limit of friction: 1 without shear, 0 where all
            of the contact slides; NaN without contact; its variance.
        delta_force_n: (3,) change of `force_n` over the interval, newtons.
        delta_force_covariance: (3, 3) of `delta_force_n`, N^2.
        pose_change: (3,) motion of the object over the interval: x (m), y (m), rotation (rad).
            NaN unless the contact lasted all that time: What does not touch has no motion.
        pose_change_covariance: (3, 3) of `pose_change`; m^2, m rad, rad^2.
        pose_bins: (3,) most probable bin of each axis of `pose_change`; -1 where that is NaN.
        pose: (3,) motion of the object since contact began: x (m), y (m), rotation (rad).
        pose_covariance: (3, 3) of `pose`.
        grasp: (2,) probability of each of `CLASSES["grasp"]`. NaN without contact, as the next.
        textile, material, roughness, hardness, objectfolder1, objectfolder2: The same of theirs.
    """

    sensor: str
    stamp_ns: int
    interval_s: float = np.nan
    valid: bool = False
    reason: str = ""
    force_n: NDArray[np.float64] = field(default_factory=lambda: _unknown(3))
    force_covariance: NDArray[np.float64] = field(default_factory=lambda: _unknown(3, 3))
    in_contact: bool | None = None
    slip_probability: float = np.nan
    slipping: bool = False
    slip_threshold: float = np.nan
    slide_speed_m_s: float = np.nan
    slide_speed_variance: float = np.nan
    slip_share: float = np.nan
    slip_share_variance: float = np.nan
    friction_margin: float = np.nan
    friction_margin_variance: float = np.nan
    delta_force_n: NDArray[np.float64] = field(default_factory=lambda: _unknown(3))
    delta_force_covariance: NDArray[np.float64] = field(default_factory=lambda: _unknown(3, 3))
    pose_change: NDArray[np.float64] = field(default_factory=lambda: _unknown(3))
    pose_change_covariance: NDArray[np.float64] = field(default_factory=lambda: _unknown(3, 3))
    pose_bins: NDArray[np.int64] = field(default_factory=lambda: np.full(3, -1))
    pose: NDArray[np.float64] = field(default_factory=lambda: _unknown(3))
    pose_covariance: NDArray[np.float64] = field(default_factory=lambda: _unknown(3, 3))
    grasp: NDArray[np.float64] = field(default_factory=_unknown_class("grasp"))
    textile: NDArray[np.float64] = field(default_factory=_unknown_class("textile"))
    material: NDArray[np.float64] = field(default_factory=_unknown_class("material"))
    roughness: NDArray[np.float64] = field(default_factory=_unknown_class("roughness"))
    hardness: NDArray[np.float64] = field(default_factory=_unknown_class("hardness"))
    objectfolder1: NDArray[np.float64] = field(default_factory=_unknown_class("objectfolder1"))
    objectfolder2: NDArray[np.float64] = field(default_factory=_unknown_class("objectfolder2"))


class Contact:
    """Whether something presses on the gel, with hysteresis on the normal force.

    Contact begins at `threshold_n` and ends below half of it. It does not outlive the stream of
    frames: where that breaks, by a gap or a step of the clock, contact has to show itself again.
    """

    def __init__(self, threshold_n: float) -> None:
        """Start without contact."""
        self.threshold_n = threshold_n
        self._updated_ns: int | None = None
        self.began_ns: int | None = None

    def end(self) -> None:
        """Whatever there was is over: nothing is known from here on."""
        self.began_ns = self._updated_ns = None

    def update(self, stamp_ns: int, normal_force_n: float) -> bool | None:
        """Take the normal force (N) at a moment; whether there is contact then, None if NaN."""
        if math.isnan(normal_force_n):
            self.end()
            return None
        if self._updated_ns is not None:
            gap_s = (stamp_ns - self._updated_ns) * 1e-9
            if not 0 <= gap_s <= _LONGEST_GAP_S:
                self.end()
        self._updated_ns = stamp_ns
        limit_n = self.threshold_n * (1.0 if self.began_ns is None else _RELEASE_SHARE)
        if normal_force_n < limit_n:
            self.began_ns = None
        elif self.began_ns is None:
            self.began_ns = stamp_ns
        return self.began_ns is not None


class Postprocessor:
    """Reads the estimates of one sensor, and remembers its contact and the motion since then."""

    def __init__(
        self,
        sensor: str,
        profile: SensorProfile,
        spec: ModelSpec,
        contact_threshold_n: float,
        slip_threshold: float,
    ) -> None:
        """Start without contact; thresholds in newtons and as a probability."""
        self._sensor = sensor
        self._profile = profile
        self._spec = spec
        self._force_scale_n = spec.force_scale_n(profile.name, profile.force_scale_n)
        self._bins = MotionBins(spec)
        self._slip_threshold = slip_threshold
        self._contact = Contact(contact_threshold_n)
        self._motion = MotionIntegrator()

    def set_thresholds(self, contact_n: float, slip: float) -> None:
        """Decide by other thresholds, newtons and a probability; a contact that began goes on."""
        self._contact.threshold_n, self._slip_threshold = contact_n, slip

    def invalid(self, stamp_ns: int, reason: str) -> Estimate:
        """An estimate of which nothing is known, not even whether there still is contact."""
        self._contact.end()
        self._motion.stop()
        return Estimate(self._sensor, stamp_ns, reason=reason, slip_threshold=self._slip_threshold)

    def process(self, stamp_ns: int, interval_s: float, outputs: Outputs) -> Estimate:
        """Make an estimate of the raw outputs for one pair.

        Args:
            stamp_ns: Stamp of the pair's newest frame.
            interval_s: Time between the frames of the pair.
            outputs: By head, the head's outputs without the batch axis. Heads may be missing.
        """
        estimate = Estimate(
            self._sensor, stamp_ns, interval_s, valid=True, slip_threshold=self._slip_threshold
        )
        if "force" in outputs:
            estimate = self._with_force(estimate, outputs["force"]["force"])
        if "slip" in outputs:
            estimate = self._with_slip(estimate, outputs["slip"])
        if "pose" in outputs:
            estimate = self._with_motion(estimate, outputs["pose"])
        return self._with_classes(estimate, outputs)

    def _with_force(self, estimate: Estimate, output: NDArray) -> Estimate:
        force_n = np.asarray(output, np.float64) * self._force_scale_n
        in_contact = self._contact.update(estimate.stamp_ns, force_n[2])
        return replace(estimate, force_n=force_n, in_contact=in_contact)

    def _with_slip(self, estimate: Estimate, output: Mapping[str, NDArray]) -> Estimate:
        probability = float(softmax(output["slip"])[1])
        above = probability >= self._slip_threshold
        return replace(
            estimate,
            slip_probability=probability,
            slipping=above and estimate.in_contact is not False,
            delta_force_n=np.asarray(output["force"], np.float64)
            * self._profile.delta_force_scale_n,
        )

    def _with_motion(self, estimate: Estimate, output: Mapping[str, NDArray]) -> Estimate:
        logits = (output["tx"], output["ty"], output["yaw"])
        change, covariance = self._bins.expected_motion(*logits)
        return self._moved(estimate, change, covariance, self._bins.most_probable(*logits))

    def _moved(
        self,
        estimate: Estimate,
        change: NDArray,
        covariance: NDArray,
        bins: NDArray[np.int64] | None = None,
    ) -> Estimate:
        """The estimate with a motion, and with the sum of all since contact began."""
        moved = replace(estimate, pose_change=change, pose_change_covariance=covariance)
        if bins is not None:
            moved = replace(moved, pose_bins=bins)
        if not estimate.in_contact:
            self._motion.stop()
            return moved if estimate.in_contact is None else estimate
        if not self._motion.follows(estimate.stamp_ns, estimate.interval_s):
            self._contact.began_ns = estimate.stamp_ns
            self._motion.start(estimate.stamp_ns)
        if not self._touched_throughout(estimate):
            return estimate
        self._motion.add(estimate.stamp_ns, estimate.interval_s, change, covariance)
        return replace(moved, pose=self._motion.pose, pose_covariance=self._motion.covariance)

    def _with_classes(self, estimate: Estimate, outputs: Outputs) -> Estimate:
        if estimate.in_contact is False:
            return estimate
        heads = [head for head in CLASSES if head in outputs]
        return replace(estimate, **{head: softmax(outputs[head][head]) for head in heads})

    def _touched_throughout(self, estimate: Estimate) -> bool:
        """Whether the contact began no later than the pair's older frame."""
        lasted_s = (estimate.stamp_ns - self._contact.began_ns) * 1e-9
        # Stamps are exact, but their difference in seconds is not.
        return lasted_s >= estimate.interval_s - 1e-6
