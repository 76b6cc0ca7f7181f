# SPDX-License-Identifier: Apache-2.0
"""A confusion matrix as a table whose cells are the darker the more of their row they hold."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import ArrayLike, NDArray

CSS = """
.confusion { margin: 1.2rem 0 2rem; }
.confusion figcaption { font-weight: 600; }
.confusion table { width: auto; font-size: .8rem; }
.confusion td { text-align: center; min-width: 1.9rem; padding: .25rem .1rem; }
.confusion td:last-child { padding-left: .6rem; text-align: right; }
.confusion thead th { font-weight: 400; vertical-align: bottom; text-align: center; }
.confusion tbody th { font-weight: 400; white-space: nowrap; }
.confusion.many thead th { writing-mode: vertical-rl; transform: rotate(180deg); text-align: left;
  white-space: nowrap; padding: .4rem 0; }
.confusion.many thead th:first-child { writing-mode: horizontal-tb; transform: none; }
.confusion .right { outline: 1.5px solid var(--ink); outline-offset: -2px; }
"""


def confusion_table(title: str, counts: ArrayLike, names: Sequence[str]) -> str:
    """Counts (k, k), rows truth and columns estimate, as HTML: percent of each row; the cells of
    right answers are outlined."""
    counts = np.asarray(counts)
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    rows = "".join(_row(number, row, names[number]) for number, row in enumerate(counts))
    many = " many" if len(names) > 4 else ""
    return (
        f'<figure class="confusion{many}"><figcaption>{escape(title)} <span class="unit">rows: '
        "truth, columns: estimate; % of the row</span></figcaption>"
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(title)}"><table>'
        f'<thead><tr><th scope="col"></th>{head}<th scope="col">frames</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div></figure>"
    )


def _row(number: int, counts: NDArray[np.int64], name: str) -> str:
    total = counts.sum()
    shares = counts / max(total, 1)
    cells = "".join(
        _cell(share, count, column == number and total > 0)
        for column, (share, count) in enumerate(zip(shares, counts, strict=True))
    )
    return f'<tr><th scope="row">{escape(name)}</th>{cells}<td>{int(total):,}</td></tr>'


def _cell(share: float, count: float, right: bool) -> str:
    kind = ' class="right"' if right else ""
    # Never so dark that the number in it is hard to read, in light and dark pages.
    colour = f"background:rgb(var(--estimate-rgb) / {0.5 * share:.2f})" if count else ""
    text = f"{100 * share:.0f}" if count else ""
    return f'<td{kind} style="{colour}" title="{int(count):,} frames">{text}</td>'
