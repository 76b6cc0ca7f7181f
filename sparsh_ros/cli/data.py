# SPDX-License-Identifier: Apache-2.0
"""Options of the commands that make, import, score and show touches."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path

from sparsh_ros.arguments import positive_count, positive_number
from sparsh_ros.names import DEFAULT_MODEL, DEVICES, ENGINES
from sparsh_ros.sensors.drivers import SENSOR_TYPES
from sparsh_ros.sensors.placement import SETTINGS as PLACEMENT

_NEWTONS = {"g": 9.80665e-3, "kg": 9.80665, "N": 1.0}
LAYOUTS = ("force-slip", "pose", "pretraining", "plain", "recorded")
SPLITS = ("test", "train", "validation")


def add_simulate(parser: argparse.ArgumentParser) -> None:
    """Options of `sparsh-ros simulate`."""
    parser.description = "Record simulated touches with exact labels; existing ones are kept."
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--split", choices=SPLITS, default="train", help="what they are for")
    parser.add_argument(
        "--episodes", type=positive_count, default=100, help="how many sensor instances"
    )
    parser.add_argument(
        "--duration", type=positive_number, default=2.5, help="seconds of an episode"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="0 to 99; different seeds share nothing"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--bags",
        action="store_true",
        help="write bags with the labels as topics, for `sparsh-ros evaluate`",
    )
    form.add_argument(
        "--small",
        action="store_true",
        help="episodes of 80 x 60 frames, several times faster, for models of size nano",
    )
    parser.add_argument(
        "--task",
        choices=("grasp", "textile"),
        help="classified sequences instead: grasps that hold or not, textiles",
    )
    add_workers(parser, os.cpu_count())


def add_workers(parser: argparse.ArgumentParser, count: int | None = 1) -> None:
    """Options that say who does many jobs."""
    parser.add_argument("--workers", type=positive_count, default=count, help="processes")
    parser.add_argument(
        "--scheduler",
        default="",
        metavar="ADDRESS",
        help="of a Dask cluster that does it instead, such as tcp://host:8786; its workers see "
        "the same folders (`pip install distributed`)",
    )


def add_simulate_hand(parser: argparse.ArgumentParser) -> None:
    """Options of `sparsh-ros simulate-hand`."""
    parser.description = "Record simulated fingers at work as bags; existing ones are kept."
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--split", choices=SPLITS, default="train", help="what they are for")
    parser.add_argument("--recordings", type=positive_count, default=24, help="how many hands")
    parser.add_argument("--duration", type=positive_number, default=20.0, help="seconds of each")
    parser.add_argument("--sensor", choices=SENSOR_TYPES, default="digit", help="type of sensor")
    parser.add_argument(
        "--downscale",
        type=int,
        choices=(1, 2, 4),
        default=1,
        help="simulate coarser, several times faster: 4 suits the default model",
    )


def add_show_predicates(parser: argparse.ArgumentParser) -> None:
    """Options of `sparsh-ros show-predicates`."""
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name, or path of a .yaml file")
    parser.add_argument(
        "--predicates", default="auto", help="folder of classifiers; auto: those that ship"
    )
    parser.add_argument("--seconds", type=positive_number, default=22.0, help="how long")
    parser.add_argument("--seed", type=int, default=0, help="of fingers, objects, motions")


def add_render_samples(parser: argparse.ArgumentParser) -> None:
    """Options of `sparsh-ros render-samples`."""
    parser.add_argument("--out", type=Path, default=Path("samples.png"), help="PNG file to write")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first column's sensor")
    parser.add_argument("--columns", type=positive_count, default=9, help="touches per sensor type")
    parser.add_argument(
        "--compare", type=Path, metavar="DIR", help="folder of real recordings to show as well"
    )


def add_gap(parser: argparse.ArgumentParser) -> None:
    """Options of `sparsh-ros gap`."""
    parser.add_argument(
        "recordings", nargs="+", type=Path, metavar="RECORDING", help="video or folder of images"
    )
    parser.add_argument("--sensor", choices=SENSOR_TYPES, default="digit", help="type of sensor")
    parser.add_argument("--still", type=int, metavar="FRAME", help="frame without contact")
    parser.add_argument("--count", type=positive_count, default=60, help="touches to compare")
    parser.add_argument("--kinds", nargs="+", default=None, help="shapes to simulate")
    parser.add_argument("--seed", type=int, default=0, help="draws the simulated sensors")
    parser.add_argument("--out", type=Path, metavar="PNG", help="draw both, one below the other")


def add_import(parser: argparse.ArgumentParser) -> None:
    """Options of `sparsh-ros import`."""
    parser.description = (
        "Turn recordings into bags with labels; bags that were made with the same options\n"
        "are kept.\nLayouts: force-slip (Sparsh T1 and T2), pose (Sparsh T3), pretraining (Sparsh\n"
        "pickles without labels), plain (a video or a folder of images, with a CSV file of "
        "labels),\nrecorded (bags of `sparsh-ros record`, with a CSV file of labels beside each)."
    )
    parser.add_argument("layout", choices=LAYOUTS, help="of the data set")
    parser.add_argument("source", type=Path, help="file or folder of the data set")
    parser.add_argument("--out", type=Path, required=True, help="folder of the bags")
    parser.add_argument(
        "--sensor", help="type of sensor; force-slip and pose know theirs (default: digit)"
    )
    parser.add_argument(
        "--fps", type=positive_number, help="images per second (default: the sensor's)"
    )
    parser.add_argument(
        "--labels",
        type=Path,
        help="plain, recorded: CSV file with columns such as index, t_s, Fx_N, Fy_N, Fz_N, "
        "slipping, x_m",
    )
    parser.add_argument("--background", type=Path, help="image of the untouched gel")
    parser.add_argument(
        "--force-axes",
        default="x,y,z",
        metavar="X,Y,Z",
        help="the gel frame's x (right in the image), y (up), z (pressing) in terms of the axes "
        "of the forces, as in --force-axes=-y,x,z",
    )
    parser.add_argument(
        "--swap-red-blue", action="store_true", help="the images hold red and blue exchanged"
    )
    add_workers(parser)
    for name, setting in PLACEMENT.items():
        parser.add_argument(
            f"--{name}",
            type=type(setting.default),
            choices=setting.choices or None,
            default=setting.default,
            help=setting.description,
        )


def weight_n(text: str) -> float:
    """The force, N, of a weight such as "200g", "0.2kg" or "2N"."""
    found = re.fullmatch(r"([0-9]*\.?[0-9]+) *(g|kg|N)", text.strip())
    value = float(found[1]) * _NEWTONS[found[2]] if found else 0.0
    if value <= 0:
        raise argparse.ArgumentTypeError(f"wanted a weight such as 200g or 2N, found {text!r}")
    return value


def add_calibrate(parser: argparse.ArgumentParser) -> None:
    """Options of `sparsh-ros calibrate`."""
    parser.description = (
        "Adapt the force of a model to one sensor, from recordings in which the force is known:\n"
        "by a topic, or by a weight that is put on the gel and taken off some times. Half of the\n"
        "frames are fitted to; the errors that are printed are those of the other half."
    )
    parser.add_argument("recordings", nargs="+", type=Path, metavar="BAG", help="of one sensor")
    parser.add_argument(
        "--weight", type=weight_n, metavar="200g", help="what was put on the gel: g, kg or N"
    )
    parser.add_argument(
        "--serial", default="", help="of the sensor (default: that of the only one on USB)"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="where to write (default: where nodes look)"
    )
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name, or path of a .yaml file")
    parser.add_argument("--weights-dir", type=Path, help="folder of the model's weights files")
    for name in ("image", "force"):
        text = f"{name}s of the sensor (default: found by type and name)"
        parser.add_argument(f"--{name}-topics", nargs=1, default=(), metavar="TOPIC", help=text)
    parser.add_argument("--background", type=Path, metavar="FILE", help="image of the free gel")
    parser.add_argument("--sensor", default="", help="type of the sensor (default: found)")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="what computes")
    parser.add_argument(
        "--threads",
        type=positive_count,
        help="of the encoder (default: one per core, one for a streaming model)",
    )


def add_evaluate(parser: argparse.ArgumentParser) -> None:
    """Options of `sparsh-ros evaluate`."""
    parser.description = (
        "Run a model on recordings as the live nodes would, compare what it says with the\nlabels "
        "in them, and write metrics.json and report.html."
    )
    parser.add_argument("bags", nargs="*", type=Path, metavar="BAG", help="bag, or folder of bags")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name, or path of a .yaml file")
    parser.add_argument("--weights-dir", type=Path, help="folder of the model's weights files")
    parser.add_argument("--out", type=Path, default=Path("evaluation"), help="folder to write to")
    for name, what in (
        ("image", "images"),
        ("force", "labels of force"),
        ("slip", "labels of slip"),
        ("pose", "labels of pose"),
    ):
        text = f"{what}, for each sensor (default: found by type and name)"
        parser.add_argument(f"--{name}-topics", nargs="+", default=(), metavar="TOPIC", help=text)
    parser.add_argument(
        "--background",
        nargs="+",
        type=Path,
        default=(),
        metavar="FILE",
        help="image of the untouched gel, for each sensor (default: the topic `background`, else "
        "the first half second without motion)",
    )
    parser.add_argument("--sensor", default="", help="type of the sensors (default: found)")
    parser.add_argument(
        "--calibration", type=Path, metavar="FILE", help="that `sparsh-ros calibrate --out` wrote"
    )
    parser.add_argument("--engine", choices=ENGINES, default="float32", help="how it computes")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="what computes")
    parser.add_argument(
        "--threads",
        type=positive_count,
        help="of the encoder (default: one per core, one for a streaming model)",
    )
    add_workers(parser)
    parser.add_argument("--seed", type=int, default=0, help="of the intervals' bootstrap")
    parser.add_argument(
        "--compare",
        nargs=2,
        type=Path,
        metavar=("A", "B"),
        help="print the differences between two metrics.json instead",
    )
