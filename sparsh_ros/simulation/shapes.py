# SPDX-License-Identifier: Apache-2.0
"""Random indenters by name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sparsh_ros.errors import ParameterError
from sparsh_ros.simulation import reliefs
from sparsh_ros.simulation.indenters import (
    Indenter,
    blobs,
    cylinder,
    edge,
    ellipsoid,
    flat,
    sharp,
    sphere,
    textured,
    torus,
)


def draw(kind: str, rng: np.random.Generator) -> Indenter:
    """A random indenter of `kind`, with random size and surface texture.

    Raises:
        ParameterError: `kind` is not one of `KINDS`.
    """
    if kind not in KINDS:
        raise ParameterError(f"indenter '{kind}' is unknown; choose from {', '.join(KINDS)}")
    return textured(KINDS[kind](rng), rng, rng.uniform(0.0, 0.05))


def _draw_flat(rng: np.random.Generator) -> Indenter:
    half_width = rng.uniform(1.8, 4.5)
    half_length = half_width * rng.uniform(0.6, 1.6)
    return flat(half_width, half_length, bool(rng.integers(2)), rng.uniform(0.2, 0.6))


KINDS: dict[str, Callable[[np.random.Generator], Indenter]] = {
    "sphere": lambda rng: sphere(rng.uniform(2.0, 8.0)),
    "flat": _draw_flat,
    "sharp": lambda rng: sharp(rng.uniform(0.7, 1.2), rng.uniform(0.2, 0.8)),
    "cylinder": lambda rng: cylinder(rng.uniform(1.5, 6.0), rng.uniform(1.0, 7.0)),
    "edge": lambda rng: edge(rng.uniform(0.6, 1.1), rng.uniform(2.0, 9.0), rng.uniform(0.15, 0.5)),
    "torus": lambda rng: torus(rng.uniform(2.0, 4.5), rng.uniform(0.6, 1.6)),
    "blobs": lambda rng: blobs(rng, rng.uniform(3.0, 8.0), rng.uniform(0.2, 0.7)),
    "ellipsoid": lambda rng: ellipsoid(*rng.uniform((2.0, 3.0, 1.5), (5.0, 9.0, 5.0))),
    "ridged": reliefs.ridged,
    "knurled": reliefs.knurled,
    "bumps": reliefs.bumps,
    "stamp": reliefs.stamp,
    "letters": reliefs.letters,
    "nut": reliefs.nut,
    "star": reliefs.star,
    "bracket": reliefs.bracket,
    "facets": reliefs.facets,
    "cube_corner": reliefs.cube_corner,
    "screw": reliefs.screw,
    "cable": reliefs.cable,
}
"""Shape name -> random draw."""
