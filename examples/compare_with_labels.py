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
from sparsh_ros.sensors import load_profile
from sparsh_ros.sensors.images import list_images, read_image

RATE_HZ = 30

folder = Path(sys.argv[1])
profile = load_profile("digit")
perception = Perception(heads=("force", "slip"))
perception.add_sensor("finger", profile)
perception.set_background("finger", read_background(folder / "background.png", profile))

with (folder / "labels.csv").open() as file:
    rows = list(csv.DictReader(file))
measured, estimated = [], []
for index, path in enumerate(list_images(folder / "frames")):
    image = profile.to_canonical(read_image(path), "bgr")
    perception.push("finger", Frame(round(index * 1e9 / RATE_HZ), image))
    for estimate in perception.infer():
        if estimate.valid:
            x, y, z = (float(rows[index][f"F{axis}_N"]) for axis in "xyz")
            measured.append((np.hypot(x, y), -z))
            estimated.append((np.hypot(*estimate.force_n[:2]), estimate.force_n[2]))

print(f"{len(measured)} frames")
for name, truth, found in zip(
    ("shear", "normal"), np.transpose(measured), np.transpose(estimated), strict=True
):
    correlation = np.corrcoef(truth, found)[0, 1]
    error = np.abs(found - truth).mean()
    trivial = np.abs(truth - truth.mean()).mean()
    print(
        f"{name:6s} force: correlation {correlation:+.2f}, mean absolute error {error:.2f} N "
        f"(guessing the mean: {trivial:.2f} N), range 0 to {truth.max():.1f} N"
    )
