# SPDX-License-Identifier: Apache-2.0
"""The axes in which a head answers, put in the order of the image that it was trained on.

A head answers along the axes of its labels. Those of a data set may be named or turned otherwise
than the image, and no tensor tells: the model's description does, `force_outputs` and
`pose_outputs`. No torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.names import FORCE_AXES, POSE_AXES


def along_image_axes(
    spec: ModelSpec, head: str, outputs: Mapping[str, NDArray[np.float32]]
) -> dict[str, NDArray[np.float32]]:
    """Reorder a head's raw outputs, without the batch axis, as `spec` says.

    Returns:
        The outputs under the same names: x to the right and y up in the image that the model sees,
        z towards the camera, angles counter-clockwise. An opposite bin stands for the opposite
        motion, which supposes edges that lie symmetric about zero.
    """
    if head == "pose":
        sources = _sources(spec.pose_outputs)
        return {
            axis: outputs[name][::sign]
            for axis, (name, sign) in zip(POSE_AXES, sources, strict=True)
        }
    if head not in ("force", "slip"):
        return dict(outputs)
    sources = _sources(spec.force_outputs)
    places = [FORCE_AXES.index(name) for name, _ in sources]
    signs = np.float32([sign for _, sign in sources])
    return {**outputs, "force": outputs["force"][places] * signs}


def _sources(names: Sequence[str]) -> list[tuple[str, int]]:
    """Names of outputs, each with 1, or with -1 where a minus stands before it."""
    return [(name.removeprefix("-"), -1 if name.startswith("-") else 1) for name in names]
