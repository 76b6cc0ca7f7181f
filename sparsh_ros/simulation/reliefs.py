# SPDX-License-Identifier: Apache-2.0
"""Random indenters with relief or without symmetry: machined, printed, moulded and woven parts.

Each function draws the sizes of one shape from a random generator. Reliefs rise from a face: they
touch first, their face where the load is high.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from sparsh_ros.simulation.indenters import (
    FAR_MM,
    SPACING_MM,
    Indenter,
    box_distance,
    from_height,
    patch,
    rim,
    root,
    smooth_noise,
)

Height = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(x mm, y mm) -> height mm, NaN where there is no object."""

_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_LETTER_PIXELS = 22.0
"""Height of a capital of OpenCV's simplex font at scale 1."""


def ridged(rng: np.random.Generator) -> Indenter:
    """Flat face with parallel ridges, sharp to square, as of a file, a rack or a cap."""
    face = _face(rng)
    pitch, depth = rng.uniform(0.8, 2.6), rng.uniform(0.1, 0.5)
    squareness = rng.uniform(1.0, 4.0)

    def height(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        wave = np.clip(squareness * np.cos(2.0 * np.pi * x / pitch), -1.0, 1.0)
        return face(x, y) + depth * 0.5 * (1.0 - wave)

    return from_height("ridged", height)


def knurled(rng: np.random.Generator) -> Indenter:
    """Flat or gently curved face with crossed grooves: rows of pyramids, as of a grip."""
    face, turn = _face(rng), rng.uniform(0.3, 0.8)
    pitches, depth = rng.uniform(0.9, 2.2, 2), rng.uniform(0.15, 0.5)
    curvature = rng.uniform(0.0, 0.06)

    def height(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        along = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * x - np.sin(turn) * y
        grooves = [_triangle(axis / pitch) for axis, pitch in zip(along, pitches, strict=True)]
        return face(x, y) + depth * np.maximum(*grooves) + curvature * y**2

    return from_height("knurled", height)


def bumps(rng: np.random.Generator) -> Indenter:
    """Rows of round studs on a plate, some missing."""
    face, pitch = _face(rng), rng.uniform(1.8, 3.4)
    radius = pitch * rng.uniform(0.25, 0.5)
    depth, present = rng.uniform(0.3, 0.9), rng.random((9, 9)) < rng.uniform(0.5, 1.0)
    present[4, 4] = True

    def height(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        column, row = (np.clip(np.round(axis / pitch), -4, 4) for axis in (x, y))
        beside = np.hypot(x - column * pitch, y - row * pitch)
        stud = np.minimum(radius - np.sqrt(np.maximum(radius**2 - beside**2, 0.0)), depth)
        there = present[row.astype(int) + 4, column.astype(int) + 4] & (beside < radius)
        return face(x, y) + np.where(there, stud, depth)

    return from_height("bumps", height)


def stamp(rng: np.random.Generator) -> Indenter:
    """Face with a random raised pattern, as of a coin, a sole or a seal."""
    pattern = smooth_noise(rng, rng.uniform(2.0, 5.0)) > rng.uniform(-0.4, 0.4)
    return _raised("stamp", rng, pattern)


def letters(rng: np.random.Generator) -> Indenter:
    """One to three raised letters on a plate, as they read from the gel."""
    text = "".join(rng.choice(list(_LETTERS), int(rng.integers(1, 4))))
    tall_mm = rng.uniform(4.0, 8.0) / np.sqrt(len(text))
    scale = tall_mm / SPACING_MM / _LETTER_PIXELS
    thickness = max(int(rng.uniform(0.12, 0.25) * tall_mm / SPACING_MM), 4)
    font = cv2.FONT_HERSHEY_SIMPLEX
    (width, tall), _ = cv2.getTextSize(text, font, scale, thickness)
    canvas = np.zeros(patch()[0].shape, np.uint8)
    corner = (canvas.shape[1] - width) // 2, (canvas.shape[0] + tall) // 2
    cv2.putText(canvas, text, corner, font, scale, 1, thickness, cv2.LINE_8)
    return _raised("letters", rng, canvas > 0)


def nut(rng: np.random.Generator) -> Indenter:
    """Polygon with a round hole, sometimes off its centre: nuts, washers, links."""
    sides, size = int(rng.integers(3, 8)), rng.uniform(2.5, 4.5)
    hole, fillet = size * rng.uniform(0.35, 0.65), rng.uniform(0.15, 0.4)
    off_x, off_y = rng.normal(0.0, 0.08 * size, 2)

    def height(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        angles = 2.0 * np.pi * np.arange(sides) / sides
        outside = np.max([np.cos(a) * x + np.sin(a) * y for a in angles], axis=0) - size
        return rim(np.maximum(outside, hole - np.hypot(x - off_x, y - off_y)), fillet)

    return from_height("nut", height)


def star(rng: np.random.Generator) -> Indenter:
    """Flat face with lobes of unequal length: gears, knobs, screwdriver bits."""
    lobes, size = int(rng.integers(3, 9)), rng.uniform(2.0, 3.8)
    depth, lean = rng.uniform(0.12, 0.4), rng.uniform(0.0, 0.3)
    phase, fillet = rng.uniform(-np.pi, np.pi), rng.uniform(0.15, 0.4)

    def height(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        angle = np.arctan2(y, x)
        radius = size * (1.0 + depth * np.cos(lobes * angle) + lean * np.cos(angle - phase))
        return rim(np.hypot(x, y) - radius, fillet)

    return from_height("star", height)


def bracket(rng: np.random.Generator) -> Indenter:
    """L, T or cross of two bars."""
    half_width, reach = rng.uniform(0.6, 1.4), rng.uniform(2.5, 5.0)
    shift, fillet = rng.uniform(-1.0, 1.0) * reach, rng.uniform(0.15, 0.4)
    length = rng.uniform(0.4, 1.0) * reach

    def height(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        bar = box_distance(x, y, reach, half_width, fillet)
        other = box_distance(x - shift, y - length, half_width, length, fillet)
        return rim(np.minimum(bar, other), fillet)

    return from_height("bracket", height)


def facets(rng: np.random.Generator) -> Indenter:
    """Convex body of random flat faces, as a mesh of few triangles: tangent planes of a bowl."""
    bowl, count = rng.uniform(0.03, 0.12), int(rng.integers(5, 16))
    radius = 7.0 * np.sqrt(rng.uniform(0.0, 1.0, count))
    radius[0] *= 0.15  # a face about its lowest point
    angle = rng.uniform(-np.pi, np.pi, count)
    touch = radius * np.cos(angle), radius * np.sin(angle)

    def height(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        planes = [
            2.0 * bowl * (at_x * x + at_y * y) - bowl * (at_x**2 + at_y**2)
            for at_x, at_y in zip(*touch, strict=True)
        ]
        return np.max(planes, axis=0)

    return from_height("facets", height)


def cube_corner(rng: np.random.Generator) -> Indenter:
    """Corner of a box, tip first, leaning to any side; its edges are rounded."""
    lean = rng.uniform(0.25, 0.85, 3)
    normals = _right_angles(lean / np.linalg.norm(lean))
    tip = rng.uniform(0.1, 0.5)

    def height(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        planes = np.array([(n[0] * x + n[1] * y) / n[2] for n in normals])
        top = planes.max(axis=0)
        return top + tip * np.log(np.exp((planes - top) / tip).sum(axis=0))

    return from_height("cube_corner", height)


def screw(rng: np.random.Generator) -> Indenter:
    """Threaded rod lying along x."""
    radius, pitch = rng.uniform(1.5, 4.0), rng.uniform(0.8, 2.2)
    depth, half_length = rng.uniform(0.3, 0.6) * pitch, rng.uniform(2.5, 9.0)

    def height(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        turn = np.arcsin(np.clip(y / radius, -1.0, 1.0)) / (2.0 * np.pi)
        groove = np.clip(1.3 * _triangle(x / pitch + turn) - 0.15, 0.0, 1.0)
        rod = radius - root((radius - depth * groove) ** 2 - y**2)
        return np.where(np.abs(x) < half_length, rod, np.nan)

    return from_height("screw", height)


def cable(rng: np.random.Generator) -> Indenter:
    """Bent cable along x: smooth, twisted or braided."""
    radius, bend = rng.uniform(0.8, 3.0), rng.uniform(-0.03, 0.03)
    strands, lay = int(rng.integers(3, 9)), rng.uniform(3.0, 9.0)
    depth = radius * rng.choice([0.0, 0.08, 0.16])
    braided = rng.random() < 0.5

    def height(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        beside = y - bend * x**2
        angle = np.arcsin(np.clip(beside / radius, -1.0, 1.0))
        twist = 2.0 * np.pi * x / lay
        groove = np.abs(np.sin(0.5 * strands * (angle + twist)))
        if braided:
            groove = np.maximum(groove, np.abs(np.sin(0.5 * strands * (angle - twist))))
        return radius - root((radius - depth * (1.0 - groove)) ** 2 - beside**2)

    return from_height("cable", height)


def _face(rng: np.random.Generator) -> Height:
    """Height function of a random flat face, round or rectangular."""
    half_x, half_y = rng.uniform(2.2, 5.5, 2)
    fillet, is_round = rng.uniform(0.2, 0.6), rng.random() < 0.4

    def height(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        if is_round:
            return rim(np.hypot(x, y) - half_x, fillet)
        return rim(box_distance(x, y, half_x, half_y, fillet), fillet)

    return height


def _raised(kind: str, rng: np.random.Generator, pattern: np.ndarray) -> Indenter:
    """A plate on which `pattern` (bool, over the patch) stands out with sloping walls."""
    face, depth, steepness = _face(rng), rng.uniform(0.25, 0.9), rng.uniform(1.0, 4.0)
    beside = cv2.distanceTransform((~pattern).astype(np.uint8), cv2.DIST_L2, 5) * SPACING_MM
    relief = np.minimum(steepness * beside, depth)
    return from_height(kind, lambda x, y: np.fmin(face(x, y), FAR_MM) + relief)


def _triangle(phase: np.ndarray) -> np.ndarray:
    """Triangle wave of period 1 between 0, at whole numbers, and 1."""
    return 2.0 * np.abs(phase - np.round(phase))


def _right_angles(axis: np.ndarray) -> np.ndarray:
    """(3, 3) outward normals of a box whose diagonal `axis` (shares along its edges) points down.

    The rotation takes `axis` to +z by the shortest way (Rodrigues); its columns are the edges.
    """
    cross = np.cross(axis, (0.0, 0.0, 1.0))
    skew = np.array(
        [[0.0, -cross[2], cross[1]], [cross[2], 0.0, -cross[0]], [-cross[1], cross[0], 0.0]]
    )
    rotation = np.eye(3) + skew + skew @ skew / (1.0 + axis[2])
    return rotation.T
