# SPDX-License-Identifier: Apache-2.0
"""A record of a running graph as one HTML file that needs nothing else, not even a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np
from markupsafe import Markup

from sparsh_ros import names
from sparsh_ros.reports import html, plots
from sparsh_ros.reports.graph_log import Record, Series, join
from sparsh_ros.reports.plots import Curve

_MILLIMETRES, _DEGREES = 1e3, 180 / np.pi
_IMAGES_SHOWN = 8


def write_report(record: Record, path: Path, title: str, facts: Mapping[str, str]) -> None:
    """Write the report; `facts` says how the record was made (source, model, machine)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(record, title, facts), encoding="utf-8")


def render(record: Record, title: str, facts: Mapping[str, str]) -> str:
    """The report as HTML."""
    return html.render(
        "demo.html",
        title=title,
        figures=_figures(record),
        overload=[f"{node.partition(':')[0]}: {text}" for node, text in record.overload.items()],
        has_truth=record.has_truth,
        force=_force_plots(record),
        slip=_slip_plot(record),
        pose=_pose_plots(record),
        latency=plots.histogram(
            "Stamp of the frame to arrival of its slip message",
            "ms",
            record.latencies_ms,
            {"p50": record.latency_ms(50), "p99": record.latency_ms(99)},
        ),
        rates=_rates(record),
        frame_accounting=record.frame_accounting(),
        errors=_errors(record) if record.has_truth else [],
        images=list(_images(record)),
        facts=list(facts.items()),
    )


def _figures(record: Record) -> list[tuple[str, str]]:
    losses = dict(record.frame_accounting())
    return [
        (f"{record.slip.rate_hz:.2f} Hz", "slip messages"),
        (f"{record.latency_ms(50):.1f} ms", "stamp to slip, median"),
        (f"{record.latency_ms(99):.1f} ms", "stamp to slip, 99 of 100 below"),
        (str(losses["lost between sensor and encoder"]), "images lost on the way to the encoder"),
        (str(losses["replaced by a newer one while encoding"]), "frames replaced by a newer one"),
    ]


def _force_plots(record: Record) -> Iterator[Markup]:
    titles = ("x, to the right in the image", "y, up in the image", "z, pressing")
    for axis, title in enumerate(titles):
        curves = _pair(record, record.force, record.truth_force, axis, 1.0)
        yield plots.line_plot(title, "N", curves)


def _pose_plots(record: Record) -> Iterator[Markup]:
    plans = (
        ("x, to the right in the image", "mm", _MILLIMETRES),
        ("y, up in the image", "mm", _MILLIMETRES),
        ("rotation, counter-clockwise in the image", "deg", _DEGREES),
    )
    for axis, (title, unit, scale) in enumerate(plans):
        curves = _pair(record, record.pose, record.truth_pose, axis, scale)
        yield plots.line_plot(title, unit, curves)


def _slip_plot(record: Record) -> Markup:
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


def _rates(record: Record) -> list[tuple[str, str, int]]:
    topics = {
        "slip": record.slip,
        "force": record.force,
        "pose": record.pose,
        f"{names.GROUND_TRUTH}/slip": record.truth_slip,
        f"{names.GROUND_TRUTH}/force": record.truth_force,
        f"{names.GROUND_TRUTH}/pose": record.truth_pose,
    }
    return [(name, f"{s.rate_hz:.2f}", len(s)) for name, s in topics.items() if len(s)]


def _errors(record: Record) -> list[tuple[str, str]]:
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
    return [*rows, ("slip, frames in contact judged right", _mean(100.0 * agree, "%"))]


def _mean(values: np.ndarray, unit: str) -> str:
    known = values[np.isfinite(values)]
    return f"{known.mean():.3g} {unit}" if len(known) else "unknown"


def _images(record: Record) -> Iterator[tuple[str, str]]:
    """Sources of some images, and when they were taken."""
    if not record.images:
        return
    start_ns = record.slip.stamp_ns[0] if len(record.slip) else record.images[0][0]
    picks = np.unique(np.linspace(0, len(record.images) - 1, _IMAGES_SHOWN).round().astype(int))
    for stamp_ns, image in (record.images[index] for index in picks):
        jpeg = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()
        yield html.jpeg_url(jpeg), f"at {(stamp_ns - start_ns) * 1e-9:.1f} s"
