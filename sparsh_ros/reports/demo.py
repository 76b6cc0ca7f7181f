# SPDX-License-Identifier: Apache-2.0
"""A record of a running graph as one HTML file that needs nothing else, not even a network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path

import cv2
import numpy as np

from sparsh_ros import names
from sparsh_ros.reports import plots
from sparsh_ros.reports.graph_log import Record, Series, join
from sparsh_ros.reports.html import jpeg_url, key, page, table, tiles
from sparsh_ros.reports.plots import Curve

_MILLIMETRES, _DEGREES = 1e3, 180 / np.pi
_IMAGES_SHOWN = 8


def write_report(record: Record, path: Path, title: str, facts: Mapping[str, str]) -> None:
    """Write the report; `facts` says how the record was made (source, model, machine)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(record, title, facts), encoding="utf-8")


def render(record: Record, title: str, facts: Mapping[str, str]) -> str:
    """The report as HTML."""
    sections = [
        f"<h1>{escape(title)}</h1>",
        _figures(record),
        _legend(record),
        "<h2>Force of the world on the gel</h2>",
        *_force_plots(record),
        "<h2>Slip</h2>",
        _slip_plot(record),
        "<h2>Motion of the object since contact began</h2>",
        *_pose_plots(record),
        "<h2>Latency and losses</h2>",
        plots.histogram(
            "Stamp of the frame to arrival of its slip message",
            "ms",
            record.latencies_ms,
            {"p50": record.latency_ms(50), "p99": record.latency_ms(99)},
        ),
        f'<div class="columns">{_rates(record)}{_frame_accounting(record)}</div>',
        _errors(record),
        _images(record),
        "<h2>How this was made</h2>",
        table(("", ""), facts.items()),
    ]
    return page(title, sections)


def _figures(record: Record) -> str:
    losses = dict(record.frame_accounting())
    cells = (
        (f"{record.slip.rate_hz:.2f} Hz", "slip messages"),
        (f"{record.latency_ms(50):.1f} ms", "stamp to slip, median"),
        (f"{record.latency_ms(99):.1f} ms", "stamp to slip, 99 of 100 below"),
        (str(losses["lost between sensor and encoder"]), "images lost on the way to the encoder"),
        (str(losses["replaced by a newer one while encoding"]), "frames replaced by a newer one"),
    )
    return tiles(cells)


def _legend(record: Record) -> str:
    if not record.has_truth:
        return (
            "<p>The images are a recording: what really happened is not known, so the plots show "
            "the estimate alone.</p>"
        )
    truth = key("truth", "truth, known from the simulation")
    return f"<p>{key('estimate', 'estimate')}{truth}</p>"


def _force_plots(record: Record) -> Iterable[str]:
    titles = ("x, to the right in the image", "y, up in the image", "z, pressing")
    for axis, title in enumerate(titles):
        curves = _pair(record, record.force, record.truth_force, axis, 1.0)
        yield plots.line_plot(title, "N", curves)


def _pose_plots(record: Record) -> Iterable[str]:
    plans = (
        ("x, to the right in the image", "mm", _MILLIMETRES),
        ("y, up in the image", "mm", _MILLIMETRES),
        ("rotation, counter-clockwise in the image", "deg", _DEGREES),
    )
    for axis, (title, unit, scale) in enumerate(plans):
        curves = _pair(record, record.pose, record.truth_pose, axis, scale)
        yield plots.line_plot(title, unit, curves)


def _slip_plot(record: Record) -> str:
    times = _seconds(record, record.slip)
    values = record.slip.values
    curves = [
        Curve(times, values[:, 3], "estimate"),
        Curve(times, values[:, 4], "mark"),
    ]
    title = "Probability of slip; dashed: threshold"
    if record.has_truth:
        title += "; shaded: the object really slips"
    return plots.line_plot(title, "", curves, _slip_bands(record), y_range=(0.0, 1.0))


def _slip_bands(record: Record) -> list[tuple[float, float]]:
    """Intervals of gross slip, seconds."""
    slipping = record.truth_slip.values[:, 2] > 0.5
    edges = np.flatnonzero(np.diff(np.concatenate(([0], slipping, [0]))))
    times = _seconds(record, record.truth_slip)
    return [
        (times[start], times[min(end, len(times) - 1)])
        for start, end in zip(edges[::2], edges[1::2], strict=True)
    ]


def _pair(record: Record, estimate: Series, truth: Series, axis: int, scale: float) -> list[Curve]:
    return [
        Curve(_seconds(record, series), scale * series.values[:, axis], style)
        for series, style in ((estimate, "estimate"), (truth, "truth"))
        if len(series)
    ]


def _seconds(record: Record, series: Series) -> np.ndarray:
    """Stamps as seconds since the first frame of the record."""
    starts = [s.stamp_ns[0] for s in (record.slip, record.force, record.truth_force) if len(s)]
    return (series.stamp_ns - min(starts, default=0)) * 1e-9


def _rates(record: Record) -> str:
    topics = {
        "slip": record.slip,
        "force": record.force,
        "pose": record.pose,
        f"{names.GROUND_TRUTH}/slip": record.truth_slip,
        f"{names.GROUND_TRUTH}/force": record.truth_force,
        f"{names.GROUND_TRUTH}/pose": record.truth_pose,
    }
    rows = [(name, f"{s.rate_hz:.2f}", len(s)) for name, s in topics.items() if len(s)]
    return "<div><h2>Rates</h2>" + table(("topic", "Hz", "messages"), rows) + "</div>"


def _frame_accounting(record: Record) -> str:
    rows = table(("", "number"), record.frame_accounting())
    return f"<div><h2>The way of the frames</h2>{rows}</div>"


def _errors(record: Record) -> str:
    if not record.has_truth:
        return ""
    _, force, true_force = join(record.force, record.truth_force)
    _, slip, true_slip = join(record.slip, record.truth_slip)
    _, pose, true_pose = join(record.pose, record.truth_pose)
    force_mn = 1e3 * np.abs(force - true_force)
    pose_error = np.abs(pose - true_pose) * (_MILLIMETRES, _MILLIMETRES, _DEGREES)
    touched = true_slip[:, 1] > 0.5
    agree = (slip[:, 2] == true_slip[:, 2])[touched]
    rows = [
        (f"force {axis}, mean absolute error", _mean(force_mn[:, i], "mN"))
        for i, axis in enumerate("xyz")
    ]
    rows += [
        (f"motion {name}, mean absolute error", _mean(pose_error[:, i], unit))
        for i, (name, unit) in enumerate((("x", "mm"), ("y", "mm"), ("rotation", "deg")))
    ]
    rows.append(("slip, frames in contact judged right", _mean(100.0 * agree, "%")))
    return "<h2>Estimate against truth in this run</h2>" + table(("", ""), rows)


def _mean(values: np.ndarray, unit: str) -> str:
    known = values[np.isfinite(values)]
    return f"{known.mean():.3g} {unit}" if len(known) else "unknown"


def _images(record: Record) -> str:
    if not record.images:
        return ""
    start_ns = record.slip.stamp_ns[0] if len(record.slip) else record.images[0][0]
    picks = np.unique(np.linspace(0, len(record.images) - 1, _IMAGES_SHOWN).round().astype(int))
    figures = [
        f'<figure><img alt="image of the gel" src="{_data_url(record.images[i][1])}">'
        f"<figcaption>at {(record.images[i][0] - start_ns) * 1e-9:.1f} s</figcaption></figure>"
        for i in picks
    ]
    return f'<h2>What the sensor saw</h2><div class="images">{"".join(figures)}</div>'


def _data_url(image: np.ndarray) -> str:
    encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1]
    return jpeg_url(encoded.tobytes())
