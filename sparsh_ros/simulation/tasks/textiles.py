# SPDX-License-Identifier: Apache-2.0
"""Cloths as height maps, one kind for each class of TacBench's textiles.

A woven cloth is a matrix that says where the warp lies over the weft, and yarns of a round profile;
knits, nets, ribs and naps have heights of their own. What a name means here is one plausible cloth
of that name. Sizes vary from swatch to swatch by `_SPREAD`, and no yarn lies straight.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from sparsh_ros.errors import ParameterError
from sparsh_ros.simulation.indenters import SPACING_MM, Indenter, from_height, patch, smooth_noise

_SPREAD = 0.12
_WAVER = 0.06, 0.15
"""How far yarns waver, lowest and highest, mm."""
Relief = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]
"""(x mm, y mm, generator) -> height above the cloth's lowest point, mm."""


def draw_textile(name: str, rng: np.random.Generator) -> Indenter:
    """A random swatch of a cloth, turned anyhow, over a flat or bulging pad.

    Raises:
        ParameterError: `name` is not one of `TEXTILES`.
    """
    if name not in TEXTILES:
        raise ParameterError(f"textile '{name}' is unknown; choose from {', '.join(TEXTILES)}")
    x, y = patch()
    turn, size = rng.uniform(-np.pi, np.pi), 1.0 + rng.uniform(-_SPREAD, _SPREAD)
    along = (np.cos(turn) * x + np.sin(turn) * y) / size
    across = (np.cos(turn) * y - np.sin(turn) * x) / size
    waver = rng.uniform(*_WAVER)
    along, across = (axis + waver * smooth_noise(rng, 6.0) for axis in (along, across))
    relief = TEXTILES[name](along, across, rng) * rng.uniform(0.8, 1.2)
    bulge = rng.uniform(0.0, 0.012)
    return from_height(name, lambda x, y: bulge * (x**2 + y**2) - relief)


def woven(
    warp_over: np.ndarray, pitch_mm: tuple[float, float], relief_mm: float, nap_mm: float = 0.0
) -> Relief:
    """A weave.

    Args:
        warp_over: (R, C) bool, whether the warp yarn of a column lies over the weft yarn of a row;
            repeated without end.
        pitch_mm: between warp yarns, between weft yarns.
        relief_mm: from the ground to the top of a yarn.
        nap_mm: standard deviation of the fibres' height above the yarns.
    """

    def height(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        column, row = (axis / pitch for axis, pitch in zip((x, y), pitch_mm, strict=True))
        rows, columns = (np.floor(axis).astype(int) for axis in (row, column))
        over = warp_over[rows % warp_over.shape[0], columns % warp_over.shape[1]]
        sigma = 0.3 * min(pitch_mm) / SPACING_MM
        lift = cv2.GaussianBlur(np.where(over, 0.5, -0.5), (0, 0), sigma)
        warp = np.sin(np.pi * (column - columns)) + lift
        weft = np.sin(np.pi * (row - rows)) - lift
        return relief_mm * np.maximum(warp, weft) + nap_mm * smooth_noise(rng, 1.2)

    return height


def _twill(over: int, under: int) -> np.ndarray:
    """(n, n) bool: each row is the one before, moved by one yarn."""
    first = np.arange(over + under) < over
    return np.stack([np.roll(first, shift) for shift in range(over + under)])


def _satin(harness: int, move: int) -> np.ndarray:
    """(n, n) bool: one crossing per row, `move` yarns beside that of the row before."""
    matrix = np.ones((harness, harness), bool)
    matrix[np.arange(harness), np.arange(harness) * move % harness] = False
    return matrix


def _random_weave(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return woven(rng.random((16, 16)) < 0.5, (0.8, 0.8), 0.12)(x, y, rng)


def _ripstop(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    lines = [np.exp(-((((axis + 2.5) % 5.0 - 2.5) / 0.3) ** 2)) for axis in (x, y)]
    return woven(PLAIN, (0.6, 0.6), 0.05)(x, y, rng) + 0.22 * np.maximum(*lines)


def _leather(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pebbles between creases, which lie where a random field changes its sign."""
    creases = [np.abs(smooth_noise(rng, 3.0)) for _ in range(2)]
    return 0.2 * np.minimum(np.minimum(*creases) / 0.4, 1.0)


def _corduroy(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return 0.4 * np.sqrt(np.abs(np.sin(np.pi * x / 2.3))) + 0.02 * smooth_noise(rng, 0.8)


def _pile(wavelength_mm: float, relief_mm: float) -> Relief:
    return lambda x, y, rng: relief_mm * smooth_noise(rng, wavelength_mm)


def _fibres(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Loose hairs on a soft ground."""
    canvas = np.zeros(x.shape, np.float32)
    for _ in range(140):
        start, angle = rng.uniform(0, x.shape[0], 2), rng.uniform(-np.pi, np.pi)
        bend, steps = rng.normal(0.0, 0.05), np.arange(0.0, rng.uniform(30.0, 90.0), 3.0)
        angles = angle + bend * steps / 3.0
        path = start + np.cumsum(3.0 * np.stack([np.cos(angles), np.sin(angles)], 1), 0)
        cv2.polylines(canvas, [path.astype(np.int32)], False, 1.0, 3)
    return 0.22 * cv2.GaussianBlur(canvas, (0, 0), 1.5) + 0.03 * smooth_noise(rng, 2.5)


def _knit(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Wales of V-shaped stitches."""
    wale, course = 1.8, 1.5
    beside = np.abs(x / wale % 1.0 - 0.5)
    stitch = (y / course + 1.4 * beside) % 1.0
    leg = np.sin(np.pi * stitch) * np.sqrt(np.abs(np.sin(2.0 * np.pi * beside)))
    return 0.35 * leg + 0.02 * smooth_noise(rng, 1.0)


def _net(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Threads along two diagonals; between them a smooth ground shows."""
    diagonals = (x + 0.6 * y) / 2.6, (x - 0.6 * y) / 2.6
    beside = np.minimum(*(np.abs(axis - np.round(axis)) for axis in diagonals))
    return 0.45 * np.sqrt(np.maximum(1.0 - (beside / 0.14) ** 2, 0.0))


def _waffle(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    walls = [np.abs(np.sin(np.pi * axis / 3.4)) for axis in (x, y)]
    return 0.5 * np.maximum(*walls) ** 2 + 0.02 * smooth_noise(rng, 0.8)


PLAIN = np.eye(2, dtype=bool)
_HERRINGBONE = np.concatenate([np.tile(_twill(2, 2), 2), np.tile(_twill(2, 2), 2)[:, ::-1]], 1)
_BASKET = np.kron(PLAIN, np.ones((2, 2), bool))

TEXTILES: dict[str, Relief] = {
    "cotton": woven(PLAIN, (1.0, 1.0), 0.12),
    "satin": woven(_satin(5, 2), (0.7, 0.7), 0.07),
    "polyester": woven(PLAIN, (0.6, 0.6), 0.07),
    "denim": woven(_twill(3, 1), (0.9, 0.9), 0.14),
    "gabardine": woven(_twill(2, 1), (0.6, 1.1), 0.1),
    "broad cloth": woven(PLAIN, (0.7, 1.4), 0.1),
    "parka": _ripstop,
    "leather": _leather,
    "crepe": _random_weave,
    "corduroy": _corduroy,
    "velvet": _pile(0.9, 0.05),
    "flannel": woven(PLAIN, (1.2, 1.2), 0.08, nap_mm=0.05),
    "fleece": _pile(2.6, 0.14),
    "hairy": _fibres,
    "wool": woven(_twill(2, 2), (1.6, 1.6), 0.2, nap_mm=0.03),
    "knit": _knit,
    "net": _net,
    "suit": woven(_HERRINGBONE, (0.8, 0.8), 0.1),
    "woven": woven(_BASKET, (1.1, 1.1), 0.2),
    "other": _waffle,
}
"""Name -> relief, in the order of `models.classes.TEXTILES`."""
