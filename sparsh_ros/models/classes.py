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
