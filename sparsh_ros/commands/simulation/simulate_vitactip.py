# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros simulate-vitactip`: images of a clear fingertip with pins, labelled for six tasks.

    sparsh-ros simulate-vitactip --out tips --split train --touches 3000
    sparsh-ros simulate-vitactip --out tips --split test --touches 1000 --variant tactip

Splits share no fingertip and no object.
"""

from __future__ import annotations

import argparse

from rich.console import Console

from sparsh_ros.progress import stoppable
from sparsh_ros.training.vitactip.dataset import simulate_tips, write_tips


def run(arguments: argparse.Namespace) -> int:
    """Simulate and write one split."""
    with stoppable(lambda: "stopped; nothing was written"):
        tips = simulate_tips(
            arguments.split,
            arguments.touches,
            arguments.variant,
            arguments.image_size,
            arguments.seed,
        )
        path = write_tips(tips, arguments.out)
    Console().print(f"{path}: {len(tips)} images", soft_wrap=True)
    return 0
