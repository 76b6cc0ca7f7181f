# SPDX-License-Identifier: Apache-2.0
"""The record of a running graph, and the page that is made of it."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from sparsh_ros.reports.demo import render, write_report
from sparsh_ros.reports.graph_log import Record, join

START_NS = 1_795_000_000_000_000_000
FRAMES = 120


@pytest.fixture
def record() -> Record:
    """Two seconds at 60 Hz: touched from frame 30 on, slipping in frames 60 to 79."""
    made = Record()
    for i in range(FRAMES):
        stamp_ns = START_NS + round(i * 1e9 / 60)
        arrival_ns = stamp_ns + 10_000_000 + 100_000 * i
        touched, slipping = float(i >= 30), float(60 <= i < 80)
        made.truth_force.append(stamp_ns, arrival_ns, 0.0, 0.0, touched)
        made.force.append(stamp_ns, arrival_ns, 0.1, 0.0, touched + 0.2)
        made.truth_slip.append(stamp_ns, arrival_ns, 1.0, touched, slipping, slipping, math.nan)
        made.slip.append(stamp_ns, arrival_ns, 1.0, touched, slipping, 0.1 + 0.8 * slipping, 0.4)
        pose = (0.0, 0.0, 0.0) if touched else (math.nan,) * 3
        made.truth_pose.append(stamp_ns, arrival_ns, *pose)
        made.pose.append(stamp_ns, arrival_ns, *pose)
    made.counters = {
        "tactile/sensor: digit": {"frames grabbed": "130", "frames replaced": "1"}
        | {"images published": "129"},
        "tactile/perception: digit": {"images received": "127", "images refused": "2"}
        | {"frames replaced": "4", "estimates published": "121"},
    }
    made.images.append((START_NS, np.zeros((320, 240, 3), np.uint8)))
    return made


def test_rate_and_latency(record: Record) -> None:
    assert record.force.rate_hz == pytest.approx(60 / 1.006, rel=1e-3)
    assert record.latency_ms(0) == pytest.approx(10.0, abs=1e-3)
    assert record.latency_ms(100) == pytest.approx(10.0 + 0.1 * (FRAMES - 1), abs=1e-3)
    assert math.isnan(Record().latency_ms(50)) and math.isnan(Record().slip.rate_hz)


def test_every_frame_is_accounted_for(record: Record) -> None:
    counts = [count for _, count in record.frame_accounting()]
    grabbed, replaced, published, lost, received, refused, skipped, estimates, missed, heard = (
        counts
    )
    assert published == grabbed - replaced
    assert received == published - lost and lost == 2
    assert estimates == received - refused - skipped
    assert heard == estimates - missed == FRAMES


def test_estimate_and_truth_meet_by_stamp() -> None:
    record = Record()
    for stamp in (3, 1, 2):
        record.force.append(stamp, 0, float(stamp), 0.0, 0.0)
    for stamp in (2, 3, 4):
        record.truth_force.append(stamp, 0, 10.0 * stamp, 0.0, 0.0)
    stamps, estimate, truth = join(record.force, record.truth_force)
    assert stamps.tolist() == [2, 3]
    assert estimate[:, 0].tolist() == [2.0, 3.0] and truth[:, 0].tolist() == [20.0, 30.0]


def test_the_page_needs_nothing_else(record: Record, tmp_path) -> None:
    path = tmp_path / "deep" / "report.html"
    write_report(record, path, "A <title>", {"model": "sparsh & co"})
    page = path.read_text()
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert "@import" not in page and "<script" not in page
    assert "A &lt;title&gt;" in page and "sparsh &amp; co" in page
    assert 'name="viewport"' in page
    assert "nan" not in page


def test_the_page_states_the_errors_of_this_run(record: Record) -> None:
    page = render(record, "", {})
    rows = dict(re.findall(r"<td>([^<]*)</td><td[^>]*>([^<]*)</td>", page))
    assert rows["force x, mean absolute error"] == "100 mN"
    assert rows["force z, mean absolute error"] == "200 mN"
    assert rows["slip, frames in contact judged right"] == "100 %"
    assert page.count('class="band"') == 1


def test_the_page_says_when_the_machine_was_too_slow(record: Record) -> None:
    assert "too slow" not in render(record, "", {})
    record.overload["tactile/perception: digit"] = "machine too slow: 31 of 60"
    assert "<li>tactile/perception: machine too slow: 31 of 60</li>" in render(record, "", {})


def test_a_recording_has_no_truth_and_the_page_says_so(record: Record) -> None:
    blank = Record(force=record.force, slip=record.slip, pose=record.pose)
    page = render(blank, "", {})
    assert "not known" in page
    assert 'class="truth"' not in page and "mean absolute error" not in page
