# SPDX-License-Identifier: Apache-2.0
"""What is known about each type of sensor, read from config/sensors/*.yaml."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

import cv2
import numpy as np

from sparsh_ros.errors import FrameError, ParameterError
from sparsh_ros.files import read_yaml
from sparsh_ros.frames import IMAGE_HEIGHT, IMAGE_WIDTH, check_image
from sparsh_ros.resources import config_path
from sparsh_ros.sensors.placement import Placement

_TURNS = {
    "clockwise": cv2.ROTATE_90_CLOCKWISE,
    "counter_clockwise": cv2.ROTATE_90_COUNTERCLOCKWISE,
}
_ORDERS = ("rgb", "bgr")


@dataclass(frozen=True, slots=True)
class SensorProfile:
    """One type of gel sensor.

    Attributes:
        name: Name of the type, e.g. "digit".
        width, height: Pixels as the camera delivers them.
        fps: Nominal frame rate, 1/s.
        turn: How a landscape frame is turned upright, "clockwise" or "counter_clockwise".
        subtract_background: Whether the encoder sees the difference from a no-contact frame.
        maximum_load_n: Hardest normal press, newtons, that estimates are made for: the simulator
            presses up to it.
        force_scale_n: Newtons (x, y, z) at a force-head output of 1.
        delta_force_scale_n: Newtons (x, y, z) at a slip-head delta-force output of 1.
        gel_width_mm, gel_height_mm: Extent of gel in the canonical image along x and y.
        lamps: Where the red, the green and the blue light come from in the canonical image: x
            (right) and y (up) of each, six numbers; empty where units of the type differ too much.
        placement: How images differ from those of the usual camera; not in the files of profiles.
    """

    name: str
    width: int
    height: int
    fps: float
    turn: str
    subtract_background: bool
    maximum_load_n: float
    force_scale_n: tuple[float, float, float]
    delta_force_scale_n: tuple[float, float, float]
    gel_width_mm: float
    gel_height_mm: float
    lamps: tuple[float, ...]
    placement: Placement = Placement()

    @property
    def gel_width_m(self) -> float:
        """Metres of gel across the canonical image (x)."""
        return self.gel_width_mm * 1e-3

    @property
    def gel_height_m(self) -> float:
        """Metres of gel along the canonical image (y)."""
        return self.gel_height_mm * 1e-3

    @property
    def metres_per_pixel(self) -> float:
        """Metres of gel per pixel of the canonical image; the same in x and y within 1 %."""
        return self.gel_height_m / IMAGE_HEIGHT

    def check(self, image: np.ndarray) -> None:
        """Raise FrameError unless `image` is a canonical image: (320, 240, 3) uint8 RGB."""
        try:
            check_image(image)
        except FrameError as error:
            raise FrameError(f"{self.name}: {error}") from None

    def to_canonical(self, raw: np.ndarray, order: str) -> np.ndarray:
        """Make a canonical image of a camera frame of any size.

        The placement comes first. Then landscape frames are turned upright as the profile says,
        the centre is cropped to 3:4 and resized by area (no aliasing when shrinking).

        Args:
            raw: (height, width, 3) uint8.
            order: Channel order of `raw`, "rgb" or "bgr".

        Returns:
            (320, 240, 3) uint8 RGB, contiguous, never sharing memory with `raw`.

        Raises:
            FrameError: `raw` is not such an array, `order` is unknown, or the crop does not fit.
        """
        self._check_raw(raw, order)
        placed = self.placement.apply(raw)
        is_landscape = placed.shape[1] > placed.shape[0]
        upright = cv2.rotate(placed, _TURNS[self.turn]) if is_landscape else placed
        cropped = _crop_to_aspect(upright)
        shrinks = cropped.shape[0] > IMAGE_HEIGHT
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        image = cv2.resize(cropped, (IMAGE_WIDTH, IMAGE_HEIGHT), interpolation=method)
        if order == "bgr":
            return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        return image.copy() if np.shares_memory(image, raw) else image

    def _check_raw(self, raw: np.ndarray, order: str) -> None:
        if order not in _ORDERS:
            raise FrameError(f"{self.name}: wanted channel order rgb or bgr, found {order!r}")
        if not isinstance(raw, np.ndarray):
            raise FrameError(f"{self.name}: wanted an image array, found {type(raw).__name__}")
        if raw.ndim != 3 or raw.shape[2] != 3 or min(raw.shape) < 1 or raw.dtype != np.uint8:
            raise FrameError(
                f"{self.name}: wanted a colour image (height, width, 3) uint8, "
                f"found shape {raw.shape} {raw.dtype}"
            )


def _crop_to_aspect(image: np.ndarray) -> np.ndarray:
    """Centre crop of a portrait image to 3:4, the whole image where it is that already."""
    height, width = image.shape[:2]
    keep_height = min(height, max(1, round(width * IMAGE_HEIGHT / IMAGE_WIDTH)))
    keep_width = min(width, max(1, round(height * IMAGE_WIDTH / IMAGE_HEIGHT)))
    top, left = (height - keep_height) // 2, (width - keep_width) // 2
    return image[top : top + keep_height, left : left + keep_width]


def list_profiles() -> list[str]:
    """Names of the profiles that ship, sorted."""
    return sorted(path.stem for path in config_path("sensors").glob("*.yaml"))


def load_profile(name: str | Path) -> SensorProfile:
    """Read a profile by name ("digit") or from a YAML file of the same form.

    Raises:
        ParameterError: No such profile, or the file does not hold one; the message names the field.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        known = list_profiles()
        if str(name) not in known:
            raise ParameterError(
                f"sensor profile: wanted one of {', '.join(known)} or a .yaml file, found {name!r}"
            )
        path = config_path("sensors", f"{name}.yaml")
    try:
        content = read_yaml(path)
    except ValueError as error:
        raise ParameterError(f"sensor profile {path}: cannot be read ({error})") from error
    return _profile_from(content, path)


def override_profile(profile: SensorProfile, changes: Mapping[str, object]) -> SensorProfile:
    """The profile with some fields changed, as one sensor may differ from its type.

    Raises:
        ParameterError: No such field, or a value that does not fit it; the type itself is fixed.
    """
    known = [name for name in _IN_FILES if name != "name"]
    for key in changes:
        if key not in known:
            raise ParameterError(f"wanted one of {', '.join(known)}, found {key!r}")
    return replace(profile, **_checked(changes))


def _profile_from(content: object, path: Path) -> SensorProfile:
    wanted = set(_IN_FILES)
    found = set(content) if isinstance(content, dict) else set()
    if found != wanted:
        raise ParameterError(
            f"sensor profile {path}: missing {sorted(wanted - found)}, "
            f"unknown {sorted(map(str, found - wanted))}"
        )
    try:
        return SensorProfile(**_checked(content))
    except ParameterError as error:
        raise ParameterError(f"sensor profile {path}: {error}") from None


def _checked(content: Mapping[str, object]) -> dict[str, object]:
    """The fields as a profile holds them: its lists are tuples."""
    for key, value in content.items():
        fits, description = _RULES.get(key, _POSITIVE)
        if not fits(value):
            raise ParameterError(f"{key}: wanted {description}, found {value!r}")
    return {
        key: tuple(value) if isinstance(value, list) else value for key, value in content.items()
    }


def _is_number(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value)


def _is_positive(value: object) -> bool:
    return _is_number(value) and value > 0


def _is_pixel_count(value: object) -> bool:
    return _is_positive(value) and isinstance(value, int)


def _is_three_positives(value: object) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(map(_is_positive, value))


def _is_lamps(value: object) -> bool:
    return isinstance(value, list) and len(value) in (0, 6) and all(map(_is_number, value))


_IN_FILES = [field.name for field in fields(SensorProfile) if field.name != "placement"]
_POSITIVE = (_is_positive, "a number above 0")
_RULES = {
    "name": (lambda value: isinstance(value, str) and value != "", "a name"),
    "width": (_is_pixel_count, "a whole number above 0"),
    "height": (_is_pixel_count, "a whole number above 0"),
    "turn": (lambda value: isinstance(value, str) and value in _TURNS, " or ".join(_TURNS)),
    "subtract_background": (lambda value: isinstance(value, bool), "true or false"),
    "force_scale_n": (_is_three_positives, "three numbers above 0"),
    "lamps": (_is_lamps, "six numbers, or none"),
    "delta_force_scale_n": (_is_three_positives, "three numbers above 0"),
}
