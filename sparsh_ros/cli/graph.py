# SPDX-License-Identifier: Apache-2.0
"""Options of the commands that start, steer, record and replay the ROS graph."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from sparsh_ros.arguments import Setting, positive_number
from sparsh_ros.nodes import settings
from sparsh_ros.sensors.drivers import SENSOR_TYPES

TRANSITIONS = ("configure", "activate", "deactivate", "cleanup", "shutdown")

# Title of a group of options: their names.
_GROUPS = {
    "sensors": ("source", "sensor", "serial", "input", "background", "frame", "fps"),
    "driver of another": ("image", "crop", "flip", "turn"),
    "several sensors": ("sensors", "names", "serials"),
    "camera of a DIGIT": ("stream", "intensity", "leds"),
    "recordings and simulated touch": ("loop", "touch", "seed", "listeners"),
    "starting": ("autostart", "use_respawn", "params_file", "use_sim_time", "in_process"),
    "model": ("model", "weights_dir", "heads", "device", "engine", "threads", "realtime_priority"),
    "estimates": ("contact_threshold_n", "slip_threshold", "publish_features"),
}


def add_run(parser: argparse.ArgumentParser) -> None:
    """Options of `sparsh-ros run`: one per argument of the graph."""
    add_settings(parser, settings.graph_settings(SENSOR_TYPES))


def add_demo(parser: argparse.ArgumentParser) -> None:
    """Options of `sparsh-ros demo`: those of `run`, how long to watch, and where to write."""
    parser.add_argument("--duration", type=positive_number, default=20.0, help="seconds to watch")
    parser.add_argument(
        "--out", type=Path, default=Path("demo"), help="folder of the report and the log"
    )
    add_settings(parser, settings.graph_settings(SENSOR_TYPES))
    parser.set_defaults(source="simulated", touch="demo")


def add_replay(parser: argparse.ArgumentParser) -> None:
    """Options of `sparsh-ros replay`: the recording, and one per other argument."""
    parser.description = (
        "Play a recording through the live graph in simulated time, record what it estimates,\nand "
        "compare that with what `sparsh-ros evaluate` computes from the same recording."
    )
    table = settings.replay_settings()
    parser.add_argument("bag", metavar="BAG", help=table.pop("bag").description)
    add_settings(parser, table)


def add_record(parser: argparse.ArgumentParser) -> None:
    """Options of `sparsh-ros record`."""
    parser.description = "Record topics into a bag (MCAP); Ctrl-C ends it."
    table = settings.RECORD
    parser.add_argument("topics", nargs="*", metavar="TOPIC", help=table["topics"].description)
    parser.add_argument("--out", required=True, metavar="PATH", help=table["out"].description)
    parser.add_argument("--all", action="store_true", help=table["all"].description)
    images = table["images"]
    parser.add_argument(
        "--images", choices=images.choices, default=images.value, help=images.description
    )
    duration = table["duration"]
    parser.add_argument(
        "--duration", type=float, default=duration.value, metavar="S", help=duration.description
    )
    _add_namespace(parser)


def add_view(parser: argparse.ArgumentParser) -> None:
    """Options of `sparsh-ros view`."""
    parser.description = (
        "Show images, estimates and truth in the viewer rerun (`pip install rerun-sdk`): of the\n"
        "running graph until Ctrl-C, or of a recording."
    )
    parser.add_argument("bag", nargs="?", metavar="BAG", help="recording; none: the running graph")
    parser.add_argument(
        "--save",
        type=Path,
        metavar="FILE",
        help="write a .rrd file, for `rerun FILE`, instead of opening the viewer",
    )
    _add_namespace(parser)


def add_lifecycle(parser: argparse.ArgumentParser) -> None:
    """Options of `sparsh-ros lifecycle`: the transition, and of which nodes."""
    parser.add_argument(
        "transition",
        nargs="?",
        choices=TRANSITIONS,
        help="what to do, sensors first; without it, only the states are shown",
    )
    parser.add_argument(
        "--node",
        nargs="+",
        default=(),
        metavar="NAME",
        help="only these nodes, such as perception or thumb/sensor (default: all managed nodes)",
    )
    _add_namespace(parser)


def _add_namespace(parser: argparse.ArgumentParser) -> None:
    namespace = settings.GRAPH["namespace"]
    parser.add_argument("--namespace", default=namespace.value, help=namespace.description)


def add_settings(parser: argparse.ArgumentParser, table: Mapping[str, Setting]) -> None:
    """One option for each of these arguments, in groups; one that is not set is None."""
    left = dict(table)
    for title, names in _GROUPS.items():
        found = {name: left.pop(name) for name in names if name in left}
        if found:
            _add_group(parser.add_argument_group(title), found)
    _add_group(parser.add_argument_group("graph"), left)


def _add_group(group: argparse._ArgumentGroup, table: Mapping[str, Setting]) -> None:
    for name, setting in table.items():
        flag = {"nargs": "?", "const": "true"} if isinstance(setting.default, bool) else {}
        default = f" (default: {setting.text})" if setting.text else ""
        group.add_argument(
            f"--{name.replace('_', '-')}",
            metavar=_metavar(name, setting),
            help=f"{setting.description}{default}".replace("%", "%%"),
            **flag,
        )


def _metavar(name: str, setting: Setting) -> str:
    words = "|".join(setting.choices) or name.upper()
    return f"{words},..." if isinstance(setting.default, tuple) else words
