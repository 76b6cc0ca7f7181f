# SPDX-License-Identifier: Apache-2.0
"""Force fields (T1A) where the truth is known: pressure and stretch of the skin under every token.

The paper learns its fields from images alone and shows them; a simulated gel knows its own, so here
they are a task with labels and scores.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsh_ros.models.heads import FIELD_SCALES, FieldHead
from sparsh_ros.training.clips.store import ClipStore
from sparsh_ros.training.tasks import Outputs

TOUCHED_KPA = 0.5
_READ = 4096
_SCALES = torch.tensor(FIELD_SCALES)[:, None, None]


def field_of(outputs: Outputs) -> Tensor:
    """Outputs of a head as (B, 3, 20, 15) fields, scaled by `FIELD_SCALES`."""
    return torch.cat([outputs[name].float() for name in FieldHead.outputs], dim=1) / _SCALES


def field_targets(store: ClipStore) -> Tensor:
    """(n, 3, 20, 15) float32 fields of the newest frame of each clip, scaled by `FIELD_SCALES`."""
    chunks = np.array_split(np.arange(len(store)), -(-len(store) // _READ))
    return torch.cat([store.fields(chunk) for chunk in chunks]) / _SCALES


def field_scores(fields: Tensor, truth: NDArray[np.float32]) -> dict[str, float]:
    """Mean absolute errors where the object touches: pressure in kPa, the length of the difference
    of the stretch vectors in mm. Both fields are scaled."""
    scale = _SCALES.numpy()
    found, wanted = fields.numpy() * scale, truth * scale
    touched = wanted[:, 0] > TOUCHED_KPA
    error = found - wanted
    return {
        "pressure_mae_kpa": float(np.abs(error[:, 0])[touched].mean()),
        "shear_mae_mm": float(np.hypot(error[:, 1], error[:, 2])[touched].mean()),
    }
