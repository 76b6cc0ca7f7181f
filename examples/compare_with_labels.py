# SPDX-License-Identifier: Apache-2.0
"""How well do the estimates follow measured forces on a recording?

    python examples/compare_with_labels.py FOLDER

FOLDER holds frames/ (images, 30 per second), background.png and labels.csv with the columns Fx_N,
Fy_N, Fz_N (newtons, Fz < 0 in compression), one row per image. How the axes of the force sensor lie
to the image is often unknown, so the size of the shear force is compared, not its direction.
"""

import csv
import sys
from pathlib import Path

import numpy as np

from sparsh_ros import Frame, Perception
from sparsh_ros.background import read_background
from sparsh_ros.errors import SparshError
from sparsh_ros.evaluation.evaluator import StampClock
from sparsh_ros.sensors import load_profile
from sparsh_ros.sensors.images import list_images, read_image

RATE_HZ = 30


def read_measured(folder: Path) -> list[np.ndarray]:
    """x, y, z of each row, newtons, z positive in compression."""
    with (folder / "labels.csv").open() as file:
        rows = csv.DictReader(file)
        return [np.array([float(row[f"F{axis}_N"]) for axis in "xyz"]) * (1, 1, -1) for row in rows]


def compare(folder: Path) -> None:
    """Print correlation and error of shear and normal force."""
    profile = load_profile("digit")
    clock = StampClock()  # time passes as the images say, so a busy machine changes nothing
    perception = Perception(heads=("force", "slip"), monotonic=clock)
    perception.add_sensor("finger", profile)
    perception.set_background("finger", read_background(folder / "background.png", profile))
    forces, measured, estimated = read_measured(folder), [], []
    images = list_images(folder / "frames")
    for index, (path, force) in enumerate(zip(images, forces, strict=True)):
        image = profile.to_canonical(read_image(path), "bgr")
        frame = Frame(round(index * 1e9 / RATE_HZ), image)
        clock.advance(frame.stamp_ns)
        perception.push("finger", frame)
        for estimate in perception.infer():
            if estimate.valid:
                measured.append((np.hypot(*force[:2]), force[2]))
                estimated.append((np.hypot(*estimate.force_n[:2]), estimate.force_n[2]))
    print(f"{len(measured)} frames")
    columns = (("shear", "normal"), np.transpose(measured), np.transpose(estimated))
    for name, truth, found in zip(*columns, strict=True):
        correlation = np.corrcoef(truth, found)[0, 1]
        error = np.abs(found - truth).mean()
        trivial = np.abs(truth - truth.mean()).mean()
        print(
            f"{name:6s} force: correlation {correlation:+.2f}, mean absolute error {error:.2f} N "
            f"(guessing the mean: {trivial:.2f} N), range 0 to {truth.max():.1f} N"
        )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("wanted one FOLDER with frames/, background.png and labels.csv")
    try:
        compare(Path(sys.argv[1]))
    except (SparshError, OSError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
