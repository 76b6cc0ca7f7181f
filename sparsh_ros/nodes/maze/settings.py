# SPDX-License-Identifier: Apache-2.0
"""Settings of the bead maze's controller."""

from __future__ import annotations

from collections.abc import Mapping

from sparsh_ros.arguments import Setting
from sparsh_ros.names import STREAM_MODEL
from sparsh_ros.nodes.settings import AUTOSTART

CONTROLLER: Mapping[str, Setting] = {
    "policy": Setting("", "ONNX file of `sparsh-ros train policy`."),
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
    "autostart": AUTOSTART,
}
WORLD: Mapping[str, Setting] = {
    "family": Setting("waves", "Family of the wire.", choices=("toy", "waves")),
    "seed": Setting(10_000, "Of wire, hand, gels and noise.", (0, 1_000_000)),
    "rate_hz": Setting(24.0, "Steps, images and joint states per second.", (5.0, 60.0)),
    "film": Setting("", "MP4 file to write; empty: none."),
    "autostart": AUTOSTART,
}
