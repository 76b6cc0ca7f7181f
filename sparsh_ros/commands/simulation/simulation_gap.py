# SPDX-License-Identifier: Apache-2.0
"""The command `sparsh-ros gap`: how far simulated touches look from recorded ones.

    sparsh-ros gap --sensor digit RECORDING... --out gap.png

A recording is a video, or a folder of images; the gel without contact is its frame `--still`, its
`background.png` where the folder has one, or the median of all its frames where neither shows it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from sparsh_ros.bench.simulation_gap import FIGURES, Shot, measure, separability
from sparsh_ros.commands.simulation.render_samples import draw_strip, read_images, write_png
from sparsh_ros.errors import RecordingError
from sparsh_ros.progress import track
from sparsh_ros.sensors.images import read_image
from sparsh_ros.sensors.profiles import SensorProfile, load_profile
from sparsh_ros.simulation.shapes import KINDS
from sparsh_ros.simulation.simulation import TouchSimulation

SHOWN = 10
"""Touches of each side in the picture."""
TOUCHED_LEVELS = 5.0
"""A frame shows contact where its blurred change exceeds this anywhere."""
_FRAMES = 120
_FIRST_SEED = 30_000_000
"""No seed of a training, validation or test set is this high."""


def run(arguments: argparse.Namespace) -> int:
    """Print the table and draw the picture.

    Raises:
        RecordingError: a recording is unreadable or shows no contact, or `--out` cannot be written.
    """
    profile = load_profile(arguments.sensor)
    real = []
    for group, path in enumerate(arguments.recordings):
        share = -(-arguments.count // len(arguments.recordings))
        real += recorded_shots(path, profile, share, arguments.still, group)
    simulated = simulated_shots(arguments.sensor, arguments.count, arguments.kinds, arguments.seed)
    console = Console()
    console.print(_table(real, simulated))
    auc = separability(real, simulated)
    console.print(f"A linear classifier tells simulated from real with an area of {auc:.2f}.")
    if arguments.out is not None:
        strips = [draw_strip(_shown(shots)) for shots in (real, simulated)]
        width = min(strip.shape[1] for strip in strips)
        write_png(arguments.out, np.vstack([strip[:, :width] for strip in strips]))
        console.print(f"Real above, simulated below: {arguments.out}")
    return 0


def recorded_shots(
    path: Path, profile: SensorProfile, count: int, still: int | None, group: int
) -> list[Shot]:
    """The most changed frame of each of `count` stretches of a recording.

    Raises:
        RecordingError: the recording is unreadable, or no frame of it shows a contact.
    """
    frames = [profile.to_canonical(frame, "bgr") for frame in read_images(path)]
    background = _background(path, frames, profile, still)
    size = [_largest_change(frame, background) for frame in frames]
    shots = []
    for stretch in np.array_split(np.arange(len(frames)), min(count, len(frames))):
        index = max(stretch, key=lambda frame: size[frame])
        if size[index] > TOUCHED_LEVELS:
            shots.append(Shot(f"{path.stem} {index}", frames[index], background, group))
    if not shots:
        raise RecordingError(
            f"{path}: no frame differs from its background by {TOUCHED_LEVELS:.0f} levels; "
            "name a frame without contact with --still"
        )
    return shots


def _background(
    path: Path, frames: list[np.ndarray], profile: SensorProfile, still: int | None
) -> np.ndarray:
    if still is not None:
        if not 0 <= still < len(frames):
            raise RecordingError(f"{path}: has {len(frames)} frames, not frame {still}")
        return frames[still]
    for folder in (path, path.parent):
        if path.is_dir() and (folder / "background.png").is_file():
            return profile.to_canonical(read_image(folder / "background.png"), "bgr")
    return np.median(frames[:: max(len(frames) // 100, 1)], axis=0).astype(np.uint8)


def _largest_change(frame: np.ndarray, background: np.ndarray) -> float:
    change = frame.astype(np.float32) - background
    return float(np.abs(cv2.GaussianBlur(change, (0, 0), 3.0)).max())


def simulated_shots(sensor: str, count: int, kinds: list[str] | None, seed: int) -> list[Shot]:
    """One touch of each of `count` simulated sensors, shapes in turn."""
    maximum = load_profile(sensor).maximum_load_n
    names, shots = list(kinds or KINDS), []
    for index in track(range(count), "Simulating"):
        kind = names[index % len(names)]
        simulation = TouchSimulation(
            sensor,
            _FIRST_SEED + 1000 * seed + index,
            "protocol",
            kinds=[kind],
            maximum_load_n=maximum,
        )
        background = simulation.background()
        samples = (simulation.step() for _ in range(_FRAMES))
        best = max(samples, key=lambda sample: sample.force_n[2])
        shots.append(Shot(f"{kind} {best.force_n[2]:.1f} N", best.image, background, index))
    return shots


def _shown(shots: list[Shot]) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    for index in np.linspace(0, len(shots) - 1, min(SHOWN, len(shots))).astype(int):
        yield shots[index].caption, shots[index].image, shots[index].background


def _table(real: list[Shot], simulated: list[Shot]) -> Table:
    table = Table(
        title=f"Difference images, median (10 to 90 %) of {len(real)} real and "
        f"{len(simulated)} simulated touches",
        title_justify="left",
        box=None,
    )
    table.add_column("grey levels of 255")
    for name in ("real", "simulated"):
        table.add_column(name, justify="right", no_wrap=True)
    sides = [[measure(shot.change) for shot in shots] for shots in (real, simulated)]
    for name, title in FIGURES.items():
        cells = [_spread(np.array([figures[name] for figures in side])) for side in sides]
        table.add_row(title, *cells)
    return table


def _spread(values: np.ndarray) -> str:
    low, middle, high = np.percentile(values, (10, 50, 90))
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"
