# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros simulate-hand`: bags of two simulated fingers at work, with the predicates that hold.

    sparsh-ros simulate-hand --out hand --split train --recordings 24
    sparsh-ros simulate-hand --out hand --split test --recordings 8

A bag has `/hand/left/image_raw/compressed`, the same of the right finger, their backgrounds and
forces, and `/hand/ground_truth/predicates`. Splits share no sensor instance, and the objects of
the test split are of shapes that no other split has.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sparsh_ros import names
from sparsh_ros.errors import DatasetError
from sparsh_ros.progress import progress_bar
from sparsh_ros.simulation.hand.script import ROUGH, SMOOTH
from sparsh_ros.simulation.hand.simulation import FINGERS, HandSimulation
from sparsh_ros.training.episodes import JPEG_QUALITY, SPLITS

PREFIX = "/hand"
LABELS = f"{PREFIX}/{names.GROUND_TRUTH}/predicates"
RATE_HZ = 30.0
_FIRST_SEED = 60_000  # of a split's; `simulate` uses those below for as many episodes
_MOST = 10_000


def kinds_of(split: str) -> tuple[str, ...]:
    """Shapes that are handled in a split."""
    return tuple(kind for kind in (*SMOOTH, *ROUGH) if kind in SPLITS[split][1])


def record_hand(
    path: Path,
    sensor: str,
    seed: int,
    kinds: Sequence[str],
    seconds: float,
    downscale: int = 1,
) -> None:
    """Write the first seconds of a hand at work as a bag, whole or not at all.

    Args:
        path: Folder to make.
        sensor: Type of both fingers.
        seed: See `HandSimulation`, as are the next two.
        kinds: Shapes that are handled.
        seconds: How long.
        downscale: Simulate at so many times fewer rows and columns, several times faster; images
            are enlarged again, so that a model that shrinks them by as much sees the same.
    """
    from sparsh_ros.recordings.bag_writer import START_NS, BagWriter
    from sparsh_ros.recordings.bags import profile_key
    from sparsh_ros.recordings.whole import whole_or_nothing

    simulation = HandSimulation(sensor, seed, RATE_HZ, kinds, downscale=downscale)
    prefixes = [f"{PREFIX}/{finger}" for finger in FINGERS]
    custom = {profile_key(prefix): sensor for prefix in prefixes}
    custom["simulated"] = json.dumps({"sensor": sensor, "seed": seed, "kinds": list(kinds)})
    with whole_or_nothing(path) as partial, BagWriter(partial, custom=custom) as bag:
        for prefix, finger, image in zip(prefixes, FINGERS, simulation.backgrounds(), strict=True):
            topic, camera = f"{prefix}/background/compressed", names.optical_frame(finger)
            bag.image(topic, START_NS, enlarged(image, downscale), camera, JPEG_QUALITY)
        for _ in range(round(seconds * RATE_HZ)):
            sample = simulation.step()
            stamp_ns = START_NS + round(sample.time_s * 1e9)
            for prefix, finger, own in zip(prefixes, FINGERS, sample.fingers, strict=True):
                image, camera = enlarged(own.image, downscale), names.optical_frame(finger)
                bag.image(f"{prefix}/image_raw/compressed", stamp_ns, image, camera, JPEG_QUALITY)
                truth_at = f"{prefix}/{names.GROUND_TRUTH}/force"
                bag.wrench(truth_at, stamp_ns, own.force_n, names.gel_frame(finger))
            bag.predicates(LABELS, stamp_ns, sample.truth)


def run(arguments: argparse.Namespace) -> int:
    """Run `sparsh-ros simulate-hand`."""
    if not 0 < arguments.recordings <= _MOST:
        raise DatasetError(f"--recordings: wanted 1 to {_MOST}, found {arguments.recordings}")
    folder = arguments.out / arguments.split
    folder.mkdir(parents=True, exist_ok=True)
    first = SPLITS[arguments.split][0] + _FIRST_SEED
    with progress_bar(f"Simulating {arguments.split}", arguments.recordings) as bar:
        for index in range(arguments.recordings):
            path = folder / f"hand_{index:04d}"
            if not path.exists():
                record_hand(
                    path,
                    arguments.sensor,
                    first + 2 * index,
                    kinds_of(arguments.split),
                    arguments.duration,
                    arguments.downscale,
                )
            bar.advance(1)
    return 0


def enlarged(image: np.ndarray, times: int) -> np.ndarray:
    """The image with every pixel repeated, so many times along both sides."""
    return image if times == 1 else image.repeat(times, axis=0).repeat(times, axis=1)
