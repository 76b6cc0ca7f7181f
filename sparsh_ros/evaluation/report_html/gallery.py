# SPDX-License-Identifier: Apache-2.0
"""The worst moments: what the sensor saw, what was said, what was true."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np

from sparsh_ros.evaluation.alignment import in_bin_units
from sparsh_ros.evaluation.page import jpeg_url
from sparsh_ros.evaluation.report_html.places import elapsed_s, link
from sparsh_ros.evaluation.report_html.scores import HEADINGS
from sparsh_ros.evaluation.result import Moment, SensorResult
from sparsh_ros.evaluation.summary import number

_WRONG = 0.1  # share of the worst error below which a moment is not worth a look


class _Seen(NamedTuple):
    index: int
    sensor: SensorResult
    moment: Moment


def gallery_section(sensors: Sequence[SensorResult]) -> list[str]:
    """The worst moments of each task as HTML; `sensors` in the order of the page."""
    found = [
        _Seen(index, sensor, moment)
        for index, sensor in enumerate(sensors)
        for moment in sensor.moments
    ]
    sections = []
    for task, heading in HEADINGS.items():
        worst = [seen for seen in found if seen.moment.task == task]
        worst.sort(key=lambda seen: -seen.moment.error)
        worst = [seen for seen in worst if seen.moment.error > _WRONG * worst[0].moment.error]
        if worst:
            sections.append(f"<h3>{heading}</h3>")
            sections.append(f'<div class="images">{"".join(map(_figure, worst))}</div>')
    return ["<h2>Worst moments</h2>", *sections] if sections else []


def images_shown(index: int, sensor: SensorResult) -> dict[int, str]:
    """Row -> "#" and the id of its image in the gallery, for one sensor of the page."""
    worst = [moment for moment in sensor.moments if moment.task]
    return {moment.row: f"#{_name(index, moment)}" for moment in worst}


def _figure(seen: _Seen) -> str:
    index, sensor, moment = seen
    at_s = elapsed_s(sensor)[moment.row]
    where = f"{sensor.recording}, {sensor.sensor}, {at_s:.2f} s"
    return (
        f'<figure><a href="{link(index, at_s)}"><img id="{_name(index, moment)}" '
        f'alt="gel of {escape(where)}" src="{jpeg_url(moment.jpeg)}"></a>'
        f"<figcaption><b>{_size(moment)}</b><br>{escape(where)}<br>{_words(sensor, moment)}"
        "</figcaption></figure>"
    )


def _name(index: int, moment: Moment) -> str:
    return f"image-{index}-{moment.task}-{moment.row}"


def _size(moment: Moment) -> str:
    if moment.unit == "probability":
        return f"off by {moment.error:.2f}"
    return f"off by {number(moment.error)} {escape(moment.unit)}"


def _words(sensor: SensorResult, moment: Moment) -> str:
    """The estimate and the truth."""
    estimates, labels, row = sensor.estimates, sensor.labels, moment.row
    if moment.task == "slip":
        truth = "it slips" if labels.slipping[row] == 1 else "it does not slip"
        return f"probability {estimates.slip_answer[row]:.2f}; {truth}"
    if moment.task == "force":
        return _vectors(estimates.force_n[row], labels.force_n[row], "N")
    motions = (in_bin_units(x.pose_change[row])[:2] for x in (estimates, labels))
    return _vectors(*motions, "mm")


def _vectors(estimate: np.ndarray, truth: np.ndarray, unit: str) -> str:
    rounded = (np.round(vector, 2) + 0.0 for vector in (estimate, truth))  # no "-0.00"
    said, true = (" / ".join(f"{value:.2f}" for value in vector) for vector in rounded)
    return f"said {said} {unit}<br>truth {true} {unit}"
