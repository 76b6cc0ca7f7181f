# SPDX-License-Identifier: Apache-2.0
"""The demo in a terminal: a live table, and the same facts as plain lines for a log."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from sparsh_ros.reports.graph_log import Record, Series

_LINE_EVERY_S = 5.0
_STALE_NS = 1_000_000_000
_BAR_WIDTH = 24
_FORCE_SHOWN_N = 5.0
_MILLIMETRES, _DEGREES = 1e3, 180 / math.pi


def screen(console: Console) -> AbstractContextManager[Callable[[Record, float], None]]:
    """Gives a function to show a record and the seconds left, to be called again and again.

    A terminal shows a table that is redrawn, anything else gets a line every few seconds.
    """
    return _table_screen(console) if console.is_terminal else _line_screen(console)


@contextmanager
def _table_screen(console: Console) -> Iterator[Callable[[Record, float], None]]:
    with Live(console=console, auto_refresh=False) as live:
        yield lambda record, left_s: live.update(live_view(record, left_s), refresh=True)


@contextmanager
def _line_screen(console: Console) -> Iterator[Callable[[Record, float], None]]:
    due_s = time.monotonic() + _LINE_EVERY_S

    def show(record: Record, _left_s: float) -> None:
        nonlocal due_s
        if time.monotonic() >= due_s:
            due_s += _LINE_EVERY_S
            console.print(status_line(record), highlight=False, soft_wrap=True)

    yield show


def live_view(record: Record, left_s: float) -> Panel:
    """The whole picture."""
    slow = Text("\n".join(f" {line}" for line in record.overload_now.values()), style="yellow")
    return Panel(
        Group(
            *(_estimates(record), Text(_silence(record), style="bold red"), _topics(record)),
            *(Text(), Text(_losses(record)), slow),
        ),
        title="sparsh_ros",
        subtitle=f"ends in {max(left_s, 0):.0f} s, Ctrl-C ends it now",
        width=86,
    )


def status_line(record: Record) -> str:
    """One line for a log."""
    if silence := _silence(record):
        return silence.strip()
    force, slip = record.force.last, record.slip.last
    slow = "".join(f"; {sentence}" for sentence in record.overload_now.values() if sentence)
    return (
        f"slip {record.slip.rate_hz:.1f} Hz, latency p50 {record.latency_ms(50):.1f} ms "
        f"p99 {record.latency_ms(99):.1f} ms; force z {force[2]:.2f} N, "
        f"slip probability {slip[3]:.2f}{slow}"
    )


def summary_lines(record: Record) -> Iterable[str]:
    """The result, one fact a line."""
    yield f"slip:    {record.slip.rate_hz:.2f} Hz, {len(record.slip)} messages"
    yield f"force:   {record.force.rate_hz:.2f} Hz, {len(record.force)} messages"
    yield f"pose:    {record.pose.rate_hz:.2f} Hz, {len(record.pose)} messages"
    yield (
        f"latency: stamp to slip p50 {record.latency_ms(50):.1f} ms, "
        f"p99 {record.latency_ms(99):.1f} ms, worst {record.latency_ms(100):.1f} ms"
    )
    for stage, count in record.frame_accounting():
        yield f"{count:8d} {stage}"
    for node, sentence in record.overload.items():
        yield f"{node.partition(':')[0]}: {sentence}"


def bar(value: float, full: float, width: int = _BAR_WIDTH) -> str:
    """A bar from the left, full at `full`; empty for NaN."""
    share = 0.0 if math.isnan(value) else min(max(value / full, 0.0), 1.0)
    return "█" * round(share * width) + "·" * (width - round(share * width))


def _estimates(record: Record) -> Table:
    table = Table(expand=True, box=None, padding=(0, 1))
    for name in ("", "estimate", "truth"):
        table.add_column(name, justify="right" if name else "left", width=12 if name else None)
    table.add_column("", width=_BAR_WIDTH)
    force, true_force = np.array(_current(record.force)), np.array(record.truth_force.last)
    for axis, name in enumerate(("force x", "force y", "force z")):
        table.add_row(
            f"{name} (N)",
            _number(force[axis], 2),
            _number(true_force[axis], 2),
            bar(abs(force[axis]), _FORCE_SHOWN_N),
        )
    slip, true_slip = _current(record.slip), record.truth_slip.last
    table.add_row("slip probability", _number(slip[3], 2), _truly(true_slip), bar(slip[3], 1.0))
    pose, true_pose = _current(record.pose), record.truth_pose.last
    for axis, (name, scale) in enumerate(
        (("motion x (mm)", _MILLIMETRES), ("motion y (mm)", _MILLIMETRES), ("turn (deg)", _DEGREES))
    ):
        table.add_row(name, _number(scale * pose[axis], 1), _number(scale * true_pose[axis], 1), "")
    return table


def _silence(record: Record) -> str:
    """What to say while no estimate comes; empty while they do, and before the first."""
    ages_s = [_age_ns(s) * 1e-9 for s in (record.slip, record.force, record.pose) if len(s)]
    if not ages_s or min(ages_s) * 1e9 < _STALE_NS:
        return ""
    return f" stale: no estimate for {min(ages_s):.1f} s; what was known last no longer holds"


def _current(series: Series) -> tuple[float, ...]:
    """The newest values; NaN once they are stale."""
    fresh = len(series) and _age_ns(series) < _STALE_NS
    return series.last if fresh else (math.nan,) * len(series.columns)


def _age_ns(series: Series) -> int:
    return time.time_ns() - series.last_received_ns


def _truly(slip: tuple[float, ...]) -> str:
    if math.isnan(slip[0]):
        return "–"
    if not slip[1]:
        return "no contact"
    return "slips" if slip[2] else "holds"


def _topics(record: Record) -> Table:
    table = Table(expand=True, box=None, padding=(0, 1))
    table.add_column("topic")
    for name in ("Hz", "messages", "p50 (ms)", "p99 (ms)"):
        table.add_column(name, justify="right", width=12)
    for name, series in (("slip", record.slip), ("force", record.force), ("pose", record.pose)):
        latencies = (series.received_ns - series.stamp_ns) * 1e-6
        p50, p99 = np.percentile(latencies, (50, 99)) if len(latencies) else (math.nan, math.nan)
        table.add_row(
            name, _number(series.rate_hz, 2), str(len(series)), _number(p50, 1), _number(p99, 1)
        )
    return table


def _losses(record: Record) -> str:
    # The reports of sensor and encoder are of different moments: only the last ones, after both
    # have stopped, tell what was lost between them.
    received, refused, replaced = (
        record.count("perception", counter)
        for counter in ("images received", "images refused", "frames replaced")
    )
    return (
        f" images received {received}, refused {refused}, replaced by a newer one {replaced}; "
        "lost ones: at the end"
    )


def _number(value: float, digits: int) -> str:
    return "–" if math.isnan(value) else f"{value:.{digits}f}"
