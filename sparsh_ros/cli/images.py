# SPDX-License-Identifier: Apache-2.0
"""Options of the commands about SARL: simulated ViTacTip, training, the six tasks."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from sparsh_ros.arguments import positive_count, positive_number

METHODS = {
    "sarl": "SARL: BYOL that keeps geometry",
    "simclr": "SimCLR",
    "byol": "BYOL",
    "simsiam": "SimSiam",
    "barlow-twins": "Barlow Twins",
    "vicreg": "VICReg",
    "swav": "SwAV",
    "minc": "MINC",
    "cplearn": "CPLearn",
    "densecl": "DenseCL",
}
SIZES = ("resnet18", "resnet18-nano")
LOSSES = ("sal", "ppda", "ram")
VARIANTS = ("vitactip", "tactip", "vitac")
SPLITS = ("train", "validation", "test")
TASKS = ("shape", "grating", "material", "force", "contact", "edge")


def add_simulate_vitactip(parser: argparse.ArgumentParser) -> None:
    """Options of `sparsh-ros simulate-vitactip`."""
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument(
        "--variant",
        choices=VARIANTS,
        default="vitactip",
        help="clear skin with pins, opaque skin with pins, clear skin without",
    )
    parser.add_argument("--split", choices=SPLITS, default="train", help="what they are for")
    parser.add_argument("--image-size", type=positive_count, default=64, help="side in pixels")
    parser.add_argument("--seed", type=int, default=0, help="different seeds share nothing")
    parser.add_argument("--touches", type=positive_count, default=3000, help="how many images")


def add_method(parser: argparse.ArgumentParser, name: str) -> None:
    """Options of `sparsh-ros train sarl` and of the methods to compare with."""
    parser.add_argument(
        "--run", dest="folder", type=Path, required=True, help="folder of this training run"
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        help="from `sparsh-ros simulate-vitactip`, or with images below train and validation",
    )
    parser.add_argument(
        "--size",
        choices=SIZES,
        default="resnet18",
        help="of the encoder; nano: a quarter as wide, views of 48 pixels",
    )
    if name == "sarl":
        parser.add_argument(
            "--losses",
            nargs="*",
            choices=LOSSES,
            default=LOSSES,
            help="to add to BYOL's; none is BYOL",
        )
    else:
        parser.set_defaults(losses=())


def add_bench_vitactip(parser: argparse.ArgumentParser) -> None:
    """Options of `sparsh-ros bench vitactip`."""
    parser.add_argument(
        "--encoders", type=Path, nargs="+", required=True, metavar="RUN", help="pre-training runs"
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="from `sparsh-ros simulate-vitactip`"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write, or to go on in")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS, help="to compare in")
    parser.add_argument(
        "--protocol",
        choices=("probe", "transfer"),
        default="probe",
        help="a linear layer on the frozen encoder, or the last stage trained as well",
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2), help="of the probes")
    parser.add_argument("--epochs", type=positive_count, help="instead of the published number")
    parser.add_argument("--learning-rate", type=positive_number, help="instead of the published")
    parser.add_argument(
        "--threads", type=positive_count, default=os.cpu_count(), help="CPU threads"
    )
