# SPDX-License-Identifier: Apache-2.0
"""What policies take in, as vectors.

`features`: the encoder's pooled features of both fingertips and the joint positions, as in the
bead maze of Sparsh (Higuera et al., 2024); `images`: what these are made of, for a policy with an
encoder of its own. `felt`: force, slip, margin and place of the bead with
their standard deviations, in a frame that lies along the wire as it is felt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparsh_ros import kinematics
from sparsh_ros.policies.touch import POOLED, Touch

STEPS = 2
"""Observations that a policy sees at once, the older one first."""
CHUNK = 8
"""Actions that a policy gives at once."""
LEVER_M = 0.010
"""By how much the prints of both fingertips part, per slope of the bead against them: the radius
of its side along the wire, and once more on the other side, halved."""
_LEAST_ELONGATION = 0.15
_STEEPEST = 0.5
_FORCE, _LENGTH, _SPEED = 5.0, 4e-3, 0.02  # what counts as 1


class Moment(NamedTuple):
    """All that is known at one moment.

    Attributes:
        touches: left and right fingertip.
        joints: (7,) measured joint angles.
        grip_n: force of the gripper as commanded.
    """

    touches: tuple[Touch, Touch]
    joints: NDArray[np.float64]
    grip_n: float


def feature_vector(moment: Moment) -> NDArray[np.float32]:
    """(2 * POOLED + 7,) pooled features, left then right, and joints."""
    left, right = moment.touches
    return np.concatenate([left.pooled, right.pooled, moment.joints]).astype(np.float32)


def image_vector(moment: Moment) -> NDArray[np.float32]:
    """(2 * 3 * 80 * 60 * 3 + 7,) images of `Touch`, left then right, and joints."""
    parts = [touch.images.ravel() for touch in moment.touches]
    return np.concatenate([*parts, moment.joints]).astype(np.float32)


def felt_frame(touches: tuple[Touch, Touch]) -> NDArray[np.float64] | None:
    """Rotation (3, 3) from the felt frame to the hand's: x along the wire, z near the hand's z.

    The prints show the wire's direction in the plane of the gels; out of it, their centres part.
    None where no print is long enough to show a direction.
    """
    shown = [touch for touch in touches if touch.in_contact]
    axes = [t.elongation * t.axis for t in shown if t.elongation > _LEAST_ELONGATION]
    if not axes:
        return None
    axis = np.sum(axes, 0)
    axis /= np.sqrt(axis @ axis)
    if len(shown) == 2:
        apart = float(axis @ (touches[0].centre_m - touches[1].centre_m))
        axis = axis + np.array([0.0, np.clip(0.5 * apart / LEVER_M, -_STEEPEST, _STEEPEST), 0.0])
        axis /= np.sqrt(axis @ axis)
    side = np.cross([0.0, 0.0, 1.0], axis)
    side /= np.sqrt(side @ side)
    return np.stack([axis, side, np.cross(axis, side)], 1)


def bead_offset_m(touches: tuple[Touch, Touch]) -> NDArray[np.float64] | None:
    """(3,) where between the fingertips the bead is felt, hand's frame; None without contact."""
    centres = [touch.centre_m for touch in touches if touch.in_contact]
    if not centres:
        return None
    offset = np.mean(centres, 0)
    return offset if np.isfinite(offset).all() else None


FELT_NAMES = (
    *(f"force_{axis}" for axis in "xyz"),
    *(f"force_sd_{axis}" for axis in "xyz"),
    "load_left",
    "load_right",
    *(f"{name}_{side}" for name in ("margin", "margin_sd") for side in ("left", "right")),
    *(f"{name}_{side}" for name in ("slide", "slide_sd", "share") for side in ("left", "right")),
    *(f"offset_{axis}" for axis in "xyz"),
    *(f"motion_{axis}" for axis in "xyz"),
    "contact_left",
    "contact_right",
    *(f"tangent_{axis}" for axis in "xyz"),
    "elongation_left",
    "elongation_right",
    *(f"up_{axis}" for axis in "xyz"),
    "grip",
)
"""Values of the felt vector, in order."""
GROUPS = {
    "force": ("force", "load"),
    "slip": ("margin", "slide", "share"),
    "touch": tuple(
        name.split("_")[0] for name in FELT_NAMES if not name.startswith(("up", "grip"))
    ),
    "frame": (),
    "all": tuple(name.split("_")[0] for name in FELT_NAMES),
}
"""What an ablation leaves out: values whose names begin with these words. Without `frame` all is
said in the hand's frame, in place of the felt one; without `all` the policy sees nothing, and what
it does still lies in the felt frame: the same each time."""


def felt_vector(
    moment: Moment, frame: NDArray[np.float64], wire: NDArray[np.float64]
) -> NDArray[np.float32]:
    """(len(FELT_NAMES),) in a frame; what is not known is 0.

    Args:
        moment: what is known.
        frame: (3, 3) from it to the hand's frame: that of `felt_frame`, or one.
        wire: (3,) unit vector along the wire as felt, hand's frame.
    """
    left, right = touches = moment.touches
    back = frame.T
    force = -(left.force_n + right.force_n)
    spread = np.sqrt(left.force_sd_n**2 + right.force_sd_n**2)
    offset = bead_offset_m(touches)
    offset = np.full(3, np.nan) if offset is None else offset
    rotation = kinematics.forward(moment.joints).rotation
    values = np.concatenate(
        [
            back @ force / _FORCE,
            np.abs(back) @ spread / _FORCE,
            [left.force_n[1] / _FORCE, -right.force_n[1] / _FORCE],
            [left.margin, right.margin, left.margin_sd, right.margin_sd],
            np.array([left.slide_m_s, right.slide_m_s]) / _SPEED,
            np.array([left.slide_sd_m_s, right.slide_sd_m_s]) / _SPEED,
            [left.slip_share, right.slip_share],
            back @ offset / _LENGTH,
            back @ (0.5 * (left.motion_m + right.motion_m)) / _LENGTH,
            [left.in_contact, right.in_contact],
            wire,
            [left.elongation, right.elongation],
            back @ rotation[2],
            [moment.grip_n / _FORCE],
        ]
    )
    return np.nan_to_num(np.clip(values, -5.0, 5.0), nan=0.0).astype(np.float32)


def left_out(group: str) -> NDArray[np.float32]:
    """(len(FELT_NAMES),) 0 for the values of a group of `GROUPS`, 1 for the others."""
    words = GROUPS.get(group, ())
    return np.float32([name.split("_")[0] not in words for name in FELT_NAMES])


class Observer:
    """Keeps the last moments, and the felt frame where no print shows one."""

    def __init__(self, kind: str, without: str = "") -> None:
        """Make an observer.

        Args:
            kind: "features", "images" or "felt".
            without: a group of `GROUPS` to leave out, "" for none. Without touch nothing is felt,
                and the felt frame is the hand's.
        """
        self._kind = kind
        self._is_blind = without == "touch"
        self._in_hand = without in ("touch", "frame")
        self._wire = np.array([1.0, 0.0, 0.0])
        self._mask = left_out(without)
        self._vectors: list[NDArray[np.float32]] = []
        self.frame = np.eye(3)

    def update(self, moment: Moment) -> NDArray[np.float32]:
        """Take a moment; (STEPS * size,) what the policy sees, at first one moment twice."""
        if self._kind == "images":
            vector = image_vector(moment)
        elif self._kind == "features":
            vector = feature_vector(moment)
            if self._is_blind:
                vector[: 2 * POOLED] = 0.0
        else:
            found = None if self._is_blind else felt_frame(moment.touches)
            if found is not None:
                self._wire = found[:, 0]
                self.frame = self.frame if self._in_hand else found
            vector = felt_vector(moment, self.frame, self._wire) * self._mask
        self._vectors = [*self._vectors, vector][-STEPS:]
        return self._stack(self._vectors)

    def _stack(self, vectors: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        return np.concatenate([vectors[0]] * (STEPS - len(vectors)) + list(vectors))
