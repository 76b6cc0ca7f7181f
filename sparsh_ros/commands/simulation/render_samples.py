# SPDX-License-Identifier: Apache-2.0
"""Samples: simulated sensors, and real ones below them, for the eye to judge.

Each sensor type gets two rows, the images and what the encoder sees of them: their difference from
the untouched gel, which is the first column. Every further column is another unit of that type
touched by another shape; the caption gives the load in newtons, normal + shear.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import cv2
import numpy as np

from sparsh_ros.errors import RecordingError
from sparsh_ros.sensors.profiles import load_profile
from sparsh_ros.sensors.sources import ImageFolder, VideoFile
from sparsh_ros.simulation.sensor_instance import SENSORS
from sparsh_ros.simulation.shapes import KINDS
from sparsh_ros.simulation.simulation import TouchSimulation

CELL_WIDTH, CELL_HEIGHT = 150, 200
COLUMNS = 9
FRAMES = 100
"""Frames simulated per column; the most strongly loaded one is shown."""

# Real recordings of each sensor: image folder or video, and the frame without contact.
_RECORDINGS = {
    "digit": (("digit_force_shear/frames", 0),),
    "gelsight_mini": (("gelsight_mini_grasp/tactile_left_panel.mp4", 0),),
    # No recording of a GelSight of 2017 is at hand; the Mini's marker gel comes closest.
    "gelsight_2017": (
        ("gelsight_mini_slip/noslip__plier__exp7__cam0.avi", 15),
        ("gelsight_mini_slip/noslip__jute_basket__exp3__cam0.avi", 15),
    ),
}

_Shot = tuple[str, np.ndarray, np.ndarray]
"""Caption, image and background, both (320, 240, 3) uint8 RGB."""


def run(arguments: argparse.Namespace) -> int:
    """Write the sheet; 0 when done.

    Raises:
        RecordingError: The folder of recordings lacks a file, or `out` cannot be written.
    """
    write_png(arguments.out, render_samples(arguments.seed, arguments.columns, arguments.compare))
    return 0


def write_png(path: Path, image: np.ndarray) -> None:
    """Write a uint8 RGB image.

    Raises:
        RecordingError: the file cannot be written.
    """
    _, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise RecordingError(f"picture: cannot write {path}: {error}") from error


def render_samples(seed: int, columns: int, recordings: Path | None = None) -> np.ndarray:
    """Draws the sheet, (height, width, 3) uint8 RGB.

    Args:
        seed: Seed of the first column; the next column's is one higher.
        columns: Touches per sensor type.
        recordings: Folder of real recordings, see `_RECORDINGS`; None leaves them out.
    """
    strips = []
    for sensor in SENSORS:
        strips.append(draw_strip(_simulated(sensor, seed, columns)))
        if recordings is not None:
            strips.append(draw_strip(_recorded(sensor, recordings, columns)))
    return np.vstack(strips)


def difference(image: np.ndarray, background: np.ndarray) -> np.ndarray:
    """What the encoder sees: clip(image - background + 127), uint8."""
    return np.clip(image.astype(np.int16) - background + 127, 0, 255).astype(np.uint8)


def _simulated(sensor: str, seed: int, columns: int) -> Iterator[_Shot]:
    for column, kind in enumerate(islice(cycle(KINDS), columns)):
        simulation = TouchSimulation(sensor, seed + column, "protocol", kinds=[kind])
        background = simulation.background()
        samples = (simulation.step() for _ in range(FRAMES))
        best = max(samples, key=lambda sample: np.linalg.norm(sample.force_n * (2, 2, 1)))
        if column == 0:
            yield f"simulated {sensor}", background, background
        load = f"{best.force_n[2]:.1f} + {np.hypot(*best.force_n[:2]):.1f} N"
        yield f"{kind} {load}", best.image, background


def _recorded(sensor: str, folder: Path, columns: int) -> Iterator[_Shot]:
    profile = load_profile(sensor)
    names = _RECORDINGS[sensor]
    for number, (name, still) in enumerate(names):
        frames = [profile.to_canonical(frame, "bgr") for frame in read_images(folder / name)]
        background = frames[min(still, len(frames) - 1)]
        if number == 0:
            yield f"real, {Path(name).parts[0]}", background, background
        share = columns * (number + 1) // len(names) - columns * number // len(names)
        for stretch in np.array_split(np.arange(still, len(frames)), share):
            index = max(stretch, key=lambda i: cv2.norm(frames[i], background, cv2.NORM_L1))
            yield f"frame {index}", frames[index], background


def read_images(path: Path) -> Iterator[np.ndarray]:
    """The frames, (H, W, 3) uint8 BGR, of a video or a folder of images."""
    source = ImageFolder(path) if path.is_dir() else VideoFile(path)
    while (frame := source.read()) is not None:
        yield frame
    source.close()


def draw_strip(shots: Iterator[_Shot]) -> np.ndarray:
    """One sensor's rows: captions, images, differences."""
    cells = [
        np.vstack([_caption(text), _shrink(image), _shrink(difference(image, background))])
        for text, image, background in shots
    ]
    return np.hstack(cells)


def _shrink(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image, (CELL_WIDTH, CELL_HEIGHT), interpolation=cv2.INTER_AREA)


def _caption(text: str) -> np.ndarray:
    cell = np.full((18, CELL_WIDTH, 3), 20, np.uint8)
    font, size = cv2.FONT_HERSHEY_SIMPLEX, 0.36
    return cv2.putText(cell, text, (3, 13), font, size, (230, 230, 230), 1, cv2.LINE_AA)
