# SPDX-License-Identifier: Apache-2.0
"""Names of the classes of heads that classify, in the order of their outputs."""

from __future__ import annotations

GRASPS = ("not stable", "stable")
TEXTILES = (
    "cotton",
    "satin",
    "polyester",
    "denim",
    "gabardine",
    "broad cloth",
    "parka",
    "leather",
    "crepe",
    "corduroy",
    "velvet",
    "flannel",
    "fleece",
    "hairy",
    "wool",
    "knit",
    "net",
    "suit",
    "woven",
    "other",
)
MATERIALS = (
    "concrete",
    "plastic",
    "glass",
    "wood",
    "metal",
    "brick",
    "tile",
    "leather",
    "synthetic fabric",
    "natural fabric",
    "rubber",
    "paper",
    "tree",
    "grass",
    "soil",
    "rock",
    "gravel",
    "sand",
    "plants",
    "other",
)
"""Classes of the probes that are trained on Touch-and-Go (Yang et al., 2022), in its order."""

_OBJECTS = tuple(f"material {label}" for label in range(7))
CLASSES = {
    "grasp": GRASPS,
    "textile": TEXTILES,
    "material": MATERIALS,
    "roughness": ("label 0", "label 1"),
    "hardness": ("hard", "soft"),
    "objectfolder1": _OBJECTS,
    "objectfolder2": _OBJECTS,
}
"""Head that classifies -> its classes. What Touch-and-Go means by a label of roughness, and
ObjectFolder by one of material, their lists do not tell; of hardness the materials do."""
