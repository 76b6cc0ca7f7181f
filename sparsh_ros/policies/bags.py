# SPDX-License-Identifier: Apache-2.0
"""Demonstrations of the bead maze as bags, with the topics of the graph."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from sparsh_ros import kinematics
from sparsh_ros.names import GROUND_TRUTH, gel_frame, optical_frame
from sparsh_ros.policies.demonstrations import Demonstration
from sparsh_ros.policies.reading import FIRST_NS, enlarge
from sparsh_ros.policies.touch import FINGERTIP_AXES, SIDES
from sparsh_ros.recordings.bag_writer import BagWriter
from sparsh_ros.recordings.whole import whole_or_nothing


def write_bag(demonstration: Demonstration, path: Path) -> None:
    """Write a demonstration as a bag.

    `left/image_raw`, `left/background` and `left/ground_truth/force` of each fingertip,
    `joint_states` measured, `joint_command` that the demonstrator wanted to be reached one period
    later, `grip_command` (N) and `bead` (m along the wire). Its metadata are kept in
    metadata.yaml, under `demonstration`.

    Raises:
        RecordingError: There is something at `path` already.
    """
    columns = demonstration.columns
    period_ns = round(1e9 / demonstration.meta["rate_hz"])
    note = {"demonstration": json.dumps(demonstration.meta)}
    with whole_or_nothing(path) as partial, BagWriter(partial, custom=note) as bag:
        for side, image in zip(SIDES, columns["backgrounds"], strict=True):
            bag.image(f"{side}/background", FIRST_NS, enlarge(image), optical_frame(side))
        for row in range(len(demonstration)):
            stamp_ns = FIRST_NS + row * period_ns
            for index, side in enumerate(SIDES):
                image = enlarge(columns["images"][row, index])
                bag.image(f"{side}/image_raw", stamp_ns, image, optical_frame(side))
                force_n = FINGERTIP_AXES[side].T @ columns["true_force_n"][row, index]
                bag.wrench(f"{side}/{GROUND_TRUTH}/force", stamp_ns, force_n, gel_frame(side))
            names = kinematics.JOINT_NAMES
            bag.joints("joint_states", stamp_ns, names, columns["joints"][row])
            bag.joints("joint_command", stamp_ns, names, columns["wanted_joints"][row])
            bag.number("grip_command", stamp_ns, np.asarray(columns["grip_n"][row]).item())
            bag.number("bead", stamp_ns, np.asarray(columns["bead_m"][row]).item())
