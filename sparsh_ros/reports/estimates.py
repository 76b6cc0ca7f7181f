# SPDX-License-Identifier: Apache-2.0
"""The estimates of an evaluation as files, for recordings with labels or without: CSV and MCAP."""

from __future__ import annotations

import csv
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sparsh_ros.evaluation.result import UNKNOWN, Estimates, SensorResult
from sparsh_ros.names import gel_frame
from sparsh_ros.recordings.bag_writer import BagWriter

_COLUMNS = {
    "force_n": ("Fx_N", "Fy_N", "Fz_N"),
    "slip_probability": ("slip_probability",),
    "slide_speed_m_s": ("slide_speed_m_s",),
    "slip_share": ("slip_share",),
    "friction_margin": ("friction_margin",),
    "delta_force_n": ("dFx_N", "dFy_N", "dFz_N"),
    "pose_change": ("dx_m", "dy_m", "dtheta_rad"),
    "pose": ("x_m", "y_m", "theta_rad"),
}
"""Estimate -> its columns in CSV."""


def write_estimates(sensor: SensorResult, folder: Path) -> tuple[Path, Path]:
    """Write what was estimated of one sensor of a recording; existing files are replaced.

    Returns:
        A CSV file with a row for each frame, where what is not known is empty, and an MCAP file
        with the topics `force`, `slip`, `pose_change` and `pose` of the valid frames.

    Raises:
        OSError: They cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = _file_name(f"{sensor.recording}_{sensor.sensor}")
    table, bag = folder / f"{name}.csv", folder / f"{name}.mcap"
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(_rows(sensor.estimates))
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=folder) as partial:
        with BagWriter(Path(partial, name)) as writer:
            _write_messages(sensor, writer)
        os.replace(Path(partial, name, f"{name}.mcap"), bag)
    return table, bag


def _file_name(text: str) -> str:
    """A name for a file; what a recording calls its topics never leads out of the folder."""
    return re.sub(r"[^\w-]+", "_", text, flags=re.ASCII).strip("_")[:100] or "estimates"


def _rows(estimates: Estimates) -> Iterator[list[Any]]:
    columns = [name for names in _COLUMNS.values() for name in names]
    yield ["stamp_ns", "valid", "reason", "interval_s", "in_contact", "slipping", *columns]
    values = [getattr(estimates, name).reshape(len(estimates), -1) for name in _COLUMNS]
    numbers = np.hstack(values) if len(estimates) else np.empty((0, 0))
    for row in range(len(estimates)):
        reason = estimates.reason[row]
        yield [
            int(estimates.stamp_ns[row]),
            int(estimates.valid[row]),
            "" if reason == UNKNOWN else estimates.reasons[reason],
            estimates.interval_ns[row] * 1e-9 or "",
            *(
                "" if flags[row] == UNKNOWN else int(flags[row])
                for flags in (estimates.in_contact, estimates.slipping)
            ),
            *(f"{value:.9g}" if np.isfinite(value) else "" for value in numbers[row]),
        ]


def _write_messages(sensor: SensorResult, bag: BagWriter) -> None:
    estimates, prefix = sensor.estimates, sensor.image_topic.removesuffix("/compressed")
    prefix, frame = prefix.rpartition("/")[0], gel_frame(_file_name(sensor.sensor))
    for row in np.flatnonzero(estimates.valid):
        stamp_ns = int(estimates.stamp_ns[row])
        if np.isfinite(estimates.force_n[row]).all():
            bag.wrench(f"{prefix}/force", stamp_ns, estimates.force_n[row], frame)
        if estimates.slipping[row] != UNKNOWN:
            bag.slip(
                f"{prefix}/slip",
                stamp_ns,
                estimates.slipping[row] == 1,
                estimates.in_contact[row] == 1,
                frame,
                estimates.slip_probability[row],
                estimates.slide_speed_m_s[row],
                estimates.slip_share[row],
                estimates.friction_margin[row],
            )
        if np.isfinite(estimates.pose_change[row]).any():
            interval_s, change = estimates.interval_ns[row] * 1e-9, estimates.pose_change[row]
            bag.pose_change(f"{prefix}/pose_change", stamp_ns, interval_s, change, frame)
        if np.isfinite(estimates.pose[row]).all():
            bag.pose(f"{prefix}/pose", stamp_ns, estimates.pose[row], frame)
