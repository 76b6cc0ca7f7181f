# SPDX-License-Identifier: Apache-2.0
"""The force field: a map of normal force and shear that lies on the canonical image.

One kind of field has units, because its head learned it from fields that were known: pressure, and
how far the skin is stretched. The decoders of Sparsh (Higuera et al., 2024, arXiv:2410.24090) learn
theirs without measured forces.
"""

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

    Attributes:
        frame: The newest frame used.
        values: (320, 240, 3) float32, a value for each pixel of the canonical image: shear along x
            (right) and along y (up), then normal. Of a field with units, shear is how far the skin
            is dragged from its place on the untouched gel, in metres, and normal is pressure, in
            pascals. Of one without, shear is how far the skin moved between the two frames, in
            pixels of the canonical image, and normal lies in 0 to 1. NaN where the model lacks
            that map.
        has_units: Which of the two it is.
    """

    frame: Frame
    values: NDArray[np.float32]
    has_units: bool = False

    @property
    def units(self) -> str:
        """Of shear and normal, in words."""
        return "m, m, Pa" if self.has_units else "pixels, pixels, none"


def read_field(frame: Frame, maps: Maps) -> ForceField:
    """The field that the maps of a model say, see `lay_on_image`; their names tell its units."""
    return ForceField(frame, lay_on_image(maps), has_units="pressure" in maps)


def lay_on_image(maps: Maps) -> NDArray[np.float32]:
    """Stretch maps of any size to the canonical image, see `ForceField.values`.

    Args:
        maps: "normal" (1, H, W), "shear" (2, H, W): x to the right, y down, in pixels of the map;
            or "pressure" (1, H, W) in kPa, "stretch" (2, H, W) in mm, x to the right, y up. One
            may be missing.
    """
    values = np.full((IMAGE_HEIGHT, IMAGE_WIDTH, 3), np.nan, np.float32)
    if "shear" in maps:
        _, height, width = maps["shear"].shape
        # The map is as square as its encoder's input: a pixel of it is higher than wide.
        scale = np.float32([IMAGE_WIDTH / width, -IMAGE_HEIGHT / height])
        values[..., :2] = _stretch(maps["shear"]) * scale
    if "normal" in maps:
        values[..., 2] = _stretch(maps["normal"])
    if "stretch" in maps:
        values[..., :2] = 1e-3 * _stretch(maps["stretch"])
    if "pressure" in maps:
        values[..., 2] = 1e3 * _stretch(maps["pressure"])
    return values


def _stretch(channels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Channels (C, H, W) as (320, 240, C); a single one as (320, 240)."""
    plane = np.ascontiguousarray(channels.transpose(1, 2, 0))
    return cv2.resize(plane, (IMAGE_WIDTH, IMAGE_HEIGHT), interpolation=cv2.INTER_LINEAR)
