# SPDX-License-Identifier: Apache-2.0
"""Draws docs/multisensor.png: touches that three simulated sensors share, and the object touched.

python docs/multisensor.py
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from sparsh_ros.simulation.multisensor.touches import draw_gels, plan_touch, touch

OUT = Path(__file__).with_name("multisensor.png")
KINDS = ("torus", "bumps", "bracket", "cube_corner", "ridged", "star", "letters", "cylinder")
SIZE = 96


def main() -> None:
    """A column per touch: DIGIT, GelSight Mini, GelSight 2017, picture."""
    columns = []
    for number, kind in enumerate(KINDS):
        rng = np.random.default_rng([7, number])
        felt = touch(plan_touch(kind, rng), draw_gels(number), SIZE, rng)
        columns.append(np.vstack([*felt.frames[:, 0], felt.picture]))
    cv2.imwrite(str(OUT), cv2.cvtColor(np.hstack(columns), cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()
