# SPDX-License-Identifier: Apache-2.0
"""The simulated gel: contact, friction, and the shape its skin takes.

`contact` and `friction` give exact forces. What a camera sees is the skin, which is a membrane on a
nearly incompressible layer, so the skin around the contact follows by four effects, each scaled by
the layer's thickness h:

- it is pulled down with the object and recovers over about h (smoothed, but true to the object
  inside the contact);
- the volume pushed away rises as a ring around the contact;
- it is dragged along by shear and recovers over about h;
- where dragged skin is compressed in its plane it rises, where stretched it sinks: the ridge ahead
  of a sheared object. Constant volume under a linear profile asks for h/2 div(u); real DIGIT frames
  show less than half of that.

These four are a plausible smooth model, not a solution of elasticity: they shape the image, never
the force labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sparsh_ros.simulation import contact
from sparsh_ros.simulation.contact import GelGrid
from sparsh_ros.simulation.friction import SLIDING_MM, TangentialContact
from sparsh_ros.simulation.indenters import FAR_MM, Indenter

MAXIMUM_STRAIN = 0.55
"""Deepest indentation as a share of the thickness; the model means nothing beyond."""
RECOVERY = 0.8, 0.3
"""Blur of the skin around the contact, coarse then fine, in thicknesses."""
RIDGE = 0.2
RING = 0.22
SQUEEZE = 0.12


@dataclass(frozen=True)
class ContactState:
    """What the gel feels after one step. Frame of reference: the gel frame.

    Attributes:
        force_n: (3,) float64, force of the object on the gel.
        pressure: (R, C) float32, normal stress, N/mm^2.
        traction: (2, R, C) float32, shear stress (x, y) on the gel, N/mm^2.
        slip_share: share of the contact area that slid during the step, 0 to 1.
        slide_mm: how far the contact slid during the step, mean over its area.
        stretch_mm: (2, R, C) float32, displacement (x, y) of the skin under the object.
        friction_margin: see `TangentialContact.margin`.
    """

    force_n: np.ndarray
    pressure: np.ndarray
    traction: np.ndarray
    slip_share: float
    slide_mm: float
    stretch_mm: np.ndarray
    friction_margin: float


@dataclass(frozen=True)
class SkinState:
    """What the gel shows.

    Attributes:
        surface_mm: (R, C) float32, indentation of the skin towards the camera.
        displacement_mm: (2, R, C) float32, in-plane displacement (x, y) of the skin.
    """

    surface_mm: np.ndarray
    displacement_mm: np.ndarray


class Elastomer:
    """A gel layer and the load path it remembers.

    Args:
        grid: extent and resolution.
        thickness_mm: layer thickness h.
        normal_stiffness_n_per_mm3: foundation modulus k_n.
        tangential_ratio: k_t / k_n.
        friction: Coulomb coefficient mu between object and skin.
        skin_stiffness_mm: length over which the reflective skin bends: it rounds every edge.
    """

    def __init__(
        self,
        grid: GelGrid,
        thickness_mm: float,
        normal_stiffness_n_per_mm3: float,
        tangential_ratio: float,
        friction: float,
        skin_stiffness_mm: float = 0.16,
    ) -> None:
        self.grid = grid
        self._skin_stiffness_mm = skin_stiffness_mm
        self.thickness_mm = thickness_mm
        self._stiffness = normal_stiffness_n_per_mm3
        self._friction = TangentialContact(
            grid.shape, tangential_ratio * normal_stiffness_n_per_mm3, friction
        )
        self._indentation = np.zeros(grid.shape, np.float32)
        self._dragged = np.zeros((2, *grid.shape), np.float32)
        self._pose = np.zeros(3)
        self._touching = False

    def press(
        self,
        indenter: Indenter,
        pose: np.ndarray,
        load_n: float,
        tilt: tuple[float, float] = (0.0, 0.0),
    ) -> ContactState:
        """Move the object to `pose` and press it with `load_n`; one quasi-static step.

        Args:
            indenter: the object.
            pose: (x mm, y mm, theta rad), gel frame. Steps should stay below about 0.5 mm.
            load_n: normal load; 0 or less lifts the object off.
            tilt: slope of the object against the gel along (x, y).
        """
        indentation = self._indent(indenter, pose, load_n, tilt)
        pressure = indentation * np.float32(self._stiffness)
        # The way that an object came through the air drags nothing.
        motion = self._motion(pose) * np.float32(self._touching)
        slid = self._friction.advance(pressure, motion, self._dragged)
        traction = self._friction.traction()
        area = self.grid.cell_area_mm2
        force = np.array(
            [traction[0].sum(dtype=float), traction[1].sum(dtype=float), pressure.sum(dtype=float)]
        )
        touching = max(int(np.count_nonzero(pressure)), 1)
        self._touching = bool(force[2] > 0.0)
        self._indentation = indentation
        return ContactState(
            force_n=force * area,
            pressure=pressure,
            traction=traction,
            slip_share=np.count_nonzero(slid > SLIDING_MM) / touching,
            slide_mm=float(slid.sum()) / touching,
            stretch_mm=self._friction.stretch_mm,
            friction_margin=self._friction.margin,
        )

    def _indent(
        self, indenter: Indenter, pose: np.ndarray, load_n: float, tilt: tuple[float, float]
    ) -> np.ndarray:
        grid = self.grid
        if load_n <= 0.0:
            return np.zeros(grid.shape, np.float32)
        gap = indenter.gap_on(grid.x_mm, grid.y_mm, pose)
        if gap.min() >= FAR_MM:  # the object is beside the gel
            return np.zeros_like(gap)
        if tilt != (0.0, 0.0):
            gap = gap + np.float32(tilt[0]) * (grid.x_mm - np.float32(pose[0]))
            gap += np.float32(tilt[1]) * (grid.y_mm - np.float32(pose[1]))[:, None]
        limit = MAXIMUM_STRAIN * self.thickness_mm
        depth = contact.depth_for_load(load_n, gap, self._stiffness, grid.cell_area_mm2, limit)
        return contact.overlap(gap, depth)

    def _motion(self, pose: np.ndarray) -> np.ndarray:
        """(2, R, C) displacement of the object's points since the last step."""
        step = pose - self._pose
        turn = np.float32(np.arctan2(np.sin(step[2]), np.cos(step[2])))
        centre = 0.5 * (pose + self._pose)
        self._pose = np.array(pose, dtype=float)
        motion = np.empty((2, *self.grid.shape), np.float32)
        motion[0] = np.float32(step[0]) - turn * (self.grid.y_mm - np.float32(centre[1]))[:, None]
        motion[1] = np.float32(step[1]) + turn * (self.grid.x_mm - np.float32(centre[0]))
        return motion

    def shape_skin(self) -> SkinState:
        """Surface and displacement of the whole skin; away from the contact at half resolution.

        Skin that the object comes to touch in later steps starts from this displacement: call it
        once a frame.
        """
        indentation, stretch = self._indentation, self._friction.stretch_mm
        touching = indentation > 0.0
        if not self._touching:
            self._dragged = np.zeros_like(stretch)
            return SkinState(np.zeros_like(indentation), np.zeros_like(stretch))
        grid = self.grid
        inside = cv2.resize(
            cv2.merge([indentation, *stretch, touching.astype(np.float32)]),
            (grid.columns // 2, grid.rows // 2),
            interpolation=cv2.INTER_AREA,
        )
        around, wide = self._recover(inside)
        around[..., 0] += self._raised(around, wide)
        planes = cv2.merge([around, *self._squeezed(wide)])
        full = cv2.resize(planes, grid.shape[::-1], interpolation=cv2.INTER_LINEAR)
        depth, right, up, squeezed_right, squeezed_up = cv2.split(full)
        # The object is an obstacle: the skin may be drawn deeper than its face, never less deep.
        surface = np.maximum(indentation, depth)
        self._dragged = np.where(touching, stretch, (right, up))
        surface = _blur(surface, self._skin_stiffness_mm / grid.spacing_mm[0])
        return SkinState(surface, self._dragged + (squeezed_right, squeezed_up))

    def _recover(self, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Skin around the contact, (depth, x, y), and the widely spread indentation."""
        mask, held = inside[..., 3:], inside[..., :3]
        sigma = self.thickness_mm / (2.0 * self.grid.spacing_mm[0])
        spread = _blur(inside, RECOVERY[0] * sigma)
        share = spread[..., 3:]
        # Divided by the mask's own blur, drag starts at the rim with the contact's value.
        dragged = spread[..., :3] / np.maximum(share, 1e-3) * np.minimum(2.0 * share, 1.0)
        skin = mask * held + (1.0 - mask) * dragged
        skin[..., 0] = np.maximum(held[..., 0], spread[..., 0])
        return _blur(skin, RECOVERY[1] * sigma), spread[..., 0]

    def _raised(self, skin: np.ndarray, wide: np.ndarray) -> np.ndarray:
        """Change of depth that incompressibility asks for: ring around, ridge ahead (negative)."""
        divergence = self._slope(skin[..., 1], 0) + self._slope(skin[..., 2], 1)
        return RIDGE * self.thickness_mm * divergence - RING * wide

    def _squeezed(self, wide: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Displacement (x, y) of the skin outwards from where it is pressed in, (R/2, C/2) each."""
        outward = SQUEEZE * self.thickness_mm
        return -outward * self._slope(wide, 0), -outward * self._slope(wide, 1)

    def _slope(self, field: np.ndarray, axis: int) -> np.ndarray:
        """Derivative of an (R/2, C/2) field along x (0) or y (1), per mm."""
        step = self.grid.spacing_mm[axis] * 2.0
        # Rows run along -y; the kernel spans two cells.
        scale = 0.5 / step if axis == 0 else -0.5 / step
        order = (1, 0) if axis == 0 else (0, 1)
        return cv2.Sobel(
            field, cv2.CV_32F, *order, ksize=1, scale=scale, borderType=cv2.BORDER_REPLICATE
        )


def _blur(image: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
