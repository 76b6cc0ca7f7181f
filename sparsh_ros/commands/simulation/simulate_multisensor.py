# SPDX-License-Identifier: Apache-2.0
"""`sparsh-ros simulate-multisensor`: touches that DIGIT, GelSight Mini and GelSight 2017 share.

    sparsh-ros simulate-multisensor --out touches --split train --touches 1500

Each has four frames of every sensor, a picture of the object, and a sentence. Splits share no
sensor and no object; half of the objects of test are of kinds that the others have not.
"""

from __future__ import annotations

import argparse

from rich.console import Console

from sparsh_ros.progress import stoppable
from sparsh_ros.training.multisensor.dataset import simulate_touches, write_touches


def run(arguments: argparse.Namespace) -> int:
    """Simulate and write one split."""
    wanted = arguments.split, arguments.touches, arguments.image_size, arguments.seed
    with stoppable(lambda: "stopped; nothing was written"):
        path = write_touches(simulate_touches(*wanted), arguments.out)
    Console().print(f"{path}: {arguments.touches} touches", soft_wrap=True)
    return 0
