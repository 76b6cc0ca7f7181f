# SPDX-License-Identifier: Apache-2.0
"""Shapes of the streaming model's tokens and memory, without torch."""

from __future__ import annotations

SMALL_SHAPE = (80, 60, 3)
"""Of the images that the encoder takes."""
ROWS, COLUMNS = 20, 15
CELLS = ROWS * COLUMNS
CHANNELS = 8
"""Values of a token. Of a cell: pressure (N/mm^2), share that touches, skin stretch x, y (mm), gain
and precision for the observer, two weights of the registration."""
WHOLE = 20
"""Tokens of the whole image, after those of the cells: in a row motion x, y (mm), rotation (rad),
the logs of their Laplace scales (mm), two registrations, features."""
MOTION = 6
"""Values of motion and scales."""
SOLVED = 9
"""Values of one registration: motion (mm), log information, residual."""
TOKENS = CELLS + WHOLE
HIDDEN = 96
"""Values that the heads remember."""
NOMINAL_MM = (14.3, 19.1)
"""Gel on which the encoder's millimetres are true; on others they scale with the gel's height."""
TURN_MM = 3.0
"""Scales of rotations are those of the motion at this radius, about that of a print."""
OUTPUTS = {
    "next_hidden": HIDDEN,
    "force": 3,
    "force_scale": 3,
    "delta_force": 3,
    "delta_force_scale": 3,
    "pose": 3,
    "pose_scale": 3,
    "slip": 0,
    "contact": 0,
    "slide": 0,
    "slide_scale": 0,
    "share": 0,
    "share_scale": 0,
    "margin": 0,
    "margin_scale": 0,
}
"""Outputs of the heads, in order, and how many values each has; 0 for one without an axis."""
HYPOTHESES = 5
"""Limits of friction that the observer follows side by side."""
READINGS = (
    "load",
    "area",
    "shear_x",
    "shear_y",
    "spread_x",
    "spread_y",
    "seen_x",
    "seen_y",
    "change_x",
    "change_y",
    "change_load",
    "slide",
    "slide_least",
    "slide_most",
    "share",
    "margin",
    "surprise",
    "pace",
    *(f"weight_{index}" for index in range(HYPOTHESES)),
)
"""What the friction observer tells the heads, see `perception.streaming.friction_observer`."""
HEAD_READINGS = (*READINGS, "since")
"""What the heads read besides tokens: the observer, and the time since their memory in twelfths of
a second, like `pace`."""
PACE_S = 1 / 12
STEP_INPUTS = {"whole": WHOLE * CHANNELS, "readings": len(HEAD_READINGS), "hidden": HIDDEN}
"""Inputs of the heads, in order, and how many values each has: tokens of the whole image, readings,
memory."""
