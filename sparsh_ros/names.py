# SPDX-License-Identifier: Apache-2.0
"""Names and numbers that several rooms share, each stated once: defaults, axes, frames, topics."""

from __future__ import annotations

STREAM_MODEL = "sparsh-sim-stream"
TRANSFORMER_MODEL = "sparsh-sim-micro"
"""The two models that ship: a small network with memory, and a small Sparsh encoder with heads."""
DEFAULT_MODEL = STREAM_MODEL

HEADS = (
    *("force", "slip", "pose", "grasp", "textile", "material", "roughness", "hardness"),
    *("objectfolder1", "objectfolder2", "forcefield"),
)
"""Tasks that a model may have a head for."""

WIRE_FAMILIES = ("toy", "waves", "hairpins")
"""Wires of the bead maze, see `sparsh_ros.simulation.maze.wire`. A family's place in this list is
part of the seed of its wires: new ones go to the end."""

DEVICES = ("auto", "cpu", "cuda")
"""What can compute; "auto": "cuda" where that works, else "cpu"."""

CONTACT_THRESHOLD_N = 0.1
"""Normal force at which contact begins, newtons, unless the user says otherwise."""

ENGINES = ("float32", "int8", "openvino", "openvino_int8", "bfloat16", "tensorrt", "auto")
"""How an encoder computes: as it was trained, or faster, see `sparsh_ros.engines`."""

MAX_RATE_HZ = 240.0
"""The fastest sensor that is served."""

FORCE_AXES = ("x", "y", "z")
"""Of the gel frame: to the right and up in the canonical image, and out of the gel."""
POSE_AXES = ("tx", "ty", "yaw")
"""Motion in that plane; the names are those of the pose head's outputs."""

ENCODER_FILE, HEADS_FILE = "encoder.safetensors", "heads.safetensors"
"""Files in the folder of a model's weights."""

GROUND_TRUTH = "ground_truth"
"""What really happens is on topics named as the estimates are, below this one."""

RESTARTS = "SPARSH_ROS_RESTARTS"
"""In the environment of a process: how often it was started again after it had died."""

TOO_SLOW = "machine too slow"
"""How a status on /diagnostics says that frames come faster than they are dealt with."""

DIAGNOSTICS = "/diagnostics"
"""The one topic that is not below the graph's namespace."""


def gel_frame(sensor: str) -> str:
    """Frame of reference of a sensor's estimates, see `sparsh_ros.perception.postprocess`."""
    return f"{sensor}_gel_frame"


def optical_frame(sensor: str) -> str:
    """Frame of reference of a sensor's images: x right, y down, z into the gel's back."""
    return f"{sensor}_camera_optical_frame"
