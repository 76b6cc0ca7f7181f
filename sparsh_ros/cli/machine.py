# SPDX-License-Identifier: Apache-2.0
"""Options of the commands that look at this machine and its cameras."""

from __future__ import annotations

import argparse

from sparsh_ros.arguments import positive_count, positive_number


def add_doctor(parser: argparse.ArgumentParser) -> None:
    """Options of `sparsh-ros doctor`."""
    parser.add_argument(
        "--install-udev",
        action="store_true",
        help="write the udev rules of the sensors to /etc/udev/rules.d and apply them (as root)",
    )


def add_faults(parser: argparse.ArgumentParser) -> None:
    """Options of `sparsh-ros faults`."""
    parser.add_argument("--runs", type=positive_count, default=20, help="of each fault")
    parser.add_argument("--seed", type=int, default=0, help="fixes the times")
    parser.add_argument(
        "--soak",
        type=positive_number,
        metavar="MINUTES",
        help="instead: a random fault every 5 s for that long; what was lost, and what leaked",
    )
