# SPDX-License-Identifier: Apache-2.0
"""From the raw outputs of a streaming model to an estimate in SI units.

Its heads give the scale b of a Laplace distribution with each quantity; variances are 2 b^2, and
axes are taken as independent of each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.models.streaming.layout import TURN_MM
from sparsh_ros.perception.postprocess import Estimate, Postprocessor
from sparsh_ros.perception.streaming.runner import Step
from sparsh_ros.perception.streaming.slip_alarm import SlipAlarm

_TOUCHES, _RELEASED = 0.5, 0.3  # probability of contact at which it may begin, and must end
_MM = 1e-3
_IN_METRES = np.array([_MM, _MM, 1 / TURN_MM])  # of a scale in mm, mm, mm at `TURN_MM`


class StreamPostprocessor(Postprocessor):
    """Makes the estimates of one sensor; slip begins and ends at thresholds of their own."""

    @cached_property
    def _alarm(self) -> SlipAlarm:
        return SlipAlarm(self._spec.slip_confirm_s)

    @property
    def _slip_release(self) -> float:
        """Probability at which slip ends; as far below the threshold in use as in training."""
        release, threshold = self._spec.slip_release, self._spec.slip_threshold
        return self._slip_threshold * (1.0 if release is None else release / threshold)

    def invalid(self, stamp_ns: int, reason: str) -> Estimate:
        """An estimate of which nothing is known; slip has to show itself again."""
        self._alarm.end()
        return super().invalid(stamp_ns, reason)

    def process_step(self, step: Step, heads: Sequence[str]) -> Estimate:
        """Make an estimate of what one frame gave.

        Args:
            step: outputs of the heads for a frame.
            heads: which of "force", "slip", "pose" are wanted; the others stay unknown.
        """
        if not all(np.isfinite(values).all() for values in step.outputs.values()):
            reason = "the heads gave no finite numbers: these tokens are not of this model"
            return self.invalid(step.remembered.stamp_ns, reason)
        estimate = Estimate(
            self._sensor,
            step.remembered.stamp_ns,
            step.interval_s,
            valid=True,
            slip_threshold=self._slip_threshold,
        )
        out = {name: np.asarray(value, np.float64) for name, value in step.outputs.items()}
        out["force"] = np.maximum(out["force"], (-np.inf, -np.inf, 0.0))  # a gel never pulls
        estimate = replace(estimate, in_contact=self._touches(estimate.stamp_ns, out))
        for name in self._spec.unshipped:
            if name != "force":  # contact is known by it
                out[name] = np.full_like(out[name], np.nan)
                out[f"{name}_scale"] = np.full_like(out[f"{name}_scale"], np.nan)
        if "slip" in heads:
            estimate = self._with_sliding(estimate, out)
        if "pose" in heads:
            estimate = self._with_pose(estimate, out, step.shows_turn)
        if "force" in heads and "force" not in self._spec.unshipped:
            covariance = np.diag(2 * out["force_scale"] ** 2)
            estimate = replace(estimate, force_n=out["force"], force_covariance=covariance)
        return estimate

    def _touches(self, stamp_ns: int, out: Mapping[str, NDArray]) -> bool:
        """Contact by load, unless the image denies it."""
        held = self._contact.began_ns is not None
        sure = _probability(out["contact"]) >= (_RELEASED if held else _TOUCHES)
        return self._contact.update(stamp_ns, float(out["force"][2]) if sure else 0.0)

    def _with_sliding(self, estimate: Estimate, out: Mapping[str, NDArray]) -> Estimate:
        """What does not touch does not slide."""
        if not estimate.in_contact:
            self._alarm.end()
            return replace(estimate, slip_probability=0.0, slide_speed_m_s=0.0, slip_share=0.0)
        speed_mm_s = float(np.expm1(out["slide"]))
        spread_m_s = (1 + speed_mm_s) * _MM * out["slide_scale"]
        probability = _probability(out["slip"])
        limits = self._slip_threshold, self._slip_release
        return replace(
            estimate,
            slip_probability=probability,
            slipping=self._alarm.update(estimate.stamp_ns, probability, *limits),
            slide_speed_m_s=speed_mm_s * _MM,
            slide_speed_variance=_variance(spread_m_s),
            slip_share=float(out["share"]),
            slip_share_variance=_variance(out["share_scale"]),
            friction_margin=float(out["margin"]),
            friction_margin_variance=_variance(out["margin_scale"]),
            delta_force_n=out["delta_force"],
            delta_force_covariance=np.diag(2 * out["delta_force_scale"] ** 2),
        )

    def _with_pose(
        self, estimate: Estimate, out: Mapping[str, NDArray], shows_turn: bool
    ) -> Estimate:
        change = out["pose"] * (_MM, _MM, 1.0)
        scale = out["pose_scale"] * _IN_METRES
        covariance = np.diag(2 * scale**2)
        if abs(change[2]) < self._spec.turn_dead_zone * scale[2]:
            change[2] = 0.0  # most contacts do not turn, and six times noise is a turn
        if not shows_turn:
            change[2] = covariance[2, :] = covariance[:, 2] = np.nan
        return self._moved(estimate, change, covariance)


def _probability(logit: NDArray) -> float:
    return float(1 / (1 + np.exp(-np.clip(logit, -50.0, 50.0))))


def _variance(scale: NDArray) -> float:
    return float(2 * scale**2)
