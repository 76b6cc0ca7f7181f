# SPDX-License-Identifier: Apache-2.0
"""What a fingertip of the bead maze feels: an estimate, and where and how the print lies.

Vectors are in the hand's frame (`sparsh_ros.kinematics`), so that both fingertips speak alike; how
the gel frames lie in it: `FINGERTIP_AXES`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.models.streaming.layout import CELLS, CHANNELS, COLUMNS, ROWS, WHOLE
from sparsh_ros.perception.postprocess import Estimate
from sparsh_ros.simulation.simulation import TouchSample

SIDES = ("left", "right")
FINGERTIP_AXES = {
    "left": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]),
    "right": np.array([[-1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, -1.0, 0.0]]),
}
"""(3, 3): from the gel frame of each fingertip to the hand's frame."""
GEL_MM = (14.3, 19.1)
POOL_ROWS, POOL_COLUMNS = 5, 3
POOLED = CHANNELS * (POOL_ROWS * POOL_COLUMNS + WHOLE)
"""Values of pooled features."""


@dataclass(frozen=True)
class Touch:
    """One fingertip at one moment; what is not known is NaN.

    Attributes:
        stamp_ns: of the image.
        valid: anything is known at all; then `reason` is empty.
        reason: one sentence.
        in_contact: something presses on the gel.
        force_n: (3,) force on the gel, hand's frame; its standard deviation.
        margin: friction margin, 1 without shear to 0 where all slides; its standard deviation.
        slide_m_s: how fast the contact slides; its standard deviation.
        slip_share: share of the contact that slides.
        motion_m: (3,) motion of the bead since contact began, hand's frame; 0 across the gel.
        centre_m: (3,) centre of pressure, hand's frame.
        axis: (3,) unit vector along the print, hand's frame, x positive.
        elongation: of the print, 0 for a disc to 1 for a line.
        pooled: (POOLED,) float32, the encoder's features.
        images: (3, 80, 60, 3) uint8 RGB, that of the moment, the one before it and that of the
            untouched gel; None over topics.
    """

    stamp_ns: int
    valid: bool = False
    reason: str = ""
    in_contact: bool = False
    force_n: NDArray[np.float64] = field(default_factory=lambda: np.full(3, np.nan))
    force_sd_n: NDArray[np.float64] = field(default_factory=lambda: np.full(3, np.nan))
    margin: float = np.nan
    margin_sd: float = np.nan
    slide_m_s: float = np.nan
    slide_sd_m_s: float = np.nan
    slip_share: float = np.nan
    motion_m: NDArray[np.float64] = field(default_factory=lambda: np.full(3, np.nan))
    centre_m: NDArray[np.float64] = field(default_factory=lambda: np.full(3, np.nan))
    axis: NDArray[np.float64] = field(default_factory=lambda: np.array([1.0, 0.0, 0.0]))
    elongation: float = 0.0
    pooled: NDArray[np.float32] = field(default_factory=lambda: np.zeros(POOLED, np.float32))
    images: NDArray[np.uint8] | None = None


def from_estimate(side: str, estimate: Estimate, tokens: NDArray[np.floating] | None) -> Touch:
    """What an estimate and the tokens (TOKENS, CHANNELS) of the same image say.

    Args:
        side: which fingertip.
        estimate: of the streaming model.
        tokens: of the streaming model's encoder; None where the image could not be encoded.
    """
    if not estimate.valid or tokens is None:
        return Touch(estimate.stamp_ns, False, estimate.reason or "no features of this image")
    tokens = np.asarray(tokens, np.float32)
    pressure = tokens[:CELLS, 0].reshape(ROWS, COLUMNS)
    motion = np.append(estimate.pose[:2], 0.0)
    return _placed(
        side,
        pressure,
        Touch(
            estimate.stamp_ns,
            True,
            "",
            bool(estimate.in_contact),
            FINGERTIP_AXES[side] @ estimate.force_n,
            np.abs(FINGERTIP_AXES[side]) @ np.sqrt(np.diag(estimate.force_covariance)),
            estimate.friction_margin,
            np.sqrt(estimate.friction_margin_variance),
            estimate.slide_speed_m_s,
            np.sqrt(estimate.slide_speed_variance),
            estimate.slip_share,
            FINGERTIP_AXES[side] @ motion,
            pooled=pool(tokens),
        ),
    )


def from_truth(side: str, stamp_ns: int, sample: TouchSample, origin: NDArray | None) -> Touch:
    """What is true of a simulated fingertip, in place of an estimate; without features.

    Args:
        side: which fingertip.
        stamp_ns: of the image.
        sample: the truth.
        origin: (3,) pose at which contact began; None without contact.
    """
    axes = FINGERTIP_AXES[side]
    moved = np.full(2, np.nan) if origin is None else (sample.pose - origin)[:2]
    touch = Touch(
        stamp_ns,
        True,
        "",
        sample.in_contact,
        axes @ sample.force_n,
        np.zeros(3),
        sample.friction_margin,
        0.0,
        sample.slide_speed_m_s,
        0.0,
        sample.slip_share,
        axes @ np.append(moved, 0.0),
    )
    return _placed(side, sample.normal_stress_pa, touch)


def pool(tokens: NDArray[np.float32]) -> NDArray[np.float32]:
    """(POOLED,) means over 5 x 3 parts of the image, then the features of the whole of it."""
    cells = tokens[:CELLS].reshape(ROWS, COLUMNS, CHANNELS)
    shape = (POOL_ROWS, ROWS // POOL_ROWS, POOL_COLUMNS, COLUMNS // POOL_COLUMNS, CHANNELS)
    means = cells.reshape(shape).mean((1, 3))
    return np.concatenate([means.reshape(-1), tokens[CELLS:].reshape(-1)])


def _placed(side: str, pressure: NDArray[np.floating], touch: Touch) -> Touch:
    """With the centre and the axis of a print, from the moments of its pressure."""
    if not touch.in_contact or not pressure.max() > 0.0:
        return touch
    # What an encoder sees faintly all over the gel must not move the centre.
    pressure = np.maximum(pressure - 0.1 * pressure.max(), 0.0).astype(float)
    rows, columns = pressure.shape
    x = ((np.arange(columns) + 0.5) / columns - 0.5) * GEL_MM[0]
    y = (0.5 - (np.arange(rows) + 0.5) / rows) * GEL_MM[1]
    along_x, along_y, total = pressure.sum(0), pressure.sum(1), pressure.sum()
    centre = np.array([along_x @ x, along_y @ y, 0.0]) / total
    dx, dy = x - centre[0], y - centre[1]
    xx, yy = along_x @ dx**2 / total, along_y @ dy**2 / total
    xy = dy @ pressure @ dx / total
    spread = np.hypot(xx - yy, 2.0 * xy)
    angle = 0.5 * np.arctan2(2.0 * xy, xx - yy)
    axis = FINGERTIP_AXES[side] @ np.array([np.cos(angle), np.sin(angle), 0.0])
    values = dict(vars(touch))
    values.update(
        centre_m=1e-3 * FINGERTIP_AXES[side] @ centre,
        axis=axis if axis[0] >= 0.0 else -axis,
        elongation=float(spread / max(xx + yy, 1e-9)),
    )
    return Touch(**values)
