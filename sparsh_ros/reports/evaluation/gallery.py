# SPDX-License-Identifier: Apache-2.0
"""The worst frames: what the sensor saw, what was said, what was true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from sparsh_ros.evaluation.alignment import in_bin_units
from sparsh_ros.evaluation.result import SensorResult, ShownFrame
from sparsh_ros.evaluation.summary import number
from sparsh_ros.reports.evaluation.links import elapsed_s, link
from sparsh_ros.reports.evaluation.scores import HEADINGS
from sparsh_ros.reports.html import jpeg_url, render

_WRONG = 0.1  # share of the worst error below which a frame is not worth a look


class Seen(NamedTuple):
    """A frame, and the number of its sensor on the page."""

    index: int
    sensor: SensorResult
    frame: ShownFrame


def collect_worst(sensors: Sequence[SensorResult]) -> dict[str, list[Seen]]:
    """Task -> what to show of it, the worst first; `sensors` in the order of the page."""
    found: dict[str, list[Seen]] = {task: [] for task in HEADINGS}
    for index, sensor in enumerate(sensors):
        for frame in sensor.shown_frames:
            if frame.task:
                found[frame.task].append(Seen(index, sensor, frame))
    for task, seen in found.items():
        least = _WRONG * max((each.frame.error for each in seen), default=0.0)
        bad = [each for each in seen if each.frame.error > least]
        found[task] = sorted(bad, key=lambda each: -each.frame.error)
    return found


def gallery_section(worst: Mapping[str, Sequence[Seen]]) -> Markup:
    """The worst frames of each task as HTML; nothing where there are none."""
    groups = [(HEADINGS[task], list(map(_figure, seen))) for task, seen in worst.items() if seen]
    return render("evaluation/gallery.html", groups=groups) if groups else Markup()


def images_shown(worst: Mapping[str, Sequence[Seen]], index: int) -> dict[int, str]:
    """Row -> "#" and the id of its image in the gallery, for one sensor of the page."""
    seen = [each for found in worst.values() for each in found if each.index == index]
    return {each.frame.row: f"#{_name(index, each.frame)}" for each in seen}


def _figure(seen: Seen) -> dict[str, object]:
    index, sensor, frame = seen
    at_s = elapsed_s(sensor)[frame.row]
    return {
        "link": link(index, at_s),
        "id": _name(index, frame),
        "where": f"{sensor.recording}, {sensor.sensor}, {at_s:.2f} s",
        "source": jpeg_url(frame.jpeg),
        "size": _size(frame),
        "words": _words(sensor, frame),
    }


def _name(index: int, frame: ShownFrame) -> str:
    return f"image-{index}-{frame.task}-{frame.row}"


def _size(frame: ShownFrame) -> str:
    if frame.unit == "probability":
        return f"off by {frame.error:.2f}"
    return f"off by {number(frame.error)} {frame.unit}"


def _words(sensor: SensorResult, frame: ShownFrame) -> list[str]:
    """The estimate and the truth."""
    estimates, labels, row = sensor.estimates, sensor.labels, frame.row
    if frame.task == "slip":
        truth = "it slips" if labels.slipping[row] == 1 else "it does not slip"
        return [f"probability {estimates.slip_score[row]:.2f}; {truth}"]
    if frame.task == "force":
        return _vectors(estimates.force_n[row], labels.force_n[row], "N")
    motions = (in_bin_units(x.pose_change[row])[:2] for x in (estimates, labels))
    return _vectors(*motions, "mm")


def _vectors(estimate: np.ndarray, truth: np.ndarray, unit: str) -> list[str]:
    rounded = (np.round(vector, 2) + 0.0 for vector in (estimate, truth))  # no "-0.00"
    said, true = (" / ".join(f"{value:.2f}" for value in vector) for vector in rounded)
    return [f"said {said} {unit}", f"truth {true} {unit}"]
