# SPDX-License-Identifier: Apache-2.0
"""Options of pre-training, of probes, and of the benchmark that compares encoders."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from sparsh_ros.arguments import positive_count, positive_number

RECIPES = {
    "mae": "a masked autoencoder",
    "dino": "DINO",
    "dinov2": "DINOv2",
    "ijepa": "I-JEPA",
    "vjepa": "V-JEPA, on clips",
}
SIZES = ("nano", "micro", "tiny", "small", "base", "large")
TASKS = ("force", "slip", "pose", "grasp", "textile", "forcefield")


def add_pretraining(parser: argparse.ArgumentParser) -> None:
    """Options of `sparsh-ros train mae`, `dino`, `dinov2`, `ijepa` and `vjepa`."""
    parser.add_argument(
        "--size", choices=SIZES, help="of the encoder, instead of --model; nano: 80 x 60 frames"
    )
    add_loop(parser)


def add_loop(parser: argparse.ArgumentParser) -> None:
    """Options of the training loop."""
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--minutes", type=positive_number, default=40.0, help="about how long, told by a trial"
    )
    length.add_argument("--steps", type=positive_count, help="instead of --minutes")
    parser.add_argument("--batch", type=positive_count, default=64, help="of all processes")
    parser.add_argument("--learning-rate", type=positive_number, help="at its peak, if not its own")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order, masks and views")
    parser.add_argument("--float32", action="store_true", help="compute without bfloat16")
    parser.add_argument(
        "--checkpoint-steps", type=positive_count, default=200, help="between checkpoints"
    )
    parser.add_argument("--tensorboard", action="store_true", help="write for TensorBoard too")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")


def add_probe(parser: argparse.ArgumentParser) -> None:
    """Options of `sparsh-ros train probe`."""
    parser.add_argument("tasks", nargs="+", choices=TASKS, metavar="TASK", help=", ".join(TASKS))
    parser.add_argument(
        "--budget",
        type=float,
        default=100.0,
        choices=(1.0, 10.0, 33.0, 50.0, 100.0),
        help="percent of the labels",
    )
    encoder = parser.add_mutually_exclusive_group()
    for flag, value, text in (
        ("--unfreeze", "unfrozen", "train the encoder too"),
        ("--from-scratch", "from scratch", "train a fresh encoder of the same size too"),
    ):
        encoder.add_argument(flag, dest="encoder", action="store_const", const=value, help=text)
    parser.set_defaults(encoder="frozen")
    parser.add_argument("--steps", type=positive_count, default=1000, help="at most")
    parser.add_argument("--batch", type=positive_count, default=64, help="pairs per step")
    parser.add_argument("--learning-rate", type=positive_number, default=1e-3, help="at its peak")
    parser.add_argument("--seed", type=int, default=0, help="of weights and order")


def add_tacbench(parser: argparse.ArgumentParser) -> None:
    """Options of `sparsh-ros bench tacbench`."""
    parser.add_argument(
        "--encoders", type=Path, nargs="+", required=True, metavar="RUN", help="or a checkpoint"
    )
    parser.add_argument("--data", type=Path, required=True, help="from `sparsh-ros simulate`")
    parser.add_argument("--out", type=Path, required=True, help="folder to write, or to go on in")
    parser.add_argument(
        "--tasks", nargs="+", choices=TASKS, help="to compare in (default: those there is data for)"
    )
    parser.add_argument(
        "--budgets",
        type=float,
        nargs="+",
        default=(33.0, 1.0, 100.0, 10.0),
        help="percent of the labels, in the order in which they are run",
    )
    parser.add_argument(
        "--real",
        type=Path,
        nargs="+",
        metavar="RECORDING",
        help="videos or folders of images of real sensors, to tell the domain gap",
    )
    parser.add_argument("--sensor", default="digit", help="type of the sensors of --real")
    parser.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2), help="of the heads")
    parser.add_argument("--steps", type=positive_count, default=300, help="of each head, at most")
    parser.add_argument(
        "--chains",
        type=int,
        default=1,
        choices=range(1, 6),
        help="interleaved chains of frames to use; 5 uses every pair",
    )
    parser.add_argument(
        "--threads", type=positive_count, default=os.cpu_count(), help="CPU threads"
    )
