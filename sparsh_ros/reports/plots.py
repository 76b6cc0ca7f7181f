# SPDX-License-Identifier: Apache-2.0
"""Small plots as HTML: curves in inline SVG, words in HTML.

The SVG is stretched to the width there is while lines keep their thickness and the labels, being
HTML, keep their size: the same plot is legible on a phone and on a wide screen. Colours come from
the CSS variables of the page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

# The plot area has these many user units; only ratios matter.
_WIDTH, _HEIGHT = 1000.0, 100.0
_CELLS = 40

CSS = """
.plot { margin: 1.2rem 0 2rem; }
.plot figcaption { font-weight: 600; margin-bottom: .4rem; }
.plot .area { position: relative; margin: 0 .5rem 1.4rem 3.2rem; height: var(--plot-height, 9rem); }
.plot svg { position: absolute; inset: 0; width: 100%; height: 100%; overflow: visible; }
.plot path, .plot line { fill: none; vector-effect: non-scaling-stroke; stroke-width: 1.6px; }
.plot .grid { stroke: var(--grid); stroke-width: 1px; }
.plot .mark { stroke: var(--muted); stroke-dasharray: 5 4; stroke-width: 1.2px; }
.plot .truth { stroke: var(--truth); stroke-width: 2.2px; stroke-linejoin: round; }
.plot .estimate { stroke: var(--estimate); stroke-linejoin: round; }
.plot .other { stroke: var(--ink); stroke-dasharray: 2 3; }
.plot .bar { fill: var(--estimate); }
.plot .band { fill: var(--truth); opacity: .22; }
.plot .spread { fill: var(--estimate); stroke: none; opacity: .18; }
.plot .dot { position: absolute; width: .6rem; height: .6rem; margin: -.3rem; border-radius: 50%;
  background: var(--truth); border: 2px solid var(--back); }
.plot .y, .plot .x, .plot .note { position: absolute; font-size: .75rem; color: var(--muted);
  white-space: nowrap; font-variant-numeric: tabular-nums; }
.plot .y { right: 100%; padding-right: .4rem; transform: translateY(-50%); }
.plot .x { top: 100%; padding-top: .2rem; transform: translateX(-50%); }
.plot .note { top: 0; padding: 0 .3rem; }
"""


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
class Axes:
    """The data ranges that the plot area shows."""

    x: tuple[float, float]
    y: tuple[float, float]

    def place(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Data to user units of the SVG, whose y points down."""
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
) -> str:
    """Curves; `bands` are shaded intervals of x. Without a range, all that is known is shown."""
    x_range = x_range or _span([curve.x for curve in curves])
    y_range = y_range or _with_margin(_span([curve.y for curve in curves]))
    axes = Axes(x_range, y_range)
    shapes = [_band(axes, start, end) for start, end in bands]
    shapes += [
        f'<path class="{curve.style}" d="{_path(*axes.place(curve.x, curve.y))}"/>'
        for curve in curves
    ]
    marks = "".join(_dot(axes, dot) for dot in dots)
    return _figure(title, unit, axes, "".join(shapes), x_unit, marks)


def density_plot(title: str, unit: str, truth: np.ndarray, estimate: np.ndarray) -> str:
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
    line = _path(*axes.place(np.array(span), np.array(span)))
    shapes.append(f'<path class="mark" d="{line}"/>')
    return _figure(title, unit, axes, "".join(shapes), unit)


def histogram(
    title: str, unit: str, values: np.ndarray, marks: dict[str, float], counted: str = "frames"
) -> str:
    """How often each value occurs, from 0 on; `marks` are vertical lines with a name."""
    values = values[np.isfinite(values)]
    top = max(float(np.percentile(values, 99.5)) * 1.15, *marks.values()) if len(values) else 0.0
    return _bars(title, unit, values, (0.0, top or 1.0), marks, counted)


def error_histogram(title: str, unit: str, errors: np.ndarray) -> str:
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
) -> str:
    """A histogram over a span; what lies beyond is in the outermost bars."""
    low, high = span
    marks = {name: value for name, value in marks.items() if math.isfinite(value)}
    counts, edges = np.histogram(np.clip(values, low, high), bins=60, range=span)
    axes = Axes(span, (0.0, max(1.0, counts.max() * 1.12)))
    shapes = [_bar(axes, edges[i], edges[i + 1], count) for i, count in enumerate(counts) if count]
    shapes += [_vertical(axes, value) for value in marks.values()]
    notes = [
        f'<span class="note" style="{_beside((value - low) / (high - low))};top:{1.1 * i:.1f}rem">'
        f"{escape(name)} {_plain(value)} {unit}</span>"
        for i, (name, value) in enumerate(marks.items())
    ]
    return _figure(title, counted, axes, "".join(shapes), unit, "".join(notes))


def _plain(value: float) -> str:
    return f"{value:.1f}" if abs(value) >= 1 else f"{value:.2g}"


def _figure(title: str, unit: str, axes: Axes, shapes: str, x_unit: str, notes: str = "") -> str:
    y_ticks, x_ticks = ticks(*axes.y, 4), ticks(*axes.x, 4)
    grid, labels = [], []
    for value in y_ticks:
        _, height = axes.place(0.0, value)
        ends = f'x1="0" x2="{_WIDTH:.0f}" y1="{height:.2f}" y2="{height:.2f}"'
        grid.append(f'<line class="grid" {ends}/>')
        labels.append(f'<span class="y" style="top:{height:.1f}%">{value + 0.0:.4g}</span>')
    for number, value in enumerate(x_ticks):
        left = axes.place(value, 0.0)[0] * 100 / _WIDTH
        suffix = f" {x_unit}" if x_unit and number == len(x_ticks) - 1 else ""
        labels.append(
            f'<span class="x" style="{_below(left, suffix)}">{value + 0.0:.4g}{suffix}</span>'
        )
    return (
        f'<figure class="plot"><figcaption>{escape(title)} '
        f'<span class="unit">{escape(unit)}</span></figcaption><div class="area">'
        f'<svg viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(title)}">{"".join(grid)}{shapes}</svg>{"".join(labels)}{notes}'
        "</div></figure>"
    )


def _below(left: float, suffix: str) -> str:
    """CSS that puts a label below a place, in percent; one with a unit must not stick out."""
    if suffix and left > 85:
        return f"right:{100 - left:.1f}%;transform:translateX(.5rem)"
    return f"left:{left:.1f}%"


def _dot(axes: Axes, dot: Dot) -> str:
    left, top = axes.place(dot.x, dot.y)
    place = f"top:{top:.1f}%"
    beside = _beside(left / _WIDTH)
    side = "-100%" if dot.above else "0"
    return (
        f'<span class="dot" style="left:{left * 100 / _WIDTH:.1f}%;{place}"></span>'
        f'<span class="note" style="{beside};{place};padding:.1rem .5rem;'
        f'transform:translateY({side})">{escape(dot.name)}</span>'
    )


def _beside(share: float) -> str:
    """CSS that puts a note beside that share of the width, on the side with more room."""
    if share > 0.5:
        return f"right:{100 * (1 - share):.1f}%"
    return f"left:{100 * share:.1f}%"


def _path(x: np.ndarray, y: np.ndarray) -> str:
    known = np.isfinite(y)
    starts = known & ~np.concatenate(([False], known[:-1]))
    return "".join(
        f"{'M' if start else 'L'}{left:.1f} {top:.2f}"
        for left, top, start in zip(x[known], y[known], starts[known], strict=True)
    )


def _band(axes: Axes, start: float, end: float) -> str:
    (left, right), _ = axes.place(np.array([start, end]), np.zeros(2))
    return (
        f'<rect class="band" x="{left:.1f}" y="0" width="{max(right - left, 1):.1f}" '
        f'height="{_HEIGHT:.0f}"/>'
    )


def _bar(axes: Axes, start: float, end: float, count: int) -> str:
    (left, right), (top, bottom) = axes.place(np.array([start, end]), np.array([count, 0.0]))
    return (
        f'<rect class="bar" x="{left:.1f}" y="{top:.2f}" width="{0.85 * (right - left):.1f}" '
        f'height="{bottom - top:.2f}"/>'
    )


def _cell(axes: Axes, x: tuple[float, float], y: tuple[float, float], opacity: float) -> str:
    (left, right), (bottom, top) = axes.place(np.array(x), np.array(y))
    return (
        f'<rect class="bar" x="{left:.0f}" y="{top:.1f}" width="{right - left:.0f}" '
        f'height="{bottom - top:.1f}" opacity="{opacity:.2f}"/>'
    )


def _vertical(axes: Axes, value: float) -> str:
    left, _ = axes.place(value, 0.0)
    return f'<line class="mark" x1="{left:.1f}" x2="{left:.1f}" y1="0" y2="{_HEIGHT:.0f}"/>'


def _span(arrays: Sequence[np.ndarray]) -> tuple[float, float]:
    finite = np.concatenate([array[np.isfinite(array)] for array in arrays])
    if not len(finite):
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _with_margin(span: tuple[float, float]) -> tuple[float, float]:
    margin = 0.06 * (span[1] - span[0])
    return span[0] - margin, span[1] + margin
