# SPDX-License-Identifier: Apache-2.0
"""From the canonical image to the image that a model was trained on, and its outputs back again.

The transforms of a model stand in `config/transforms/<name>.yaml`, one per type of sensor. They
undo what the images that the weights were trained on had gone through. No torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.errors import ModelError
from sparsh_ros.files import read_yaml
from sparsh_ros.names import FORCE_AXES, POSE_AXES
from sparsh_ros.resources import config_path

NEUTRAL = 127  # what a pixel equal to its background becomes, and a background that changes nothing

_FLIPS = {"none": (), "columns": (1,), "rows": (0,), "both": (0, 1)}
"""Flip -> axes of a (320, 240, 3) image that it reverses."""
_ORDERS = ("rgb", "bgr")

Images = Sequence[NDArray[np.uint8]]
Outputs = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class InputTransform:
    """What becomes of the canonical image of one type of sensor before the model sees it.

    Attributes:
        flip: "none", "columns" (left to right), "rows" (top to bottom), or "both", a half turn.
        channels: Order in which the model wants the colours of the frames, "rgb" or "bgr".
        background_channels: That of the background.
        stretch: Whether contrast is stretched after the background was subtracted.

    Raises:
        ModelError: A value is none of these.
    """

    flip: str = "none"
    channels: str = "rgb"
    background_channels: str = "rgb"
    stretch: bool = False

    def __post_init__(self) -> None:
        for name, value, known in (
            ("flip", self.flip, tuple(_FLIPS)),
            ("channels", self.channels, _ORDERS),
            ("background_channels", self.background_channels, _ORDERS),
            ("stretch", self.stretch, (True, False)),
        ):
            if value not in known:
                wanted = ", ".join(map(str, known))
                raise ModelError(f"{name}: wanted one of {wanted}, found {value!r}")

    def apply(self, images: Images) -> list[NDArray[np.uint8]]:
        """Transform canonical images: the frames, then their background, (320, 240, 3) uint8 RGB.

        Returns:
            As many images, for `Engine.encode`; views of those given where nothing is computed.
        """
        *frames, background = images
        frames = [_reorder(frame, self.channels) for frame in frames]
        background = _reorder(background, self.background_channels)
        if self.stretch:
            frames = [stretch_contrast(frame, background) for frame in frames]
            background = np.full_like(background, NEUTRAL)
        return [np.flip(image, _FLIPS[self.flip]) for image in (*frames, background)]

    def inverse(
        self,
        force_outputs: Sequence[str] = FORCE_AXES,
        pose_outputs: Sequence[str] = POSE_AXES,
    ) -> OutputTransform:
        """From what the heads say of transformed images to the axes of the canonical image.

        Args:
            force_outputs: Which of `FORCE_AXES`, as the force heads' labels call them, is along x,
                y and z of the image that the model sees; a minus before it reverses it.
            pose_outputs: The same of the motion: which of `POSE_AXES` is along x, y and about z.
        """
        flipped = _FLIPS[self.flip]
        x, y = (-1 if axis in flipped else 1 for axis in (1, 0))
        return OutputTransform(
            force=_signed(force_outputs, (x, y, 1)),
            pose=_signed(pose_outputs, (x, y, x * y)),
            flipped=flipped,
            map_signs=(x, y),
        )


@dataclass(frozen=True)
class OutputTransform:
    """The inverse of an `InputTransform` for raw outputs of heads, without the batch axis.

    A head's outputs lie along the axes of its labels. These may be named or turned otherwise than
    the image, and the image may be flipped; both are undone in one step.

    Attributes:
        force: For each of `FORCE_AXES` of the canonical image, the head's axis and its sign.
        pose: The same for each of `POSE_AXES`.
        flipped: Axes (rows 0, columns 1) along which maps are reversed.
        map_signs: Signs of the x and the y component of a shear map.
    """

    force: tuple[tuple[str, int], ...]
    pose: tuple[tuple[str, int], ...]
    flipped: tuple[int, ...]
    map_signs: tuple[int, int]

    def apply(self, head: str, outputs: Outputs) -> dict[str, NDArray[np.float32]]:
        """Turn outputs to the canonical image: x to the right, y up, z towards the camera.

        Angles count counter-clockwise. The opposite of a motion is the opposite bin, which assumes
        that the edges between bins lie symmetric about zero.

        Args:
            head: Name of the head.
            outputs: Its raw outputs by name, float32: force (3,), logits (bins,), maps (C, H, W).

        Returns:
            Outputs under the same names.
        """
        if head == "pose":
            axes = zip(POSE_AXES, self.pose, strict=True)
            return {axis: outputs[name][::sign] for axis, (name, sign) in axes}
        if head == "forcefield":
            return {name: self._turn_map(name, value) for name, value in outputs.items()}
        if "force" not in outputs:
            return dict(outputs)
        places = [FORCE_AXES.index(name) for name, _ in self.force]
        signs = np.float32([sign for _, sign in self.force])
        return {**outputs, "force": outputs["force"][places] * signs}

    def _turn_map(self, name: str, value: NDArray[np.float32]) -> NDArray[np.float32]:
        """Flip a map (channels, H, W); of vectors, x and y change their signs with it."""
        if not self.flipped:
            return value
        flipped = np.flip(value, [axis + 1 for axis in self.flipped])
        if name not in ("shear", "stretch"):
            return flipped
        return flipped * np.array(self.map_signs, value.dtype)[:, None, None]


IDENTITY = InputTransform()


def load_transforms(name: str) -> dict[str, InputTransform]:
    """Load a set of transforms by its name; "" is the set without any.

    Returns:
        Type of sensor -> transform. A type that is not among them keeps the canonical image.

    Raises:
        ModelError: There is no such set, or it cannot be used.
    """
    if not name:
        return {}
    known = sorted(path.stem for path in config_path("transforms").glob("*.yaml"))
    if name not in known:
        raise ModelError(f"transforms: wanted one of {', '.join(known)}, found {name!r}")
    path = config_path("transforms", f"{name}.yaml")
    return {
        sensor_type: _transform(path, sensor_type, values)
        for sensor_type, values in _read(path).items()
    }


def stretch_contrast(frame: NDArray[np.uint8], background: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Subtract the background and stretch contrast as Sparsh's demonstration for the Mini does.

    Both are (H, W, 3), and so is what comes out. Two linear steps, each rounded and clipped to 8
    bit. A pixel equal to its background becomes 173 instead of 127, and contrast grows about
    threefold.
    """
    difference = frame.astype(np.int16) - background + NEUTRAL
    return _STRETCH[np.clip(difference, 0, 255)]


def _stretch_table() -> NDArray[np.uint8]:
    level = np.arange(256.0)
    for gain, offset in ((0.90196, 25.0), (3.55688, -324.724)):
        level = np.clip(np.rint(gain * level + offset), 0, 255)
    return level.astype(np.uint8)


_STRETCH = _stretch_table()


def _reorder(image: NDArray[np.uint8], order: str) -> NDArray[np.uint8]:
    return image if order == "rgb" else image[..., ::-1]


def _signed(names: Sequence[str], signs: Sequence[int]) -> tuple[tuple[str, int], ...]:
    """Names of outputs, each with its sign; a minus before a name reverses it."""
    return tuple(
        (name.removeprefix("-"), -sign if name.startswith("-") else sign)
        for name, sign in zip(names, signs, strict=True)
    )


def _read(path: Path) -> dict[str, dict[str, object]]:
    try:
        content = read_yaml(path) or {}
    except ValueError as error:
        raise ModelError(f"{path}: cannot be read ({error})") from error
    if not isinstance(content, dict) or not all(isinstance(v, dict) for v in content.values()):
        raise ModelError(f"{path}: wanted types of sensors with their values, found {content!r}")
    return content


def _transform(path: Path, sensor_type: str, values: Mapping[str, object]) -> InputTransform:
    known = {field.name for field in fields(InputTransform)}
    if unknown := set(values) - known:
        raise ModelError(
            f"{path}: {sensor_type}: unknown {sorted(unknown)}; known are {sorted(known)}"
        )
    try:
        return InputTransform(**values)
    except ModelError as error:
        raise ModelError(f"{path}: {sensor_type}: {error}") from None
