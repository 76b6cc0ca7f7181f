# SPDX-License-Identifier: Apache-2.0
"""The report of an evaluation: one HTML file that needs nothing else, not even a network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from sparsh_ros.evaluation.result import Result, SensorResult
from sparsh_ros.evaluation.summary import number
from sparsh_ros.reports import html
from sparsh_ros.reports.evaluation.curves import points_per_curve, viewer_data
from sparsh_ros.reports.evaluation.figures import (
    force_section,
    pose_section,
    runtime_section,
    slip_section,
)
from sparsh_ros.reports.evaluation.gallery import (
    Seen,
    collect_worst,
    gallery_section,
    images_shown,
)
from sparsh_ros.reports.evaluation.links import title_of
from sparsh_ros.reports.evaluation.notes import notes_section
from sparsh_ros.reports.evaluation.recordings import recordings_section, worst_first
from sparsh_ros.reports.evaluation.scores import first_figures, scores_section


def write_report(result: Result, path: Path) -> None:
    """Write the report; the same result gives the same bytes.

    Raises:
        OSError: the file cannot be written.
    """
    path.write_text(render(result), encoding="utf-8")


def render(result: Result) -> str:
    """The report as HTML."""
    order = worst_first(result)
    sensors = [result.sensors[index] for index in order]
    worst = collect_worst(sensors)
    sections = [
        notes_section(result),
        scores_section(result),
        recordings_section(result, order),
        _viewer(sensors, worst, result.model["slip_threshold"]),
        gallery_section(worst),
        force_section(result),
        slip_section(result, sensors),
        pose_section(result),
        runtime_section(result),
    ]
    return html.render(
        "evaluation/report.html",
        title=f"How good {result.model['name']} is",
        extent=_extent(result),
        figures=first_figures(result),
        sections=sections,
        facts=_facts(result),
        topics=[_topics(sensor) for sensor in sensors],
    )


def _extent(result: Result) -> str:
    frames = sum(len(sensor.estimates) for sensor in result.sensors)
    recordings = len({sensor.recording for sensor in result.sensors})
    types = sorted({s.sensor_type for s in result.sensors if s.sensor_type})
    bags = f"{recordings:,} recording{'s'[: recordings != 1]}"
    return f"{bags}, {frames:,} frames; sensors: {', '.join(types) or 'of unknown type'}"


def _viewer(
    sensors: Sequence[SensorResult], worst: Mapping[str, Sequence[Seen]], threshold: float
) -> Markup:
    """The curves of a recording at choice: controls here, curves by the script from the data."""
    points = points_per_curve(len(sensors))
    data = (
        viewer_data(sensor, threshold, points, images_shown(worst, index))
        for index, sensor in enumerate(sensors)
    )
    titles = [title_of(sensor) for sensor in sensors]
    return html.render("evaluation/viewer.html", titles=titles, data=map(_json, data))


def _json(data: Mapping[str, Any]) -> Markup:
    """Data for a script element, which they cannot end."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))


def _facts(result: Result) -> list[tuple[str, str]]:
    """What the scores depend on."""
    facts = [(f"model: {name}", value) for name, value in result.model.items()]
    facts += [(f"bootstrap: {name}", value) for name, value in result.metrics["settings"].items()]
    return [(name.replace("_", " "), _plain(value)) for name, value in facts]


def _topics(sensor: SensorResult) -> tuple[str, ...]:
    """Where the images, the background and the labels of a recording come from."""
    return (
        title_of(sensor),
        sensor.image_topic,
        f"{sensor.sensor_type} ({sensor.sensor_type_source})",
        sensor.background,
        *(sensor.label_topics.get(task) or "-" for task in ("force", "slip", "pose")),
    )


def _plain(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_plain, value))
    return number(value) if isinstance(value, float) else f"{value}"
