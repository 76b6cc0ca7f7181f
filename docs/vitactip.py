# SPDX-License-Identifier: Apache-2.0
"""Draws docs/vitactip.png: a simulated ViTacTip, TacTip and ViTac at the same touches.

python docs/vitactip.py
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from sparsh_ros.simulation.vitactip.instance import VARIANTS, draw_instance
from sparsh_ros.simulation.vitactip.touches import plan_touch, touch

OUT = Path(__file__).with_name("vitactip.png")
COLUMNS, KINDS, SIZE = 9, 3, 96


def main() -> None:
    """Three touches each of shapes, gratings and edges; a row per fingertip."""
    plans = [
        plan_touch(np.random.default_rng([5, column]), column * KINDS // COLUMNS)
        for column in range(COLUMNS)
    ]
    rows = []
    for variant in VARIANTS:
        rng = np.random.default_rng(0)
        images = [
            touch(plan, draw_instance(column), variant, SIZE, rng)[0]
            for column, plan in enumerate(plans)
        ]
        rows.append(np.hstack(images))
    cv2.imwrite(str(OUT), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()
