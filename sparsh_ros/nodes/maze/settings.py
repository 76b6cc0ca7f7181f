# SPDX-License-Identifier: Apache-2.0
"""Settings of the bead maze: of its nodes, and of the graph of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sparsh_ros.arguments import Setting
from sparsh_ros.names import STREAM_MODEL, WIRE_FAMILIES
from sparsh_ros.nodes.settings import AUTOSTART, GRAPH, PERCEPTION, STARTING

POLICY = Setting("", "ONNX file of `sparsh-ros train policy`; empty: the one that ships.")

CONTROLLER: Mapping[str, Setting] = {
    "policy": POLICY,
    "model": Setting(STREAM_MODEL, "Model of the perception node whose features come."),
    "left": Setting("left/", "Prefix of the topics of the fingertip on the hand's +y side."),
    "right": Setting("right/", "Prefix of the topics of the other fingertip."),
    "command": Setting(
        "trajectory",
        "What is published: chunks of joint angles for a joint trajectory controller, or the twist "
        "of the hand for a servo.",
        choices=("trajectory", "twist"),
    ),
    "hand_frame": Setting("panda_hand_tcp", "Frame of reference of the twist."),
    "stale_s": Setting(0.1, "Age at which touch and joint states stop the arm, s.", (0.02, 1.0)),
    "slow_s": Setting(0.08, "Time for one decision at which the arm stops, s.", (0.001, 1.0)),
    "patience_s": Setting(
        1.0,
        "How long touch or decisions may be late, while the arm stays where it is, before the run "
        "is over, s.",
        (0.0, 5.0),
    ),
    "begin": Setting(False, "Begin by itself once touch and joint states have come."),
    "autostart": AUTOSTART,
}
WORLD: Mapping[str, Setting] = {
    "family": Setting("waves", "Family of the wire.", choices=WIRE_FAMILIES),
    "seed": Setting(10_000, "Of wire, hand, gels and noise.", (0, 1_000_000)),
    "rate_hz": Setting(24.0, "Steps, images and joint states per second.", (5.0, 60.0)),
    "film": Setting("", "WebM or MP4 file to write; empty: none."),
    "autostart": AUTOSTART,
}
WATCH: Mapping[str, Setting] = {
    "out": Setting("maze", "Folder of the report."),
    "film": WORLD["film"],
    "longest_s": Setting(
        90.0,
        "How long the hand is driven at most, s; starting, and waiting for the first touch, is not "
        "counted.",
        (1.0, 3600.0),
    ),
    "start_s": Setting(
        120.0, "How long the first touch is waited for before the run is ended, s.", (1.0, 3600.0)
    ),
    "autostart": AUTOSTART,
}
LAUNCH: Mapping[str, Setting] = {
    "sim": Setting(
        True,
        "Simulate wire, arm and fingertips, begin at once and write film and report; false: the "
        "images `left/image_raw` and `right/image_raw` and the joint states come from your "
        "drivers, and the service ~/start begins.",
    ),
    "policy": POLICY,
    "model": CONTROLLER["model"],
    "threads": replace(PERCEPTION["threads"], default=1),
    **{name: CONTROLLER[name] for name in ("command", "hand_frame")},
    **{name: CONTROLLER[name] for name in ("stale_s", "slow_s", "patience_s")},
    **{name: WORLD[name] for name in ("family", "seed", "rate_hz")},
    "out": replace(WATCH["out"], description="Folder of film and report of the simulation."),
    **{name: WATCH[name] for name in ("longest_s", "start_s")},
    "params_file": STARTING["params_file"],
    **GRAPH,
    "namespace": replace(GRAPH["namespace"], default=""),
}
"""Arguments of bead_maze.launch.py and of `sparsh-ros maze run`."""
