# SPDX-License-Identifier: Apache-2.0
"""Figures and page of a run of the bead maze."""

import pytest

from sparsh_ros.reports.maze_run import Decided, RunRecord, write_report


def record():
    made = RunRecord(length_m=0.2, bead=[(0.0, 0.0), (10.5, 0.1), (12.0, 0.196)])
    states = ["close", "follow", "", "follow", "open", "open", "follow", "follow", "follow", "open"]
    made.decided = [
        Decided(10.0 + 0.1 * index, "running", reflex, "lost" * (reflex == "open"), 20.0, 1, 2)
        for index, reflex in enumerate(states)
    ]
    return made


def test_figures_of_a_run():
    figures = record().figures()
    assert figures["rate_hz"] == pytest.approx(10.0)
    assert (figures["missed"], figures["late"], figures["waited"]) == (2, 1, 1)
    assert figures["regrasps"] == 2
    assert figures["distance_cm"] == pytest.approx(19.6)
    assert record().is_finished and record().end == "finished"


def test_a_run_that_never_began_is_no_error(tmp_path):
    write_report(tmp_path / "r.html", RunRecord(), "", {})
    assert "it never began" in (tmp_path / "r.html").read_text()


def test_the_page_tells_what_the_reflexes_did(tmp_path):
    write_report(tmp_path / "r.html", record(), "maze.mp4", {"machine": "<small>"})
    page = (tmp_path / "r.html").read_text()
    assert "10.00 Hz" in page and "19.6 cm" in page and 'src="maze.mp4"' in page
    assert page.count("<td>lost</td>") == 2
    assert "&lt;small&gt;" in page
