# SPDX-License-Identifier: Apache-2.0
"""What the scores are called where people read them."""

from __future__ import annotations

from typing import NamedTuple


class Title(NamedTuple):
    """A score in words, its unit, and whether more of it is better (1), worse (-1) or neither."""

    text: str
    unit: str = ""
    sign: int = 0


_AXES = {"x": "x", "y": "y", "z": "z", "norm": "of the norm"}
_POSE_AXES = {"tx": "x", "ty": "y", "yaw": "rotation"}

TITLES: dict[str, dict[str, Title]] = {
    "force": {
        "labelled": Title("frames with a label"),
        "answered": Title("of them with an estimate"),
        **{f"mae_{key}_mn": Title(f"MAE {name}", "mN", -1) for key, name in _AXES.items()},
        **{f"rmse_{key}_mn": Title(f"RMSE {name}", "mN", -1) for key, name in _AXES.items()},
        "published_rmse_mn": Title("MAE of all axes, the published 'RMSE'", "mN", -1),
    },
    "slip": {
        "labelled": Title("frames with a label"),
        "answered": Title("of them with an estimate"),
        "threshold": Title("threshold"),
        "precision": Title("precision", "", 1),
        "recall": Title("recall", "", 1),
        "f1": Title("F1", "", 1),
        "average_precision": Title("average precision", "", 1),
        "onsets": Title("onsets"),
        "missed_onsets": Title("onsets missed", "", -1),
        "delay_mean_ms": Title("detection delay, mean", "ms", -1),
        "delay_median_ms": Title("detection delay, median", "ms", -1),
        "false_alarms_per_minute": Title("false alarms", "1/min", -1),
        "published_precision": Title("published precision", "", 1),
        "published_recall": Title("published recall", "", 1),
        "published_f1": Title("published F1", "", 1),
        "published_threshold": Title("published threshold"),
        **{f"delta_mae_{axis}_mn": Title(f"force change, MAE {axis}", "mN", -1) for axis in "xyz"},
    },
    "pose": {
        "labelled": Title("frames with a label"),
        "answered": Title("of them with an estimate"),
        **{f"accuracy_{k}": Title(f"11-bin accuracy {v}", "", 1) for k, v in _POSE_AXES.items()},
        "accuracy": Title("11-bin accuracy, mean", "", 1),
        **{
            f"balanced_accuracy_{key}": Title(f"balanced accuracy {name}", "", 1)
            for key, name in _POSE_AXES.items()
        },
        "balanced_accuracy": Title("balanced accuracy, mean", "", 1),
        "mae_tx_mm": Title("MAE x", "mm", -1),
        "mae_ty_mm": Title("MAE y", "mm", -1),
        "mae_yaw_deg": Title("MAE rotation", "degrees", -1),
        "drift_mm_per_s": Title("drift of the pose", "mm/s", -1),
        "drift_deg_per_s": Title("drift of the pose", "degrees/s", -1),
    },
}
"""Task -> score -> title, in the order in which they are shown."""
