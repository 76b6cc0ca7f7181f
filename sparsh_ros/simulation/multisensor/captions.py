# SPDX-License-Identifier: Apache-2.0
"""What a touch is like, in words."""

from __future__ import annotations

import numpy as np

_NAMES = {
    "flat": ("flat punch", "flat block"),
    "sharp": ("blunt point", "cone"),
    "torus": ("ring",),
    "blobs": ("lumpy piece", "irregular lump"),
    "ellipsoid": ("egg", "ellipsoid"),
    "ridged": ("ridged plate", "rack"),
    "knurled": ("knurled grip",),
    "bumps": ("studded plate",),
    "stamp": ("stamp", "seal"),
    "letters": ("plate with letters",),
    "star": ("star", "knob"),
    "facets": ("faceted stone", "polyhedron"),
    "cube_corner": ("corner of a box",),
}
"""What shapes are called whose name is no word."""
_MATERIALS = {"print": "printed plastic"}
_PRESSES = ("lightly", "gently", "firmly", "hard")
_PRESS_LOADS_N = (0.8, 1.6, 3.0)
_ROUGHNESSES = ("smooth", "slightly rough", "rough", "very rough")
_ROUGHNESS_MM = (0.01, 0.03, 0.045)
_CENTRAL_MM, _SLID_MM, _TURNED_RAD = 1.5, 0.3, 0.08
_SENTENCES = (
    "a {rough} {shape} of {material}, pressed {press} {place}, {motion}",
    "{place} the gel feels a {rough} {material} {shape}, {motion}, pressed {press}",
    "{material} {shape}, {rough}; it is pressed {press} {place} and {motion}",
)


def caption(
    kind: str,
    material: str,
    relief_mm: float,
    load_n: float,
    place_mm: np.ndarray,
    motion: np.ndarray,
    rng: np.random.Generator,
) -> str:
    """Describe a touch; nothing is said of left and right, so that pictures may be mirrored.

    Args:
        kind: Of the object, of `shapes.KINDS`.
        material: Its name.
        relief_mm: Its roughness.
        load_n: How strongly it is pressed at the end, newtons.
        place_mm: (2,) where, from the gel's centre.
        motion: (3,) by how much it moved: mm, mm, rad.
        rng: Chooses between words that mean the same.
    """
    choose = rng.choice
    central = np.hypot(*place_mm) < _CENTRAL_MM
    moved = [
        word
        for word, moves in (
            ("sliding", np.hypot(*motion[:2]) > _SLID_MM),
            ("turning", abs(motion[2]) > _TURNED_RAD),
        )
        if moves
    ]
    return str(choose(_SENTENCES)).format(
        rough=_ROUGHNESSES[np.searchsorted(_ROUGHNESS_MM, relief_mm)],
        shape=choose(_NAMES.get(kind, (kind,))),
        material=_MATERIALS.get(material, material),
        press=_PRESSES[np.searchsorted(_PRESS_LOADS_N, load_n)],
        place=choose(("in the middle", "at the centre") if central else ("off centre", "aside")),
        motion=" and ".join(moved) or "still",
    )
