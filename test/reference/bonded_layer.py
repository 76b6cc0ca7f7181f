# SPDX-License-Identifier: Apache-2.0
"""Contact with an elastic layer bonded to a rigid base: what the elastic foundation leaves out.

The layer's surface sinks by u(k) = (1 - v) / (G k) M(k h) p(k) under a pressure of wave number k,

    M(a) = (2 c sinh 2a - 4a) / (2 c cosh 2a + 4 a^2 + 1 + c^2),    c = 3 - 4v

(Meijers 1968; M = 1 is the half-space). The contact is solved by conjugate gradients under the
constraint that pressure is not negative (Polonsky and Keer 1999).

    PYTHONPATH=. python test/reference/bonded_layer.py
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np

from sparsh_ros.simulation import contact, indenters
from sparsh_ros.simulation.contact import GelGrid

GRID = GelGrid(24.0, 24.0, 96, 96)
FOUNDATION_N_PER_MM3 = 0.3
THICKNESS_MM, POISSON = 3.0, 0.48
SHAPES = {
    "sphere, radius 3 mm": indenters.sphere(3.0),
    "sphere, radius 6 mm": indenters.sphere(6.0),
    "cylinder, 3 x 10 mm": indenters.cylinder(3.0, 5.0),
    "flat, radius 2 mm": indenters.flat(2.0, 2.0, True, 0.3),
    "flat, radius 4 mm": indenters.flat(4.0, 4.0, True, 0.3),
}


@dataclass(frozen=True)
class Contact:
    """A solved contact: (R, C) pressure in N/mm^2 and how deep the object sinks, mm."""

    pressure: np.ndarray
    depth_mm: float

    @property
    def area_mm2(self) -> float:
        """Area under pressure."""
        return np.count_nonzero(self.pressure > 1e-3 * self.pressure.max()) * GRID.cell_area_mm2


def on_layer(gap_mm: np.ndarray, load_n: float, shear_modulus: float) -> Contact:
    """Contact with the bonded layer; `shear_modulus` in N/mm^2."""
    compliance = _compliance(shear_modulus)

    def sink(pressure: np.ndarray) -> np.ndarray:
        return np.fft.irfft2(np.fft.rfft2(pressure) * compliance, pressure.shape)

    cell, depth = GRID.cell_area_mm2, 0.0
    touching = gap_mm < gap_mm.min() + 1.0
    pressure = np.where(touching, load_n / (touching.sum() * cell), 0.0)
    direction, last, fresh = np.zeros_like(pressure), 1.0, True
    for _ in range(400):
        residual = sink(pressure) + gap_mm
        touching = pressure > 0.0
        depth = residual[touching].mean()
        residual -= depth
        size = np.sum(residual[touching] ** 2)
        direction = np.where(touching, residual + (0.0 if fresh else size / last) * direction, 0.0)
        last = size
        answer = sink(direction)
        answer -= answer[touching].mean()
        step = (residual[touching] @ direction[touching]) / (answer[touching] @ direction[touching])
        before = pressure
        pressure = np.maximum(np.where(touching, pressure - step * direction, 0.0), 0.0)
        overlapping = (pressure == 0.0) & (residual < 0.0)
        pressure = np.where(overlapping, pressure - step * residual, pressure)
        fresh = bool(overlapping.any())
        pressure *= load_n / (pressure.sum() * cell)
        if np.abs(pressure - before).sum() < 1e-6 * pressure.sum():
            break
    return Contact(pressure, float(depth))


def on_foundation(gap_mm: np.ndarray, load_n: float) -> Contact:
    """Contact with the simulator's bed of springs."""
    depth = contact.depth_for_load(
        load_n, gap_mm, FOUNDATION_N_PER_MM3, GRID.cell_area_mm2, limit_mm=50.0
    )
    return Contact(contact.overlap(gap_mm, depth) * FOUNDATION_N_PER_MM3, float(depth))


def _compliance(shear_modulus: float) -> np.ndarray:
    rows = 2.0 * np.pi * np.fft.fftfreq(GRID.rows, GRID.spacing_mm[1])
    columns = 2.0 * np.pi * np.fft.rfftfreq(GRID.columns, GRID.spacing_mm[0])
    wave = np.hypot(rows[:, None], columns)
    wave[0, 0] = 1e-3
    a, c = np.minimum(wave * THICKNESS_MM, 20.0), 3.0 - 4.0 * POISSON
    shape = (2.0 * c * np.sinh(2.0 * a) - 4.0 * a) / (
        2.0 * c * np.cosh(2.0 * a) + 4.0 * a**2 + 1.0 + c**2
    )
    return (1.0 - POISSON) / (shear_modulus * wave) * shape


def gap_of(indenter: indenters.Indenter) -> np.ndarray:
    """Gap of an object in the middle of the grid."""
    return indenter.gap_on(GRID.x_mm, GRID.y_mm, np.zeros(3)).astype(float)


def matched_modulus() -> float:
    """Shear modulus at which both sink a ball of 6 mm radius equally deep under 3 N."""
    gap = gap_of(SHAPES["sphere, radius 6 mm"])
    wanted, low, high = on_foundation(gap, 3.0).depth_mm, 0.01, 2.0
    for _ in range(20):
        middle = np.sqrt(low * high)
        low, high = (
            (middle, high) if on_layer(gap, 3.0, middle).depth_mm > wanted else (low, middle)
        )
    return float(np.sqrt(low * high))


def compare(load_n: float) -> dict[str, tuple[float, float, float]]:
    """Foundation over layer for each shape: depth, area of the print, peak pressure."""
    modulus, ratios = matched_modulus(), {}
    for name, indenter in SHAPES.items():
        gap = gap_of(indenter)
        springs, layer = on_foundation(gap, load_n), on_layer(gap, load_n, modulus)
        ratios[name] = (
            springs.depth_mm / layer.depth_mm,
            springs.area_mm2 / layer.area_mm2,
            float(springs.pressure.max() / layer.pressure.max()),
        )
    return ratios


if __name__ == "__main__":
    lines = [f"shear modulus {matched_modulus():.3f} N/mm^2"]
    for load in (1.0, 3.0, 10.0):
        for title, (depth, area, peak) in compare(load).items():
            lines.append(f"{load:4.0f} N  {title:22s} {depth:.2f}  {area:.2f}  {peak:.2f}")
    sys.stdout.write("\n".join(lines) + "\n")
