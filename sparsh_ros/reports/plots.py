# SPDX-License-Identifier: Apache-2.0
"""Small plots as HTML: curves in inline SVG, words in HTML (templates/plot.html).

The SVG is stretched to the width there is while lines keep their thickness and the labels, being
HTML, keep their size: the same plot is legible on a phone and on a wide screen. Colours come from
the CSS variables of the page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from sparsh_ros.reports.html import render

# The plot area has these many user units; only ratios matter.
_WIDTH, _HEIGHT = 1000.0, 100.0
_CELLS = 40


@dataclass(frozen=True)
class Curve:
    """A line through (x, y), broken where y is NaN.

    `style`: "estimate", "truth", "other" (dotted), "mark" (thin, dashed), or "spread": the area
    within a closed line.
    """

    x: np.ndarray
    y: np.ndarray
    style: str


@dataclass(frozen=True)
class Dot:
    """A point of a plot, with its name beside it, above or below."""

    x: float
    y: float
    name: str
    above: bool = False


@dataclass(frozen=True)
class _Shape:
    """An element of the SVG."""

    tag: str
    attributes: dict[str, str]


@dataclass(frozen=True)
class _Label:
    """A text over or beside the plot: its class, and where it is, in CSS."""

    style: str
    place: str
    text: str = ""


@dataclass(frozen=True)
class Axes:
    """The data ranges that the plot area shows."""

    x: tuple[float, float]
    y: tuple[float, float]

    def place(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Data (n,) to user units of the SVG, whose y points down."""
        left, right = self.x
        low, high = self.y
        return _WIDTH * (x - left) / (right - left), _HEIGHT * (high - y) / (high - low)


def line_plot(
    title: str,
    unit: str,
    curves: Sequence[Curve],
    bands: Sequence[tuple[float, float]] = (),
    y_range: tuple[float, float] | None = None,
    x_range: tuple[float, float] | None = None,
    x_unit: str = "s",
    dots: Sequence[Dot] = (),
) -> Markup:
    """Curves; `bands` are shaded intervals of x. Without a range, all that is known is shown."""
    x_range = x_range or _span([curve.x for curve in curves])
    y_range = y_range or _with_margin(_span([curve.y for curve in curves]))
    axes = Axes(x_range, y_range)
    shapes = [_band(axes, start, end) for start, end in bands]
    shapes += [_line(curve.style, *axes.place(curve.x, curve.y)) for curve in curves]
    labels = [label for dot in dots for label in _dot(axes, dot)]
    return _figure(title, unit, axes, shapes, x_unit, labels)


def density_plot(title: str, unit: str, truth: np.ndarray, estimate: np.ndarray) -> Markup:
    """Estimates over truths, the darker the more of them; the dashed line is where both agree."""
    known = np.isfinite(truth) & np.isfinite(estimate)
    span = _with_margin(_span([truth[known], estimate[known]]))
    counts, edges, _ = np.histogram2d(truth[known], estimate[known], _CELLS, (span, span))
    axes = Axes(span, span)
    shade = 0.15 + 0.85 * np.log1p(counts) / np.log1p(max(counts.max(), 1))
    shapes = [
        _cell(axes, (edges[i], edges[i + 1]), (edges[k], edges[k + 1]), shade[i, k])
        for i, k in np.argwhere(counts)
    ]
    shapes.append(_line("mark", *axes.place(np.array(span), np.array(span))))
    return _figure(title, unit, axes, shapes, unit)


def histogram(
    title: str, unit: str, values: np.ndarray, marks: dict[str, float], counted: str = "frames"
) -> Markup:
    """How often each value occurs, from 0 on; `marks` are vertical lines with a name."""
    values = values[np.isfinite(values)]
    top = max(float(np.percentile(values, 99.5)) * 1.15, *marks.values()) if len(values) else 0.0
    return _bars(title, unit, values, (0.0, top or 1.0), marks, counted)


def error_histogram(title: str, unit: str, errors: np.ndarray) -> Markup:
    """How often each error occurs, on both sides of 0; their mean is marked."""
    errors = errors[np.isfinite(errors)]
    top = float(np.percentile(np.abs(errors), 99)) * 1.15 if len(errors) else 0.0
    mean = {"mean": float(errors.mean())} if len(errors) else {}
    return _bars(title, unit, errors, (-top or -1.0, top or 1.0), mean, "frames")


def ticks(low: float, high: float, wanted: int) -> list[float]:
    """Round numbers from low to high, about `wanted` of them."""
    rough = (high - low) / max(wanted, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [step * k for k in range(first, math.floor(high / step + 1e-9) + 1)]


def _bars(
    title: str,
    unit: str,
    values: np.ndarray,
    span: tuple[float, float],
    marks: dict[str, float],
    counted: str,
) -> Markup:
    """A histogram over a span; what lies beyond is in the outermost bars."""
    low, high = span
    marks = {name: value for name, value in marks.items() if math.isfinite(value)}
    counts, edges = np.histogram(np.clip(values, low, high), bins=60, range=span)
    axes = Axes(span, (0.0, max(1.0, counts.max() * 1.12)))
    shapes = [_bar(axes, edges[i], edges[i + 1], count) for i, count in enumerate(counts) if count]
    shapes += [_vertical(axes, value) for value in marks.values()]
    notes = [
        _Label(
            "note",
            f"{_beside((value - low) / (high - low))};top:{1.1 * row:.1f}rem",
            f"{name} {_plain(value)} {unit}",
        )
        for row, (name, value) in enumerate(marks.items())
    ]
    return _figure(title, counted, axes, shapes, unit, notes)


def _plain(value: float) -> str:
    return f"{value:.1f}" if abs(value) >= 1 else f"{value:.2g}"


def _figure(
    title: str,
    unit: str,
    axes: Axes,
    shapes: Sequence[_Shape],
    x_unit: str,
    notes: Sequence[_Label] = (),
) -> Markup:
    heights = {value: float(axes.place(0.0, value)[1]) for value in ticks(*axes.y, 4)}
    labels = [_Label("y", f"top:{h:.1f}%", f"{v + 0.0:.4g}") for v, h in heights.items()]
    x_ticks = ticks(*axes.x, 4)
    for number, value in enumerate(x_ticks):
        left = float(axes.place(value, 0.0)[0]) * 100 / _WIDTH
        suffix = f" {x_unit}" if x_unit and number == len(x_ticks) - 1 else ""
        labels.append(_Label("x", _below(left, suffix), f"{value + 0.0:.4g}{suffix}"))
    return render(
        "plot.html",
        title=title,
        unit=unit,
        width=f"{_WIDTH:.0f}",
        height=f"{_HEIGHT:.0f}",
        grid=[f"{height:.2f}" for height in heights.values()],
        shapes=shapes,
        labels=[*labels, *notes],
    )


def _below(left: float, suffix: str) -> str:
    """CSS that puts a label below a place, in percent; one with a unit must not stick out."""
    if suffix and left > 85:
        return f"right:{100 - left:.1f}%;transform:translateX(.5rem)"
    return f"left:{left:.1f}%"


def _dot(axes: Axes, dot: Dot) -> tuple[_Label, _Label]:
    left, top = axes.place(dot.x, dot.y)
    place = f"top:{top:.1f}%"
    side = "-100%" if dot.above else "0"
    beside = f"{_beside(left / _WIDTH)};{place};padding:.1rem .5rem;transform:translateY({side})"
    return _Label("dot", f"left:{left * 100 / _WIDTH:.1f}%;{place}"), _Label(
        "note", beside, dot.name
    )


def _beside(part: float) -> str:
    """CSS that puts a note beside that part of the width, on the side with more room."""
    if part > 0.5:
        return f"right:{100 * (1 - part):.1f}%"
    return f"left:{100 * part:.1f}%"


def _line(style: str, x: np.ndarray, y: np.ndarray) -> _Shape:
    known = np.isfinite(y)
    starts = known & ~np.concatenate(([False], known[:-1]))
    path = "".join(
        f"{'M' if start else 'L'}{left:.1f} {top:.2f}"
        for left, top, start in zip(x[known], y[known], starts[known], strict=True)
    )
    return _Shape("path", {"class": style, "d": path})


def _band(axes: Axes, start: float, end: float) -> _Shape:
    (left, right), _ = axes.place(np.array([start, end]), np.zeros(2))
    return _rectangle("band", left, 0.0, max(right - left, 1), _HEIGHT)


def _bar(axes: Axes, start: float, end: float, count: int) -> _Shape:
    (left, right), (top, bottom) = axes.place(np.array([start, end]), np.array([count, 0.0]))
    return _rectangle("bar", left, top, 0.85 * (right - left), bottom - top)


def _cell(axes: Axes, x: tuple[float, float], y: tuple[float, float], opacity: float) -> _Shape:
    (left, right), (bottom, top) = axes.place(np.array(x), np.array(y))
    cell = _rectangle("bar", left, top, right - left, bottom - top)
    return _Shape("rect", cell.attributes | {"opacity": f"{opacity:.2f}"})


def _rectangle(style: str, x: float, y: float, width: float, height: float) -> _Shape:
    sides = {"x": f"{x:.1f}", "y": f"{y:.2f}", "width": f"{width:.1f}", "height": f"{height:.2f}"}
    return _Shape("rect", {"class": style, **sides})


def _vertical(axes: Axes, value: float) -> _Shape:
    x = f"{axes.place(value, 0.0)[0]:.1f}"
    return _Shape("line", {"class": "mark", "x1": x, "x2": x, "y1": "0", "y2": f"{_HEIGHT:.0f}"})


def _span(arrays: Sequence[np.ndarray]) -> tuple[float, float]:
    finite = np.concatenate([array[np.isfinite(array)] for array in arrays])
    if not len(finite):
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _with_margin(span: tuple[float, float]) -> tuple[float, float]:
    margin = 0.06 * (span[1] - span[0])
    return span[0] - margin, span[1] + margin
