# SPDX-License-Identifier: Apache-2.0
"""Options of the commands about SARL and AnyTouch: simulated images, training, comparisons."""

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
STAGES = {
    "anytouch": "train AnyTouch, stage 1: masked images and clips of several sensors",
    "anytouch-align": "train AnyTouch, stage 2: align touch, pictures and words across sensors",
}
ANYTOUCH_SIZES = ("nano", "large")
PROBES = {
    "material": "Touch-and-Go, 20 materials",
    "roughness": "Touch-and-Go, rough or smooth",
    "hardness": "Touch-and-Go, hard or soft",
    "feel": "The Feeling of Success, does the grasp hold",
    "objectfolder1": "ObjectFolder 1.0, 7 materials",
    "objectfolder2": "ObjectFolder 2.0, 7 materials",
}
SENSORS = ("digit", "gelsight_mini", "gelsight_2017")
_TOUCHES = "from `sparsh-ros simulate-multisensor`"
TASKS = ("shape", "grating", "material", "force", "contact", "edge")


def add_simulate_vitactip(parser: argparse.ArgumentParser) -> None:
    """Options of `sparsh-ros simulate-vitactip`."""
    _add_simulation(parser, touches=3000, image_size=64)
    kinds = "clear skin with pins, opaque skin with pins, clear skin without"
    parser.add_argument("--variant", choices=VARIANTS, default="vitactip", help=kinds)


def add_simulate_multisensor(parser: argparse.ArgumentParser) -> None:
    """Options of `sparsh-ros simulate-multisensor`."""
    _add_simulation(parser, touches=1600, image_size=56)


def _add_simulation(parser: argparse.ArgumentParser, touches: int, image_size: int) -> None:
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--split", choices=SPLITS, default="train", help="what they are for")
    parser.add_argument("--touches", type=positive_count, default=touches, help="how many")
    parser.add_argument(
        "--image-size", type=positive_count, default=image_size, help="side in pixels"
    )
    parser.add_argument("--seed", type=int, default=0, help="different seeds share nothing")


def add_method(parser: argparse.ArgumentParser, name: str) -> None:
    """Options of `sparsh-ros train sarl` and of the methods to compare with."""
    _add_run(
        parser,
        "from `sparsh-ros simulate-vitactip`, or with images below train and validation",
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


def add_stage(parser: argparse.ArgumentParser, name: str) -> None:
    """Options of `sparsh-ros train anytouch` and `train anytouch-align`."""
    _add_run(parser, _TOUCHES)
    if name == "anytouch":
        parser.add_argument(
            "--size",
            choices=ANYTOUCH_SIZES,
            default="nano",
            help="of the encoder; nano: 4 blocks of 64 channels, images of 56 pixels",
        )
        parser.set_defaults(start=None)
    else:
        parser.add_argument(
            "--start",
            type=Path,
            required=True,
            metavar="RUN|FILE",
            help="run of `sparsh-ros train anytouch`, or a file of stage 1",
        )
        parser.set_defaults(size="nano")
    _add_subtract(parser)


def _add_subtract(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--subtract", action="store_true", help="take backgrounds away, as AnyTouch 2 does"
    )


def add_touch_probe(parser: argparse.ArgumentParser) -> None:
    """Options of `sparsh-ros train touch-probe`."""
    tasks = "; ".join(f"{name}: {summary}" for name, summary in PROBES.items())
    parser.add_argument("task", choices=PROBES, metavar="TASK", help=tasks)
    parser.add_argument("--encoder", type=Path, required=True, help="file of AnyTouch")
    _add_run(parser, "folder that holds TAG, feel, obj1.0 and obj2.0")
    parser.add_argument("--epochs", type=positive_count, default=50, help="as published: 50")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and validation")


def _add_run(parser: argparse.ArgumentParser, data: str) -> None:
    parser.add_argument(
        "--run", dest="folder", type=Path, required=True, help="folder of this training run"
    )
    parser.add_argument("--data", type=Path, required=True, help=data)


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
    parser.add_argument("--epochs", type=positive_count, help="instead of the published number")
    parser.add_argument("--learning-rate", type=positive_number, help="instead of the published")
    _add_probes(parser)


def add_bench_cross_sensor(parser: argparse.ArgumentParser) -> None:
    """Options of `sparsh-ros bench cross-sensor`."""
    parser.add_argument(
        "--encoders",
        type=Path,
        nargs="+",
        required=True,
        metavar="RUN|FILE",
        help="runs of `sparsh-ros train anytouch`, or files of AnyTouch",
    )
    parser.add_argument("--data", type=Path, required=True, help=_TOUCHES)
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument(
        "--source", choices=SENSORS, default="digit", help="sensor that probes are trained on"
    )
    parser.add_argument(
        "--gallery", type=positive_count, default=100, help="touches to find one in"
    )
    _add_subtract(parser)
    _add_probes(parser)


def _add_probes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2), help="of the probes")
    parser.add_argument(
        "--threads", type=positive_count, default=os.cpu_count(), help="CPU threads"
    )
