# SPDX-License-Identifier: Apache-2.0
"""A confusion matrix as a table whose cells are the darker the more of their row they hold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import ArrayLike, NDArray

from sparsh_ros.reports.html import render


def confusion_table(title: str, counts: ArrayLike, names: Sequence[str]) -> Markup:
    """Counts (k, k), rows truth and columns estimate, as HTML: percent of each row; the cells of
    right answers are outlined."""
    rows = [_row(row) for row in np.asarray(counts)]
    return render("evaluation/confusion.html", title=title, names=names, rows=rows)


def _row(counts: NDArray[np.int64]) -> dict[str, object]:
    total = int(counts.sum())
    # Never so dark that the number in it is hard to read, in light and dark pages.
    cells = [
        {
            "count": f"{int(count):,}" if count else 0,
            "shade": f"{0.5 * count / total:.2f}" if count else "",
            "percent": f"{100 * count / total:.0f}" if count else "",
        }
        for count in counts
    ]
    return {"total": total, "cells": cells}
