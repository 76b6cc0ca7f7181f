# SPDX-License-Identifier: Apache-2.0
"""How a model wants images that differ from the standard image, and its answers turned back.

The rules of a model stand in `config/images/<name>.yaml`, one per kind of sensor. They undo what
the images that the weights were trained on had gone through. No torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from sparsh_ros.errors import ModelError
from sparsh_ros.resources import config_path

NEUTRAL = 127  # what a pixel equal to its background becomes, and a background that changes nothing

_AXES = {"none": (), "columns": (1,), "rows": (0,), "both": (0, 1)}
"""Flip -> axes of a (320, 240, 3) image that it turns round."""
_ORDERS = ("rgb", "bgr")

Images = Sequence[NDArray[np.uint8]]


@dataclass(frozen=True)
class ImageRule:
    """What becomes of the standard image of one kind of sensor before the model sees it.

    Attributes:
        flip: "none", "columns" (left to right), "rows" (top to bottom), or "both", a half turn.
        channels: Order in which the model wants the colours of the frames, "rgb" or "bgr".
        background_channels: That of the background.
        stretch: Whether contrast is stretched after the background was taken away.

    Raises:
        ModelError: A value is none of these.
    """

    flip: str = "none"
    channels: str = "rgb"
    background_channels: str = "rgb"
    stretch: bool = False

    def __post_init__(self) -> None:
        for name, value, known in (
            ("flip", self.flip, tuple(_AXES)),
            ("channels", self.channels, _ORDERS),
            ("background_channels", self.background_channels, _ORDERS),
            ("stretch", self.stretch, (True, False)),
        ):
            if value not in known:
                wanted = ", ".join(map(str, known))
                raise ModelError(f"{name}: wanted one of {wanted}, found {value!r}")

    def prepare(self, images: Images) -> list[NDArray[np.uint8]]:
        """Prepare standard images: the frames, then their background, (320, 240, 3) uint8 RGB each.

        Returns:
            As many images, for `Engine.encode`; views of those given where nothing is computed.
        """
        *frames, background = images
        frames = [_reorder(frame, self.channels) for frame in frames]
        background = _reorder(background, self.background_channels)
        if self.stretch:
            frames = [stretch_contrast(frame, background) for frame in frames]
            background = np.full_like(background, NEUTRAL)
        return [self._flipped(image) for image in (*frames, background)]

    def outputs_in_gel_frame(
        self, head: str, outputs: Mapping[str, NDArray[np.float32]]
    ) -> dict[str, NDArray[np.float32]]:
        """Turn raw outputs of a head, without the batch axis, back to the standard image's axes.

        The head knows the image that it sees: x to the right, y up in that image. A bin of a motion
        becomes the opposite bin, which supposes edges that lie symmetric about zero.
        """
        if self.flip == "none":
            return dict(outputs)
        if head == "pose":
            signs = dict(zip(("tx", "ty", "yaw"), self._signs, strict=True))
            return {name: logits[:: signs[name]] for name, logits in outputs.items()}
        if head == "forcefield":
            return {name: self._map_back(name, value) for name, value in outputs.items()}
        x, y, _ = self._signs
        return {
            name: value * np.array([x, y, 1], value.dtype) if name == "force" else value
            for name, value in outputs.items()
        }

    @property
    def _signs(self) -> tuple[int, int, int]:
        """By which x, y and a rotation change when an image is flipped."""
        x = -1 if 1 in _AXES[self.flip] else 1
        y = -1 if 0 in _AXES[self.flip] else 1
        return x, y, x * y

    def _flipped(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.flip(image, _AXES[self.flip])

    def _map_back(self, name: str, value: NDArray[np.float32]) -> NDArray[np.float32]:
        """Flip a map (channels, H, W); of "shear", x and y with it."""
        flipped = np.flip(value, [axis + 1 for axis in _AXES[self.flip]])
        if name != "shear":
            return flipped
        return flipped * np.array(self._signs[:2], value.dtype)[:, None, None]


PLAIN = ImageRule()


def load_image_rules(name: str) -> dict[str, ImageRule]:
    """Load a set of rules by its name; "" is the set without any.

    Returns:
        Kind of sensor -> rule. A kind that is not among them keeps the standard image.

    Raises:
        ModelError: There is no such set, or it cannot be used.
    """
    if not name:
        return {}
    known = sorted(path.stem for path in config_path("images").glob("*.yaml"))
    if name not in known:
        raise ModelError(f"images: wanted one of {', '.join(known)}, found {name!r}")
    path = config_path("images", f"{name}.yaml")
    return {kind: _rule(path, kind, values) for kind, values in _read(path).items()}


def stretch_contrast(frame: NDArray[np.uint8], background: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Take the background away and stretch contrast as Sparsh's demonstration for the Mini does.

    Two linear steps, each rounded and clipped to 8 bit. A pixel equal to its background becomes
    173 instead of 127, and contrast grows about threefold.
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


def _read(path: Path) -> dict[str, dict[str, object]]:
    content = yaml.safe_load(path.read_text()) or {}
    if not isinstance(content, dict) or not all(isinstance(v, dict) for v in content.values()):
        raise ModelError(f"{path}: wanted kinds of sensors with their rules, found {content!r}")
    return content


def _rule(path: Path, kind: str, values: Mapping[str, object]) -> ImageRule:
    known = {field.name for field in fields(ImageRule)}
    if unknown := set(values) - known:
        raise ModelError(f"{path}: {kind}: unknown {sorted(unknown)}; known are {sorted(known)}")
    try:
        return ImageRule(**values)
    except ModelError as error:
        raise ModelError(f"{path}: {kind}: {error}") from None
