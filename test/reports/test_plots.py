# SPDX-License-Identifier: Apache-2.0
"""Plots as HTML."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from sparsh_ros.reports import plots


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [(0.0, 20.0, [0, 5, 10, 15, 20]), (-1.0, 1.0, [-1, -0.5, 0, 0.5, 1]), (0.3, 0.7, None)],
)
def test_ticks_are_round_and_inside(low: float, high: float, wanted) -> None:
    found = plots.ticks(low, high, 4)
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in found)
    assert wanted is None or found == pytest.approx(wanted)
    assert 3 <= len(found) <= 8


def test_axes_put_high_values_at_the_top() -> None:
    x, y = plots.Axes((0.0, 2.0), (0.0, 10.0)).place(np.array([0.0, 2.0]), np.array([10.0, 0.0]))
    assert x.tolist() == [0.0, 1000.0] and y.tolist() == [0.0, 100.0]


def test_a_curve_is_broken_where_nothing_is_known() -> None:
    y = np.array([1.0, 2.0, np.nan, 3.0, 4.0])
    plot = plots.line_plot("t", "N", [plots.Curve(np.arange(5.0), y, "estimate")])
    path = ElementTree.fromstring(plot).find(".//path").get("d")
    assert path.count("M") == 2 and path.count("L") == 2


@pytest.mark.parametrize(
    "values", [np.array([]), np.zeros(10), np.full(10, 5.0), np.arange(1000.0)]
)
def test_histograms_of_anything(values: np.ndarray) -> None:
    marks = {"p50": float(np.median(values))} if len(values) else {"p50": math.nan}
    figure = ElementTree.fromstring(plots.histogram("t", "ms", values, marks))
    assert (figure.find(".//rect") is not None) == bool(len(values))


@pytest.mark.parametrize(
    ("errors", "mean"), [([], None), ([0.0, 0.0], "0"), ([-1.0, 4.0], "1.5"), ([-9.0], "-9.0")]
)
def test_errors_are_shown_on_both_sides_of_nothing(errors: list[float], mean: str | None) -> None:
    figure = ElementTree.fromstring(plots.error_histogram("t", "mN", np.array([*errors, np.nan])))
    bars = [float(bar.get("x")) for bar in figure.findall(".//rect")]
    assert [x < 500 for x in sorted(bars)] == [error < 0 for error in sorted(set(errors))]
    notes = [note.text for note in figure.findall(".//span[@class='note']")]
    assert notes == ([f"mean {mean} mN"] if mean else [])


def test_a_density_is_darkest_where_most_pairs_are() -> None:
    truth = np.array([0.0, 0.0, 0.0, 4.0, np.nan])
    estimate = np.array([0.0, 0.0, 0.0, 2.0, 1.0])
    figure = ElementTree.fromstring(plots.density_plot("t", "N", truth, estimate))
    cells = [
        {k: float(v) for k, v in cell.items() if k != "class"} for cell in figure.findall(".//rect")
    ]
    few, many = sorted(cells, key=lambda cell: cell["opacity"])
    assert many["opacity"] == 1 and few["opacity"] < 1
    assert few["x"] > 900 > 100 > many["x"]
    assert few["y"] == pytest.approx(50, abs=3) and many["y"] > 90


def test_a_density_of_nothing() -> None:
    figure = ElementTree.fromstring(plots.density_plot("t", "N", np.array([]), np.array([])))
    assert figure.find(".//rect") is None


def test_dots_lie_at_their_place_with_their_name() -> None:
    plot = plots.line_plot(
        "t", "", [], y_range=(0, 1), x_range=(0, 2), dots=[plots.Dot(0.5, 0.75, "a <b>")]
    )
    dot = ElementTree.fromstring(plot).find(".//span[@class='dot']")
    assert dot.get("style") == "left:25.0%;top:25.0%"
    assert "a &lt;b&gt;" in plot


def test_the_unit_of_x_stands_at_the_last_number_and_does_not_stick_out() -> None:
    curve = plots.Curve(np.array([0.0, 10.0]), np.zeros(2), "estimate")
    plot = plots.line_plot("t", "", [curve], x_unit="furlongs")
    labels = re.findall(r'class="x" style="([^"]*)">([^<]*)<', plot)
    assert [text for _, text in labels] == ["0", "5", "10 furlongs"]
    assert labels[-1][0].startswith("right:0.0%")
