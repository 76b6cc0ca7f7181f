# SPDX-License-Identifier: Apache-2.0
"""How the image of another's driver, or of a camera in another mounting, differs from the usual.

Read by the command line too: imports neither OpenCV nor NumPy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparsh_ros.arguments import Setting, Value
from sparsh_ros.errors import FrameError, ParameterError

if TYPE_CHECKING:
    import numpy as np

_CROP = re.compile(r"(\d{1,5}),(\d{1,5}),(\d{1,5}),(\d{1,5})", re.ASCII)

SETTINGS: Mapping[str, Setting] = {
    "crop": Setting(
        "",
        "Part of the image that shows the gel, x,y,width,height in pixels of the driver's image, "
        "such as 80,0,480,480; empty: all of it.",
    ),
    "flip": Setting(
        "none",
        "Undo the mirroring of a driver: left and right, or top and bottom, after `crop`.",
        choices=("none", "horizontal", "vertical"),
    ),
    "turn": Setting(
        0,
        "Degrees clockwise, 0, 90, 180 or 270, that the image is turned by, after `flip`, to lie "
        "as that of the sensor's own driver.",
        bounds=(0, 270),
    ),
}
"""What people may set, in the order in which it is done."""


@dataclass(frozen=True, slots=True)
class Placement:
    """What is done to an image first: cropped, then flipped, then turned.

    What comes out lies as the camera of that type of sensor delivers it, so that the profile's
    `to_canonical` holds for it.

    Attributes:
        crop: "x,y,width,height" in pixels; empty: the whole image.
        flip: "none", "horizontal" (left and right) or "vertical".
        turn: Degrees clockwise: 0, 90, 180 or 270.
    """

    crop: str = ""
    flip: str = "none"
    turn: int = 0

    def __post_init__(self) -> None:
        for name, setting in SETTINGS.items():
            try:
                setting.check(getattr(self, name))
            except ParameterError as error:
                raise ParameterError(f"{name}: {error}") from None
        if self.turn % 90:
            raise ParameterError(f"turn: wanted 0, 90, 180 or 270 degrees, found {self.turn}")
        if self.crop and not (_CROP.fullmatch(self.crop) and all(self._box[2:])):
            raise ParameterError(
                f"crop: wanted x,y,width,height in pixels, such as 80,0,480,480, found "
                f"{self.crop!r}"
            )

    def __bool__(self) -> bool:
        return self != Placement()

    def apply(self, image: np.ndarray) -> np.ndarray:
        """The image with crop, flip and turn done.

        Args:
            image: (height, width, channels).

        Returns:
            The same, perhaps of another size: `image` itself where nothing is to be done.

        Raises:
            FrameError: The crop does not lie inside.
        """
        if self.crop:
            image = self._cropped(image)
        if self.flip != "none":
            image = image[:, ::-1] if self.flip == "horizontal" else image[::-1]
        for _ in range(self.turn // 90):
            image = image.swapaxes(0, 1)[:, ::-1]
        return image.copy() if self else image  # OpenCV takes no negative strides

    @property
    def _box(self) -> list[int]:
        return [int(number) for number in self.crop.split(",")]

    def _cropped(self, image: np.ndarray) -> np.ndarray:
        x, y, width, height = self._box
        if x + width > image.shape[1] or y + height > image.shape[0]:
            raise FrameError(
                f"crop: wanted a part of the image of {image.shape[1]} x {image.shape[0]} pixels, "
                f"found {self.crop}"
            )
        return image[y : y + height, x : x + width]


def placement_from(values: Mapping[str, Value]) -> Placement:
    """The placement in settings, of which there may be others; those that are missing are unset.

    Raises:
        ParameterError: A value cannot be used.
    """
    return Placement(**{name: values[name] for name in SETTINGS if name in values})
