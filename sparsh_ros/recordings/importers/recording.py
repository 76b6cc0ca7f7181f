# SPDX-License-Identifier: Apache-2.0
"""What all importers share: the options, and the topics of one sensor in the bag being written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from sparsh_ros import names
from sparsh_ros.errors import DatasetError, FrameError
from sparsh_ros.recordings.bag_writer import START_NS, BagWriter
from sparsh_ros.sensors.images import decode_image, read_image
from sparsh_ros.sensors.placement import Placement
from sparsh_ros.sensors.profiles import load_profile

_AXES = ("x", "y", "z")
_STORED_AS_IT_IS = (b"\xff\xd8\xff", b"\x89PNG")  # JPEG and PNG files


@dataclass(frozen=True)
class Options:
    """How to read a data set.

    Attributes:
        sensor: type of sensor, where the data do not tell.
        rate_hz: frames per second; None for the sensor's own.
        force_axes: the gel frame's axes in terms of those of the forces, such as ("y", "x", "-z").
        swap_red_blue: the images hold red and blue in each other's place.
        labels: file with the labels; plain recordings only.
        background: image of the untouched gel; None for that of the data set.
        placement: how the images lie, if not as that type of sensor delivers them.
        official: the data set is one of Sparsh, and its frames lie as its loaders expect them.
    """

    sensor: str = "digit"
    rate_hz: float | None = None
    force_axes: tuple[str, str, str] = _AXES
    swap_red_blue: bool = False
    labels: Path | None = None
    background: Path | None = None
    placement: Placement = Placement()
    official: bool = True


@dataclass(frozen=True)
class Recording:
    """One recording of a data set.

    Attributes:
        name: path of its bag below the output folder.
        sensors: prefix of topics -> type of sensor.
        write: writes it to a bag, and returns what is worth knowing about it, in sentences.
    """

    name: str
    sensors: dict[str, str]
    write: Callable[[BagWriter], list[str]]


def parse_axes(text: str) -> tuple[str, str, str]:
    """Read "y,x,-z": the gel frame's x, y and z in terms of the axes of the forces.

    Raises:
        DatasetError: it is no such mapping.
    """
    axes = tuple(axis.strip() for axis in text.split(","))
    if sorted(axis.removeprefix("-") for axis in axes) != list(_AXES):
        raise DatasetError(
            f"force axes: wanted x, y and z in some order, each with or without a minus, as in "
            f"y,x,-z; found {text!r}"
        )
    return axes


class SensorWriter:
    """Writes the topics of one sensor, with stamps at a fixed rate from `START_NS` on."""

    def __init__(self, bag: BagWriter, prefix: str, sensor: str, options: Options) -> None:
        """Write below `prefix`; nothing is written yet."""
        self._frames = 0
        self._damaged = 0
        self._pressed_n = 0.0
        self._profile = load_profile(sensor)
        self._bag = bag
        self._prefix = prefix
        self._options = options
        self.rate_hz = options.rate_hz or self._profile.fps
        name = prefix.strip("/").replace("/", "_")
        self._camera, self._gel = names.optical_frame(name), names.gel_frame(name)

    def stamp_ns(self, index: int) -> int:
        """Stamp of the frame with this running number."""
        return START_NS + round(index * 1e9 / self.rate_hz)

    def background(self, content: bytes) -> None:
        """The content of an image file of the untouched gel, stored like the frames.

        Raises:
            FrameError: it is no image.
        """
        self._image("background", START_NS, content)

    def background_file(self, path: Path, frame: bytes) -> str:
        """An image file of the untouched gel, in the order of red and blue that `frame` has.

        Files of backgrounds and frames of data sets differ in that. Subtracting one order from the
        other would leave a false picture, and the gel's own colours tell which is meant.

        Returns:
            A sentence if red and blue were exchanged, else "".

        Raises:
            RecordingError, FrameError: one of them is no image.
        """
        image, colours = read_image(path), decode_image(frame, "first frame").mean((0, 1))
        exchanged = _distance(image[..., ::-1], colours) < _distance(image, colours)
        png = cv2.imencode(".png", image[..., ::-1] if exchanged else image)[1]
        self.background(png.tobytes())
        return f"{path.name}: red and blue exchanged, as in the frames" if exchanged else ""

    def frame(self, stamp_ns: int, content: bytes) -> bool:
        """The content of an image file; whether it could be decoded."""
        try:
            self._image("image_raw", stamp_ns, content)
        except FrameError:
            self._damaged += 1
            return False
        self._frames += 1
        return True

    def force(self, stamp_ns: int, force_n: np.ndarray) -> None:
        """A force, N (3,), along the axes of the data set."""
        signs = [-1.0 if axis.startswith("-") else 1.0 for axis in self._options.force_axes]
        order = [_AXES.index(axis.removeprefix("-")) for axis in self._options.force_axes]
        in_gel_frame = np.asarray(force_n, np.float64)[order] * signs
        self._pressed_n += in_gel_frame[2]
        self._bag.wrench(
            f"{self._prefix}/{names.GROUND_TRUTH}/force", stamp_ns, in_gel_frame, self._gel
        )

    def slip(self, stamp_ns: int, slipping: bool, in_contact: bool) -> None:
        """Whether it slips, and whether anything touches."""
        topic = f"{self._prefix}/{names.GROUND_TRUTH}/slip"
        self._bag.slip(topic, stamp_ns, slipping, in_contact, self._gel)

    def pose(self, stamp_ns: int, pose: np.ndarray) -> None:
        """Planar pose in the gel frame: x (m), y (m), rotation (rad)."""
        self._bag.pose(f"{self._prefix}/{names.GROUND_TRUTH}/pose", stamp_ns, pose, self._gel)

    def pose_change(self, stamp_ns: int, frames: int, change: np.ndarray) -> None:
        """Motion x (m), y (m), rotation (rad) over the last so many frames."""
        topic = f"{self._prefix}/{names.GROUND_TRUTH}/pose_change"
        self._bag.pose_change(topic, stamp_ns, frames / self.rate_hz, change, self._gel)

    def notes(self) -> list[str]:
        """What is worth knowing about what was written, in sentences.

        Raises:
            DatasetError: there is not one frame.
        """
        if not self._frames:
            raise DatasetError(
                f"{self._prefix}: wanted images, found {self._damaged} that cannot be decoded"
            )
        notes = []
        if self._damaged:
            notes.append(
                f"{self._prefix}: {self._damaged} images could not be decoded and were left out"
            )
        if self._pressed_n < 0:
            notes.append(
                f"{self._prefix}: forces pull at the gel on the whole, where z presses on it; "
                "if the data mean pressing, delete the bag and give --force-axes x,y,-z"
            )
        return notes

    def _image(self, name: str, stamp_ns: int, content: bytes) -> None:
        topic = f"{self._prefix}/{name}/compressed"
        image, swapped = decode_image(content, topic), self._options.swap_red_blue
        placement = self._options.placement
        image = placement.apply(image)
        if self._turns(image) or placement or not content.startswith(_STORED_AS_IT_IS):
            image = cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE) if self._turns(image) else image
            content = cv2.imencode(".png", image)[1].tobytes()
        self._bag.compressed(topic, stamp_ns, content, self._camera, swapped)

    def _turns(self, image: np.ndarray) -> bool:
        """Whether to turn an image here, because the profile would turn it the other way.

        The loaders of Sparsh turn every landscape frame of its data sets clockwise, of any sensor.
        """
        clockwise = self._profile.turn == "clockwise"
        return self._options.official and image.shape[0] < image.shape[1] and not clockwise


def _distance(image: np.ndarray, colours: np.ndarray) -> float:
    """How far the mean colour of an image is from another, in grey levels."""
    return float(np.abs(image.mean((0, 1)) - colours).sum())
