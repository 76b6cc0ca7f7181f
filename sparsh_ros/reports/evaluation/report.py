# SPDX-License-Identifier: Apache-2.0
"""The report of an evaluation: one HTML file that needs nothing else, not even a network."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

from sparsh_ros.evaluation.result import Result, SensorResult
from sparsh_ros.evaluation.summary import number
from sparsh_ros.reports.evaluation import confusion
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
from sparsh_ros.reports.evaluation.scores import first_figures, score_tables
from sparsh_ros.reports.html import key, page, table

_SCRIPTS = ("table.js", "drawing.js", "viewer.js")


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
    title = f"How well {result.model['name']} feels"
    sections = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="quiet">{escape(_extent(result))}</p>',
        first_figures(result),
        *notes_section(result),
        "<h2>Scores</h2>",
        *score_tables(result),
        *recordings_section(result, order),
        *_viewer(sensors, worst, result.model["slip_threshold"]),
        *gallery_section(worst),
        *force_section(result),
        *slip_section(result, sensors),
        *pose_section(result),
        *runtime_section(result),
        *_origin(result, sensors),
    ]
    css = confusion.CSS + _own("page.css")
    return page(title, sections, css, "".join(map(_own, _SCRIPTS)))


def _extent(result: Result) -> str:
    frames = sum(len(sensor.estimates) for sensor in result.sensors)
    recordings = len({sensor.recording for sensor in result.sensors})
    types = sorted({s.sensor_type for s in result.sensors if s.sensor_type})
    bags = f"{recordings:,} recording{'s'[: recordings != 1]}"
    return f"{bags}, {frames:,} frames; sensors: {', '.join(types) or 'of unknown type'}"


def _viewer(
    sensors: Sequence[SensorResult], worst: Mapping[str, Sequence[Seen]], threshold: float
) -> Iterator[str]:
    """The curves of a recording at choice: controls here, curves by the script from the data."""
    points = points_per_curve(len(sensors))
    options = "".join(
        f'<option value="{index}">{index + 1}. {escape(title_of(sensor))}</option>'
        for index, sensor in enumerate(sensors)
    )
    legend = (
        key("estimate", "estimate; bar: it says slip")
        + key("truth", "truth; shaded: it slips")
        + key("muted", "grey: nothing is known")
    )
    yield _own("viewer.html").format(
        options=options, legend=legend, median=len(sensors) // 2, best=len(sensors) - 1
    )
    for index, sensor in enumerate(sensors):
        data = viewer_data(sensor, threshold, points, images_shown(worst, index))
        text = json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
        yield f'<script type="application/json" class="recording">{text}</script>'


def _origin(result: Result, sensors: Sequence[SensorResult]) -> list[str]:
    """How the scores were made: the model, and where images and labels come from."""
    facts = [(f"model: {name}", value) for name, value in result.model.items()]
    facts += [(f"bootstrap: {name}", value) for name, value in result.metrics["settings"].items()]
    topics = [
        (
            title_of(sensor),
            sensor.image_topic,
            f"{sensor.sensor_type} ({sensor.sensor_type_source})",
            sensor.background,
            *(sensor.label_topics.get(task) or "-" for task in ("force", "slip", "pose")),
        )
        for sensor in sensors
    ]
    head = ("recording", "images", "kind", "background", "force", "slip", "motion")
    return [
        "<h2>How this was made</h2>",
        '<div class="words">',
        table(("", ""), [(name.replace("_", " "), _plain(value)) for name, value in facts]),
        f"<details><summary>Topics of each recording</summary>{table(head, topics)}</details>",
        "</div>",
    ]


def _plain(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_plain, value))
    return number(value) if isinstance(value, float) else f"{value}"


def _own(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
