# SPDX-License-Identifier: Apache-2.0
"""The frame of a report: one HTML file that needs nothing else, not even a network."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

from sparsh_ros.reports import plots

_CSS = """
:root { color-scheme: light dark; --back: #fff; --card: #f4f5f7; --ink: #16181d; --muted: #656b76;
  --grid: #dfe2e7; --estimate: #0b6bcb; --estimate-rgb: 11 107 203; --truth: #e8871e; }
@media screen and (prefers-color-scheme: dark) { :root { --back: #14161a; --card: #1e2127;
  --ink: #e8eaee; --muted: #9aa1ad; --grid: #31353d; --estimate: #5aa9f5;
  --estimate-rgb: 90 169 245; --truth: #f0a04b; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.2rem 1rem 3rem; max-width: 68rem; background: var(--back);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: .4rem 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 .6rem; }
p { max-width: 46rem; overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .7rem; }
.tile { background: var(--card); border-radius: .6rem; padding: .7rem .9rem; }
.tile b { display: block; font-size: 1.5rem; font-variant-numeric: tabular-nums; }
.tile span, .unit, .quiet { color: var(--muted); font-size: .85rem; font-weight: 400; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr));
  gap: 0 2rem; align-items: start; }
.columns > * { min-width: 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .3rem .5rem; border-bottom: 1px solid var(--grid); }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
th { font-weight: 600; }
td.number { white-space: nowrap; }
.key { display: inline-block; width: 1.6rem; height: .3rem; border-radius: .2rem;
  vertical-align: middle; margin: 0 .4rem 0 1rem; }
.key:first-child { margin-left: 0; }
.images { display: grid; gap: .8rem;
  grid-template-columns: repeat(auto-fill, minmax(6.8rem, 1fr)); }
.images figure { margin: 0; } .images img { width: 100%; border-radius: .4rem; display: block; }
.images figcaption { font-size: .8rem; color: var(--muted); overflow-wrap: anywhere; }
@media print { .plot, .tile, .images figure, tr { break-inside: avoid; }
  h2 { break-after: avoid; } }
"""


def page(title: str, sections: Iterable[str], css: str = "", script: str = "") -> str:
    """A whole HTML page.

    Args:
        title: plain text.
        sections: HTML, in order.
        css: rules besides those of all reports.
        script: JavaScript that runs at the end of the page.
    """
    content = "\n".join(sections)
    ending = f"<script>\n{script}</script>\n" if script else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_CSS}{plots.CSS}{css}</style></head>\n"
        f"<body>{content}\n{ending}</body></html>\n"
    )


def tiles(cells: Iterable[tuple[str, str]]) -> str:
    """Figures to be seen first, each with a few words beneath; plain text."""
    content = "".join(
        f'<div class="tile"><b>{escape(big)}</b><span>{escape(small)}</span></div>'
        for big, small in cells
    )
    return f'<div class="tiles">{content}</div>'


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of plain text that scrolls in its box where it is too wide."""
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head) if any(head) else ""
    body = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
    above = f"<thead><tr>{top}</tr></thead>" if top else ""
    return f'<div class="scroll"><table>{above}<tbody>{body}</tbody></table></div>'


def key(colour: str, meaning: str) -> str:
    """An entry of a legend: the name of a CSS variable, and what it stands for."""
    return f'<span class="key" style="background:var(--{colour})"></span>{escape(meaning)}'


def jpeg_url(jpeg: bytes) -> str:
    """The content of a JPEG file as the source of an image."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def _cell(content: object) -> str:
    text = str(content)
    kind = ' class="number"' if text[:1].isdigit() else ""
    return f"<td{kind}>{escape(text)}</td>"
