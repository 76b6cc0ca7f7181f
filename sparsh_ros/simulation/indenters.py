# SPDX-License-Identifier: Apache-2.0
"""Rigid indenters as height maps: what is pressed into the simulated gel.

A height map stores, over a square patch in the object's own plane, the gap in millimetres between
the object and the plane through its lowest point: 0 at the lowest point, growing away from the gel.
Every shape takes this one form, so contact needs one mechanism only. Shapes with relief are in
`reliefs`; `shapes` draws them at random.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from sparsh_ros.errors import ParameterError

HALF_SIZE_MM = 12.0
SPACING_MM = 0.1
FAR_MM = 8.0
"""Gap where there is no object; deeper than any gel is thick."""


@dataclass(frozen=True)
class Indenter:
    """A rigid object seen from the gel.

    Attributes:
        kind: name of the shape, see `shapes.KINDS`.
        gap_mm: (N, N) float32, gap over the patch [-12, 12] mm squared; row 0 is +y, column 0
            is -x.
        is_round: a solid of revolution about the gel's normal, so that no print shows its turning;
            a print that tilt or the gel's edge makes oblong does not turn with it.
    """

    kind: str
    gap_mm: np.ndarray
    is_round: bool = False

    def gap_on(self, x_mm: np.ndarray, y_mm: np.ndarray, pose: np.ndarray) -> np.ndarray:
        """Gap at the gel's grid points for an object at `pose`.

        Args:
            x_mm: (C,) ascending x of the grid columns, gel frame.
            y_mm: (R,) descending y of the grid rows, gel frame.
            pose: (x mm, y mm, theta rad) of the object in the gel frame.

        Returns:
            (R, C) float32 gap in mm, `FAR_MM` beyond the object's patch.
        """
        cosine, sine = np.cos(pose[2]), np.sin(pose[2])
        step_x, step_y = x_mm[1] - x_mm[0], y_mm[1] - y_mm[0]
        dx, dy = x_mm[0] - pose[0], y_mm[0] - pose[1]
        # Affine map from grid (column, row) to height-map (column, row); map rows run along -y.
        to_map = np.array(
            [
                [cosine * step_x, sine * step_y, cosine * dx + sine * dy + HALF_SIZE_MM],
                [sine * step_x, -cosine * step_y, sine * dx - cosine * dy + HALF_SIZE_MM],
            ]
        )
        return cv2.warpAffine(
            self.gap_mm,
            to_map / SPACING_MM,
            (len(x_mm), len(y_mm)),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=FAR_MM,
        )


def from_height(
    kind: str,
    height: Callable[[np.ndarray, np.ndarray], np.ndarray],
    is_round: bool = False,
) -> Indenter:
    """Indenter from a function (x mm, y mm) -> height mm; the lowest point becomes gap 0."""
    x, y = patch()
    gap = np.minimum(np.nan_to_num(height(x, y), nan=FAR_MM, posinf=FAR_MM), FAR_MM)
    if gap.min() >= FAR_MM:
        raise ParameterError(f"indenter '{kind}': nothing below {FAR_MM} mm within the patch")
    gap = np.minimum(gap - gap.min(), FAR_MM)
    return Indenter(kind, np.ascontiguousarray(gap, dtype=np.float32), is_round)


def sphere(radius_mm: float) -> Indenter:
    """Sphere, or hemispherical tip, of the given radius."""
    return from_height(
        "sphere", lambda x, y: radius_mm - root(radius_mm**2 - x**2 - y**2), is_round=True
    )


def flat(
    half_width_mm: float, half_length_mm: float, round_face: bool, fillet_mm: float
) -> Indenter:
    """Flat punch, round or rectangular, whose rim is rounded by `fillet_mm`."""

    def height(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        if round_face:
            return rim(np.hypot(x, y) - half_width_mm, fillet_mm)
        return rim(box_distance(x, y, half_width_mm, half_length_mm, fillet_mm), fillet_mm)

    return from_height("flat", height, is_round=round_face)


def sharp(half_angle_rad: float, tip_radius_mm: float) -> Indenter:
    """Cone with a blunted tip; `half_angle_rad` is measured from the cone's axis."""
    slope = 1.0 / np.tan(half_angle_rad)
    return from_height(
        "sharp",
        lambda x, y: slope * (np.sqrt(x**2 + y**2 + tip_radius_mm**2) - tip_radius_mm),
        is_round=True,
    )


def cylinder(radius_mm: float, half_length_mm: float) -> Indenter:
    """Cylinder lying along x, with spherical ends."""

    def height(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        end = np.maximum(np.abs(x) - half_length_mm, 0.0)
        return radius_mm - root(radius_mm**2 - y**2 - end**2)

    return from_height("cylinder", height)


def ellipsoid(half_x_mm: float, half_y_mm: float, half_z_mm: float) -> Indenter:
    """Ellipsoid whose axes lie along the gel and its normal."""

    def height(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return half_z_mm * (1.0 - root(1.0 - (x / half_x_mm) ** 2 - (y / half_y_mm) ** 2))

    return from_height("ellipsoid", height)


def edge(half_angle_rad: float, half_length_mm: float, tip_radius_mm: float) -> Indenter:
    """Blunted wedge along x, as the edge of a box."""
    slope = 1.0 / np.tan(half_angle_rad)

    def height(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        ridge = slope * (np.sqrt(y**2 + tip_radius_mm**2) - tip_radius_mm)
        return ridge + 4.0 * np.maximum(np.abs(x) - half_length_mm, 0.0)

    return from_height("edge", height)


def torus(ring_radius_mm: float, tube_radius_mm: float) -> Indenter:
    """Ring lying flat on the gel."""

    def height(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        beside = np.hypot(x, y) - ring_radius_mm
        return tube_radius_mm - root(tube_radius_mm**2 - beside**2)

    return from_height("torus", height, is_round=True)


def blobs(rng: np.random.Generator, wavelength_mm: float, relief_mm: float) -> Indenter:
    """Smooth random relief on a dome: the stand-in for everyday objects."""
    relief = smooth_noise(rng, wavelength_mm) * relief_mm
    dome = rng.uniform(0.015, 0.06)
    return from_height("blobs", lambda x, y: dome * (x**2 + y**2) + relief)


def smooth_noise(rng: np.random.Generator, wavelength_mm: float) -> np.ndarray:
    """(N, N) float64 random field of unit standard deviation over the patch."""
    sigma = wavelength_mm / SPACING_MM / 4.0
    noise = rng.standard_normal(patch()[0].shape)
    field = cv2.GaussianBlur(noise, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    return (field - field.mean()) / field.std()


def textured(indenter: Indenter, rng: np.random.Generator, amplitude_mm: float) -> Indenter:
    """The same object with fine surface relief, as machined or printed parts have."""
    gap = indenter.gap_mm + amplitude_mm * smooth_noise(rng, rng.uniform(0.8, 2.5))
    gap = np.where(indenter.gap_mm < FAR_MM, np.minimum(gap - gap.min(), FAR_MM), FAR_MM)
    return replace(indenter, gap_mm=gap.astype(np.float32))


def box_distance(
    x: np.ndarray, y: np.ndarray, half_x_mm: float, half_y_mm: float, round_mm: float
) -> np.ndarray:
    """Distance from a rectangle with rounded corners, mm, of (n,) points; negative inside."""
    across = np.maximum(np.abs(x) - half_x_mm, -round_mm)
    along = np.maximum(np.abs(y) - half_y_mm, -round_mm)
    return np.hypot(across + round_mm, along + round_mm) - round_mm


def rim(outside_mm: np.ndarray, fillet_mm: float) -> np.ndarray:
    """Height of a flat face with a rounded rim; NaN beyond it.

    Args:
        outside_mm: distance from the face's outline, negative inside.
        fillet_mm: radius of the rim.
    """
    return fillet_mm - root(fillet_mm**2 - np.maximum(outside_mm + fillet_mm, 0.0) ** 2)


def patch() -> tuple[np.ndarray, np.ndarray]:
    axis = np.arange(-HALF_SIZE_MM, HALF_SIZE_MM + SPACING_MM / 2, SPACING_MM)
    return np.meshgrid(axis, axis[::-1])


def root(value: np.ndarray) -> np.ndarray:
    """Square root; NaN, that is no object, where there is none."""
    return np.sqrt(np.where(value >= 0.0, value, np.nan))
