# SPDX-License-Identifier: Apache-2.0
"""The force field: a map of normal force and shear that lies on the canonical image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sparsh_ros.frames import IMAGE_HEIGHT, IMAGE_WIDTH, Frame

Maps = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True, eq=False)
class ForceField:
    """What one pair of frames says about every point of the gel.

    None of it is in newtons: the decoders of Sparsh (Higuera et al., 2024, arXiv:2410.24090) learn
    it without measured forces.

    Attributes:
        frame: The newest frame used.
        values: (320, 240, 3) float32, a value for each pixel of the canonical image: shear along x
            (right) and along y (up), in pixels of the canonical image, as far as the skin of the
            gel moved between the two frames; normal, 0 to 1. NaN where the model lacks that map.
    """

    frame: Frame
    values: NDArray[np.float32]


def lay_on_image(maps: Maps) -> NDArray[np.float32]:
    """Stretch maps of any size to the canonical image, see `ForceField.values`.

    Args:
        maps: "normal" (1, H, W), "shear" (2, H, W): x to the right, y down, in pixels of the map.
            One may be missing.
    """
    values = np.full((IMAGE_HEIGHT, IMAGE_WIDTH, 3), np.nan, np.float32)
    if "shear" in maps:
        _, height, width = maps["shear"].shape
        # The map is as square as its encoder's input: a pixel of it is higher than wide.
        scale = np.float32([IMAGE_WIDTH / width, -IMAGE_HEIGHT / height])
        values[..., :2] = _stretch(maps["shear"]) * scale
    if "normal" in maps:
        values[..., 2] = _stretch(maps["normal"])
    return values


def _stretch(channels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Channels (C, H, W) as (320, 240, C); a single one as (320, 240)."""
    plane = np.ascontiguousarray(channels.transpose(1, 2, 0))
    return cv2.resize(plane, (IMAGE_WIDTH, IMAGE_HEIGHT), interpolation=cv2.INTER_LINEAR)
