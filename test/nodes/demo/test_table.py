# SPDX-License-Identifier: Apache-2.0
"""What the demo shows in a terminal and in a log."""

from __future__ import annotations

import io
import math
import time

import pytest
from rich.console import Console

from sparsh_ros.nodes.demo import table
from sparsh_ros.reports.graph_log import Record

MS = 1_000_000


@pytest.fixture
def record() -> Record:
    made = Record()
    now_ns = time.time_ns()
    for i in range(3):
        stamp_ns = now_ns + i * 20 * MS
        made.force.append(stamp_ns, stamp_ns + 12 * MS, 0.5, -0.25, 3.0)
        made.slip.append(stamp_ns, stamp_ns + 10 * MS, 1, 1, 0, 0.75, 0.5)
        made.truth_slip.append(stamp_ns, stamp_ns, 1, 1, 1, 1.0, math.nan)
    return made


def _shown(record: Record, terminal: bool) -> str:
    output = io.StringIO()
    console = Console(file=output, force_terminal=terminal, width=100)
    with table.screen(console) as show:
        show(record, 7.0)
    return output.getvalue()


def test_a_terminal_shows_estimate_beside_truth(record: Record) -> None:
    text = _shown(record, terminal=True)
    for wanted in ("force z (N)", "3.00", "0.75", "slips", "50.00", "10.0", "ends in 7 s"):
        assert wanted in text, wanted


def test_what_was_heard_long_ago_is_not_shown_as_known(record: Record, monkeypatch) -> None:
    later_ns = time.time_ns() + 3000 * MS
    monkeypatch.setattr(table.time, "time_ns", lambda: later_ns)
    text = _shown(record, terminal=True)
    assert "stale: no estimate for 2.9 s" in text and "3.00" not in text and "0.75" not in text
    assert table.status_line(record).startswith("stale: no estimate for 2.9 s")


def test_nothing_known_yet_is_no_number() -> None:
    text = _shown(Record(), terminal=True)
    assert "nan" not in text and "–" in text


def test_a_log_gets_no_control_characters(record: Record) -> None:
    assert "\x1b" not in _shown(record, terminal=False)
    line = table.status_line(record)
    assert "50.0 Hz" in line and "p50 10.0 ms" in line and "3.00 N" in line


def test_the_summary_names_every_stage(record: Record) -> None:
    lines = list(table.summary_lines(record))
    assert any("p99 10.0 ms" in line for line in lines)
    for stage, count in record.frame_accounting():
        assert f"{count:8d} {stage}" in lines


@pytest.mark.parametrize(
    ("value", "filled"), [(0.0, 0), (0.5, 5), (1.0, 10), (7.0, 10), (-1.0, 0), (math.nan, 0)]
)
def test_bars(value: float, filled: int) -> None:
    assert table.bar(value, full=1.0, width=10) == "█" * filled + "·" * (10 - filled)


def test_a_machine_that_is_too_slow_is_shown_while_it_is_and_summed_up(record: Record) -> None:
    sentence = "machine too slow: 31 of 60 frames/s; try fewer sensors"
    name = "tactile/perception: digit"
    record.overload_now[name] = record.overload[name] = sentence
    assert sentence in _shown(record, terminal=True)
    assert table.status_line(record).endswith(sentence)
    record.overload_now[name] = ""
    assert sentence not in table.status_line(record)
    assert list(table.summary_lines(record))[-1] == f"tactile/perception: {sentence}"
